//! The portal in a real Chromium: `portal/main.mjs` reads every page and clicks through the article's scenario, what
//! the activity log shows of other clients, a VPN client's path with its what-ifs, and every page in Japanese.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bench::{Lab, client, said};

/// Milliseconds from the end of the server's answer until a page is ready; wide, since a loaded machine tests.
const READY_MS_MAX: u64 = 1000;

/// Where the packages of Node.js are; `None`, said aloud, where they are not. Under CI that is a failure.
fn packages() -> Option<PathBuf> {
    let clients = std::env::var_os("NOREN_CLIENTS").map(PathBuf::from).unwrap_or_default();
    let packages = clients.join("node_modules");
    let are_there = packages.join("playwright-core").is_dir() && packages.join("axe-core").is_dir();
    if !are_there {
        assert!(std::env::var_os("CI").is_none(), "no playwright-core, axe-core: `cargo xtask clients` installs them");
        eprintln!("SKIPPED: no playwright-core, axe-core; `cargo xtask test` installs them");
    }
    are_there.then_some(packages)
}

#[test]
fn a_reader_sees_why_two_clusters_show_different_addresses_turns_one_off_and_watches_what_follows() {
    let (Some(node), Some(chromium), Some(packages)) = (client("node"), client("chromium"), packages()) else { return };
    let (Some(az), Some(lab)) = (client("az"), Lab::with_group()) else { return };
    let cluster = |name: &str, options: &str| {
        let create = format!("aks create -g rg -n {name} --enable-private-cluster --no-ssh-key {options}");
        lab.az(&create)["id"].as_str().unwrap().to_owned()
    };
    let (a, b) = (cluster("aks-public", ""), cluster("aks-private", "--disable-public-fqdn"));
    let link = lab.noren_says(&["portal"]);
    assert_ne!(link, lab.noren_says(&["portal"]), "each link is a fresh one");
    assert!(lab.noren_says(&["status"]).contains("/enter?once="));

    // Those in the README come from here: NOREN_SCREENSHOTS=docs/images, below the workspace.
    let wanted = std::env::var_os("NOREN_SCREENSHOTS");
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let screenshots = wanted.map_or_else(|| lab.path("screenshots"), |place| Path::new(workspace).join(place));
    fs_err::create_dir_all(&screenshots).unwrap();
    let mut reader = lab.program(node);
    let stories = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/portal");
    let given = json!({
        "link": link.trim(), "chromium": chromium.path(), "modules": packages, "screenshots": screenshots,
        "az": az.path(), "a": a, "b": b,
        "office": format!("{stories}/office.json"), "broken": format!("{stories}/broken.json"),
    });
    reader.arg(format!("{stories}/main.mjs")).arg(given.to_string());
    let seen: Value = serde_json::from_str(&said(&mut reader)).expect("what it saw");
    for (page, ready) in seen["pages"].as_object().unwrap() {
        assert!(ready.as_u64().unwrap() < READY_MS_MAX, "{page} was ready after {ready} ms");
    }
}
