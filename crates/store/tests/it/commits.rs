//! Transactions, conditions, ranges.

use store::{Condition, Outcome, RangeOptions, Revision, Store, StoreError, Transaction};

use crate::{commit, put};

fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let range = store.range(prefix, &RangeOptions::default()).unwrap();
    range.entries.iter().map(|entry| entry.key.to_string()).collect()
}

#[tokio::test]
async fn a_value_knows_its_history_in_numbers() {
    let store = Store::in_memory().unwrap();
    let (first, _, third) = (put(&store, "/a", "1").await, put(&store, "/b", "x").await, put(&store, "/a", "2").await);
    let entry = store.get("/a").unwrap().unwrap();
    assert_eq!((&*entry.value, entry.version), (&b"2"[..], 2));
    assert_eq!((entry.create_revision, entry.mod_revision), (first, third));
    commit(&store, Transaction::new().delete("/a")).await;
    assert_eq!(store.get("/a").unwrap(), None);
    put(&store, "/a", "3").await;
    assert_eq!(store.get("/a").unwrap().unwrap().version, 1, "a key that comes back starts anew");
}

#[tokio::test]
async fn a_condition_that_fails_changes_nothing_and_says_what_it_found() {
    let store = Store::in_memory().unwrap();
    let revision = put(&store, "/a", "1").await;
    let condition = Condition::Absent { key: "/a".into() };
    let transaction = Transaction::new().when(condition.clone()).put("/a", "2").put("/b", "2");
    let outcome = store.commit(transaction).await.unwrap();
    assert_eq!(outcome, Outcome::ConditionFailed { condition, found: store.get("/a").unwrap() });
    assert_eq!((store.get("/b").unwrap(), store.revision()), (None, revision));

    let condition = Condition::Exists { key: "/b".into() };
    let outcome = store.commit(Transaction::new().when(condition.clone()).put("/b", "2")).await.unwrap();
    assert_eq!(outcome, Outcome::ConditionFailed { condition, found: None });

    let unchanged = Condition::ModRevision { key: "/a".into(), revision };
    let update = || Transaction::new().when(unchanged.clone()).put("/a", "2");
    assert!(matches!(store.commit(update()).await.unwrap(), Outcome::Committed(_)));
    assert!(matches!(store.commit(update()).await.unwrap(), Outcome::ConditionFailed { .. }), "only once");
}

#[tokio::test]
async fn of_many_writers_that_saw_the_same_revision_one_wins() {
    let store = Store::in_memory().unwrap();
    let revision = put(&store, "/a", "1").await;
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            let condition = Condition::ModRevision { key: "/a".into(), revision };
            tokio::spawn(async move { store.commit(Transaction::new().when(condition).put("/a", "2")).await })
        })
        .collect();
    let mut winners = 0;
    for writer in writers {
        winners += usize::from(matches!(writer.await.unwrap().unwrap(), Outcome::Committed(_)));
    }
    assert_eq!((winners, store.revision()), (1, Revision(2)));
}

#[tokio::test]
async fn what_changes_nothing_takes_no_revision() {
    let store = Store::in_memory().unwrap();
    let revision = put(&store, "/a", "1").await;
    assert_eq!(commit(&store, Transaction::new().delete("/x").delete_prefix("/y/")).await, revision);
    assert_eq!(commit(&store, Transaction::new().put("/x", "1").delete("/x")).await, revision);
    assert_eq!(commit(&store, Transaction::new()).await, revision);
    assert_eq!(store.revision(), revision);
}

#[tokio::test]
async fn the_last_operation_on_a_key_counts() {
    let store = Store::in_memory().unwrap();
    for key in ["/n/a", "/n/b", "/m"] {
        put(&store, key, "1").await;
    }
    let replace = Transaction::new().put("/n/x", "gone").delete_prefix("/n/").put("/n/b", "old").put("/n/b", "new");
    commit(&store, replace).await;
    assert_eq!(keys(&store, "/"), ["/m", "/n/b"]);
    let entry = store.get("/n/b").unwrap().unwrap();
    assert_eq!((&*entry.value, entry.version, entry.create_revision), (&b"new"[..], 2, Revision(2)));
}

#[tokio::test]
async fn a_range_goes_on_where_the_last_one_ended() {
    let store = Store::in_memory().unwrap();
    for key in ["/n/a", "/n/b", "/n/c", "/nn", "/m"] {
        put(&store, key, "v").await;
    }
    let page = |after: Option<&str>| {
        let options = RangeOptions { limit: 2, start_after: after.map(str::to_owned) };
        let range = store.range("/n/", &options).unwrap();
        (range.entries.iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>(), range.more)
    };
    assert_eq!(page(None), (vec!["/n/a".into(), "/n/b".into()], true));
    assert_eq!(page(Some("/n/b")), (vec!["/n/c".into()], false));
    assert_eq!(page(Some("/a")), page(None), "what is before the prefix is no obstacle");
    assert_eq!(page(Some("/z")), (Vec::new(), false));
    assert_eq!(store.range("/n/", &RangeOptions::default()).unwrap().revision, store.revision());
    commit(&store, Transaction::new().delete_prefix("/n/")).await;
    assert_eq!(keys(&store, "/"), ["/m", "/nn"]);
}

#[tokio::test]
async fn concurrent_writers_each_get_their_own_revision() {
    let store = Store::in_memory().unwrap();
    let writers = (0..500).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { put(&store, &format!("/w/{number}"), "v").await })
    });
    let mut revisions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        revisions.push(writer.await.unwrap());
    }
    revisions.sort();
    assert_eq!(revisions, (1..=500).map(Revision).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transaction_too_large_is_refused_before_it_waits() {
    let store = Store::in_memory().unwrap();
    let refused = store.commit(Transaction::new().put("/a", vec![0; 5 << 20])).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }));
    assert_eq!(refused.to_string(), "a transaction of 5242882 bytes is larger than the 4194304 bytes one may have");
    assert_eq!(store.revision(), Revision(0));
}

#[tokio::test]
async fn what_was_in_the_queue_when_the_caller_left_happens_before_the_last_handle_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    let store = Store::open(&path).unwrap();
    {
        let mut waiting = Box::pin(store.commit(Transaction::new().put("/a", "1")));
        // Polled once, the transaction is in the queue; then its caller loses interest.
        std::future::poll_fn(|context| {
            let _ = waiting.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    drop(store);
    assert!(Store::open(&path).unwrap().get("/a").unwrap().is_some());
}
