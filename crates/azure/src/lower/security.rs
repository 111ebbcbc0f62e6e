//! Documents of network security groups and their rules.

use ipnet::Ipv4Net;

use crate::{
    Finding, Json, ResourceId,
    model::{Access, AddressMatch, Direction, NetworkSecurityGroup, PortRange, RuleProtocol, SecurityRule, ServiceTag},
};

/// The priority of a rule that has none: after every rule a user can write.
const PRIORITY_LAST: u32 = 4096;

pub(super) fn group(id: &ResourceId, properties: Json<'_>, findings: &mut Vec<Finding>) -> NetworkSecurityGroup {
    let named = properties.get("securityRules").items().filter_map(|rule| {
        let name = rule.get("name").text()?;
        Some((name, rule.get("properties")))
    });
    let mut rules = Vec::new();
    for (name, properties) in named {
        match rule(id, name, properties, findings) {
            Some(rule) => rules.push(rule),
            None => findings.push(Finding::unreadable(id)),
        }
    }
    NetworkSecurityGroup { rules }
}

/// A rule called `name` from its properties; `id` is the resource that findings are about.
pub(super) fn rule(
    id: &ResourceId,
    name: &str,
    properties: Json<'_>,
    findings: &mut Vec<Finding>,
) -> Option<SecurityRule> {
    let direction = match properties.get("direction").text()?.to_ascii_lowercase().as_str() {
        "inbound" => Direction::Inbound,
        "outbound" => Direction::Outbound,
        _ => return None,
    };
    let access = match properties.get("access").text()?.to_ascii_lowercase().as_str() {
        "allow" => Access::Allow,
        "deny" => Access::Deny,
        _ => return None,
    };
    let protocol = match properties.get("protocol").text()?.to_ascii_lowercase().as_str() {
        "*" => RuleProtocol::Any,
        "tcp" => RuleProtocol::Tcp,
        "udp" => RuleProtocol::Udp,
        "icmp" => RuleProtocol::Icmp,
        "esp" => RuleProtocol::Esp,
        "ah" => RuleProtocol::Ah,
        _ => return None,
    };
    let mut addresses = |side: &str| {
        if properties.get(&format!("{side}ApplicationSecurityGroups")).items().next().is_some() {
            let what = format!("rule {name}, because of its application security groups,");
            findings.push(Finding::unmodelled(id, &what));
            return Vec::new();
        }
        let texts = one_or_more(properties, &format!("{side}AddressPrefix"), &format!("{side}AddressPrefixes"));
        texts.into_iter().filter_map(|text| address(id, name, text, findings)).collect()
    };
    let (sources, destinations) = (addresses("source"), addresses("destination"));
    let ports = |side: &str| -> Vec<PortRange> {
        let texts = one_or_more(properties, &format!("{side}PortRange"), &format!("{side}PortRanges"));
        texts.into_iter().filter_map(port_range).collect()
    };
    let source_ports = ports("source");
    if !source_ports.iter().any(|range| range.covers(PortRange::EPHEMERAL)) {
        findings
            .push(Finding::unmodelled(id, &format!("rule {name}, which matches some source ports and others not,")));
    }
    Some(SecurityRule {
        name: name.to_owned(),
        priority: properties.get("priority").number().unwrap_or(PRIORITY_LAST),
        direction,
        access,
        protocol,
        sources,
        source_ports,
        destinations,
        destination_ports: ports("destination"),
    })
}

/// Azure writes one value as a text, several as a list, and may write both.
fn one_or_more<'a>(properties: Json<'a>, one: &str, more: &str) -> Vec<&'a str> {
    properties.get(one).text().into_iter().chain(properties.get(more).items().filter_map(Json::text)).collect()
}

