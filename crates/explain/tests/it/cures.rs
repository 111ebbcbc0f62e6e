//! What is offered cures: on any estate, by a network compiled from nothing; and its commands are of the kinds that the
//! manual lists, each of which a story has typed.

use azure::{Kind, aks};
use explain::{
    Verdict,
    edit::{Command, Tool, az_kinds},
    fix::{Step, fixes, meanwhile},
};
use network::{Disposition, Host, Network};
use proptest::prelude::*;

use crate::{
    random::{pieces, sketch},
    stage::article,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_fix_that_is_offered_cures(pieces in pieces()) {
        let network = Network::compile(&sketch(&pieces).estate());
        for vantage in network.vantages() {
            for id in network.clusters().keys() {
                let found = explain::explain(&network, vantage, id).unwrap();
                prop_assert_eq!(found.cause.is_none(), found.verdict == Verdict::Connects);
                let aside = meanwhile(&network, &found);
                prop_assert_eq!(aside.as_ref().and_then(undocumented), None);
                for fix in fixes(&network, &found) {
                    prop_assert_eq!(fix.commands.iter().find_map(undocumented), None);
                    let mut estate = network.estate().clone();
                    let (mut public, mut hosts) = (false, None);
                    for step in &fix.steps {
                        match step {
                            Step::UsePublicFqdn => public = true,
                            Step::HostsLine(address) => hosts = Some(*address),
                            Step::Edit(edit) => estate = edit.apply(&estate).unwrap().0,
                        }
                    }
                    let cured = Network::compile(&estate);
                    let cluster = cured.cluster(id).unwrap();
                    let name = if public { &cluster.fqdn } else if cluster.private_fqdn.is_some() { &cluster.private_fqdn } else { &cluster.fqdn };
                    let host = hosts.map_or_else(|| Host::Name(name.clone().unwrap()), Host::Address);
                    let end = cured.reach(vantage, &host, aks::API_SERVER_PORT).disposition;
                    let there = matches!(&end, Disposition::Connected { cluster, .. } if cluster == id);
                    prop_assert!(there, "{}: {:?} from {:?} to {}", fix.title, end, vantage, id);
                }
            }
        }
    }
}

/// No number is lower than 100: the rule that denies there moves, and those right behind it, the last first.
#[test]
fn a_rule_that_denies_first_of_all_makes_room() {
    let rules = [
        (100, "Outbound", "Deny", "*", "*", "443"),
        (101, "Outbound", "Allow", "*", "10.0.0.0/8", "*"),
        (100, "Inbound", "Deny", "*", "*", "22"),
    ];
    let sketch = article().security_group("nsg", &rules).guarded_by(Kind::Subnet, "linked/default", "nsg");
    let network = Network::compile(&sketch.estate());
    let vantage = network.find_vantage("vm-linked").unwrap();
    let cluster = sketch.id(Kind::ManagedCluster, "b");
    let found = explain::explain(&network, vantage, &cluster).unwrap();
    let fixes = fixes(&network, &found);
    let fix = fixes.iter().find(|fix| fix.title.starts_with("allow ")).unwrap();
    let typed: Vec<&str> = fix
        .commands
        .iter()
        .filter(|command| command.tool == Tool::Az)
        .map(|command| command.text.split(" --direction").next().unwrap())
        .collect();
    let of = "-g rg --nsg-name nsg -n";
    assert_eq!(
        typed,
        [
            format!("az network nsg rule update {of} rule-101 --priority 102"),
            format!("az network nsg rule update {of} rule-100 --priority 101"),
            format!("az network nsg rule create {of} AllowApiServerOut-10-224-0-5 --priority 100"),
        ]
    );
}

/// What of a command the manual does not have.
fn undocumented(command: &Command) -> Option<String> {
    match command.tool {
        Tool::Az => az_kinds(&command.text).into_iter().find(|kind| row(kind).is_none()),
        Tool::Terraform => terraform(&command.text).err(),
        Tool::Shell | Tool::Note => None,
    }
}

/// The manual's row about `name`.
fn row(name: &str) -> Option<&'static str> {
    const MANUAL: &str = include_str!("../../../../docs/explain.md");
    let begin = format!("| `{name}` | ");
    MANUAL.lines().find_map(|line| line.strip_prefix(&begin))
}

/// Whether a text is of Terraform's language, and has resources and arguments of the manual only.
fn terraform(text: &str) -> Result<(), String> {
    let body: hcl::Body = hcl::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let resources: Vec<&hcl::Block> = body.blocks().filter(|block| block.identifier() == "resource").collect();
    if resources.is_empty() {
        let about = text.split(|part: char| !part.is_ascii_lowercase() && part != '_');
        let kind = about.into_iter().find(|word| word.starts_with("azurerm_")).ok_or(format!("of what: {text}"))?;
        return known(kind, &body);
    }
    resources.into_iter().try_for_each(|block| known(block.labels()[0].as_str(), block.body()))
}

fn known(kind: &str, body: &hcl::Body) -> Result<(), String> {
    let row = row(kind).ok_or(format!("no {kind}"))?;
    let blocks = body.blocks().map(hcl::Block::identifier);
    for name in body.attributes().map(hcl::Attribute::key).chain(blocks) {
        if !row.contains(&format!("`{name}`")) {
            return Err(format!("no {name} of {kind}"));
        }
    }
    body.blocks().try_for_each(|block| known(kind, block.body()))
}

#[test]
fn what_terraform_would_refuse_is_found() {
    assert_eq!(terraform("dns_servers = [] # azurerm_virtual_network"), Ok(()));
    assert!(terraform("dns_server = [] # azurerm_virtual_network").is_err());
    assert!(terraform("resource \"azurerm_private_dns_zone\" \"z\" {\n  zone = \"z\"\n}").is_err());
    assert!(terraform("dns_servers = [ # azurerm_virtual_network").is_err());
}
