//! From a vantage to a name or an address: whether it connects, and why.

use std::net::Ipv4Addr;

use azure::{DnsName, aks};

use crate::{
    attachment::Attachment,
    conversation::Destination,
    disposition::Disposition,
    flow::Protocol,
    names::DNS_PORT,
    network::Network,
    trace::{Recorder, Silent, Trace},
    vantage::Vantage,
};

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved first.
    Name(DnsName),
    /// An address.
    Address(Ipv4Addr),
}

/// Where a vantage stands, found once for many questions.
#[derive(Debug, Clone, Copy)]
pub struct Standpoint<'a>(Attachment<'a>);

impl Network {
    /// Where `vantage` stands.
    ///
    /// # Errors
    /// [`Disposition::NoVantage`] when it does not exist or has no address.
    pub fn standpoint(&self, vantage: &Vantage) -> Result<Standpoint<'_>, Disposition> {
        Ok(Standpoint(self.attachment(vantage)?))
    }

    /// How a TCP connection from there to an address ends: as [`Network::connect`] says it.
    pub fn connect_from(&self, from: &Standpoint<'_>, address: Ipv4Addr, port: u16) -> Disposition {
        match self.converse(from.0, address, Protocol::Tcp, port, &mut Silent) {
            Ok(destination) => self.accepted(destination, address, port),
            Err(disposition) => disposition,
        }
    }

    /// Resolves, routes and connects over TCP; the whole way with its reasons.
    pub fn reach(&self, vantage: &Vantage, host: &Host, port: u16) -> Trace {
        let mut hops = Vec::new();
        let disposition = self.connect(vantage, host, port, &mut hops);
        let target = match host {
            Host::Name(name) => format!("{name}:{port}"),
            Host::Address(address) => format!("{address}:{port}"),
        };
        Trace { vantage: vantage.clone(), target, hops, disposition }
    }

    /// How a TCP connection from `vantage` ends, without the reasons.
    pub fn connect(&self, vantage: &Vantage, host: &Host, port: u16, recorder: &mut impl Recorder) -> Disposition {
        let address = match host {
            Host::Address(address) => *address,
            Host::Name(name) => match self.address_of(vantage, name, recorder) {
                Ok(address) => address,
                Err(disposition) => return disposition,
            },
        };
        match self.route(vantage, address, Protocol::Tcp, port, recorder) {
            Ok(destination) => self.accepted(destination, address, port),
            Err(disposition) => disposition,
        }
    }

    /// Whether whoever is at the end takes the connection.
    fn accepted(&self, destination: Destination, address: Ipv4Addr, port: u16) -> Disposition {
        match destination {
            Destination::AzureDns(_) | Destination::InboundEndpoint(_) => Disposition::NameServer { to: address, port },
            Destination::PublicHost(_) if port == DNS_PORT => Disposition::NameServer { to: address, port },
            Destination::Interface(_) | Destination::Client(_) => Disposition::PortClosed { to: address, port },
            Destination::PublicHost(_) => Disposition::NothingThere { to: address },
            Destination::Cluster(cluster) => match self.cluster(&cluster) {
                None => Disposition::NothingThere { to: address },
                Some(found) if !found.running => Disposition::ClusterStopped { cluster },
                Some(_) if port != aks::API_SERVER_PORT => Disposition::PortClosed { to: address, port },
                Some(_) => Disposition::Connected { cluster, address },
            },
        }
    }
}
