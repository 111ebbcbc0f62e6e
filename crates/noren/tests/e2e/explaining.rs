//! `noren explain` on files, without a lab and without rights: what two estates differ in, rules for a pipeline, what is
//! disclosed, pictures; and that README and the published schemas say what the program says.

use std::{collections::BTreeSet, process::Output};

use azure::{Kind, sketch::Sketch};
use serde_json::{Value, json};

use crate::bench::{noren, refused, said, says};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A directory with estates and rules, and the program in it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let today = Sketch::article().network("twin", "10.224.0.0/16");
        let cluster = today.id(Kind::ManagedCluster, "a");
        let mut document = today.estate().get(&cluster).unwrap().document().value();
        document["properties"]["fqdn"] = Value::Null;
        document["properties"]["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(false);
        files.estate("today.json", &today);
        files.estate("proposed.json", &today.put(cluster, &document));
        files.write("rules.toml", RULES);
        files.write("kept.toml", &format!("version = 1\n{}", RULES.split("\n\n").nth(2).unwrap()));
        files
    }

    /// As `az resource show` would print them.
    fn estate(&self, name: &str, sketch: &Sketch) {
        let shown = |resource: &std::sync::Arc<azure::Resource>| {
            let mut document = resource.document().value();
            let id = resource.id();
            document["id"] = json!(id);
            document["name"] = json!(id.name());
            document["type"] = json!(resource.kind().arm_type());
            document
        };
        let resources: Vec<Value> = sketch.estate().iter().map(shown).collect();
        self.write(name, &serde_json::to_string(&resources).unwrap());
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.0.path().join(name), text).unwrap();
    }

    fn explain(&self, line: &str) -> std::process::Command {
        let words = shlex::split(&format!("explain {line}")).unwrap();
        let mut command = noren(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.current_dir(self.0.path()).env("HOME", self.0.path());
        command
    }

    /// What it prints, and its exit status.
    fn says(&self, line: &str) -> (i32, String) {
        let Output { status, stdout, stderr } = self.explain(line).output().unwrap();
        assert!(stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&stderr));
        (status.code().unwrap(), String::from_utf8(stdout).unwrap())
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.says(&format!("{line} --output json")).1).unwrap()
    }
}

const RULES: &str = r#"version = 1

[[rule]]
id = "nothing-disclosed"
description = "no private address in public DNS"
require = "no-private-address-in-public-dns"

[[rule]]
id = "linked-reach-b"
require = "connects"
from = { names = ["vm-linked"] }
to = { names = ["b"] }
"#;

#[test]
fn two_estates_differ_in_who_gains_and_who_loses() {
    let files = Files::new();
    let (status, text) = files.says("--estate today.json --against proposed.json");
    assert_eq!(status, 1, "somebody loses a connection");
    insta::assert_snapshot!("against", text);
    let document = files.json("--estate today.json --against proposed.json");
    assert_eq!(document["edits"], json!([]));
    assert!(document["difference"].as_array().unwrap().iter().any(|shift| shift["kind"] == "loses"), "{document:#}");
    let (status, text) = files.says("--estate proposed.json --against today.json");
    assert_eq!((status, text.contains(" gain")), (0, true), "{text}");
    assert_eq!(files.says("--estate today.json --against today.json"), (0, "nothing changes for any vantage\n".into()));
}

#[test]
fn rules_have_an_exit_status_and_reports_for_pipelines() {
    let files = Files::new();
    let (status, text) = files.says("--estate today.json --check rules.toml");
    assert_eq!(status, 1);
    insta::assert_snapshot!("checked", text);
    assert_eq!(files.says("--estate today.json --check kept.toml").0, 0);

    let (status, sarif) = files.says("--estate today.json --check rules.toml --output sarif");
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!((status, &sarif["version"]), (1, &json!("2.1.0")));
    let run = &sarif["runs"][0];
    let rules: Vec<&Value> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(rules, ["nothing-disclosed", "linked-reach-b"]);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{results:#?}");
    assert_eq!((&results[0]["ruleId"], &results[0]["ruleIndex"]), (&json!("nothing-disclosed"), &json!(0)));
    let place = &results[0]["locations"][0];
    assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], "today.json");
    assert_eq!(place["logicalLocations"][0]["name"], "a");

    let (status, junit) = files.says("--estate today.json --check rules.toml --output junit");
    assert_eq!(status, 1);
    insta::assert_snapshot!("junit", junit);

    files.write("later.toml", "version = 2\n");
    let (status, text) = refused(&mut files.explain("--estate today.json --check later.toml"));
    assert_eq!(status, 3);
    says(&text, &["error: later.toml has version 2", "this noren reads version 1"]);
    let (_, text) = refused(&mut files.explain("--estate today.json --check today.json"));
    says(&text, &["today.json is no file of rules", "docs/explain.md"]);
}

#[test]
fn the_security_view_is_read_from_a_file() {
    let files = Files::new();
    let (status, text) = files.says("--estate today.json --security");
    assert_eq!(status, 0);
    insta::assert_snapshot!("security", text);
    let view = files.json("--estate today.json --security")["security"].take();
    assert_eq!(view["disclosed"][0]["name"], "a.hcp.japaneast.azmk8s.io");
    assert_eq!(view["overlaps"][0]["prefix"], "10.224.0.0/16");
}

