//! The one writer: group commit.
//!
//! It takes every transaction that waits, applies them in order, each on top of the ones before
//! it, makes the whole batch durable with one commit, tells the watchers, and only then answers.
//! Many concurrent commits so share one flush to disk.

use std::sync::{Arc, Mutex};

use redb::{ReadableTable, Table, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Event, KeyValue, Operation, Outcome, Revision, StoreError, Transaction,
    codec::{decode_value, encode_events, encode_value},
    store::{COMPACTED, ENTRIES, LOG, LOG_BYTES, META, REVISION},
    watch::{self, Hub},
};

/// Transactions that wait for the writer at most.
pub(crate) const QUEUE_MAX: usize = 1024;
/// Transactions that one flush carries at most.
const BATCH_MAX: usize = 256;
/// Revisions whose events are kept.
const LOG_REVISIONS_MAX: u64 = 10_000;
/// Bytes of events that are kept.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A transaction and where its outcome goes.
pub(crate) struct Request {
    pub(crate) transaction: Transaction,
    pub(crate) answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// Serves requests until the last handle of the store is gone.
pub(crate) fn run(database: &redb::Database, hub: &Arc<Mutex<Hub>>, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        commit(database, hub, batch);
    }
    watch::lock(hub).close();
}

fn commit(database: &redb::Database, hub: &Arc<Mutex<Hub>>, batch: Vec<Request>) {
    let (transactions, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|request| (request.transaction, request.answer)).unzip();
    match commit_all(database, transactions) {
        Ok(done) => {
            {
                let mut hub = watch::lock(hub);
                hub.publish(done.revision, done.events);
            }
            for (answer, outcome) in answers.into_iter().zip(done.outcomes) {
                // Who no longer waits does not want to know.
                let _ = answer.send(Ok(outcome));
            }
        }
        Err(error) => {
            tracing::error!(%error, "a batch of transactions could not be committed");
            for answer in answers {
                let _ = answer.send(Err(error.for_each()));
            }
        }
    }
}

struct Done {
    revision: Revision,
    outcomes: Vec<Outcome>,
    events: Vec<Event>,
}

fn commit_all(database: &redb::Database, transactions: Vec<Transaction>) -> Result<Done, StoreError> {
    let write = database.begin_write().map_err(StoreError::database)?;
    let mut done = Done { revision: Revision(0), outcomes: Vec::new(), events: Vec::new() };
    {
        let mut batch = Batch::open(&write)?;
        for transaction in transactions {
            let outcome = batch.apply(transaction, &mut done.events)?;
            done.outcomes.push(outcome);
        }
        done.revision = batch.finish()?;
    }
    if done.events.is_empty() {
        write.abort().map_err(StoreError::database)?;
    } else {
        write.commit().map_err(StoreError::database)?;
    }
    Ok(done)
}

/// The tables of one write transaction.
struct Batch<'a> {
    entries: Table<'a, &'static str, &'static [u8]>,
    log: Table<'a, u64, &'static [u8]>,
    meta: Table<'a, &'static str, u64>,
    revision: Revision,
    log_bytes: u64,
}

impl<'a> Batch<'a> {
    fn open(write: &'a WriteTransaction) -> Result<Self, StoreError> {
        let meta = write.open_table(META).map_err(StoreError::database)?;
        let number = |key| Ok(meta.get(key).map_err(StoreError::database)?.map_or(0, |value| value.value()));
        let (revision, log_bytes) = (Revision(number(REVISION)?), number(LOG_BYTES)?);
        Ok(Self {
            entries: write.open_table(ENTRIES).map_err(StoreError::database)?,
            log: write.open_table(LOG).map_err(StoreError::database)?,
            meta,
            revision,
            log_bytes,
        })
    }

    fn apply(&mut self, transaction: Transaction, events: &mut Vec<Event>) -> Result<Outcome, StoreError> {
        for condition in transaction.conditions {
            let found = self.get(condition.key())?.map(|entry| entry.mod_revision);
            if !condition.holds(found) {
                return Ok(Outcome::ConditionFailed { condition, found });
            }
        }
        let (first, next) = (events.len(), Revision(self.revision.0 + 1));
        for operation in transaction.operations {
            match operation {
                Operation::Put { key, value } => {
                    let previous = self.get(&key)?;
                    let current = KeyValue {
                        create_revision: previous.as_ref().map_or(next, |entry| entry.create_revision),
                        version: previous.as_ref().map_or(1, |entry| entry.version + 1),
                        mod_revision: next,
                        key: key.into(),
                        value,
                    };
                    let bytes = encode_value(&current);
                    self.entries.insert(&*current.key, bytes.as_slice()).map_err(StoreError::database)?;
                    events.push(Event::Put { current, previous });
                }
                Operation::Delete { key } => self.delete(&key, next, events)?,
                Operation::DeletePrefix { prefix } => {
                    for key in self.keys_below(&prefix)? {
                        self.delete(&key, next, events)?;
                    }
                }
            }
        }
        if events.len() > first {
            let bytes = encode_events(&events[first..]);
            self.log_bytes += bytes.len() as u64;
            self.log.insert(next.0, bytes.as_slice()).map_err(StoreError::database)?;
            self.revision = next;
        }
        Ok(Outcome::Committed(self.revision))
    }

    fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let found = self.entries.get(key).map_err(StoreError::database)?;
        found.map(|bytes| decode_value(key, bytes.value())).transpose()
    }

    fn delete(&mut self, key: &str, revision: Revision, events: &mut Vec<Event>) -> Result<(), StoreError> {
        if let Some(previous) = self.get(key)? {
            self.entries.remove(key).map_err(StoreError::database)?;
            events.push(Event::Delete { previous, revision });
        }
        Ok(())
    }

    fn keys_below(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        for entry in self.entries.range(prefix..).map_err(StoreError::database)? {
            let (key, _) = entry.map_err(StoreError::database)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        Ok(keys)
    }

    /// Forgets the oldest events beyond the limits and writes the numbers down.
    fn finish(&mut self) -> Result<Revision, StoreError> {
        let mut compacted = None;
        while let Some((revision, length)) = self.oldest_event()? {
            let too_old = revision + LOG_REVISIONS_MAX <= self.revision.0;
            if !too_old && self.log_bytes <= LOG_BYTES_MAX {
                break;
            }
            self.log.remove(revision).map_err(StoreError::database)?;
            self.log_bytes -= length;
            compacted = Some(revision);
        }
        let numbers = [(REVISION, Some(self.revision.0)), (LOG_BYTES, Some(self.log_bytes)), (COMPACTED, compacted)];
        for (key, value) in numbers {
            if let Some(value) = value {
                self.meta.insert(key, value).map_err(StoreError::database)?;
            }
        }
        Ok(self.revision)
    }

    fn oldest_event(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let first = self.log.first().map_err(StoreError::database)?;
        Ok(first.map(|(revision, bytes)| (revision.value(), bytes.value().len() as u64)))
    }
}
