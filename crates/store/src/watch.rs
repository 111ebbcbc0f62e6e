//! Watches: what happened after a revision, then what happens, in order, once each.
//!
//! Watchers are found by the prefixes of a changed key, so that idle watchers cost a commit
//! nothing. A watcher that does not keep up is dropped; the writer never waits for one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;

use crate::{KeyValue, Revision};

/// Events a watcher may have waiting before it is dropped.
const WAITING_MAX: usize = 1024;

/// One change of one key.
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
        /// What it was.
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

    /// The key.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { current, .. } => &current.key,
            Self::Delete { previous, .. } => &previous.key,
        }
    }
}

/// Why a watch ended or cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watcher did not keep up; it must read the state anew.
    #[error("the watcher did not keep up")]
    Lagged,
    /// What happened after the revision asked for is no longer known.
    #[error("what happened before revision {oldest} is no longer known")]
    Compacted {
        /// The oldest revision a watch can begin after.
        oldest: Revision,
    },
}

/// A running watch.
#[derive(Debug)]
pub struct Watch {
    replay: VecDeque<Arc<Event>>,
    live: mpsc::Receiver<Arc<Event>>,
    closed: Arc<Mutex<Hub>>,
}

impl Watch {
    /// The next event; `None` when the store has been closed. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, WatchError>> {
        if let Some(event) = self.replay.pop_front() {
            return Some(Ok(event));
        }
        match self.live.recv().await {
            Some(event) => Some(Ok(event)),
            None if lock(&self.closed).closed => None,
            None => Some(Err(WatchError::Lagged)),
        }
    }
}

/// Who watches what.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    watchers: HashMap<String, Vec<mpsc::Sender<Arc<Event>>>>,
    published: Revision,
    closed: bool,
}

pub(crate) fn lock(hub: &Mutex<Hub>) -> std::sync::MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A watcher that is registered and has not replayed yet.
pub(crate) struct Registered {
    live: mpsc::Receiver<Arc<Event>>,
    hub: Arc<Mutex<Hub>>,
    /// Live events are those after this revision.
    pub(crate) at: Revision,
}

impl Registered {
    /// The watch that first gives `replay`.
    pub(crate) fn replaying(self, replay: VecDeque<Arc<Event>>) -> Watch {
        Watch { replay, live: self.live, closed: self.hub }
    }
}

impl Hub {
    /// A hub that has published everything up to `revision`.
    pub(crate) fn at(revision: Revision) -> Self {
        Self { published: revision, ..Self::default() }
    }

    /// Registers a watcher of the keys below `prefix`.
    pub(crate) fn register(hub: &Arc<Mutex<Self>>, prefix: &str) -> Registered {
        let (sender, live) = mpsc::channel(WAITING_MAX);
        let mut held = lock(hub);
        let watchers = held.watchers.entry(prefix.to_owned()).or_default();
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(sender);
        Registered { live, at: held.published, hub: Arc::clone(hub) }
    }

    /// Tells everybody what `revision` (and any before it not told yet) changed.
    pub(crate) fn publish(&mut self, revision: Revision, events: impl IntoIterator<Item = Event>) {
        self.published = self.published.max(revision);
        if self.watchers.is_empty() {
            return;
        }
        for event in events.into_iter().map(Arc::new) {
            for (end, _) in event.key().match_indices('/') {
                let prefix = &event.key()[..=end];
                let Some(watchers) = self.watchers.get_mut(prefix) else { continue };
                // A full queue drops its watcher: its receiver sees the end and reports the lag.
                watchers.retain(|watcher| watcher.try_send(Arc::clone(&event)).is_ok());
                if watchers.is_empty() {
                    self.watchers.remove(prefix);
                }
            }
        }
    }

    /// Ends every watch.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.watchers.clear();
    }
}
