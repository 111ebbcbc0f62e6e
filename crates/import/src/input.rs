//! Files and standard input, bounded; a text's JSON, or where it stops being JSON.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::Error;

/// Most bytes of a source, all files together: some hundred thousand resources.
const BYTES_MAX: u64 = 512 << 20;
/// Most files of a directory.
const FILES_MAX: usize = 10_000;
/// Deepest directory that is looked into.
const DEPTH_MAX: usize = 16;

/// A text and where it comes from.
#[derive(Debug, Clone)]
pub struct Input {
    /// What it is called in messages.
    pub name: String,
    /// The text, as it was read.
    pub bytes: Vec<u8>,
}

impl Input {
    /// A text called `name`.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    /// The JSON values in it, one after the other. PowerShell's byte order marks, and its UTF-16, are taken as they
    /// come.
    pub(crate) fn json(&self) -> Result<Vec<Value>, Error> {
        let decoded = utf16(&self.bytes);
        let bytes = decoded.as_deref().unwrap_or(&self.bytes);
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(text).into_iter().collect();
        let error = match values {
            Ok(values) if !values.is_empty() => return Ok(values),
            Ok(_) => return Err(self.not_json(text, 1, 1, "nothing in it")),
            Err(error) => error,
        };
        if let Some(value) = template(text) {
            return Ok(vec![value]);
        }
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        Err(self.not_json(text, error.line(), error.column(), reason))
    }

    fn not_json(&self, text: &[u8], line: usize, column: usize, reason: &str) -> Error {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
        Error::NotJson {
            name: self.name.clone(),
            line,
            column,
            offset: (before + column).saturating_sub(1),
            reason: reason.to_owned(),
            hint: hint(text),
        }
    }
}

/// A template as people write it, with comments.
fn template(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.contains("schema.management.azure.com"))?;
    template::lenient(text).ok()
}

/// The text as UTF-8, if it is UTF-16 with a byte order mark, as `>` in Windows PowerShell writes it.
fn utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units).into_bytes())
}

/// What to do about a text that is not JSON, by how it begins.
fn hint(text: &[u8]) -> &'static str {
    let start = text.trim_ascii_start();
    let begins = |with: &str| start.starts_with(with.as_bytes());
    if start.is_empty() {
        "It is empty: the command that wrote it failed, or had nothing to say"
    } else if begins("PK") {
        "A saved plan (`terraform plan -out`) is read with `terraform show -json PLANFILE`"
    } else if begins("resource ") || begins("terraform ") || begins("provider ") || begins("module ") {
        "Terraform's configuration is read from its plan: `terraform plan -out p && terraform show -json p`"
    } else if begins("param ") || begins("targetScope") || begins("@") || begins("metadata ") {
        "Bicep is read as the template it makes: `az bicep build --file main.bicep`"
    } else if begins("Name") || begins("-----") || begins("ResourceGroup") || begins("Location") {
        "This is a table: run the command with `-o json`"
    } else if begins("ERROR") || begins("WARNING") {
        "These are az's messages: write standard output only to the file"
    } else {
        "Run the command with `-o json`"
    }
}

/// Standard input.
pub(crate) fn stdin() -> Result<Input, Error> {
    read("standard input", io::stdin().lock(), BYTES_MAX)
}

/// The file `path`, or the `*.json` files in the directory `path`, in the order of their names.
pub(crate) fn files(path: &Path) -> Result<Vec<Input>, Error> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !metadata.is_dir() {
        return Ok(vec![file(path, BYTES_MAX)?]);
    }
    let mut found = Vec::new();
    walk(path, path, 0, &mut found)?;
    let mut left = BYTES_MAX;
    let mut inputs = Vec::new();
    for path in found {
        let input = file(&path, left)?;
        left = left.saturating_sub(input.bytes.len() as u64);
        inputs.push(input);
    }
    if inputs.is_empty() {
        let reason = "no *.json file in it: write one with `az … -o json > FILE.json`".to_owned();
        return Err(Error::Shape { name: path.display().to_string(), reason });
    }
    Ok(inputs)
}

fn walk(root: &Path, directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = fs::read_dir(directory).map_err(|source| unreadable(directory, source))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(|source| unreadable(directory, source))?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // A link is followed to a file, never to a directory: no circles.
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if hidden {
        } else if is_directory {
            if depth < DEPTH_MAX {
                walk(root, &path, depth + 1, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) && path.is_file() {
            if found.len() >= FILES_MAX {
                return Err(Error::TooManyFiles { name: root.display().to_string(), limit: FILES_MAX });
            }
            found.push(path);
        }
    }
    Ok(())
}

fn file(path: &Path, bytes_max: u64) -> Result<Input, Error> {
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    read(&path.display().to_string(), file, bytes_max)
}

fn read(name: &str, reader: impl Read, bytes_max: u64) -> Result<Input, Error> {
    let mut bytes = Vec::new();
    reader
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Unreadable { name: name.to_owned(), source })?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::TooLarge { name: name.to_owned(), limit_mib: BYTES_MAX >> 20 });
    }
    Ok(Input { name: name.to_owned(), bytes })
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { name: path.display().to_string(), source }
}
