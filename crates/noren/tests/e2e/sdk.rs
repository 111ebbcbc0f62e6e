//! The Azure SDK for Python, unmodified.

use crate::bench::{Lab, client, said};

#[test]
fn the_sdk_for_python_needs_nothing_but_the_labs_environment() {
    let (Some(lab), Some(python)) = (Lab::with_group(), client("python3")) else { return };
    let mut python = lab.program(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/sdk.py");
    insta::assert_snapshot!(said(python.arg(script)), @r"
    identity True
    network v ['s']
    zone corp.example 1
    cluster None True
    kubeconfig clusterUser
    deleted ResourceNotFound
    ");
}
