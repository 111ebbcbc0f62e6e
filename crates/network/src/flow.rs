//! A flow: what two ends say to each other, as security groups see its first packet.

use std::net::Ipv4Addr;

use azure::model::PortRange;
use serde::Serialize;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the protocol of that name")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// One direction of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The protocol.
    pub protocol: Protocol,
    /// Where it comes from.
    pub source: Ipv4Addr,
    /// The port it comes from: any of these, so that a rule matches only if it covers them all.
    pub source_ports: PortRange,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// The port it goes to: any of these.
    pub destination_ports: PortRange,
}

impl Flow {
    /// A client's flow to a port of a server.
    pub fn to_server(protocol: Protocol, source: Ipv4Addr, destination: Ipv4Addr, port: u16) -> Self {
        Self {
            protocol,
            source,
            source_ports: PortRange::EPHEMERAL,
            destination,
            destination_ports: PortRange::one(port),
        }
    }

    /// The same conversation the other way round.
    #[must_use]
    pub fn reply(self) -> Self {
        Self {
            source: self.destination,
            source_ports: self.destination_ports,
            destination: self.source,
            destination_ports: self.source_ports,
            ..self
        }
    }

    /// The same flow from another address.
    #[must_use]
    pub(crate) fn from(self, source: Ipv4Addr) -> Self {
        Self { source, ..self }
    }

    /// The same flow to another address.
    #[must_use]
    pub(crate) fn to(self, destination: Ipv4Addr) -> Self {
        Self { destination, ..self }
    }
}
