//! The words of the store: revision, key-value, event.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// The store's global counter: one step for each transaction that changed something.
///
/// Zero is the empty store, before anything happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The one after it.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with its value and its history in numbers. Cloning copies no bytes.
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
    /// How many transactions have put it since it came into being; one for a new key.
    pub version: u64,
}

/// What one transaction did to one key.
///
/// A transaction has at most one event for each key; its events come in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A value was written.
    Put {
        /// The value now.
        current: KeyValue,
        /// The value before; `None` if the key came into being.
        previous: Option<KeyValue>,
    },
    /// A key was removed.
    Delete {
        /// The key.
        key: Arc<str>,
        /// What it held.
        previous: KeyValue,
        /// The revision in which it was removed.
        revision: Revision,
    },
}

impl Event {
    /// The revision in which it happened.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put { current, .. } => current.mod_revision,
            Self::Delete { revision, .. } => *revision,
        }
    }

    /// The key it happened to.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { current, .. } => &current.key,
            Self::Delete { key, .. } => key,
        }
    }
}
