//! A batch: transactions applied in order, each on top of the ones before it, in one write of the
//! database. Pure bookkeeping: whether and when it becomes durable is the writer's affair.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::{
    Event, KeyValue, Operation, Outcome, Revision, StoreError, Transaction,
    codec::{decode_entry, encode_entry},
    log,
    tables::{self, ENTRIES, LOG, LOG_BYTES, META, REVISION},
};

/// The tables while a batch is applied.
pub(crate) struct Batch<'a> {
    entries: Table<'a, &'static str, &'static [u8]>,
    log: Table<'a, u64, &'static [u8]>,
    meta: Table<'a, &'static str, u64>,
    revision: Revision,
    log_bytes: u64,
    events: Vec<Event>,
}

/// What a transaction leaves a key with.
enum Change {
    Put(Bytes),
    Delete,
}

impl<'a> Batch<'a> {
    /// An empty batch.
    pub(crate) fn open(write: &'a WriteTransaction) -> Result<Self, StoreError> {
        let meta = write.open_table(META).map_err(StoreError::database)?;
        Ok(Self {
            entries: write.open_table(ENTRIES).map_err(StoreError::database)?,
            log: write.open_table(LOG).map_err(StoreError::database)?,
            revision: tables::last_revision(&meta)?,
            log_bytes: tables::number(&meta, LOG_BYTES)?.unwrap_or(0),
            meta,
            events: Vec::new(),
        })
    }

    /// Applies one transaction. An error leaves the batch half-applied: it must not be committed.
    pub(crate) fn apply(&mut self, transaction: Transaction) -> Result<Outcome, StoreError> {
        for condition in transaction.conditions {
            let found = self.get(condition.key())?;
            if !condition.holds(found.as_ref()) {
                return Ok(Outcome::ConditionFailed { condition, found });
            }
        }
        let (before, next) = (self.events.len(), self.revision.next());
        for (key, change) in self.changes(transaction.operations)? {
            self.change(key, change, next)?;
        }
        if self.events.len() > before {
            self.log_bytes += log::append(&mut self.log, next, &self.events[before..])?;
            self.revision = next;
        }
        Ok(Outcome::Committed(self.revision))
    }

    /// Writes the numbers down; gives every event, in order, and the last revision.
    pub(crate) fn finish(mut self) -> Result<(Revision, Vec<Event>), StoreError> {
        if !self.events.is_empty() {
            let log_bytes = log::trim(&mut self.log, self.revision, self.log_bytes)?;
            for (name, value) in [(REVISION, self.revision.0), (LOG_BYTES, log_bytes)] {
                self.meta.insert(name, value).map_err(StoreError::database)?;
            }
        }
        Ok((self.revision, self.events))
    }

    /// What the operations come to: for each key the last one counts.
    fn changes(&self, operations: Vec<Operation>) -> Result<BTreeMap<String, Change>, StoreError> {
        let mut changes = BTreeMap::new();
        for operation in operations {
            match operation {
                Operation::Put { key, value } => {
                    changes.insert(key, Change::Put(value));
                }
                Operation::Delete { key } => {
                    changes.insert(key, Change::Delete);
                }
                Operation::DeletePrefix { prefix } => {
                    changes.retain(|key, _| !key.starts_with(&prefix));
                    for entry in self.entries.range(&*prefix..).map_err(StoreError::database)? {
                        let (key, _) = entry.map_err(StoreError::database)?;
                        if !key.value().starts_with(&prefix) {
                            break;
                        }
                        changes.insert(key.value().to_owned(), Change::Delete);
                    }
                }
            }
        }
        Ok(changes)
    }

    fn change(&mut self, key: String, change: Change, revision: Revision) -> Result<(), StoreError> {
        let previous = self.get(&key)?;
        match (change, previous) {
            (Change::Put(value), previous) => {
                let current = KeyValue {
                    key: key.into(),
                    value,
                    create_revision: previous.as_ref().map_or(revision, |entry| entry.create_revision),
                    mod_revision: revision,
                    version: previous.as_ref().map_or(1, |entry| entry.version + 1),
                };
                let bytes = encode_entry(&current);
                self.entries.insert(&*current.key, bytes.as_slice()).map_err(StoreError::database)?;
                self.events.push(Event::Put { current, previous });
            }
            (Change::Delete, Some(previous)) => {
                self.entries.remove(&*key).map_err(StoreError::database)?;
                self.events.push(Event::Delete { key: key.into(), previous, revision });
            }
            (Change::Delete, None) => {}
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let found = self.entries.get(key).map_err(StoreError::database)?;
        found.map(|bytes| decode_entry(key, bytes.value())).transpose()
    }
}
