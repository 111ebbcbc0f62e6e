//! The store against the obvious: a sorted map and a list of events.

use std::collections::BTreeMap;

use proptest::prelude::*;
use store::{Condition, Event, Outcome, RangeOptions, Revision, Store, Transaction};

const KEYS: [&str; 5] = ["/a/1", "/a/2", "/a/b/3", "/c/4", "/c/"];

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8),
    Delete(usize),
    DeletePrefix,
    PutIfAbsent(usize, u8),
    PutIfUnchanged(usize, u8, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    prop_oneof![
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        key.clone().prop_map(Step::Delete),
        Just(Step::DeletePrefix),
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::PutIfAbsent(key, value)),
        (key, any::<u8>(), 0..20_u64).prop_map(|(key, value, revision)| Step::PutIfUnchanged(key, value, revision)),
    ]
}

/// Key → (value, mod revision), the last revision, and the events as (revision, key, value).
#[derive(Default)]
struct Reference {
    entries: BTreeMap<String, (u8, u64)>,
    revision: u64,
    events: Vec<(u64, String, Option<u8>)>,
}

impl Reference {
    /// Applies the step; false when its condition fails.
    fn apply(&mut self, step: &Step) -> bool {
        let next = self.revision + 1;
        let found = |key: usize| self.entries.get(KEYS[key]).map(|(_, revision)| *revision);
        let (puts, deletes): (Vec<(usize, u8)>, Vec<String>) = match *step {
            Step::PutIfAbsent(key, _) if found(key).is_some() => return false,
            Step::PutIfUnchanged(key, _, revision) if found(key) != Some(revision) => return false,
            Step::Put(key, value) | Step::PutIfAbsent(key, value) | Step::PutIfUnchanged(key, value, _) => {
                (vec![(key, value)], Vec::new())
            }
            Step::Delete(key) => (Vec::new(), vec![KEYS[key].to_owned()]),
            Step::DeletePrefix => {
                (Vec::new(), self.entries.keys().filter(|key| key.starts_with("/a/")).cloned().collect())
            }
        };
        let before = self.events.len();
        for (key, value) in puts {
            self.entries.insert(KEYS[key].to_owned(), (value, next));
            self.events.push((next, KEYS[key].to_owned(), Some(value)));
        }
        for key in deletes {
            if self.entries.remove(&key).is_some() {
                self.events.push((next, key, None));
            }
        }
        if self.events.len() > before {
            self.revision = next;
        }
        true
    }
}

fn transaction(step: &Step) -> Transaction {
    let put = |transaction: Transaction, key: usize, value: u8| transaction.put(KEYS[key], vec![value]);
    match *step {
        Step::Put(key, value) => put(Transaction::new(), key, value),
        Step::Delete(key) => Transaction::new().delete(KEYS[key]),
        Step::DeletePrefix => Transaction::new().delete_prefix("/a/"),
        Step::PutIfAbsent(key, value) => {
            put(Transaction::new().when(Condition::Absent { key: KEYS[key].into() }), key, value)
        }
        Step::PutIfUnchanged(key, value, revision) => {
            let condition = Condition::ModRevision { key: KEYS[key].into(), revision: Revision(revision) };
            put(Transaction::new().when(condition), key, value)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_does_what_a_sorted_map_would(steps in prop::collection::vec(step(), 1..40), from in 0..20_u64) {
        let (store, mut reference) = (Store::in_memory().unwrap(), Reference::default());
        for step in &steps {
            let committed = matches!(store.commit_blocking(transaction(step)).unwrap(), Outcome::Committed(_));
            prop_assert_eq!(committed, reference.apply(step));
            prop_assert_eq!(store.revision().unwrap(), Revision(reference.revision));
        }
        let stored: Vec<(String, u8, u64)> = store.range("/", &RangeOptions::default()).unwrap().entries.iter()
            .map(|entry| (entry.key.to_string(), entry.value[0], entry.mod_revision.0))
            .collect();
        let expected: Vec<(String, u8, u64)> =
            reference.entries.iter().map(|(key, (value, revision))| (key.clone(), *value, *revision)).collect();
        prop_assert_eq!(stored, expected);

        let from = from.min(reference.revision);
        let mut watch = store.watch("/a/", Revision(from)).unwrap().unwrap();
        let expected = reference.events.iter().filter(|(revision, key, _)| *revision > from && key.starts_with("/a/"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (revision, key, value) in expected {
            let event = runtime.block_on(watch.next()).unwrap().unwrap();
            prop_assert_eq!((event.revision().0, event.key()), (*revision, key.as_str()));
            let held = match &*event { Event::Put { current, .. } => Some(current.value[0]), Event::Delete { .. } => None };
            prop_assert_eq!(held, *value);
        }
    }
}
