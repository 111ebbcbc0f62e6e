//! The article's question, explained.

use explain::{Verdict, fix, render::text};

use crate::stage::{article, ask, told};

#[test]
fn every_place_gets_its_answer() {
    let sketch = article();
    let mut table = String::new();
    for cluster in ["a", "b"] {
        for vantage in ["vm-aks", "vm-linked", "vm-unlinked", "vpn", "laptop", "laptop-hosts", "internet"] {
            table += &format!("{cluster} from {vantage}: {}\n", told(&sketch, vantage, cluster));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_explanation_is_a_tree_that_needs_no_colour() {
    let sketch = article();
    let mut all = String::new();
    for (vantage, cluster) in [("vm-linked", "b"), ("vm-unlinked", "a"), ("laptop", "b"), ("internet", "a")] {
        let (network, found, fixes) = ask(&sketch, vantage, cluster);
        all += &text::explanation(&found, &fixes, fix::meanwhile(&network, &found).as_ref());
        all += "\n";
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_kubeconfig_decides_the_verdict_and_the_public_fqdn_is_the_second_best() {
    let sketch = article();
    let verdict = |vantage: &str, cluster: &str| ask(&sketch, vantage, cluster).1.verdict;
    assert_eq!(verdict("vm-linked", "a"), Verdict::Connects);
    assert_eq!(verdict("laptop", "a"), Verdict::ConnectsByPublicFqdn);
    assert_eq!(verdict("laptop", "b"), Verdict::Fails);
    assert_eq!(verdict("laptop-hosts", "b"), Verdict::Connects);
}
