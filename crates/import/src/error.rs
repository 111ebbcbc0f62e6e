//! Why nothing could be imported.

use std::io;

/// Why a source gave no estate. Messages say where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read.
    #[error("{name} cannot be read")]
    Unreadable {
        /// The file.
        name: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// More than anybody should hold in memory.
    #[error("{name} is larger than {limit_mib} MiB: export less, or one subscription at a time")]
    TooLarge {
        /// The file or directory.
        name: String,
        /// The limit in MiB.
        limit_mib: u64,
    },
    /// A directory with more files than is sensible.
    #[error("{name} has more than {limit} JSON files: name a smaller directory")]
    TooManyFiles {
        /// The directory.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A file is not JSON.
    #[error("{name}, line {line}, column {column} (byte {offset}): not JSON: {reason}. {hint}")]
    NotJson {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// Position in the file in bytes, from 0.
        offset: usize,
        /// What the parser says.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// JSON, but of a shape that describes nothing here.
    #[error("{name}: {reason}")]
    Shape {
        /// The file.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Nothing in the source is an Azure resource.
    #[error(
        "{origin} describes no Azure resource: give `az … -o json` output, a Resource Graph export, `terraform show \
         -json` of a state or plan, an ARM template, or `azure`"
    )]
    NothingRead {
        /// The source.
        origin: String,
    },
    /// Azure cannot be read at all.
    #[error("Azure cannot be read: {reason}")]
    Azure {
        /// Why, and what to do.
        reason: String,
    },
}
