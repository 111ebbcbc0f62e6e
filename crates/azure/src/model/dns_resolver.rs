//! The DNS private resolver: names for those who cannot ask 168.63.129.16, and forwarding for those
//! who ask it.

use std::net::Ipv4Addr;

use crate::{DnsName, ResourceId};

/// `Microsoft.Network/dnsResolvers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsResolver {
    /// The network whose name view it answers with.
    pub virtual_network: ResourceId,
}

/// `…/inboundEndpoints`: an address on which the resolver answers, UDP and TCP 53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundEndpoint {
    /// The subnet it stands in, its own.
    pub subnet: ResourceId,
    /// Its address there.
    pub address: Ipv4Addr,
}

/// `…/outboundEndpoints`: where forwarded questions leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundEndpoint {
    /// The subnet it stands in, its own.
    pub subnet: ResourceId,
}

/// `Microsoft.Network/dnsForwardingRulesets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardingRuleset {
    /// The outbound endpoints that carry its questions.
    pub outbound_endpoints: Vec<ResourceId>,
}

/// `…/forwardingRules`: questions for a domain go to these servers. The longest matching domain wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardingRule {
    /// The domain; the root for every name.
    pub domain: DnsName,
    /// The servers, address and port, in order.
    pub targets: Vec<(Ipv4Addr, u16)>,
    /// `forwardingRuleState`.
    pub enabled: bool,
}

/// `…/virtualNetworkLinks` of a ruleset: the questions of this network obey its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesetLink {
    /// The network.
    pub virtual_network: ResourceId,
}
