//! Who watches what: finds the watchers of a changed key and wakes them.
//!
//! A watcher is told only which revisions it has to look at: a span of numbers, whatever its pace.
//! What happened in them it reads from the log by itself. So a slow watcher costs no memory and
//! never holds up the writer, and replay and live are one path, with no seam to lose or repeat
//! an event at.
//!
//! The prefixes watched are a hash table. A changed key is looked up once for each *length* of a
//! watched prefix, which are at most as many as the key has bytes: idle watchers cost a commit
//! nothing, however many they are.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{Event, Revision, log::Span};

/// All the watchers of a store.
pub(crate) struct Watchers(Mutex<Registered>);

struct Registered {
    /// The last revision that watchers have been told of.
    published: Revision,
    closed: bool,
    by_prefix: HashMap<Arc<str>, Vec<Arc<Mailbox>>>,
    /// How many prefixes there are of each length in bytes.
    lengths: BTreeMap<usize, usize>,
}

impl Watchers {
    /// Nobody watches yet, and everything up to `revision` has happened already.
    pub(crate) fn new(revision: Revision) -> Self {
        Self(Mutex::new(Registered {
            published: revision,
            closed: false,
            by_prefix: HashMap::new(),
            lengths: BTreeMap::new(),
        }))
    }

    /// The last revision that watchers have been told of.
    pub(crate) fn published(&self) -> Revision {
        lock(&self.0).published
    }

    /// Registers a watcher of what happens to keys that start with `prefix` after revision `from`;
    /// `None` when the store is closed.
    pub(crate) fn subscribe(self: &Arc<Self>, prefix: &str, from: Revision) -> Option<Subscription> {
        let mut registered = lock(&self.0);
        if registered.closed {
            return None;
        }
        let at = registered.published;
        let due = if from < at { Due::Revisions(Span { first: from.next(), last: at }) } else { Due::Nothing };
        let mailbox = Arc::new(Mailbox { from, due: Mutex::new(due), woken: Notify::new() });
        let prefix: Arc<str> = prefix.into();
        let mailboxes = registered.by_prefix.entry(Arc::clone(&prefix)).or_default();
        let new_prefix = mailboxes.is_empty();
        mailboxes.push(Arc::clone(&mailbox));
        if new_prefix {
            *registered.lengths.entry(prefix.len()).or_default() += 1;
        }
        Some(Subscription { watchers: Arc::clone(self), prefix, mailbox, at })
    }

    /// Tells the watchers of the keys in `events`, which are all that happened up to `revision`
    /// since the last call.
    pub(crate) fn publish(&self, revision: Revision, events: &[Event]) {
        let mut registered = lock(&self.0);
        registered.published = revision;
        for event in events {
            let (key, revision) = (event.key(), event.revision());
            for &length in registered.lengths.keys().take_while(|length| **length <= key.len()) {
                // No prefix ends within a character.
                let mailboxes = key.get(..length).and_then(|prefix| registered.by_prefix.get(prefix));
                for mailbox in mailboxes.into_iter().flatten() {
                    mailbox.add(revision);
                }
            }
        }
    }

    /// Ends every watch.
    pub(crate) fn close(&self) {
        let mut registered = lock(&self.0);
        registered.closed = true;
        for mailbox in registered.by_prefix.values().flatten() {
            mailbox.close();
        }
    }

    fn unsubscribe(&self, prefix: &str, mailbox: &Arc<Mailbox>) {
        let mut registered = lock(&self.0);
        let Some(mailboxes) = registered.by_prefix.get_mut(prefix) else { return };
        mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox));
        if !mailboxes.is_empty() {
            return;
        }
        registered.by_prefix.remove(prefix);
        if let Some(prefixes) = registered.lengths.get_mut(&prefix.len()) {
            *prefixes -= 1;
            if *prefixes == 0 {
                registered.lengths.remove(&prefix.len());
            }
        }
    }
}

/// A watcher's place among the others; it leaves when this is dropped.
pub(crate) struct Subscription {
    watchers: Arc<Watchers>,
    prefix: Arc<str>,
    mailbox: Arc<Mailbox>,
    /// The store's revision when the watcher was registered.
    at: Revision,
}

impl Subscription {
    /// What it watches.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The store's revision when the watcher was registered: what is after it happened live.
    pub(crate) fn at(&self) -> Revision {
        self.at
    }

    /// The last revision that watchers have been told of.
    pub(crate) fn published(&self) -> Revision {
        self.watchers.published()
    }

    /// Where the watcher is told what to look at.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watchers.unsubscribe(&self.prefix, &self.mailbox);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let due = *lock(&self.mailbox.due);
        f.debug_struct("Subscription").field("prefix", &self.prefix).field("due", &due).finish_non_exhaustive()
    }
}

