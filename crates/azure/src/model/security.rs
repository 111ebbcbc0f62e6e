//! Network security groups.

use ipnet::Ipv4Net;
use serde::Serialize;

/// `Microsoft.Network/networkSecurityGroups`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSecurityGroup {
    /// The rules in its own document (`properties.securityRules`); further rules are children.
    pub rules: Vec<SecurityRule>,
}

/// `…/securityRules`. A list that is empty matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its name, unique in the group in any case.
    pub name: String,
    /// `priority`, 100 to 4096: the lowest that matches decides.
    pub priority: u32,
    /// `direction`.
    pub direction: Direction,
    /// `access`.
    pub access: Access,
    /// `protocol`.
    pub protocol: RuleProtocol,
    /// `sourceAddressPrefix` and `sourceAddressPrefixes`.
    pub sources: Vec<AddressMatch>,
    /// `sourcePortRange` and `sourcePortRanges`.
    pub source_ports: Vec<PortRange>,
    /// `destinationAddressPrefix` and `destinationAddressPrefixes`.
    pub destinations: Vec<AddressMatch>,
    /// `destinationPortRange` and `destinationPortRanges`.
    pub destination_ports: Vec<PortRange>,
}

/// The way a rule looks at, seen from the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "Azure's names")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "Azure's names")]
pub enum Access {
    Allow,
    Deny,
}

/// The protocol a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "Azure's names")]
pub enum RuleProtocol {
    /// `*`.
    Any,
    Tcp,
    Udp,
    Icmp,
    Esp,
    Ah,
}

/// The addresses a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressMatch {
    /// `*`.
    Any,
    /// A prefix; a single address is a /32.
    Prefix(Ipv4Net),
    /// A service tag.
    Tag(ServiceTag),
}

/// The service tags that mean something in a virtual network without Azure's public services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceTag {
    /// The network and all that is connected to it privately.
    VirtualNetwork,
    /// Everything public.
    Internet,
    /// The platform's health probes, 168.63.129.16.
    AzureLoadBalancer,
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl PortRange {
    /// Every port: `*`.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// The ports that a client's system picks a source port from (Linux's default range).
    pub const EPHEMERAL: Self = Self { first: 32768, last: 60999 };

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Whether every port of `other` is in this range.
    pub const fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}
