//! A revisioned key-value store with etcd's semantics, embedded in one file.
//!
//! Every committed transaction gets the next revision; a value knows the revision that created it
//! and the one that changed it last; a watch replays what happened after a revision and then goes
//! on live, without gap and without repetition. Everything durable in noren goes through here.
//! The interface is etcd's, so that a real etcd can stand in its place.

mod codec;
mod error;
mod store;
mod transaction;
mod watch;
mod writer;

use std::{fmt, sync::Arc};

use bytes::Bytes;

pub use error::StoreError;
pub use store::{Range, RangeOptions, Store};
pub use transaction::{Condition, Operation, Outcome, Transaction};
pub use watch::{Event, Watch, WatchError};

/// The store's global counter: one step for each committed transaction that changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with its value and its history in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: Bytes,
    /// The revision in which the key came into being.
    pub create_revision: Revision,
    /// The revision of its last change.
    pub mod_revision: Revision,
    /// How many times it has been put since it came into being.
    pub version: u64,
}
