//! `docs/fidelity.md` says which behaviour of Azure noren claims and which test pins it: each row
//! must have a status that means something, and each test it names must exist.

use std::path::{Path, PathBuf};

/// One row of a table: the cells between its bars.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let tables = text.lines().filter(|line| line.starts_with('|'));
    let cells = tables.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.filter(|cells| {
        !cells.iter().all(|cell| cell.bytes().all(|byte| b"-: ".contains(&byte))) && cells[0] != "behaviour"
    })
}

/// The test paths of a cell: what stands in backticks.
fn tests(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Where a test may be written: its modules name a file, or modules within one.
fn places(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut parts: Vec<&str> = path.split("::").collect();
    parts.pop();
    let Some((krate, modules)) = parts.split_first() else { return Vec::new() };
    let home = if *krate == "xtask" { root.join("xtask") } else { root.join("crates").join(krate) };
    let mut places = Vec::new();
    for base in [home.join("src"), home.join("tests")] {
        for depth in (0..=modules.len()).rev() {
            let stem = modules[..depth].iter().fold(base.clone(), |path, module| path.join(module));
            places.extend([stem.with_extension("rs"), stem.join("mod.rs"), stem.join("lib.rs"), stem.join("main.rs")]);
        }
    }
    places
}

/// Whether the test `crate::module::name` is written where its path says.
fn exists(root: &Path, path: &str) -> bool {
    let Some((_, name)) = path.rsplit_once("::") else { return false };
    let written = format!("fn {name}(");
    places(root, path).iter().any(|file| fs_err::read_to_string(file).is_ok_and(|text| text.contains(&written)))
}

/// What is wrong with a table of fidelity, row by row.
fn faults(root: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for cells in rows(text) {
        let [behaviour, source, status, pinned] = cells[..] else {
            faults.push(format!("not four cells: {cells:?}"));
            continue;
        };
        if source.is_empty() {
            faults.push(format!("no source: {behaviour}"));
        }
        let tests = tests(pinned);
        match status {
            "exact" | "approximate" if tests.is_empty() => faults.push(format!("no test: {behaviour}")),
            "exact" | "approximate" | "not modelled" => {}
            other => faults.push(format!("'{other}' is no status: {behaviour}")),
        }
        let missing = tests.into_iter().filter(|test| !exists(root, test));
        faults.extend(missing.map(|test| format!("no such test: {test} ({behaviour})")));
    }
    faults
}

#[test]
fn every_claim_of_fidelity_is_pinned_by_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs_err::read_to_string(root.join("docs/fidelity.md")).unwrap();
    assert!(rows(&text).count() > 50, "the table is read");
    let faults = faults(&root, &text);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_failure_mode_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs_err::read_to_string(root.join("docs/failure-modes.md")).unwrap();
    let named = tests(&text).into_iter().filter(|word| word.contains("::"));
    let missing: Vec<&str> = named.filter(|test| !exists(&root, test)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn a_row_that_claims_too_much_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let good = "| a | b | exact | `xtask::fidelity::a_row_that_claims_too_much_is_found` |";
    assert_eq!(faults(&root, &format!("| behaviour | source | status | test |\n|---|---|---|---|\n{good}")), [""; 0]);
    for bad in [
        "| a | b | exact | – |",
        "| a | b | exact | `xtask::fidelity::nobody_wrote_this` |",
        "| a | b | exact | `network::a_row_that_claims_too_much_is_found` |",
        "| a | b | roughly | – |",
        "| a | | not modelled | – |",
        "| a | b |",
    ] {
        assert_eq!(faults(&root, bad).len(), 1, "{bad}");
    }
}
