//! The activity log: every write, deletion and action that ARM was asked for, with how it ended.
//!
//! An entry about a change is committed together with the change; one about a refusal or an action that only reads is
//! stored after the answer, since nobody builds on it. Reads with `GET` are no activity.
//!
//! Source: Azure Monitor, "Azure activity log event schema", category Administrative: all PUT, PATCH, POST and DELETE
//! operations, named as in "Azure resource provider operations".

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use azure::{ArmError, Kind, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    call::{Call, Verb},
    operations::{Operation, State},
    target::Target,
};

/// Entries that are remembered.
pub(crate) const ENTRIES_MAX: u64 = 1_000;

/// Something that ARM was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its place in the log: a later one has a larger number.
    pub(crate) number: u64,
    /// The resource it is about, or the scope.
    pub resource: ResourceId,
    /// What it does, as `operationName` has it: `Microsoft.X/y/write`, `…/delete`, `…/<action>/action`.
    pub name: String,
    /// When it began.
    pub started: Timestamp,
    /// How far it is.
    pub progress: Progress,
}

/// How far an activity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// An operation goes on after the answer.
    UnderWay {
        /// Its id.
        operation: String,
    },
    /// It is done.
    Succeeded {
        /// When.
        ended: Timestamp,
    },
    /// It was refused, or could not be done.
    Failed {
        /// When.
        ended: Timestamp,
        /// Azure's code.
        code: String,
        /// Azure's message.
        message: String,
    },
    /// Somebody aborted it.
    Canceled {
        /// When.
        ended: Timestamp,
    },
}

impl Activity {
    /// What the log says when `call` begins; nothing if it is none of its business.
    pub(crate) fn begin(call: &Call, now: Timestamp) -> Option<Self> {
        let typed = |id: &ResourceId| match Kind::of(id) {
            // So these are called there alone.
            Kind::ResourceGroup => "Microsoft.Resources/subscriptions/resourceGroups".to_owned(),
            Kind::Other => id.resource_type(),
            known => known.arm_type().to_owned(),
        };
        let (resource, name) = match (call.verb, &call.target) {
            (Verb::Put | Verb::Patch, Target::Resource(id)) => (id, format!("{}/write", typed(id))),
            (Verb::Delete, Target::Resource(id)) => (id, format!("{}/delete", typed(id))),
            (Verb::Put, Target::Tail { scope, word, .. }) => (scope, format!("{}/{word}/write", typed(scope))),
            (Verb::Post, Target::Tail { scope, word, .. }) => (scope, format!("{}/{word}/action", typed(scope))),
            (Verb::Post, Target::Namespace { subscription: Some(id), namespace, action: Some(action) }) => {
                (id, format!("{namespace}/{action}/action"))
            }
            _ => return None,
        };
        // Who begins it says how it ends.
        let progress = Progress::Succeeded { ended: now };
        Some(Self { number: 0, resource: resource.clone(), name, started: now, progress })
    }

    /// The same, done.
    pub(crate) fn succeeded(self, ended: Timestamp) -> Self {
        Self { progress: Progress::Succeeded { ended }, ..self }
    }

    /// The same, refused.
    pub(crate) fn refused(self, error: &ArmError, ended: Timestamp) -> Self {
        let progress = Progress::Failed { ended, code: error.code.to_string(), message: error.message.clone() };
        Self { progress, ..self }
    }

    /// The same, as far as the operation is that it began.
    pub(crate) fn as_far_as(&self, operation: &Operation) -> Self {
        let progress = match &operation.state {
            State::UnderWay { .. } => Progress::UnderWay { operation: operation.id.clone() },
            State::Succeeded { ended } | State::Ran { ended, .. } => Progress::Succeeded { ended: *ended },
            State::Canceled { ended } => Progress::Canceled { ended: *ended },
            State::Failed { ended, code, message, .. } => {
                Progress::Failed { ended: *ended, code: code.clone(), message: message.clone() }
            }
        };
        Self { progress, ..self.clone() }
    }
}

/// The latest activities, in the order in which they were written down, and whoever hears of them.
pub(crate) struct Log {
    entries: RwLock<Entries>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    held: VecDeque<Arc<Activity>>,
    /// The number of the last one.
    last: u64,
}

impl Log {
    /// A log of what was stored; `now` is no time at which an earlier run began.
    pub(crate) fn new(stored: Vec<Activity>, now: Timestamp) -> Self {
        let mut entries = Entries::default();
        for activity in stored {
            entries.record(activity);
        }
        // Not a number that somebody has from an earlier run.
        Self { entries: RwLock::new(entries), changed: watch::Sender::new(now.as_microsecond().unsigned_abs()) }
    }

    /// The same activity, with a number that no other one has.
    pub(crate) fn numbered(&self, activity: Activity) -> Activity {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.last += 1;
        Activity { number: entries.last, ..activity }
    }

    /// Takes in activities, or how far they are now.
    pub(crate) fn record(&self, activities: Vec<Activity>) {
        if activities.is_empty() {
            return;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for activity in activities {
            entries.record(activity);
        }
        drop(entries);
        self.changed.send_modify(|number| *number += 1);
    }

    /// The latest, the latest first; at most `most`.
    pub(crate) fn latest(&self, most: usize) -> Vec<Arc<Activity>> {
        self.read().held.iter().rev().take(most).cloned().collect()
    }

    /// Whoever waits for an operation, as far as that is now.
    pub(crate) fn follow(&self, operation: &Operation) -> Vec<Activity> {
        let waits = |held: &&Arc<Activity>| matches!(&held.progress, Progress::UnderWay { operation: awaited } if *awaited == operation.id);
        self.read().held.iter().filter(waits).map(|held| held.as_far_as(operation)).collect()
    }

    /// Hears of every change, as a number that the log had at no other time.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn record(&mut self, activity: Activity) {
        self.last = self.last.max(activity.number);
        let at = self.held.partition_point(|held| held.number < activity.number);
        match self.held.get_mut(at) {
            Some(held) if held.number == activity.number => *held = Arc::new(activity),
            _ => self.held.insert(at, Arc::new(activity)),
        }
        let forgotten = self.last.saturating_sub(ENTRIES_MAX);
        while self.held.front().is_some_and(|first| first.number <= forgotten) {
            self.held.pop_front();
        }
    }
}
