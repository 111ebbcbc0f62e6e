//! The file: one owner, private, of a format this version reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use redb::{Database, TableDefinition};
use store::{Revision, Store, StoreError, Transaction};

fn lab() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    (directory, path)
}

fn refusal(path: &Path) -> String {
    Store::open(path).unwrap_err().to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn a_store_is_found_as_it_was_left() {
    let (_directory, path) = lab();
    let store = Store::open(&path).unwrap();
    store.commit_blocking(Transaction::new().put("/a", "1")).unwrap();
    drop(store);
    let again = Store::open(&path).unwrap();
    assert_eq!(&*again.get("/a").unwrap().unwrap().value, b"1");
    assert_eq!(again.revision(), Revision(1));
}

#[test]
fn a_file_has_one_store_until_its_last_handle_is_gone() {
    let (_directory, path) = lab();
    let store = Store::open(&path).unwrap();
    let (handle, watch) = (store.clone(), store.watch("/", Revision(0)).unwrap());
    drop(store);
    assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
    assert_eq!(refusal(&path), "FILE is in use by another process");
    drop(handle);
    Store::open(&path).unwrap();
    drop(watch);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, path) = lab();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(Store::open(&path).unwrap());
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&path).unwrap());
    assert_eq!(mode(), 0o600, "also when it was readable before");
}

#[test]
fn a_newer_format_is_refused() {
    let (_directory, path) = lab();
    drop(Store::open(&path).unwrap());
    let database = Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap().insert("format", 2).unwrap();
    write.commit().unwrap();
    drop(database);
    assert!(matches!(Store::open(&path), Err(StoreError::NewerFormat { found: 2, supported: 1 })));
    assert_eq!(refusal(&path), "the store has format 2, and this version reads formats up to 1");
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let (_directory, path) = lab();
    fs::write(&path, "dear diary").unwrap();
    assert_eq!(refusal(&path), "FILE cannot be opened");
    assert_eq!(fs::read(&path).unwrap(), b"dear diary");
    assert!(matches!(Store::open(&path.join("below/a/file")), Err(StoreError::Open { .. })));
}

#[test]
fn a_first_start_killed_half_way_does_not_stand_in_the_way_of_the_next() {
    let (_directory, path) = lab();
    // The database has made room in the file, and has not yet written its beginning.
    fs::File::create(&path).unwrap().set_len(72 * 1024).unwrap();
    let store = Store::open(&path).unwrap();
    store.commit_blocking(Transaction::new().put("/a", "1")).unwrap();
}