fn address(id: &ResourceId, rule: &str, text: &str, findings: &mut Vec<Finding>) -> Option<AddressMatch> {
    if text == "*" || text.eq_ignore_ascii_case("Any") {
        return Some(AddressMatch::Any);
    }
    if let Some(prefix) = crate::parse_prefix(text) {
        return Some(if prefix == Ipv4Net::default() { AddressMatch::Any } else { AddressMatch::Prefix(prefix) });
    }
    // IPv6 addresses match nothing in an IPv4 network.
    if text.contains(':') {
        return None;
    }
    let tag = match text.to_ascii_lowercase().as_str() {
        "virtualnetwork" => ServiceTag::VirtualNetwork,
        "internet" => ServiceTag::Internet,
        "azureloadbalancer" => ServiceTag::AzureLoadBalancer,
        _ => {
            findings.push(Finding::unmodelled(id, &format!("service tag {text} of rule {rule}")));
            return None;
        }
    };
    Some(AddressMatch::Tag(tag))
}

fn port_range(text: &str) -> Option<PortRange> {
    let text = text.trim();
    if text == "*" {
        return Some(PortRange::ALL);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(PortRange { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Kind, Resource, model::Model, sketch::Sketch};

    fn resource(properties: &Value) -> Resource {
        Resource::new(Sketch::new().id(Kind::SecurityRule, "nsg/r"), &json!({"properties": properties}))
    }

    fn lowered(properties: &Value) -> SecurityRule {
        match resource(properties).model() {
            Model::SecurityRule(rule) => rule.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_rule_takes_one_value_or_a_list_of_each() {
        let rule = lowered(&json!({
            "priority": 300, "direction": "Inbound", "access": "Deny", "protocol": "Tcp",
            "sourceAddressPrefix": "VirtualNetwork", "sourcePortRange": "*",
            "destinationAddressPrefixes": ["10.0.0.4", "10.1.0.0/16", "*"],
            "destinationPortRanges": ["443", "8000-8100"],
        }));
        assert_eq!(rule.sources, [AddressMatch::Tag(ServiceTag::VirtualNetwork)]);
        let prefix = |text: &str| AddressMatch::Prefix(text.parse().unwrap());
        assert_eq!(rule.destinations, [prefix("10.0.0.4/32"), prefix("10.1.0.0/16"), AddressMatch::Any]);
        assert_eq!(rule.destination_ports, [PortRange::one(443), PortRange { first: 8000, last: 8100 }]);
        assert_eq!((rule.priority, rule.protocol, rule.access), (300, RuleProtocol::Tcp, Access::Deny));
    }

    #[test]
    fn what_a_rule_cannot_mean_here_matches_nothing_and_is_said() {
        let base = json!({
            "direction": "Outbound", "access": "Allow", "protocol": "*", "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": "Storage.JapanEast", "destinationPortRange": "*",
        });
        let tagged = resource(&base);
        assert_eq!(tagged.findings()[0].code, "NotModelled");
        assert!(lowered(&base).destinations.is_empty());
        let mut narrow = base.clone();
        (narrow["destinationAddressPrefix"], narrow["sourcePortRange"]) = (json!("*"), json!("40000"));
        assert_eq!(resource(&narrow).findings()[0].code, "NotModelled");
        let mut grouped = base;
        grouped["destinationApplicationSecurityGroups"] = json!([{"id": "/x"}]);
        assert!(lowered(&grouped).destinations.is_empty());
        assert_eq!(resource(&json!({"direction": "Inbound"})).findings()[0].code, "UnreadableResource");
    }

    #[test]
    fn a_group_has_the_rules_of_its_document() {
        let id = Sketch::new().id(Kind::NetworkSecurityGroup, "nsg");
        let rule = json!({"name": "r", "properties": {
            "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "*", "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "22",
        }});
        let group = Resource::new(id, &json!({"properties": {"securityRules": [rule]}}));
        let Model::NetworkSecurityGroup(group) = group.model() else { panic!("{group:?}") };
        assert_eq!((group.rules.len(), group.rules[0].name.as_str()), (1, "r"));
    }
}
