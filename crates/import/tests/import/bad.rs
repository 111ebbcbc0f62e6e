//! What is no description of anything, and what somebody broke.

use import::{Error, Input};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{files, from_text};

fn refusal(text: &[u8]) -> String {
    import::from_inputs(&[Input::new("x.json", text)]).unwrap_err().to_string()
}

#[test]
fn what_is_not_json_says_where_and_what_to_do() {
    insta::assert_snapshot!(
        [
            b"" as &[u8],
            b"[\n  {\"id\": 1,,}\n]",
            b"Name    ResourceGroup\n-----",
            b"PK\x03\x04",
            b"resource \"azurerm_virtual_network\" \"hub\" {}",
            b"targetScope = 'subscription'",
            b"ERROR: (AuthorizationFailed)",
            b"{\"id\": \"\xff\"}",
            b"[[]]",
            b"\"text\"",
        ]
        .map(refusal)
        .join("\n")
    );
}

#[test]
fn powershells_files_are_read_as_they_come() {
    let text = r#"{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t"}"#;
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
    let bom = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for bytes in [utf16, bom] {
        assert_eq!(import::from_inputs(&[Input::new("x", bytes)]).unwrap().estate.len(), 1);
    }
}

#[tokio::test]
async fn a_directory_is_read_to_its_leaves_and_only_json_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let quiet = |_: &str| {};
    let load = async || import::load(&import::Source::Path(path.to_owned()), &quiet).await;
    assert!(load().await.unwrap_err().to_string().contains("no *.json file in it"));
    std::fs::create_dir_all(path.join("a/b")).unwrap();
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t";
    std::fs::write(path.join("a/b/x.json"), json!({"id": id}).to_string()).unwrap();
    std::fs::write(path.join("README.md"), "no JSON").unwrap();
    assert_eq!(load().await.unwrap().estate.len(), 1);
    std::fs::write(path.join("torn.json"), "[{").unwrap();
    assert!(matches!(load().await, Err(Error::NotJson { line: 1, column: 2, offset: 1, .. })));
}

/// Any value in place of any value.
fn broken(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| broken(item, at, with)),
        Value::Object(object) => object.values_mut().for_each(|item| broken(item, at, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_wrong_in_a_document_nothing_breaks(file in 0_usize..14, at in 0_usize..2000, with in 0_usize..8) {
        let with = [
            json!(null), json!([]), json!({}), json!("x"), json!(-1), json!(1e300), json!([[{"id": "/"}]]),
            json!({"id": "/subscriptions/s", "properties": [], "name": "/../"}),
        ][with].clone();
        let mut inputs = files("az");
        let mut value: Value = serde_json::from_slice(&inputs[file].bytes).unwrap();
        broken(&mut value, &mut at.clone(), &with);
        inputs[file].bytes = value.to_string().into_bytes();
        let imported = import::from_inputs(&inputs).unwrap();
        crate::matrix(&imported.estate);
    }

    #[test]
    fn whatever_is_wrong_in_a_plan_nothing_breaks(state in any::<bool>(), at in 0_usize..3000, with in 0_usize..6) {
        let with = [json!(null), json!([]), json!({}), json!("x"), json!(true), json!({"references": ["module.a.b", "each.value", "var.x"]})][with].clone();
        let name = if state { "state.json" } else { "plan.json" };
        let mut value: Value = serde_json::from_slice(&std::fs::read(crate::fixture("terraform").join(name)).unwrap()).unwrap();
        broken(&mut value, &mut at.clone(), &with);
        if let Ok(imported) = from_text(value.to_string()) {
            crate::matrix(&imported.estate);
        }
    }

    #[test]
    fn any_text_gives_an_estate_or_a_refusal(text in ".{0,200}") {
        let _ = from_text(text);
    }
}
