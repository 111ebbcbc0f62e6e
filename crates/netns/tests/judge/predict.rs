//! What the model says that a client sees.

use std::net::SocketAddrV4;

use network::{
    Destination, Disposition, DnsName, Host, Network, Outcome, Protocol, QueryType, RecordType, Silent, Vantage,
};

use crate::{
    MACHINE_PORT, NAME_PORT,
    probe::{Seen, Told},
};

/// How a connection comes out, where every machine serves two ports.
pub(crate) fn connect(network: &Network, vantage: &Vantage, to: SocketAddrV4) -> Seen {
    let (address, port) = (*to.ip(), to.port());
    let end = network.connect(vantage, &Host::Address(address), port, &mut Silent);
    match network.route(vantage, address, Protocol::Tcp, port, &mut Silent) {
        Err(_) => Seen::Silence,
        Ok(Destination::Interface(machine) | Destination::Client(machine)) => match port {
            MACHINE_PORT => Seen::Connected(machine.name().to_owned()),
            NAME_PORT => Seen::NameServer,
            _ => Seen::Refused,
        },
        Ok(Destination::Cluster(_)) => match end {
            Disposition::Connected { cluster, .. } => Seen::Connected(cluster.name().to_owned()),
            Disposition::PortClosed { .. } => Seen::Refused,
            _ => Seen::Silence,
        },
        Ok(Destination::AzureDns(_) | Destination::InboundEndpoint(_) | Destination::PublicHost(_)) => match end {
            Disposition::NameServer { port: NAME_PORT, .. } => Seen::NameServer,
            _ => Seen::Silence,
        },
    }
}

/// What a lookup says.
pub(crate) fn look_up(network: &Network, vantage: &Vantage, name: &str) -> Told {
    let name: DnsName = name.parse().expect("a name");
    let Ok(resolution) = network.resolve(vantage, &name, QueryType::Record(RecordType::A), &mut Silent) else {
        return Told::Failure;
    };
    let addresses: std::collections::BTreeSet<_> = resolution.answer.addresses().collect();
    match resolution.answer.outcome {
        Outcome::NoError if addresses.is_empty() => Told::NoData,
        Outcome::NoError => Told::Addresses(addresses),
        Outcome::NxDomain => Told::NxDomain,
        Outcome::AliasLoop | Outcome::NoView | Outcome::ForwarderUnreachable => Told::Failure,
    }
}
