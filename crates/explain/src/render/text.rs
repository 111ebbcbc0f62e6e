//! An explanation as a tree that can be read without colour.

use network::Vantage;

use super::words;
use crate::{
    cause::Cause,
    edit::{Command, Tool},
    fix::Fix,
    question::{Explanation, NameAnswer, Verdict},
};

/// A node of the tree: a line, and what hangs from it.
#[derive(Debug, Default)]
struct Node {
    line: String,
    children: Vec<Node>,
}

impl Node {
    fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), children: Vec::new() }
    }

    fn with(mut self, children: impl IntoIterator<Item = Node>) -> Self {
        self.children.extend(children);
        self
    }

    fn write(&self, prefix: &str, text: &mut String) {
        for (index, child) in self.children.iter().enumerate() {
            let last = index + 1 == self.children.len();
            let (mark, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let mut lines = child.line.lines();
            text.push_str(&format!("{prefix}{mark}{}\n", lines.next().unwrap_or_default()));
            let hanging = if child.children.is_empty() { "   " } else { "│  " };
            for line in lines {
                text.push_str(format!("{prefix}{below}{hanging}{line}").trim_end());
                text.push('\n');
            }
            child.write(&format!("{prefix}{below}"), text);
        }
    }
}

/// How a client fares, in a few words.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Connects => "✓ connects",
        Verdict::ConnectsByPublicFqdn => "~ connects by the public FQDN only",
        Verdict::Fails => "✗ does not connect",
    }
}

/// A vantage in words: its name and what kind of place it is.
pub fn vantage(vantage: &Vantage) -> String {
    match vantage {
        Vantage::Internet => "the Internet".to_owned(),
        other => format!("{} ({})", other.name(), other.describe()),
    }
}

/// The explanation with what to do about it; `meanwhile` is a way that needs no connection.
pub fn explanation(found: &Explanation, fixes: &[Fix], meanwhile: Option<&Command>) -> String {
    let mut text = format!("{} from {}: {}\n", found.cluster.name(), vantage(&found.vantage), verdict(found.verdict));
    let shown = found.shown.as_ref().map_or("nothing", |name| name.as_str());
    let mut root = Node::default();
    root.children
        .push(Node::new(format!("the portal shows {shown}")).with([Node::new(found.shown_because.sentence())]));
    root.children.extend(found.names.iter().map(name));
    root.children.extend(found.cause.iter().map(|found| cause("cause", found)));
    root.children.extend(found.notes.iter().map(|note| cause("also", note)));
    if !fixes.is_empty() {
        let fixes = fixes.iter().enumerate().map(|(index, found)| fix(index + 1, found));
        root.children.push(Node::new("fixes, the least effort first; each was tried on the model").with(fixes));
    } else if found.verdict == Verdict::Fails {
        root.children.push(Node::new("no single change that the model knows of connects this client"));
    }
    if let Some(command) = meanwhile {
        root.children.push(Node::new("meanwhile, without any connection from here").with([Node::new(pasted(command))]));
    }
    root.write("", &mut text);
    text
}

fn name(answer: &NameAnswer) -> Node {
    let mark = if answer.connects { "✓" } else { "✗" };
    let in_kubeconfig = if answer.in_kubeconfig { ", in the kubeconfig" } else { "" };
    let resolving = answer.trace.hops.iter().filter_map(words::name_step).map(Node::new);
    let packets = answer.trace.hops.iter().filter_map(words::packet_step).map(Node::new);
    Node::new(format!("{mark} {}{in_kubeconfig}: {}", answer.role.describe(), answer.name))
        .with(resolving)
        .with(packets)
        .with([Node::new(answer.trace.disposition.sentence())])
}

fn cause(what: &str, cause: &Cause) -> Node {
    Node::new(format!("{what} {}: {}", cause.code, cause.sentence)).with(cause.evidence.iter().map(Node::new))
}

fn fix(number: usize, fix: &Fix) -> Node {
    let commands = fix.commands.iter().map(|command| Node::new(pasted(command)));
    Node::new(format!("{number}. {}", fix.title)).with(commands)
}

fn pasted(command: &Command) -> String {
    let lines = |prompt: &str| {
        let lines: Vec<String> = command.text.lines().map(|line| format!("{prompt}{line}")).collect();
        lines.join("\n")
    };
    match command.tool {
        Tool::Az | Tool::Shell => lines("$ "),
        Tool::Terraform => format!("Terraform:\n{}", lines("")),
        Tool::Note => command.text.clone(),
    }
}
