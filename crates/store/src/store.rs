//! The store's handle: reads, commits, watches.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Event, KeyValue, Outcome, Revision, StoreError, Transaction, Watch, WatchError,
    codec::{decode_events, decode_value},
    watch::Hub,
    writer::{self, QUEUE_MAX, Request},
};

/// Keys and values.
pub(crate) const ENTRIES: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("entries");
/// Events by revision.
pub(crate) const LOG: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("log");
/// Numbers about the store itself.
pub(crate) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// The last revision.
pub(crate) const REVISION: &str = "revision";
/// The newest revision whose events are forgotten.
pub(crate) const COMPACTED: &str = "compacted";
/// Bytes of events kept.
pub(crate) const LOG_BYTES: &str = "log_bytes";

const FORMAT: &str = "format";
const FORMAT_SUPPORTED: u64 = 1;
/// Memory the database may use to keep pages.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// What part of a range is wanted.
#[derive(Debug, Clone, Default)]
pub struct RangeOptions {
    /// At most so many entries; zero means all.
    pub limit: usize,
    /// Only keys after this one.
    pub start_after: Option<String>,
}

/// Entries in key order, all of one revision.
#[derive(Debug, Clone)]
pub struct Range {
    /// The entries.
    pub entries: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// The revision the entries are of.
    pub revision: Revision,
}

/// A handle on a store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    hub: Arc<Mutex<Hub>>,
    requests: mpsc::Sender<Request>,
    writer: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Store {
    /// Opens the store in the file `path`, which only its owner can read; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, [`StoreError::NewerFormat`] when a
    /// newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let database = opened.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            other => StoreError::database(other),
        })?;
        Self::with_database(database)
    }

    /// A store that is gone with its last handle.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub fn in_memory() -> Result<Self, StoreError> {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        Self::with_database(database.map_err(StoreError::database)?)
    }

    fn with_database(database: Database) -> Result<Self, StoreError> {
        let revision = prepare(&database)?;
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let (database, hub) = (Arc::new(database), Arc::new(Mutex::new(Hub::at(revision))));
        let (writer_database, writer_hub) = (Arc::clone(&database), Arc::clone(&hub));
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&writer_database, &writer_hub, queue))
            .map_err(|source| StoreError::Open { path: "store-writer".into(), source })?;
        Ok(Self { database, hub, requests, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    /// Gives this handle back. The last one waits until the writer has ended and the file is free.
    pub fn close(self) {
        let Self { database, hub, requests, writer } = self;
        drop((requests, hub));
        if let Some(writer) = Arc::into_inner(writer) {
            let handle = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
            // The writer's panic, if it had one, has been reported by its own thread.
            let _ = handle.map(std::thread::JoinHandle::join);
        }
        drop(database);
    }

    /// The last committed revision.
    ///
    /// # Errors
    /// When the database fails.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        revision(&self.read()?)
    }

    /// The value of a key, as of the last acknowledged commit or later.
    ///
    /// # Errors
    /// When the database fails.
    pub fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let table = self.read()?.open_table(ENTRIES).map_err(StoreError::database)?;
        let found = table.get(key).map_err(StoreError::database)?;
        found.map(|bytes| decode_value(key, bytes.value())).transpose()
    }

    /// The entries whose keys start with `prefix`, in key order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn range(&self, prefix: &str, options: &RangeOptions) -> Result<Range, StoreError> {
        let read = self.read()?;
        let table = read.open_table(ENTRIES).map_err(StoreError::database)?;
        let after = options.start_after.as_deref().filter(|after| *after >= prefix);
        let mut range = Range { entries: Vec::new(), more: false, revision: revision(&read)? };
        for entry in table.range(after.unwrap_or(prefix)..).map_err(StoreError::database)? {
            let (key, value) = entry.map_err(StoreError::database)?;
            let key = key.value();
            if Some(key) == after {
                continue;
            }
            if !key.starts_with(prefix) {
                break;
            }
            if options.limit > 0 && range.entries.len() == options.limit {
                range.more = true;
                break;
            }
            range.entries.push(decode_value(key, value.value())?);
        }
        Ok(range)
    }

    /// Commits a transaction; durable when this returns. Waits for a place in the writer's queue.
    ///
    /// # Errors
    /// When the database fails; nothing of the transaction has happened then.
    pub async fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request { transaction, answer }).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// [`Store::commit`] for callers outside async code. Must not be called on an async worker.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_blocking(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.requests.blocking_send(Request { transaction, answer }).map_err(|_| StoreError::Closed)?;
        outcome.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Watches the keys below `prefix`, which ends with `/`: first what happened after `from`, then
    /// what happens.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] (the inner error) when that is no longer known.
    pub fn watch(&self, prefix: &str, from: Revision) -> Result<Result<Watch, WatchError>, StoreError> {
        debug_assert!(prefix.ends_with('/'), "watched prefixes end with a slash");
        // Registered first: whatever is not replayed comes live.
        let registered = Hub::register(&self.hub, prefix);
        let read = self.read()?;
        let meta = read.open_table(META).map_err(StoreError::database)?;
        let compacted = meta.get(COMPACTED).map_err(StoreError::database)?.map_or(0, |value| value.value());
        if from.0 < compacted {
            return Ok(Err(WatchError::Compacted { oldest: Revision(compacted) }));
        }
        let log = read.open_table(LOG).map_err(StoreError::database)?;
        let mut replay: VecDeque<Arc<Event>> = VecDeque::new();
        if from < registered.at {
            for entry in log.range(from.0 + 1..=registered.at.0).map_err(StoreError::database)? {
                let (revision, bytes) = entry.map_err(StoreError::database)?;
                let events = decode_events(Revision(revision.value()), bytes.value())?;
                replay.extend(events.into_iter().filter(|event| event.key().starts_with(prefix)).map(Arc::new));
            }
        }
        Ok(Ok(registered.replaying(replay)))
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(StoreError::database)
    }
}

/// Makes the tables of a new store, checks the format of an old one; gives its revision.
fn prepare(database: &Database) -> Result<Revision, StoreError> {
    let write = database.begin_write().map_err(StoreError::database)?;
    {
        let mut meta = write.open_table(META).map_err(StoreError::database)?;
        let found = meta.get(FORMAT).map_err(StoreError::database)?.map(|format| format.value());
        match found {
            Some(FORMAT_SUPPORTED) => {
                drop(meta);
                write.abort().map_err(StoreError::database)?;
                return revision(&database.begin_read().map_err(StoreError::database)?);
            }
            Some(found) => return Err(StoreError::NewerFormat { found, supported: FORMAT_SUPPORTED }),
            None => meta.insert(FORMAT, FORMAT_SUPPORTED).map_err(StoreError::database)?,
        };
        meta.insert(REVISION, 0).map_err(StoreError::database)?;
        write.open_table(ENTRIES).map_err(StoreError::database)?;
        write.open_table(LOG).map_err(StoreError::database)?;
    }
    write.commit().map_err(StoreError::database)?;
    Ok(Revision(0))
}

fn revision(read: &ReadTransaction) -> Result<Revision, StoreError> {
    let meta = read.open_table(META).map_err(StoreError::database)?;
    let found = meta.get(REVISION).map_err(StoreError::database)?;
    Ok(Revision(found.map_or(0, |value| value.value())))
}

/// Makes an empty file that only its owner can read, unless the file is there.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
