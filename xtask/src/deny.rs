//! What may come into the tree: banned crates, licences, sources, as `deny.toml` says.
//!
//! `cargo deny` is the judge where it is installed. It is not installed here, as building it takes longer than all other
//! checks together; instead its rules that need no network are applied to `cargo metadata`.

use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;

/// The part of `deny.toml` that is applied here.
#[derive(Debug, Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    name: String,
    reason: String,
}

/// `cargo deny` where it is installed; `None` where it is not.
pub(crate) fn installed() -> Option<Command> {
    let found = super::cargo(&["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    found.then(|| super::cargo(&["deny", "check", "bans", "licenses", "sources"]))
}

/// Says what does not conform; whether everything does.
///
/// # Errors
/// When `deny.toml` or the metadata cannot be read.
pub(crate) fn check() -> Result<bool> {
    let metadata = MetadataCommand::new().exec().context("no workspace here")?;
    let text = fs_err::read_to_string(metadata.workspace_root.join("deny.toml"))?;
    let policy = toml::from_str(&text).context("deny.toml cannot be read")?;
    let complaints = complaints(&metadata, &policy)?;
    for complaint in &complaints {
        super::say(complaint);
    }
    Ok(complaints.is_empty())
}

fn complaints(metadata: &Metadata, policy: &Policy) -> Result<Vec<String>> {
    let allowed: Vec<spdx::Licensee> = policy
        .licenses
        .allow
        .iter()
        .map(|license| spdx::Licensee::parse(license).with_context(|| format!("deny.toml: {license}")))
        .collect::<Result<_>>()?;
    let of = |package: &Package| {
        let banned = policy.bans.deny.iter().find(|banned| *package.name == banned.name);
        let banned = banned.map(|banned| format!("is banned: {}", banned.reason));
        let source = package.source.as_ref().filter(|source| !source.is_crates_io());
        let source = source.map(|source| format!("comes from {source}"));
        let license = license(package, &allowed).err().map(|error| format!("{error:#}"));
        let complaints = [banned, source, license].into_iter().flatten();
        complaints.map(|complaint| format!("{} {} {complaint}", package.name, package.version)).collect::<Vec<_>>()
    };
    Ok(metadata.packages.iter().flat_map(of).collect())
}

fn license(package: &Package, allowed: &[spdx::Licensee]) -> Result<()> {
    let text = package.license.as_deref().context("says no licence")?;
    // The old way to say "or", which many crates still use.
    let text = text.replace('/', " OR ");
    let license = spdx::Expression::parse(&text).with_context(|| format!("has an unreadable licence: {text}"))?;
    let suffices = license.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted)));
    anyhow::ensure!(suffices, "has a licence that is not allowed: {text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &str, deny: &str) -> Policy {
        toml::from_str(&format!("[licenses]\nallow = {allow}\n[bans]\ndeny = {deny}")).unwrap()
    }

    #[test]
    fn the_tree_conforms() {
        assert!(check().unwrap(), "see the complaints above");
    }

    #[test]
    fn what_is_not_allowed_is_named_with_its_reason() {
        let metadata = MetadataCommand::new().exec().unwrap();
        let complaints = complaints(&metadata, &policy("['MIT']", "[{name = 'redb', reason = 'a test'}]")).unwrap();
        assert!(complaints.iter().any(|line| line.starts_with("redb ") && line.ends_with("is banned: a test")));
        assert!(complaints.iter().any(|line| line.starts_with("azure ") && line.contains("not allowed: Apache-2.0")));
        assert!(!complaints.iter().any(|line| line.starts_with("serde ")), "one of two licences is enough");
    }
}