#[test]
fn a_path_is_drawn_in_three_ways() {
    let files = Files::new();
    let question = "--estate today.json --from vm-unlinked b";
    let (status, mermaid) = files.says(&format!("{question} --output mermaid"));
    assert_eq!(status, 1, "it does not connect");
    assert!(mermaid.starts_with("flowchart "), "{mermaid}");
    let (_, svg) = files.says(&format!("{question} --output svg"));
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let (_, html) = files.says(&format!("{question} --output html"));
    says(
        &html,
        &["<!doctype html>", "<svg ", "ZONE_NOT_LINKED_TO_CLIENT_VNET", "az network private-dns link vnet create"],
    );
    let (status, text) = refused(&mut files.explain("--estate today.json --output svg"));
    assert_eq!(status, 3);
    says(&text, &["`--output svg` does not show this", "one cluster from one vantage"]);
    let (_, text) = refused(&mut files.explain("--estate today.json --output sarif"));
    says(&text, &["`--output sarif` does not show this"]);
}

/// The block of README that begins with a command.
fn session<'a>(readme: &'a str, command: &str) -> Vec<&'a str> {
    let begin = readme.find(&format!("```text\n$ {command}\n")).unwrap_or_else(|| panic!("README has no {command}"));
    readme[begin..].lines().skip(2).take_while(|line| *line != "```").collect()
}

#[test]
fn readme_shows_what_explain_prints() {
    let files = Files::new();
    let (_, text) = files.says("--estate today.json --from vm-unlinked a");
    let readme = fs_err::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let mut printed = text.lines();
    for line in session(&readme, "noren explain --from vm-unlinked a") {
        assert!(printed.any(|other| other == line), "README shows, and noren does not print: {line}\n{text}");
    }
}

#[test]
fn what_is_printed_keeps_the_published_schemas() {
    let files = Files::new();
    let schema = Schema::published("explain-1");
    let keeps = |line: &str| {
        let document = files.json(line);
        assert_eq!(schema.breach(&document), None, "{line}");
        document
    };
    let mut roles = BTreeSet::new();
    for (vantage, cluster) in
        [("vm-linked", "b"), ("vm-unlinked", "a"), ("vm-unlinked", "b"), ("vpn", "a"), ("internet", "a")]
    {
        let document = keeps(&format!("--estate today.json --from {vantage} {cluster}"));
        roles.extend(document["names"].as_array().unwrap().iter().map(|name| name["role"].to_string()));
    }
    assert!(roles.len() > 1);
    keeps("--estate today.json");
    keeps("--estate today.json --security");
    keeps("--estate today.json --check rules.toml");
    keeps("--estate today.json --against proposed.json");
    keeps("--estate today.json --what-if 'cluster a: publicFqdn=false'");
    let mut bad = files.json("--estate today.json --from vm-linked b");
    bad["verdict"] = json!("perhaps");
    assert!(schema.breach(&bad).is_some());
    let file: Value = toml::from_str(RULES).unwrap();
    assert_eq!(Schema::published("rules-1").breach(&file), None);

    // A kubeconfig whose server nobody is at.
    files.write(
        "config",
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
         clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9'}}]\nusers: [{name: a, user: {token: t}}]\n",
    );
    let mut doctor = noren(&["doctor", "--offline", "--output", "json", "--kubeconfig"]);
    let output = doctor.arg(files.0.path().join("config")).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(Schema::published("doctor-1").breach(&document), None, "{document:#}");
}

/// A schema of `docs/schema`.
struct Schema(boon::Schemas, boon::SchemaIndex);

impl Schema {
    fn published(name: &str) -> Self {
        let text = fs_err::read_to_string(format!("{ROOT}/docs/schema/{name}.json")).unwrap();
        let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
        compiler.add_resource("schema.json", serde_json::from_str(&text).unwrap()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    /// What of it a document does not keep.
    fn breach(&self, document: &Value) -> Option<String> {
        self.0.validate(document, self.1).err().map(|error| format!("{error:#}"))
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_labs_directory_is_an_estate_whether_it_runs_or_not() {
    let files = Files::new();
    let mut lab = crate::bench::Lab::up();
    crate::arm::Arm::of(&lab).put_cluster("a", None);
    let own = lab.noren_says(&["explain"]);
    says(&own, &["internet"]);
    let directory = lab.path("lab");
    let line = format!("--estate {}", directory.display());
    assert_eq!(files.says(&line), (0, own.clone()), "it runs");
    lab.kill();
    let stored = fs_err::read(directory.join("lab.redb")).unwrap();
    assert_eq!(files.says(&line), (0, own), "it has been killed");
    assert_eq!(fs_err::read(directory.join("lab.redb")).unwrap(), stored, "nothing is written");
    let origin = files.json(&line)["origin"][0].take();
    assert_eq!(origin, format!("the stopped lab in {}", directory.display()));
    let (status, text) = refused(&mut files.explain(&format!("{line} --estate today.json")));
    assert_eq!(status, 3);
    says(&text, &["is a lab's directory and stands alone", "--against"]);
}

#[test]
fn help_tells_of_every_way_to_ask() {
    let text = said(&mut noren(&["explain", "--help"]));
    says(&text, &["--against", "--check", "--security", "--what-if", "--estate", "sarif", "junit", "mermaid"]);
}
