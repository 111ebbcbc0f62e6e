//! How long reads and durable commits take, alone and under many writers, and how long opening takes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use divan::{Bencher, counter::ItemsCount};
use store::{RangeOptions, Store, Transaction};

const VALUE: [u8; 2048] = [b'x'; 2048];
const WRITERS: usize = 64;

fn main() {
    divan::main();
}

fn filled(directory: &tempfile::TempDir, keys: usize) -> Store {
    let store = Store::open(&directory.path().join("lab.redb")).unwrap();
    for batch in (0..keys).collect::<Vec<_>>().chunks(500) {
        let transaction = batch
            .iter()
            .fold(Transaction::new(), |transaction, key| transaction.put(format!("/k/{key:08}"), VALUE.to_vec()));
        store.commit_blocking(transaction).unwrap();
    }
    store
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory, 10_000);
    bencher.bench(|| store.get("/k/00005000").unwrap());
}

#[divan::bench]
fn range_of_100(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory, 10_000);
    let options = RangeOptions { limit: 100, start_after: None };
    bencher.bench(|| store.range("/k/", &options).unwrap());
}

#[divan::bench(sample_count = 200)]
fn commit_alone(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory, 1_000);
    bencher.bench(|| store.commit_blocking(Transaction::new().put("/k/one", VALUE.to_vec())).unwrap());
}

#[divan::bench(sample_count = 50)]
fn commits_of_64_writers(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory, 1_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    bencher.counter(ItemsCount::new(WRITERS)).bench(|| {
        runtime.block_on(async {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let store = store.clone();
                    let transaction = Transaction::new().put(format!("/w/{writer}"), VALUE.to_vec());
                    tokio::spawn(async move { store.commit(transaction).await })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap().unwrap();
            }
        });
    });
}

#[divan::bench(sample_count = 20)]
fn open_10_000_keys(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    filled(&directory, 10_000).close();
    let path = directory.path().join("lab.redb");
    bencher.bench_local(|| Store::open(&path).unwrap().close());
}
