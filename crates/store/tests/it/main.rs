//! Stories about the store, told through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod commits;
mod crash;
mod files;
mod reference;
mod watches;

use store::{Outcome, Revision, Store, Transaction};

/// Commits what must not fail.
async fn commit(store: &Store, transaction: Transaction) -> Revision {
    match store.commit(transaction).await.unwrap() {
        Outcome::Committed(revision) => revision,
        failed @ Outcome::ConditionFailed { .. } => panic!("{failed:?}"),
    }
}

async fn put(store: &Store, key: &str, value: &str) -> Revision {
    commit(store, Transaction::new().put(key, value.to_owned())).await
}
