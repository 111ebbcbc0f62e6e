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

use self::draft::Draft;
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
    load_all(std::slice::from_ref(source), progress).await
}

/// Reads the estate that `sources` describe together: what one refers to may be in another. Of what two of them
/// describe, the later one's properties count.
///
/// # Errors
/// As [`load`].
pub async fn load_all(sources: &[Source], progress: Progress<'_>) -> Result<Imported, Error> {
    let (mut draft, mut origins) = (Draft::default(), Vec::new());
    for source in sources {
        let origin = match source {
            Source::Azure(azure) => live::read(&mut draft, azure, progress).await?,
            Source::Stdin => {
                let (read, origin) = blocking(move || texts(draft, &[input::stdin()?])).await?;
                draft = read;
                origin
            }
            Source::Path(path) => {
                progress(&format!("reading {}", path.display()));
                let path = path.clone();
                let (read, origin) = blocking(move || texts(draft, &input::files(&path)?)).await?;
                draft = read;
                origin
            }
        };
        origins.push(origin);
    }
    blocking(move || draft.finish(origins.join(" and "))).await
}

/// Files and the thousands of documents in them keep a thread busy for long.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// The estate that these texts describe together. Pure.
///
/// # Errors
/// When a text is not JSON, or nothing in any of them describes a resource.
pub fn from_inputs(inputs: &[Input]) -> Result<Imported, Error> {
    let (draft, origin) = texts(Draft::default(), inputs)?;
    draft.finish(origin)
}

/// Takes these texts into `draft`. What they are, for people.
fn texts(mut draft: Draft, inputs: &[Input]) -> Result<(Draft, String), Error> {
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
    Ok((draft, origin))
}
