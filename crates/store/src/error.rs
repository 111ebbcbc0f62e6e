//! What can go wrong with a store.

use std::path::PathBuf;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another handle of this one, has the file open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("the store has format {found}, and this version reads up to {supported}")]
    NewerFormat {
        /// The file's format.
        found: u64,
        /// The newest format this version reads.
        supported: u64,
    },
    /// What is stored cannot be read.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What cannot be read.
        what: &'static str,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] Arc<redb::Error>),
    /// The file cannot be opened.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

use std::sync::Arc;

impl StoreError {
    pub(crate) fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(Arc::new(error.into()))
    }

    /// The same error for every transaction of a batch that failed as one.
    pub(crate) fn for_each(&self) -> Self {
        match self {
            Self::Database(error) => Self::Database(Arc::clone(error)),
            Self::Damaged { what } => Self::Damaged { what },
            _ => Self::Closed,
        }
    }
}
