//! Transactions, conditions, ranges, and what survives.

use store::{Condition, Outcome, RangeOptions, Revision, Store, StoreError, Transaction};

async fn put(store: &Store, key: &str, value: &str) -> Revision {
    match store.commit(Transaction::new().put(key, value.to_owned())).await.unwrap() {
        Outcome::Committed(revision) => revision,
        failed @ Outcome::ConditionFailed { .. } => panic!("{failed:?}"),
    }
}

#[tokio::test]
async fn a_value_knows_its_history_in_numbers() {
    let store = Store::in_memory().unwrap();
    let (first, _, third) = (put(&store, "/a", "1").await, put(&store, "/b", "x").await, put(&store, "/a", "2").await);
    let entry = store.get("/a").unwrap().unwrap();
    assert_eq!((&*entry.value, entry.version), (&b"2"[..], 2));
    assert_eq!((entry.create_revision, entry.mod_revision), (first, third));
    store.commit(Transaction::new().delete("/a")).await.unwrap();
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
    assert_eq!(outcome, Outcome::ConditionFailed { condition, found: Some(revision) });
    assert_eq!((store.get("/b").unwrap(), store.revision().unwrap()), (None, revision));

    let current = Condition::ModRevision { key: "/a".into(), revision };
    let update = || Transaction::new().when(current.clone()).put("/a", "2");
    assert!(matches!(store.commit(update()).await.unwrap(), Outcome::Committed(_)));
    assert!(matches!(store.commit(update()).await.unwrap(), Outcome::ConditionFailed { .. }), "only once");
}

#[tokio::test]
async fn deleting_nothing_takes_no_revision() {
    let store = Store::in_memory().unwrap();
    let revision = put(&store, "/a", "1").await;
    let outcome = store.commit(Transaction::new().delete("/x").delete_prefix("/y/")).await.unwrap();
    assert_eq!(outcome, Outcome::Committed(revision));
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
    store.commit(Transaction::new().delete_prefix("/n/")).await.unwrap();
    assert_eq!(page(None), (Vec::new(), false));
    assert!(store.get("/nn").unwrap().is_some());
}

#[tokio::test]
async fn concurrent_writers_each_get_their_own_revision() {
    let store = Store::in_memory().unwrap();
    let writers = (0..64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { put(&store, &format!("/w/{number}"), "v").await })
    });
    let mut revisions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        revisions.push(writer.await.unwrap());
    }
    revisions.sort();
    assert_eq!(revisions, (1..=64).map(Revision).collect::<Vec<_>>());
}

#[test]
fn one_file_has_one_owner_and_only_the_owner_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    let store = Store::open(&path).unwrap();
    store.commit_blocking(Transaction::new().put("/a", "1")).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    store.close();
    let again = Store::open(&path).unwrap();
    assert_eq!(&*again.get("/a").unwrap().unwrap().value, b"1");
    assert_eq!(again.revision().unwrap(), Revision(1));
}
