//! Other people's descriptions of an estate → [`azure::Estate`]: `az … -o json`, Azure Resource Graph,
//! `terraform show -json`, ARM templates, and Azure itself (or any ARM endpoint), read only.
//!
//! What a description lacks is a [`SourceFinding`], never a guess; where an estate cannot do without
//! a value that nobody knows yet, the value is a placeholder and said to be one.
//!
//! Reading files is a pure function over bytes ([`from_inputs`]); [`load`] fetches the bytes.

mod arm;
mod complete;
mod document;
mod draft;
mod error;
mod finding;
mod input;
mod live;
mod source;
mod template;
mod terraform;

use std::collections::BTreeSet;

use azure::Estate;

pub use error::Error;
pub use finding::SourceFinding;
pub use input::Input;
pub use source::{Azure, Source};

/// An estate that was described elsewhere.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What is declared. Its revision is 1.
    pub estate: Estate,
    /// What the source lacks, what could not be read and what is a placeholder; in a stable order.
    pub findings: Vec<SourceFinding>,
    /// Where it comes from, for people: `plan.json (Terraform plan)`.
    pub origin: String,
}

/// Told of what is being read, for people who wait: one short line each time.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Reads the estate that `source` describes. Files are read, bounded; Azure is asked, with reads only.
///
/// # Errors
/// When a file cannot be read or is not what it should be, or when Azure cannot be asked at all.
pub async fn load(source: &Source, progress: Progress<'_>) -> Result<Imported, Error> {
    match source {
        Source::Stdin => blocking(|| from_inputs(&[input::stdin()?])).await,
        Source::Path(path) => {
            progress(&format!("reading {}", path.display()));
            let path = path.clone();
            blocking(move || from_inputs(&input::files(&path)?)).await
        }
        Source::Azure(azure) => live::read(azure, progress).await,
    }
}

/// Files and the thousands of documents in them keep a thread busy for long.
async fn blocking(read: impl FnOnce() -> Result<Imported, Error> + Send + 'static) -> Result<Imported, Error> {
    match tokio::task::spawn_blocking(read).await {
        Ok(imported) => imported,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// The estate that these texts describe together. Pure.
///
/// # Errors
/// When a text is not JSON, or nothing in any of them describes a resource.
pub fn from_inputs(inputs: &[Input]) -> Result<Imported, Error> {
    let mut draft = draft::Draft::default();
    let (mut kinds, mut templates) = (BTreeSet::new(), template::Templates::default());
    for input in inputs {
        for value in input.json()? {
            if let Some(kind) = terraform::recognise(&value) {
                kinds.insert(kind);
                terraform::read(&mut draft, &input.name, &value)?;
                continue;
            }
            match template::recognise(value) {
                Ok(found) => templates.add(&input.name, found),
                Err(value) => arm::read(&mut draft, &input.name, value),
            }
        }
    }
    if !templates.is_empty() {
        kinds.insert("ARM template");
        templates.read(&mut draft)?;
    }
    let name = match inputs {
        [only] => only.name.clone(),
        many => format!("{} files", many.len()),
    };
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let origin = if kinds.is_empty() { name } else { format!("{name} ({})", kinds.join(", ")) };
    draft.finish(origin)
}
