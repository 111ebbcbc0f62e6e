//! Transactions: conditions that must all hold, and operations that then all happen.

use bytes::Bytes;

use crate::{KeyValue, Revision};

/// Something that must hold for a transaction to happen; etcd calls it a compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent {
        /// The key.
        key: String,
    },
    /// The key exists.
    Exists {
        /// The key.
        key: String,
    },
    /// The key exists and was last changed in this revision.
    ModRevision {
        /// The key.
        key: String,
        /// The revision.
        revision: Revision,
    },
}

impl Condition {
    /// The key it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Absent { key } | Self::Exists { key } | Self::ModRevision { key, .. } => key,
        }
    }

    /// Whether it holds, given what its key holds.
    pub(crate) fn holds(&self, found: Option<&KeyValue>) -> bool {
        match self {
            Self::Absent { .. } => found.is_none(),
            Self::Exists { .. } => found.is_some(),
            Self::ModRevision { revision, .. } => found.is_some_and(|entry| entry.mod_revision == *revision),
        }
    }
}

/// One thing a transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a value.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
    },
    /// Removes a key; nothing happens if it does not exist.
    Delete {
        /// The key.
        key: String,
    },
    /// Removes every key that starts with a prefix.
    DeletePrefix {
        /// The prefix.
        prefix: String,
    },
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened in this revision, and is durable. One that changed nothing takes no revision and
    /// names the last one.
    Committed(Revision),
    /// It did not happen: this condition, the first of those that fail, does not hold.
    ConditionFailed {
        /// The condition; [`Condition::key`] is the key it is about.
        condition: Condition,
        /// What the key holds; `None` if it does not exist.
        found: Option<KeyValue>,
    },
}

/// Conditions and operations; all or nothing.
///
/// Each key changes at most once: of several operations on a key the last one counts, as if the ones
/// before it were not there. So `delete_prefix` and then `put` replaces what is below the prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) operations: Vec<Operation>,
}

impl Transaction {
    /// A transaction that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Adds an operation.
    #[must_use]
    pub fn then(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Writes a value.
    #[must_use]
    pub fn put(self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.then(Operation::Put { key: key.into(), value: value.into() })
    }

    /// Removes a key; nothing happens if it does not exist.
    #[must_use]
    pub fn delete(self, key: impl Into<String>) -> Self {
        self.then(Operation::Delete { key: key.into() })
    }

    /// Removes every key that starts with `prefix`.
    #[must_use]
    pub fn delete_prefix(self, prefix: impl Into<String>) -> Self {
        self.then(Operation::DeletePrefix { prefix: prefix.into() })
    }

    /// Bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        let conditions = self.conditions.iter().map(|condition| condition.key().len());
        let operations = self.operations.iter().map(|operation| match operation {
            Operation::Put { key, value } => key.len() + value.len(),
            Operation::Delete { key } => key.len(),
            Operation::DeletePrefix { prefix } => prefix.len(),
        });
        conditions.chain(operations).sum()
    }
}
