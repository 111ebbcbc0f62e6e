//! Documents of DNS private resolvers, their endpoints and their forwarding rulesets.

use super::Json;
use crate::{
    DnsName,
    model::{DnsResolver, ForwardingRule, ForwardingRuleset, InboundEndpoint, OutboundEndpoint, RulesetLink},
};

/// The port of a target server that names none.
const DNS_PORT: u16 = 53;

pub(super) fn resolver(properties: Json<'_>) -> Option<DnsResolver> {
    Some(DnsResolver { virtual_network: properties.get("virtualNetwork").id()? })
}

/// An endpoint has one IP configuration, however the list looks.
pub(super) fn inbound(properties: Json<'_>) -> Option<InboundEndpoint> {
    properties.get("ipConfigurations").items().find_map(|configuration| {
        Some(InboundEndpoint {
            subnet: configuration.get("subnet").id()?,
            address: configuration.get("privateIpAddress").parsed()?,
        })
    })
}

pub(super) fn outbound(properties: Json<'_>) -> Option<OutboundEndpoint> {
    Some(OutboundEndpoint { subnet: properties.get("subnet").id()? })
}

pub(super) fn ruleset(properties: Json<'_>) -> ForwardingRuleset {
    ForwardingRuleset {
        outbound_endpoints: properties.get("dnsResolverOutboundEndpoints").items().filter_map(Json::id).collect(),
    }
}

pub(super) fn rule(properties: Json<'_>) -> Option<ForwardingRule> {
    let domain = match properties.get("domainName").text()? {
        "." => DnsName::root(),
        name => name.parse().ok()?,
    };
    let target = |server: Json<'_>| {
        let port = server.get("port").number().and_then(|port| u16::try_from(port).ok());
        Some((server.get("ipAddress").parsed()?, port.unwrap_or(DNS_PORT)))
    };
    Some(ForwardingRule {
        domain,
        targets: properties.get("targetDnsServers").items().filter_map(target).collect(),
        enabled: !properties
            .get("forwardingRuleState")
            .text()
            .is_some_and(|state| state.eq_ignore_ascii_case("Disabled")),
    })
}

pub(super) fn link(properties: Json<'_>) -> Option<RulesetLink> {
    Some(RulesetLink { virtual_network: properties.get("virtualNetwork").id()? })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use crate::{Kind, Resource, addressing, model::*, sketch::Sketch};

    #[test]
    fn a_resolver_answers_in_a_network_and_forwards_for_those_linked() {
        let sketch = Sketch::new()
            .network("hub", "10.0.0.0/16")
            .resolver("r", "hub", "10.0.8.4")
            .ruleset("rules", "r", "corp.example.", &[("192.168.0.53", 53)])
            .ruleset_link("rules", "hub");
        let estate = sketch.estate();
        let hub = sketch.id(Kind::VirtualNetwork, "hub");
        let resolver = sketch.id(Kind::DnsResolver, "r");
        assert_eq!(estate.dns_resolver(&resolver), Some(&DnsResolver { virtual_network: hub.clone() }));

        let inbound = estate.inbound_endpoint(&resolver.child("inboundEndpoints", "in")).unwrap();
        assert_eq!(inbound.address, Ipv4Addr::new(10, 0, 8, 4));
        assert!(addressing::taken(&estate, &inbound.subnet).contains(&inbound.address), "nobody else gets its address");

        let outbound = resolver.child("outboundEndpoints", "out");
        assert!(estate.outbound_endpoint(&outbound).is_some());
        let ruleset = sketch.id(Kind::ForwardingRuleset, "rules");
        assert_eq!(estate.forwarding_ruleset(&ruleset).unwrap().outbound_endpoints, std::slice::from_ref(&outbound));
        let link = estate.children(&ruleset, Kind::RulesetLink).next().unwrap().id().clone();
        assert_eq!(estate.ruleset_link(&link), Some(&RulesetLink { virtual_network: hub.clone() }));
        let of_hub: Vec<Kind> = estate.referrers(&hub).map(|resource| resource.kind()).collect();
        assert_eq!(of_hub, [Kind::RulesetLink, Kind::DnsResolver]);
        assert_eq!(estate.referrers(&outbound).next().unwrap().id(), &ruleset);
    }

    #[test]
    fn a_rule_has_a_domain_and_servers_and_may_be_off() {
        let rule = |properties| {
            let id = Sketch::new().id(Kind::ForwardingRule, "rules/r");
            match Resource::new(id, &json!({"properties": properties})).model() {
                Model::ForwardingRule(rule) => Some(rule.clone()),
                _ => None,
            }
        };
        let servers = json!([{"ipAddress": "10.0.0.1"}, {"ipAddress": "10.0.0.2", "port": 5353}]);
        let off = json!({"domainName": "A.Example.", "targetDnsServers": servers, "forwardingRuleState": "disabled"});
        let expected = ForwardingRule {
            domain: "a.example".parse().unwrap(),
            targets: vec![(Ipv4Addr::new(10, 0, 0, 1), 53), (Ipv4Addr::new(10, 0, 0, 2), 5353)],
            enabled: false,
        };
        assert_eq!(rule(off), Some(expected));
        let every_name = rule(json!({"domainName": "."})).unwrap();
        assert!(every_name.enabled && every_name.domain.as_str().is_empty());
        assert_eq!(rule(json!({"domainName": "a..b."})), None);
    }
}
