//! The store's handle: opening, reads, commits, watches.

use std::{fmt, ops::Bound, path::Path, sync::Arc};

use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, backends};

use crate::{
    KeyValue, Outcome, Revision, StoreError, Transaction, Watch,
    codec::decode_entry,
    file,
    tables::{self, ENTRIES},
    watchers::Watchers,
    writer::Writer,
};

/// Memory the database may use to keep pages of the file.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// A handle on a store; cheap to clone. Dropping the last one waits until everything in the queue is
/// committed, ends the watches and frees the file.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// First, so that it ends before the database is closed.
    writer: Writer,
    watchers: Arc<Watchers>,
    database: Arc<Database>,
}

/// What part of a range is wanted; by default all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeOptions {
    /// At most so many entries; zero means all.
    pub limit: usize,
    /// Only keys after this one: where the last range ended.
    pub start_after: Option<String>,
}

/// Entries in key order, all as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The entries.
    pub entries: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// The store's revision; a watch from it misses nothing that is not in the entries.
    pub revision: Revision,
}

impl Store {
    /// Opens the store in the file `path`, which only its owner can read; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when it is open already, here or in another process;
    /// [`StoreError::NewerFormat`] when a newer version wrote it; [`StoreError::Open`] when it is
    /// no store or the system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = file::make_ready(path).and_then(|()| builder().create(path));
        Self::start(opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            other => StoreError::Open { path: path.to_owned(), source: Arc::new(other) },
        })?)
    }

    /// A store in memory, gone with its last handle.
    ///
    /// # Errors
    /// [`StoreError::Writer`] when the system has no thread to give.
    pub fn in_memory() -> Result<Self, StoreError> {
        let opened = builder().create_with_backend(backends::InMemoryBackend::new());
        Self::start(opened.map_err(StoreError::database)?)
    }

    fn start(database: Database) -> Result<Self, StoreError> {
        let watchers = Arc::new(Watchers::new(tables::prepare(&database)?));
        let database = Arc::new(database);
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&watchers))?;
        Ok(Self(Arc::new(Inner { writer, watchers, database })))
    }

    /// The revision of the last acknowledged commit, or a later one.
    pub fn revision(&self) -> Revision {
        self.0.watchers.published()
    }

    /// What a key holds as of the last acknowledged commit, or a later one.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Damaged`] when the file cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let entries = self.read()?.open_table(ENTRIES).map_err(StoreError::database)?;
        let found = entries.get(key).map_err(StoreError::database)?;
        found.map(|bytes| decode_entry(key, bytes.value())).transpose()
    }

    /// The entries whose keys start with `prefix`, in key order, as of the last acknowledged commit or
    /// a later one.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Damaged`] when the file cannot be read.
    pub fn range(&self, prefix: &str, options: &RangeOptions) -> Result<Range, StoreError> {
        let read = self.read()?;
        let entries = read.open_table(ENTRIES).map_err(StoreError::database)?;
        let start = match options.start_after.as_deref() {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut range = Range { entries: Vec::new(), more: false, revision: tables::revision(&read)? };
        for entry in entries.range::<&str>((start, Bound::Unbounded)).map_err(StoreError::database)? {
            let (key, value) = entry.map_err(StoreError::database)?;
            let key = key.value();
            if !key.starts_with(prefix) {
                break;
            }
            if options.limit > 0 && range.entries.len() == options.limit {
                range.more = true;
                break;
            }
            range.entries.push(decode_entry(key, value.value())?);
        }
        Ok(range)
    }

    /// Commits a transaction: when this returns it is on disk, or a condition of it failed.
    ///
    /// Waits for a place in the writer's queue, then for the disk. Cancelling may or may not prevent
    /// the transaction.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for more than 4 MiB of keys and values; [`StoreError::Database`] when
    /// the disk fails.
    pub async fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.0.writer.commit(transaction).await
    }

    /// [`Store::commit`] for threads that may block.
    ///
    /// # Errors
    /// As [`Store::commit`].
    ///
    /// # Panics
    /// In async code, where a thread must not block.
    pub fn commit_blocking(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.0.writer.commit_blocking(transaction)
    }

    /// Watches the keys that start with `prefix`: first what happened after `from`, then what
    /// happens. Watching from the revision of a [`Range`] misses nothing and repeats nothing.
    ///
    /// The events of the last 10,000 revisions are kept, or 32 MiB of them if that is less. When `from`
    /// is older, the watch says [`Compacted`](crate::WatchError::Compacted) and ends.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the store has ended.
    pub fn watch(&self, prefix: &str, from: Revision) -> Result<Watch, StoreError> {
        Watch::begin(&self.0.database, &self.0.watchers, prefix, from).ok_or(StoreError::Closed)
    }

    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.0.database.begin_read().map_err(StoreError::database)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}
