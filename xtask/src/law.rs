//! What CONTRIBUTING calls law, held by tests over `cargo metadata` and the sources.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, camino::Utf8Path};

/// Lines a file may have: beyond, it is about more than one thing.
const FILE_LINES_MAX: usize = 600;

fn workspace() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn names(metadata: &Metadata) -> BTreeSet<&str> {
    metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect()
}

/// The table of crates in ARCHITECTURE.md: what each may use.
fn map(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs_err::read_to_string(metadata.workspace_root.join("ARCHITECTURE.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, may_use] = cells[..] else { return None };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        let may_use = match may_use {
            "–" => BTreeSet::new(),
            "all" => names(metadata).into_iter().map(str::to_owned).collect(),
            some => some.split(", ").map(str::to_owned).collect(),
        };
        // A crate in a room of its own has the room in its name.
        Some((name.replace('/', "-"), may_use))
    };
    text.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect()
}

fn sources(directory: &Utf8Path, found: &mut Vec<String>) {
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = cargo_metadata::camino::Utf8PathBuf::try_from(entry.unwrap().path()).unwrap();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension() == Some("rs") {
            found.push(path.into_string());
        }
    }
}

#[test]
fn the_map_names_every_crate_and_no_other() {
    let metadata = workspace();
    let map = map(&metadata);
    assert_eq!(map.keys().map(String::as_str).collect::<BTreeSet<_>>(), names(&metadata));
}

/// What only tests use is free: a test of DNS may build an estate.
#[test]
fn no_crate_uses_more_than_its_row_says() {
    let metadata = workspace();
    let (map, ours) = (map(&metadata), names(&metadata));
    let uses = |package: &Package| -> BTreeSet<String> {
        let dependencies = package.dependencies.iter().filter(|used| used.kind != DependencyKind::Development);
        dependencies.map(|used| used.name.clone()).filter(|name| ours.contains(name.as_str())).collect()
    };
    for package in metadata.workspace_packages() {
        let more: Vec<String> = uses(package).difference(&map[package.name.as_str()]).cloned().collect();
        assert!(more.is_empty(), "{} uses {more:?}, which its row in ARCHITECTURE.md does not say", package.name);
    }
}

#[test]
fn every_crate_says_what_it_is_for_and_takes_the_workspaces_lints() {
    for package in workspace().workspace_packages() {
        let manifest = fs_err::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
        let root = package.targets.iter().find(|target| target.is_lib() || target.is_bin()).unwrap();
        let text = fs_err::read_to_string(&root.src_path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with what it is for", root.src_path);
    }
}

#[test]
fn files_open_with_what_they_are_for_and_are_short() {
    let metadata = workspace();
    let mut files = Vec::new();
    for room in ["bench", "crates", "xtask"] {
        sources(&metadata.workspace_root.join(room), &mut files);
    }
    for file in files {
        let text = fs_err::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{file} has {lines} lines");
        assert!(text.starts_with("//!"), "{file} does not open with what it is for");
    }
}
