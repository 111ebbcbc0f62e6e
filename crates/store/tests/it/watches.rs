//! Watches: replay, then live, each event once, at the watcher's own pace.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use store::{Event, Revision, Store, Transaction, Watch, WatchError};

use crate::{commit, put};

async fn next(watch: &mut Watch) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match watch.next().await.unwrap().unwrap() {
        Event::Put { current, previous } => {
            let before = previous.map_or("new".to_owned(), |entry| format!("was {}", text(&entry.value)));
            format!("{} {}={} {before}", current.mod_revision, current.key, text(&current.value))
        }
        Event::Delete { key, previous, revision } => format!("{revision} {key} gone, was {}", text(&previous.value)),
    }
}

/// Whether the watch has nothing to say now.
async fn is_quiet(watch: &mut Watch) -> bool {
    let mut next = pin!(watch.next());
    poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_pending())).await
}

/// Commits so many transactions that change `key`, many at a time.
async fn commit_many(store: &Store, key: &'static str, transactions: usize) {
    let tasks: Vec<_> = (0..transactions)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, key, "v").await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_watch_replays_what_happened_and_goes_on_live() {
    let store = Store::in_memory().unwrap();
    put(&store, "/k/a", "1").await;
    commit(&store, Transaction::new().put("/k/a", "2").put("/other/x", "9")).await;
    let mut watch = store.watch("/k/", Revision(1)).unwrap();
    commit(&store, Transaction::new().delete("/k/a")).await;
    assert_eq!(next(&mut watch).await, "2 /k/a=2 was 1");
    assert_eq!(next(&mut watch).await, "3 /k/a gone, was 2");
    assert!(is_quiet(&mut watch).await);
    commit(&store, Transaction::new().put("/k/c", "1").put("/k/b", "1")).await;
    assert_eq!(next(&mut watch).await, "4 /k/b=1 new");
    assert_eq!(next(&mut watch).await, "4 /k/c=1 new");
    assert!(is_quiet(&mut watch).await);
}

#[tokio::test]
async fn a_watch_may_be_of_one_key_or_of_everything() {
    let store = Store::in_memory().unwrap();
    let (mut one, mut all) = (store.watch("/k/a", Revision(0)).unwrap(), store.watch("", Revision(0)).unwrap());
    put(&store, "/k/b", "1").await;
    put(&store, "/k/a", "2").await;
    assert_eq!(next(&mut one).await, "2 /k/a=2 new");
    assert_eq!(next(&mut all).await, "1 /k/b=1 new");
    assert_eq!(next(&mut all).await, "2 /k/a=2 new");
}

#[tokio::test]
async fn a_watch_that_was_cancelled_while_it_waited_misses_nothing() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("/k/", Revision(0)).unwrap();
    for number in 1..=20 {
        assert!(is_quiet(&mut watch).await);
        put(&store, "/k/a", &number.to_string()).await;
        assert!(next(&mut watch).await.starts_with(&format!("{number} /k/a={number} ")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watches_that_begin_amid_commits_neither_miss_nor_repeat() {
    const COMMITS: u64 = 600;
    let store = Store::in_memory().unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..COMMITS {
                put(&store, "/k/a", "v").await;
            }
        }
    });
    let watchers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let from = store.revision();
                    let mut watch = store.watch("/k/", from).unwrap();
                    for revision in from.0 + 1..=COMMITS.min(from.0 + 40) {
                        assert_eq!(watch.next().await.unwrap().unwrap().revision(), Revision(revision));
                    }
                    if from == Revision(COMMITS) {
                        return;
                    }
                }
            })
        })
        .collect();
    writer.await.unwrap();
    for watcher in watchers {
        watcher.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_watcher_that_the_log_still_covers_gets_everything() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("/k/", Revision(0)).unwrap();
    commit_many(&store, "/k/a", 3000).await;
    for revision in 1..=3000 {
        assert_eq!(watch.next().await.unwrap().unwrap().revision(), Revision(revision));
    }
}

#[tokio::test]
async fn a_watcher_further_behind_than_the_log_is_told_so_and_ends() {
    let store = Store::in_memory().unwrap();
    let mut slow = store.watch("/k/", Revision(0)).unwrap();
    let mut idle = store.watch("/idle/", Revision(0)).unwrap();
    commit_many(&store, "/k/a", 10_100).await;
    let oldest = Revision(100);
    assert!(matches!(slow.next().await, Some(Err(WatchError::Lagged { oldest: found })) if found == oldest));
    assert!(slow.next().await.is_none());

    let mut late = store.watch("/k/", Revision(99)).unwrap();
    assert!(matches!(late.next().await, Some(Err(WatchError::Compacted { oldest: found })) if found == oldest));
    let mut in_time = store.watch("/k/", oldest).unwrap();
    assert_eq!(in_time.next().await.unwrap().unwrap().revision(), Revision(101));

    put(&store, "/idle/a", "1").await;
    assert_eq!(next(&mut idle).await, "10101 /idle/a=1 new", "who had nothing to look at has not fallen behind");
}

#[tokio::test]
async fn the_log_is_bounded_by_bytes_too() {
    let store = Store::in_memory().unwrap();
    for _ in 0..40 {
        commit(&store, Transaction::new().put("/k/a", vec![b'x'; 1 << 20])).await;
    }
    let mut watch = store.watch("/k/", Revision(20)).unwrap();
    assert!(matches!(watch.next().await, Some(Err(WatchError::Compacted { .. }))));
    let mut watch = store.watch("/k/", Revision(26)).unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().revision(), Revision(27));
}

#[tokio::test]
async fn a_watch_ends_with_the_store() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("/", Revision(0)).unwrap();
    let waiting = tokio::spawn(async move { watch.next().await.is_none() });
    tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    assert!(waiting.await.unwrap());
}
