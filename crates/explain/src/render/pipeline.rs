//! Checked rules for pipelines: SARIF 2.1.0 (OASIS) and JUnit's XML as Jenkins and its like read it.

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use serde_json::{Value, json};

use crate::rules::{Checked, Violation};

/// SARIF: a rule for each rule, a result for each place where one is not kept. `origin` names the
/// artefact, since Azure's resources have no lines.
pub fn sarif(checked: &[Checked], origin: &[String], version: &str) -> Value {
    let rules: Vec<Value> =
        checked.iter().map(|rule| json!({"id": rule.id, "shortDescription": {"text": described(rule)}})).collect();
    let results: Vec<Value> = checked
        .iter()
        .enumerate()
        .flat_map(|(index, rule)| rule.violations.iter().map(move |violation| result(index, rule, violation, origin)))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "noren explain", "version": version, "rules": rules}},
            "results": results,
        }],
    })
}

fn described(rule: &Checked) -> &str {
    if rule.description.is_empty() { &rule.id } else { &rule.description }
}

fn result(index: usize, rule: &Checked, violation: &Violation, origin: &[String]) -> Value {
    let logical = violation
        .resource
        .as_ref()
        .map(|id| json!({"name": id.name(), "fullyQualifiedName": id.as_str(), "kind": "resource"}));
    let uri = origin.first().map_or("estate", String::as_str).replace(' ', "%20");
    json!({
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": violation.message},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": uri}},
            "logicalLocations": logical.into_iter().collect::<Vec<_>>(),
        }],
        "properties": {"code": violation.code},
    })
}

/// JUnit: a test case for each rule, which fails with what is not kept.
pub fn junit(checked: &[Checked]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Into memory nothing fails to be written.
    let written = write_junit(&mut writer, checked);
    debug_assert!(written.is_ok(), "invariant: memory takes what is written");
    String::from_utf8_lossy(&writer.into_inner()).into_owned() + "\n"
}

fn write_junit(writer: &mut Writer<Vec<u8>>, checked: &[Checked]) -> std::io::Result<()> {
    let (tests, failures) =
        (checked.len().to_string(), checked.iter().filter(|rule| !rule.violations.is_empty()).count().to_string());
    let counts = [("tests", tests.as_str()), ("failures", failures.as_str())];
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = writer.create_element("testsuites").with_attributes(counts);
    suites.write_inner_content(|writer| {
        let suite =
            writer.create_element("testsuite").with_attribute(("name", "noren explain")).with_attributes(counts);
        suite.write_inner_content(|writer| {
            for rule in checked {
                let case = writer.create_element("testcase").with_attribute(("classname", "noren.explain"));
                let case = case.with_attribute(("name", rule.id.as_str()));
                if rule.violations.is_empty() {
                    case.write_empty()?;
                    continue;
                }
                case.write_inner_content(|writer| {
                    let message = format!("{} not kept", rule.violations.len());
                    let failure = writer.create_element("failure").with_attribute(("message", message.as_str()));
                    let lines: Vec<&str> = rule.violations.iter().map(|violation| violation.message.as_str()).collect();
                    failure.write_text_content(BytesText::new(&lines.join("\n")))?;
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}
