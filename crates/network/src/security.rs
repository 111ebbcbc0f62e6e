//! Network security groups: which rule decides over a flow.
//!
//! The first rule in priority order that matches decides; below the user's rules stand Azure's six
//! default rules. Groups are stateful: replies of an allowed flow pass. Sources: documentation
//! "Network security groups", "Virtual network service tags".

use std::net::Ipv4Addr;

use azure::{
    Estate, Kind, ResourceId,
    model::{
        Access, AddressMatch, Direction, Model, NetworkSecurityGroup, PortRange, RuleProtocol, SecurityRule, ServiceTag,
    },
};
use ipnet::Ipv4Net;

use crate::{
    flow::{Flow, Protocol},
    route::{AZURE_DNS, PRIVATE_RANGES, is_private},
};

/// A network security group, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// The group.
    pub id: ResourceId,
    /// Its rules for inbound flows in the order in which they are tried, Azure's default rules last.
    pub inbound: Vec<SecurityRule>,
    /// The same for outbound flows.
    pub outbound: Vec<SecurityRule>,
}

impl SecurityGroup {
    /// Compiles the group `id`; `None` when there is no such group.
    pub(crate) fn compile(estate: &Estate, id: &ResourceId) -> Option<Self> {
        let NetworkSecurityGroup { rules: own } = estate.network_security_group(id)?;
        let mut rules: Vec<&SecurityRule> = estate
            .children(id, Kind::SecurityRule)
            .filter_map(|child| match child.model() {
                Model::SecurityRule(rule) => Some(rule),
                _ => None,
            })
            .collect();
        // A child is newer than a rule of the same name in the group's own document.
        let children = rules.len();
        let is_child = |own: &SecurityRule, rules: &[&SecurityRule]| {
            rules[..children].iter().any(|child| child.name.eq_ignore_ascii_case(&own.name))
        };
        for rule in own {
            if !is_child(rule, &rules) {
                rules.push(rule);
            }
        }
        let towards = |direction: Direction| {
            let mut rules: Vec<SecurityRule> =
                rules.iter().filter(|rule| rule.direction == direction).copied().cloned().collect();
            rules.extend(default_rules(direction));
            rules.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
            rules
        };
        Some(Self {
            id: estate.get(id)?.id().clone(),
            inbound: towards(Direction::Inbound),
            outbound: towards(Direction::Outbound),
        })
    }

    /// The rules of one direction, in the order in which they are tried.
    pub fn rules(&self, direction: Direction) -> &[SecurityRule] {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    /// The rule that decides over `flow` where the service tags mean `tags`.
    pub(crate) fn decide(&self, direction: Direction, flow: &Flow, tags: &Tags) -> Option<&SecurityRule> {
        self.rules(direction).iter().find(|rule| matches(rule, flow, tags))
    }
}

fn matches(rule: &SecurityRule, flow: &Flow, tags: &Tags) -> bool {
    let protocol = match rule.protocol {
        RuleProtocol::Any => true,
        RuleProtocol::Tcp => flow.protocol == Protocol::Tcp,
        RuleProtocol::Udp => flow.protocol == Protocol::Udp,
        RuleProtocol::Icmp | RuleProtocol::Esp | RuleProtocol::Ah => false,
    };
    let covers = |ranges: &[PortRange], ports| ranges.iter().any(|range| range.covers(ports));
    let contains = |places: &[AddressMatch], address| places.iter().any(|place| tags.matches(*place, address));
    protocol
        && covers(&rule.destination_ports, flow.destination_ports)
        && covers(&rule.source_ports, flow.source_ports)
        && contains(&rule.sources, flow.source)
        && contains(&rule.destinations, flow.destination)
}

/// The rules that every group has below its own.
fn default_rules(direction: Direction) -> [SecurityRule; 3] {
    use AddressMatch::{Any, Tag};
    let rule = |name: &str, priority, access, source, destination| SecurityRule {
        name: name.to_owned(),
        priority,
        direction,
        access,
        protocol: RuleProtocol::Any,
        sources: vec![source],
        source_ports: vec![PortRange::ALL],
        destinations: vec![destination],
        destination_ports: vec![PortRange::ALL],
    };
    let network = Tag(ServiceTag::VirtualNetwork);
    match direction {
        Direction::Inbound => [
            rule("AllowVnetInBound", 65000, Access::Allow, network, network),
            rule("AllowAzureLoadBalancerInBound", 65001, Access::Allow, Tag(ServiceTag::AzureLoadBalancer), Any),
            rule("DenyAllInBound", 65500, Access::Deny, Any, Any),
        ],
        Direction::Outbound => [
            rule("AllowVnetOutBound", 65000, Access::Allow, network, network),
            rule("AllowInternetOutBound", 65001, Access::Allow, Any, Tag(ServiceTag::Internet)),
            rule("DenyAllOutBound", 65500, Access::Deny, Any, Any),
        ],
    }
}

/// What the service tags mean for the interfaces of one subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `VirtualNetwork`: disjoint prefixes in address order. With a user-defined default route that
    /// is everything, as in Azure.
    pub virtual_network: Vec<Ipv4Net>,
}

