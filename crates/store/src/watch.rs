//! A watch: what happened after a revision, then what happens, in order, each event once.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use redb::{Database, ReadableDatabase};

use crate::{
    Event, Revision, StoreError, WatchError,
    log::{self, Portion, Span},
    watchers::{Due, Subscription, Watchers},
};

/// A running watch; see [`Store::watch`](crate::Store::watch). Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    /// Weak: a watch that is forgotten must not keep the file open.
    database: Weak<Database>,
    subscription: Subscription,
    /// Read from the log, not given out yet.
    ready: VecDeque<Event>,
}

impl Watch {
    /// `None` when the store is closed.
    pub(crate) fn begin(
        database: &Arc<Database>,
        watchers: &Arc<Watchers>,
        prefix: &str,
        from: Revision,
    ) -> Option<Self> {
        let subscription = watchers.subscribe(prefix, from)?;
        Some(Self { database: Arc::downgrade(database), subscription, ready: VecDeque::new() })
    }

    /// The next event, when there is one; `None` when the store has been closed, or after an error.
    /// Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if the revision asked for is too long ago, [`WatchError::Lagged`] if
    /// the watcher has fallen too far behind, [`WatchError::Store`] when the store cannot be read.
    pub async fn next(&mut self) -> Option<Result<Event, WatchError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            match self.subscription.mailbox().due() {
                Due::Closed => return None,
                Due::Nothing => self.subscription.mailbox().changed().await,
                Due::Revisions(span) => {
                    if let Err(error) = self.read(span) {
                        self.subscription.mailbox().close();
                        return Some(Err(error));
                    }
                    if self.ready.is_empty() {
                        // A long stretch of what others did: let them run, too.
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    /// Up to which revision everything has been given out; `None` while something is still to be given.
    pub fn progress(&self) -> Option<Revision> {
        // First the revision: whatever happened up to it is due by then.
        let published = self.subscription.published();
        let idle = self.ready.is_empty() && self.subscription.mailbox().due() == Due::Nothing;
        idle.then_some(published)
    }

    fn read(&mut self, span: Span) -> Result<(), WatchError> {
        // Gone between two looks: the next one sees that the store is closed.
        let Some(database) = self.database.upgrade() else { return Ok(()) };
        let read = database.begin_read().map_err(StoreError::database)?;
        match log::read(&read, span, self.subscription.prefix())? {
            Portion::Events { events, through } => {
                self.ready = events;
                self.subscription.mailbox().seen(through);
                Ok(())
            }
            Portion::Forgotten { oldest } if span.first <= self.subscription.at() => {
                Err(WatchError::Compacted { oldest })
            }
            Portion::Forgotten { oldest } => Err(WatchError::Lagged { oldest }),
        }
    }
}
