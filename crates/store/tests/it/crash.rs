//! `kill -9` at any moment loses nothing that was acknowledged.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use store::{Outcome, RangeOptions, Revision, Store, Transaction};

/// Set in the child: the store to write to.
const CHILD: &str = "STORE_CRASH_TEST_FILE";
/// How many threads of the child write at once, so that batches have several transactions.
const WRITERS: usize = 8;

/// Not a test of its own: the process that gets killed. It writes until then, and says what it was told.
#[test]
fn child_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Store::open(&PathBuf::from(path)).unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let key = format!("/crash/{writer}/{}", number % 100);
                    let transaction = Transaction::new().put(key.clone(), vec![b'x'; 2048]).put("/last", key.clone());
                    let Outcome::Committed(revision) = store.commit_blocking(transaction).unwrap() else {
                        panic!("it has no condition");
                    };
                    // One write for a whole line, so that a line that came was said.
                    std::io::stdout().write_all(format!("acknowledged {revision} {key}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    let mut last = Revision(0);
    for acknowledgements in [0, 1, 40, 400] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child_writes_until_killed", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let acknowledged = |line: String| {
            let (_, told) = line.split_once("acknowledged ")?;
            let (revision, key) = told.split_once(' ')?;
            Some((key.to_owned(), Revision(revision.parse().unwrap())))
        };
        let mut told: BTreeMap<String, Revision> = BTreeMap::new();
        told.extend(lines.by_ref().filter_map(acknowledged).take(acknowledgements));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died.
        for (key, revision) in lines.filter_map(acknowledged) {
            let known = told.entry(key).or_insert(revision);
            *known = revision.max(*known);
        }

        let store = Store::open(&path).unwrap();
        let acknowledged_last = told.values().max().copied().unwrap_or(last);
        assert!(store.revision() >= acknowledged_last, "the store went back");
        for (key, revision) in told {
            let found = store.get(&key).unwrap().map(|entry| entry.mod_revision);
            assert!(found >= Some(revision), "{key} of revision {revision} was lost, there is {found:?}");
        }
        assert_eq!(
            store.range("/last", &RangeOptions::default()).unwrap().entries.len(),
            usize::from(store.revision() > Revision(0))
        );

        // Neither half a transaction nor half a batch: the log has all of every revision.
        let mut watch = store.watch("/", last).unwrap();
        for revision in last.0 + 1..=store.revision().0 {
            for _key_and_last in 0..2 {
                assert_eq!(watch.next().await.unwrap().unwrap().revision(), Revision(revision));
            }
        }
        last = store.revision();
    }
}
