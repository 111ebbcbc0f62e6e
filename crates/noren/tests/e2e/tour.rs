//! The article's question, answered from nothing.

use crate::bench::{noren, said, says, squeeze};

#[test]
fn the_tour_finds_everything_as_the_article_reports() {
    let home = tempfile::tempdir().unwrap();
    let text = squeeze(&said(noren(&["tour"]).env("HOME", home.path())));
    says(
        &text,
        &[
            "all as the article reports",
            "A aks-public enabled (default) aks-public-aks-public-fqdn-",
            "A VPN client private FQDN NXDOMAIN public DNS ✗ – –",
            "A VPN client public FQDN 10.224.0.4 public DNS ✓ ✓ ✓ 3 nodes, 3 Ready",
            "A Internet public FQDN 10.224.0.4 public DNS ✗ – – no route leads to 10.224.0.4 from here",
            "B VPN client with a hosts entry private FQDN 10.224.0.4 its hosts file ✓ ✓ ✓ 3 nodes, 3 Ready",
            "az aks update -g aks-public-fqdn -n aks-public --disable-public-fqdn",
        ],
    );
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn both_planes_show_the_same_table_and_the_tour_says_which_it_used() {
    let [auto, proxy] = ["auto", "proxy"].map(|plane| squeeze(&said(&mut noren(&["tour", "--plane", plane]))));
    says(&proxy, &["(proxy plane"]);
    if !auto.contains("(kernel plane)") {
        assert!(std::env::var_os("CI").is_none(), "no kernel plane: {auto}");
        eprintln!("SKIPPED: no kernel plane here");
    }
    // Each lab numbers the clusters' own networks anew.
    let plain = |word: &str| if word.starts_with("aks-vnet-") { "aks-vnet".to_owned() } else { word.to_owned() };
    let row = |line: &str| line.split(' ').map(plain).collect::<Vec<_>>().join(" ");
    let table = |text: &str| text.lines().filter(|line| line.contains(" FQDN ")).map(row).collect::<Vec<_>>();
    assert_eq!(table(&auto), table(&proxy));
    assert!(table(&auto).len() > 20, "{auto}");
}

#[test]
fn the_tour_speaks_json_to_scripts() {
    let text = said(&mut noren(&["tour", "--output", "json"]));
    let report: serde_json::Value = serde_json::from_str(&text).expect("one JSON document and nothing else");
    assert_eq!(report["asReported"], true, "{report}");
}
