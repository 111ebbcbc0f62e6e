//! Transactions: conditions that must all hold, and operations that then all happen.

use bytes::Bytes;

use crate::Revision;

/// Something that must hold for a transaction to happen.
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
    /// The key was last changed in this revision.
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

    /// Whether it holds, given when the key was last changed (`None`: it does not exist).
    pub(crate) fn holds(&self, mod_revision: Option<Revision>) -> bool {
        match self {
            Self::Absent { .. } => mod_revision.is_none(),
            Self::Exists { .. } => mod_revision.is_some(),
            Self::ModRevision { revision, .. } => mod_revision == Some(*revision),
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
    /// It happened, in this revision, and is durable. A transaction that changed nothing has the
    /// revision before it.
    Committed(Revision),
    /// It did not happen: this condition did not hold.
    ConditionFailed {
        /// The condition.
        condition: Condition,
        /// When its key was last changed; `None` if it does not exist.
        found: Option<Revision>,
    },
}

/// Conditions and operations; all or nothing.
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

    /// Writes a value.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.operations.push(Operation::Put { key: key.into(), value: value.into() });
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.operations.push(Operation::Delete { key: key.into() });
        self
    }

    /// Removes every key that starts with `prefix`.
    #[must_use]
    pub fn delete_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.operations.push(Operation::DeletePrefix { prefix: prefix.into() });
        self
    }
}