impl Tags {
    pub(crate) fn new(virtual_network: impl Iterator<Item = Ipv4Net>) -> Self {
        Self { virtual_network: Ipv4Net::aggregate(&virtual_network.collect()) }
    }

    /// Whether `place` covers `address`.
    pub fn matches(&self, place: AddressMatch, address: Ipv4Addr) -> bool {
        match place {
            AddressMatch::Any => true,
            AddressMatch::Prefix(prefix) => prefix.contains(&address),
            AddressMatch::Tag(ServiceTag::VirtualNetwork) => self.in_virtual_network(address),
            AddressMatch::Tag(ServiceTag::Internet) => !self.in_virtual_network(address) && !is_private(address),
            AddressMatch::Tag(ServiceTag::AzureLoadBalancer) => address == AZURE_DNS,
        }
    }

    /// The prefixes that `place` covers, disjoint and in address order.
    pub fn prefixes(&self, place: AddressMatch) -> Vec<Ipv4Net> {
        match place {
            AddressMatch::Any => vec![Ipv4Net::default()],
            AddressMatch::Prefix(prefix) => vec![prefix],
            AddressMatch::Tag(ServiceTag::VirtualNetwork) => self.virtual_network.clone(),
            AddressMatch::Tag(ServiceTag::Internet) => complement(&self.outside_internet()),
            AddressMatch::Tag(ServiceTag::AzureLoadBalancer) => vec![Ipv4Net::from(AZURE_DNS)],
        }
    }

    /// What the tag `Internet` leaves out: disjoint prefixes in address order.
    pub fn outside_internet(&self) -> Vec<Ipv4Net> {
        Ipv4Net::aggregate(&self.virtual_network.iter().chain(&PRIVATE_RANGES).copied().collect())
    }

    fn in_virtual_network(&self, address: Ipv4Addr) -> bool {
        let after = self.virtual_network.partition_point(|prefix| prefix.network() <= address);
        after.checked_sub(1).is_some_and(|index| self.virtual_network[index].contains(&address))
    }
}

/// What disjoint `prefixes`, in address order, leave out.
fn complement(prefixes: &[Ipv4Net]) -> Vec<Ipv4Net> {
    let mut left = Vec::new();
    let mut next = Some(Ipv4Addr::UNSPECIFIED);
    let mut gap = |from: Ipv4Addr, last: u32| {
        left.extend(ipnet::Ipv4Subnets::new(from, Ipv4Addr::from(last), 0));
    };
    for prefix in prefixes {
        let Some(from) = next else { break };
        if let Some(last) = u32::from(prefix.network()).checked_sub(1).filter(|last| *last >= u32::from(from)) {
            gap(from, last);
        }
        next = u32::from(prefix.broadcast()).checked_add(1).map(Ipv4Addr::from);
    }
    if let Some(from) = next {
        gap(from, u32::MAX);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(prefixes: &[&str]) -> Tags {
        Tags::new(prefixes.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn the_internet_is_what_is_neither_connected_nor_private() {
        let tags = tags(&["10.0.0.0/16", "10.1.0.0/16", "20.0.0.0/8", "168.63.129.16/32"]);
        assert_eq!(tags.virtual_network[0], "10.0.0.0/15".parse().unwrap(), "neighbours become one");
        let internet = AddressMatch::Tag(ServiceTag::Internet);
        let prefixes = tags.prefixes(internet);
        for text in ["8.8.8.8", "198.18.0.1", "10.0.0.4", "10.9.0.4", "20.1.1.1", "0.0.0.0", "255.255.255.255"] {
            let address: Ipv4Addr = text.parse().unwrap();
            let listed = prefixes.iter().any(|prefix| prefix.contains(&address));
            assert_eq!(listed, tags.matches(internet, address), "{text}");
        }
        assert!(tags.matches(internet, Ipv4Addr::new(8, 8, 8, 8)));
        assert!(!tags.matches(internet, Ipv4Addr::new(20, 1, 1, 1)));
    }

    #[test]
    fn a_default_route_to_an_appliance_makes_everything_the_virtual_network() {
        let tags = tags(&["10.0.0.0/16", "0.0.0.0/0"]);
        assert!(tags.prefixes(AddressMatch::Tag(ServiceTag::Internet)).is_empty());
    }
}
