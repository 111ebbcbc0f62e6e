//! The store against the obvious: a sorted map and a list of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use store::{Condition, Event, Operation, Outcome, RangeOptions, Revision, Store, Transaction};

/// Few enough that transactions meet.
const KEYS: [&str; 6] = ["/a/1", "/a/2", "/a/b/3", "/a", "/c/4", "/c/"];
const PREFIXES: [&str; 6] = ["", "/", "/a", "/a/", "/a/b/", "/c/4"];

fn keys() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

fn prefixes() -> impl Strategy<Value = String> {
    prop::sample::select(&PREFIXES[..]).prop_map(str::to_owned)
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop_oneof![
        keys().prop_map(|key| Condition::Absent { key }),
        keys().prop_map(|key| Condition::Exists { key }),
        (keys(), 1..6_u64).prop_map(|(key, revision)| Condition::ModRevision { key, revision: Revision(revision) }),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (keys(), any::<[u8; 2]>()).prop_map(|(key, value)| Operation::Put { key, value: value.to_vec().into() }),
        2 => keys().prop_map(|key| Operation::Delete { key }),
        1 => prefixes().prop_map(|prefix| Operation::DeletePrefix { prefix }),
    ]
}

#[derive(Debug, Clone)]
struct Asked {
    conditions: Vec<Condition>,
    operations: Vec<Operation>,
}

fn transactions() -> impl Strategy<Value = Asked> {
    (prop::collection::vec(conditions(), 0..2), prop::collection::vec(operations(), 0..5))
        .prop_map(|(conditions, operations)| Asked { conditions, operations })
}

impl Asked {
    fn transaction(&self) -> Transaction {
        let transaction = self.conditions.iter().cloned().fold(Transaction::new(), Transaction::when);
        self.operations.iter().cloned().fold(transaction, Transaction::then)
    }
}

/// What a key holds: value, created, changed, version.
type Held = (Vec<u8>, u64, u64, u64);
/// Revision, key, what it holds now, what it held before.
type Happened = (u64, String, Option<Held>, Option<Held>);

#[derive(Default)]
struct Reference {
    entries: BTreeMap<String, Held>,
    revision: u64,
    events: Vec<Happened>,
}

impl Reference {
    /// The revision committed, or the condition that fails.
    fn apply(&mut self, asked: &Asked) -> Result<u64, Condition> {
        for condition in &asked.conditions {
            let changed = self.entries.get(condition.key()).map(|held| held.2);
            let holds = match condition {
                Condition::Absent { .. } => changed.is_none(),
                Condition::Exists { .. } => changed.is_some(),
                Condition::ModRevision { revision, .. } => changed == Some(revision.0),
            };
            if !holds {
                return Err(condition.clone());
            }
        }
        let mut after: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for operation in &asked.operations {
            match operation {
                Operation::Put { key, value } => drop(after.insert(key.clone(), Some(value.to_vec()))),
                Operation::Delete { key } => drop(after.insert(key.clone(), None)),
                Operation::DeletePrefix { prefix } => {
                    let all: BTreeSet<String> = KEYS.map(str::to_owned).into();
                    after.extend(all.into_iter().filter(|key| key.starts_with(prefix)).map(|key| (key, None)));
                }
            }
        }
        let next = self.revision + 1;
        for (key, value) in after {
            let before = self.entries.remove(&key);
            let (created, version) = before.as_ref().map_or((next, 1), |held| (held.1, held.3 + 1));
            let now = value.map(|value| (value, created, next, version));
            if let Some(held) = &now {
                self.entries.insert(key.clone(), held.clone());
            }
            if now.is_some() || before.is_some() {
                self.events.push((next, key, now, before));
                self.revision = next;
            }
        }
        Ok(self.revision)
    }
}

fn held(entry: &store::KeyValue) -> Held {
    (entry.value.to_vec(), entry.create_revision.0, entry.mod_revision.0, entry.version)
}

fn happened(event: &Event) -> Happened {
    let (now, before) = match event {
        Event::Put { current, previous } => (Some(held(current)), previous.as_ref().map(held)),
        Event::Delete { previous, .. } => (None, Some(held(previous))),
    };
    (event.revision().0, event.key().to_owned(), now, before)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_store_does_what_a_sorted_map_would(
        steps in prop::collection::vec(transactions(), 1..40),
        watched in prefixes(),
        watched_at in 0..40_usize,
        from in 0..40_u64,
        limit in 0..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, mut reference) = (Store::in_memory().unwrap(), Reference::default());
        let mut watch = None;
        for (number, step) in steps.iter().enumerate() {
            if number == watched_at.min(steps.len() - 1) {
                let from = from.min(reference.revision);
                watch = Some((store.watch(&watched, Revision(from)).unwrap(), from));
            }
            let outcome = store.commit_blocking(step.transaction()).unwrap();
            let found = |key: &str| reference.entries.get(key).cloned();
            match outcome {
                Outcome::ConditionFailed { condition, found: value } => {
                    prop_assert_eq!(value.as_ref().map(held), found(condition.key()));
                    prop_assert_eq!(reference.apply(step), Err(condition));
                }
                Outcome::Committed(revision) => prop_assert_eq!(reference.apply(step), Ok(revision.0)),
            }
            prop_assert_eq!(store.revision(), Revision(reference.revision));
        }

        for key in KEYS {
            prop_assert_eq!(store.get(key).unwrap().as_ref().map(held), reference.entries.get(key).cloned());
        }
        // The range in pages, put together again.
        let mut stored: Vec<(String, Held)> = Vec::new();
        loop {
            let start_after = stored.last().map(|(key, _)| key.clone());
            let range = store.range(&watched, &RangeOptions { limit, start_after }).unwrap();
            stored.extend(range.entries.iter().map(|entry| (entry.key.to_string(), held(entry))));
            if !range.more {
                break;
            }
            prop_assert_eq!(range.entries.len(), limit);
        }
        let below = reference.entries.into_iter().filter(|(key, _)| key.starts_with(&watched));
        prop_assert_eq!(stored, below.collect::<Vec<_>>());

        let (mut watch, from) = watch.unwrap();
        let due = reference.events.into_iter().filter(|(revision, key, ..)| *revision > from && key.starts_with(&watched));
        for expected in due {
            prop_assert_eq!(happened(&runtime.block_on(watch.next()).unwrap().unwrap()), expected);
        }
        drop(store);
        prop_assert!(runtime.block_on(watch.next()).is_none(), "nothing more than what happened");
    }
}
