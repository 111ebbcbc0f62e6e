//! Watches: replay, then live, each event once.

use store::{Event, Revision, Store, Transaction, Watch, WatchError};

async fn commit(store: &Store, transaction: Transaction) {
    store.commit(transaction).await.unwrap();
}

async fn next(watch: &mut Watch) -> String {
    match &*watch.next().await.unwrap().unwrap() {
        Event::Put { current, previous } => {
            let before = previous.as_ref().map_or(String::new(), |entry| String::from_utf8_lossy(&entry.value).into());
            format!(
                "{} {}={} was {before:?}",
                current.mod_revision,
                current.key,
                String::from_utf8_lossy(&current.value)
            )
        }
        Event::Delete { previous, revision } => format!("{revision} {} gone", previous.key),
    }
}

#[tokio::test]
async fn a_watch_replays_what_happened_and_goes_on_live() {
    let store = Store::in_memory().unwrap();
    commit(&store, Transaction::new().put("/k/a", "1")).await;
    commit(&store, Transaction::new().put("/k/a", "2").put("/other/x", "9")).await;
    let mut watch = store.watch("/k/", Revision(1)).unwrap().unwrap();
    commit(&store, Transaction::new().delete("/k/a")).await;
    assert_eq!(next(&mut watch).await, "2 /k/a=2 was \"1\"");
    assert_eq!(next(&mut watch).await, "3 /k/a gone");
    commit(&store, Transaction::new().put("/k/b", "1")).await;
    assert_eq!(next(&mut watch).await, "4 /k/b=1 was \"\"");
}

#[tokio::test]
async fn a_slow_watcher_is_dropped_and_told_so() {
    let store = Store::in_memory().unwrap();
    let mut watch = store.watch("/k/", Revision(0)).unwrap().unwrap();
    for batch in 0..3 {
        let transaction =
            (0..500).fold(Transaction::new(), |transaction, key| transaction.put(format!("/k/{batch}-{key}"), "v"));
        commit(&store, transaction).await;
    }
    let mut seen = 0;
    let end = loop {
        match watch.next().await {
            Some(Ok(_)) => seen += 1,
            end => break end,
        }
    };
    assert_eq!(end, Some(Err(WatchError::Lagged)));
    assert!(seen >= 1000, "what was queued is still delivered: {seen}");
}

#[tokio::test]
async fn what_is_too_long_ago_is_refused() {
    let store = Store::in_memory().unwrap();
    for _ in 0..40 {
        let transactions = (0..256).map(|_| {
            let store = store.clone();
            async move { store.commit(Transaction::new().put("/k/a", "v")).await }
        });
        for outcome in futures(transactions).await {
            outcome.unwrap();
        }
    }
    assert!(matches!(store.watch("/k/", Revision(1)).unwrap(), Err(WatchError::Compacted { .. })));
    let mut recent = store.watch("/k/", Revision(10_239)).unwrap().unwrap();
    assert_eq!(recent.next().await.unwrap().unwrap().revision(), Revision(10_240));
}

async fn futures<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}
