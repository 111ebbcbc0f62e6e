//! How long reads and durable commits take, alone and under many writers, with watchers, and how long
//! opening takes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use store::{RangeOptions, Revision, Store, Transaction};
use tempfile::TempDir;

/// About what a Kubernetes object takes.
const VALUE: [u8; 2048] = [b'x'; 2048];
const KEYS: usize = 10_000;
const WRITERS: usize = 64;
const WATCHERS: usize = 5_000;

fn main() {
    divan::main();
}

/// A store with [`KEYS`] keys and a full log, as a lab has that has run for a while.
fn filled(path: &Path) -> Store {
    let store = Store::open(path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for keys in (0..KEYS).collect::<Vec<_>>().chunks(250) {
            let commits: Vec<_> = keys.iter().map(|key| tokio::spawn(put(&store, format!("/k/{key:08}")))).collect();
            for commit in commits {
                commit.await.unwrap();
            }
        }
    });
    store
}

fn put(store: &Store, key: String) -> impl Future<Output = ()> + Send + use<> {
    let store = store.clone();
    async move {
        store.commit(Transaction::new().put(key, VALUE.to_vec())).await.unwrap();
    }
}

fn lab() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    (directory, path)
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let (_directory, path) = lab();
    let store = filled(&path);
    bencher.bench(|| store.get("/k/00005000").unwrap());
}

#[divan::bench]
fn range_of_100(bencher: Bencher<'_, '_>) {
    let (_directory, path) = lab();
    let store = filled(&path);
    let options = RangeOptions { limit: 100, start_after: Some("/k/00005000".to_owned()) };
    bencher.bench(|| store.range("/k/", &options).unwrap());
}

#[divan::bench]
fn commit_alone(bencher: Bencher<'_, '_>) {
    let (_directory, path) = lab();
    let store = filled(&path);
    bencher.bench(|| store.commit_blocking(Transaction::new().put("/k/one", VALUE.to_vec())).unwrap());
}

/// The disk alone: the same bytes appended to a file and flushed.
#[divan::bench]
fn flush_alone(bencher: Bencher<'_, '_>) {
    use std::io::Write as _;
    let (_directory, path) = lab();
    let mut file = fs::File::create(&path).unwrap();
    bencher.counter(BytesCount::new(VALUE.len())).bench_local(|| {
        file.write_all(&VALUE).unwrap();
        file.sync_data().unwrap();
    });
}

/// Each writer commits again as soon as it has its answer.
#[divan::bench(sample_count = 10, args = [0, WATCHERS])]
fn commits_of_64_writers_with_idle_watchers(bencher: Bencher<'_, '_>, watchers: usize) {
    const COMMITS: usize = 50;
    let (_directory, path) = lab();
    let store = filled(&path);
    let _watches: Vec<_> = (0..watchers)
        .map(|watcher| store.watch(&format!("/kube/cluster-{watcher}/core/pods/"), store.revision()).unwrap())
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    bencher.counter(ItemsCount::new(WRITERS * COMMITS)).bench(|| {
        runtime.block_on(async {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        for _ in 0..COMMITS {
                            put(&store, format!("/w/{writer}")).await;
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
        });
    });
}

/// One commit seen by a hundred watchers of its prefix.
#[divan::bench]
fn commit_seen_by_100_watchers(bencher: Bencher<'_, '_>) {
    const SEEN_BY: usize = 100;
    let store = Store::in_memory().unwrap();
    let mut watches: Vec<_> = (0..SEEN_BY).map(|_| store.watch("/k/", Revision(0)).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bencher.counter(ItemsCount::new(SEEN_BY)).bench_local(|| {
        runtime.block_on(async {
            put(&store, "/k/one".to_owned()).await;
            for watch in &mut watches {
                watch.next().await.unwrap().unwrap();
            }
        });
    });
}

/// Replay of most of a full log, all of which concerns the watcher.
#[divan::bench]
fn replay_of_9_000_revisions(bencher: Bencher<'_, '_>) {
    let (_directory, path) = lab();
    let store = filled(&path);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let from = Revision(store.revision().0 - 9_000);
    bencher.counter(ItemsCount::new(9_000_usize)).bench_local(|| {
        let mut watch = store.watch("/k/", from).unwrap();
        runtime.block_on(async {
            for _ in 0..9_000 {
                watch.next().await.unwrap().unwrap();
            }
        });
    });
}

#[divan::bench(sample_count = 20)]
fn open_new(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(lab).bench_local_refs(|(_directory, path)| Store::open(path).unwrap());
}

#[divan::bench(sample_count = 20)]
fn open_10_000_keys(bencher: Bencher<'_, '_>) {
    let (_directory, path) = lab();
    drop(filled(&path));
    bencher.bench_local(|| drop(Store::open(&path).unwrap()));
}

/// The file as a crash leaves it: copied while the store has it open.
#[divan::bench(sample_count = 20)]
fn open_10_000_keys_after_an_unclean_stop(bencher: Bencher<'_, '_>) {
    let (directory, path) = lab();
    let store = filled(&path);
    let copy = directory.path().join("copy.redb");
    bencher
        .with_inputs(|| {
            fs::copy(&path, &copy).unwrap();
            fs::File::open(&copy).unwrap().sync_all().unwrap();
        })
        .bench_local_values(|()| Store::open(&copy).unwrap());
    drop(store);
}
