//! What can go wrong with a store and with a watch.

use std::{path::PathBuf, sync::Arc};

use crate::Revision;

/// Why the store cannot do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another store in this one, has the file open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("the store has format {found}, and this version reads formats up to {supported}")]
    NewerFormat {
        /// The file's format.
        found: u64,
        /// The newest format this version reads.
        supported: u64,
    },
    /// The file cannot be opened, or is no store.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<redb::DatabaseError>,
    },
    /// The thread that writes cannot be started.
    #[error("the store's writer cannot be started")]
    Writer(#[source] Arc<std::io::Error>),
    /// What is stored has not the shape in which it is written.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What cannot be read.
        what: &'static str,
    },
    /// The transaction is larger than one may be; it has not happened.
    #[error("a transaction of {bytes} bytes is larger than the {max} bytes one may have")]
    TooLarge {
        /// Bytes of its keys and values.
        bytes: usize,
        /// Bytes they may have.
        max: usize,
    },
    /// The database failed. Whether a transaction that fails so has happened is known when the
    /// store has been opened again; until then every further commit fails as well.
    #[error("the database failed")]
    Database(#[source] Arc<redb::Error>),
    /// The store no longer takes transactions.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// For `map_err`: redb has an error type for each kind of call.
    pub(crate) fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(Arc::new(error.into()))
    }
}

/// Why a watch has ended. Whoever watched reads the state anew and watches from its revision;
/// Kubernetes says `410 Gone` to both [`WatchError::Compacted`] and [`WatchError::Lagged`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchError {
    /// What happened after the revision asked for is no longer known.
    #[error("what happened up to revision {oldest} is no longer known")]
    Compacted {
        /// The oldest revision a watch can begin after.
        oldest: Revision,
    },
    /// The watcher has not kept up: what it has not seen yet is no longer known.
    #[error("the watcher did not keep up, and what happened up to revision {oldest} is no longer known")]
    Lagged {
        /// The oldest revision a watch can begin after.
        oldest: Revision,
    },
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}
