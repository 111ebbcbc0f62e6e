//! What can be pasted: a command's text, what it is for, and how names are spelt in it.

use azure::{Estate, ResourceId};
use serde::Serialize;

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    /// Azure's command line, in a shell.
    Az,
    /// Terraform's azurerm provider: a resource to add or an attribute to set.
    Terraform,
    /// A shell on the client.
    Shell,
    /// Words, where no command can say it.
    Note,
}

/// A way to make an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// What it is for.
    pub tool: Tool,
    /// The text to paste.
    pub text: String,
}

impl Command {
    pub(crate) fn az(text: impl Into<String>) -> Self {
        Self { tool: Tool::Az, text: text.into() }
    }

    pub(crate) fn terraform(text: impl Into<String>) -> Self {
        Self { tool: Tool::Terraform, text: text.into() }
    }

    pub(crate) fn shell(text: impl Into<String>) -> Self {
        Self { tool: Tool::Shell, text: text.into() }
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self { tool: Tool::Note, text: text.into() }
    }
}

/// The kinds of `az` commands in a text, a line each: the words and options without what they are about, and the
/// properties that are set. `docs/explain.md` lists those that a fix may have; every one of them has been run.
pub fn az_kinds(text: &str) -> Vec<String> {
    let begins = |rest: &&str| rest.starts_with(|first: char| first.is_ascii_lowercase());
    let commands = text.lines().flat_map(|line| line.split("az ").skip(1)).filter(begins);
    let is_option = |word: &str| {
        let name = word.strip_prefix('-');
        name.is_some_and(|name| name.starts_with(|first: char| first == '-' || first.is_ascii_lowercase()))
    };
    let kind = |rest: &str| {
        let (mut kind, mut options) = ("az".to_owned(), false);
        for word in rest.split(' ') {
            options |= is_option(word);
            let property = word.split_once('=').filter(|_| kind.ends_with("--set")).map(|(property, _)| property);
            if let Some(kept) = property.or((!options || is_option(word)).then_some(word)) {
                kind += &format!(" {kept}");
            }
        }
        kind
    };
    commands.map(kind).collect()
}

/// `-g <group>`, with the subscription where the estate has more than one.
pub(crate) fn in_group(estate: &Estate, id: &ResourceId) -> String {
    let subscription = |end: Option<&std::sync::Arc<azure::Resource>>| end?.id().subscription().map(str::to_owned);
    let several = subscription(estate.iter().next()) != subscription(estate.iter().next_back());
    let group = quoted(id.group_name().unwrap_or_default());
    match id.subscription() {
        Some(subscription) if several => format!("-g {group} --subscription {subscription}"),
        _ => format!("-g {group}"),
    }
}

/// A name as a POSIX shell takes it.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A name as Terraform takes it for a label.
pub(super) fn label(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let label: String = text.chars().map(plain).collect();
    if label.starts_with(|first: char| first.is_ascii_digit()) { format!("r_{label}") } else { label }
}

/// A resource to add, in Terraform's language.
pub(super) fn resource(kind: &str, name: &str, attributes: &[(&str, String)]) -> Command {
    let width = attributes.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let mut text = format!("resource \"{kind}\" \"{}\" {{\n", label(name));
    for (key, value) in attributes {
        text += &format!("  {key:<width$} = {value}\n");
    }
    Command::terraform(text + "}")
}

/// A text, in Terraform's language.
pub(super) fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}