/// What a watcher has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing happened that it has not seen.
    Nothing,
    /// Something happened in the first and in the last of these revisions.
    Revisions(Span),
    /// Nothing will happen any more.
    Closed,
}

/// Where one watcher is told what to look at.
pub(crate) struct Mailbox {
    /// Only later revisions matter to it.
    from: Revision,
    due: Mutex<Due>,
    woken: Notify,
}

impl Mailbox {
    /// What the watcher has to look at now.
    pub(crate) fn due(&self) -> Due {
        *lock(&self.due)
    }

    /// The watcher has seen everything up to `through`.
    pub(crate) fn seen(&self, through: Revision) {
        let mut due = lock(&self.due);
        if let Due::Revisions(span) = *due {
            let first = through.next();
            *due = if first > span.last { Due::Nothing } else { Due::Revisions(Span { first, ..span }) };
        }
    }

    /// Nothing will be due any more.
    pub(crate) fn close(&self) {
        *lock(&self.due) = Due::Closed;
        self.woken.notify_one();
    }

    /// Waits until [`Mailbox::due`] may have changed. Cancelling loses nothing.
    pub(crate) async fn changed(&self) {
        self.woken.notified().await;
    }

    fn add(&self, revision: Revision) {
        if revision <= self.from {
            return;
        }
        let mut due = lock(&self.due);
        match &mut *due {
            Due::Nothing => *due = Due::Revisions(Span { first: revision, last: revision }),
            Due::Revisions(span) => span.last = revision,
            Due::Closed => return,
        }
        self.woken.notify_one();
    }
}

/// Every critical section leaves what it guards whole, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyValue;

    fn put(key: &str, revision: u64) -> Event {
        let revision = Revision(revision);
        let current = KeyValue {
            key: key.into(),
            value: "v".into(),
            create_revision: revision,
            mod_revision: revision,
            version: 1,
        };
        Event::Put { current, previous: None }
    }

    fn span(first: u64, last: u64) -> Due {
        Due::Revisions(Span { first: Revision(first), last: Revision(last) })
    }

    fn due(subscription: &Subscription) -> Due {
        subscription.mailbox().due()
    }

    #[test]
    fn a_change_is_due_for_every_prefix_of_its_key_and_for_no_other() {
        let watchers = Arc::new(Watchers::new(Revision(4)));
        let subscribe = |prefix: &str| watchers.subscribe(prefix, Revision(4)).unwrap();
        let told = ["", "/", "/kube/", "/kube/a", "/kube/ab/ü", "/kube/ab/üx"].map(subscribe);
        let untold = ["/arm/", "/kube/b", "/kube/ab/üxy", "/kube/ab/v", "kube"].map(subscribe);
        watchers.publish(Revision(5), &[put("/kube/ab/üx", 5)]);
        assert!(told.iter().all(|subscription| due(subscription) == span(5, 5)));
        assert!(untold.iter().all(|subscription| due(subscription) == Due::Nothing));
    }

    #[test]
    fn what_is_due_grows_until_it_is_seen() {
        let watchers = Arc::new(Watchers::new(Revision(4)));
        let subscription = watchers.subscribe("/a/", Revision(2)).unwrap();
        assert_eq!(due(&subscription), span(3, 4), "what has happened already");
        watchers.publish(Revision(6), &[put("/b/", 5), put("/a/1", 6)]);
        assert_eq!(due(&subscription), span(3, 6));
        subscription.mailbox().seen(Revision(4));
        assert_eq!(due(&subscription), span(5, 6));
        subscription.mailbox().seen(Revision(6));
        assert_eq!(due(&subscription), Due::Nothing);
        watchers.publish(Revision(9), &[put("/b/", 7), put("/a/1", 8), put("/b/", 9)]);
        assert_eq!(due(&subscription), span(8, 8), "what others do in between is not its concern");
    }

    #[test]
    fn revisions_up_to_the_one_watched_from_are_never_due_even_if_they_are_still_to_come() {
        let watchers = Arc::new(Watchers::new(Revision(4)));
        let subscription = watchers.subscribe("/a/", Revision(5)).unwrap();
        watchers.publish(Revision(5), &[put("/a/1", 5)]);
        assert_eq!(due(&subscription), Due::Nothing);
        watchers.publish(Revision(6), &[put("/a/1", 6)]);
        assert_eq!(due(&subscription), span(6, 6));
    }

    #[test]
    fn watchers_that_leave_leave_nothing_behind() {
        let watchers = Arc::new(Watchers::new(Revision(0)));
        let subscriptions: Vec<Subscription> =
            ["/a/", "/a/", "/b/", "/long/"].map(|prefix| watchers.subscribe(prefix, Revision(0)).unwrap()).into();
        drop(subscriptions);
        let registered = lock(&watchers.0);
        assert!(registered.by_prefix.is_empty());
        assert!(registered.lengths.is_empty());
    }
}
