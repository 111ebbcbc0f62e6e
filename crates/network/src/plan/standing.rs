//! Where the machine of a vantage is in the fabric, and what it reads about names.

use std::net::Ipv4Addr;

use super::{
    fabric::Fabric,
    types::{PUBLIC_DNS, Place},
};
use crate::{network::Network, route::AZURE_DNS, vantage::Vantage};

/// What a machine's resolver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The namespace it runs in.
    pub place: Place,
    /// Its DNS servers, in order.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Its hosts file: address and names.
    pub hosts: Vec<(Ipv4Addr, Vec<String>)>,
}

impl Standing {
    /// How a client at `vantage` stands; `None` when the fabric has no machine there (a subnet
    /// that nobody visits, an interface whose machine is stopped).
    pub fn of(network: &Network, fabric: &Fabric, vantage: &Vantage) -> Option<Self> {
        let place = match vantage {
            Vantage::Internet => Place::Internet,
            Vantage::Interface(id) => Place::Machine(id.clone()),
            Vantage::VpnClient(id) => Place::VpnClient(id.clone()),
            Vantage::Client(id) => Place::Client(id.clone()),
            Vantage::Subnet(id) => Place::Visitor(id.clone()),
        };
        fabric.namespaces.get(&place)?;
        let mut dns_servers = network.dns_servers(vantage);
        if dns_servers.is_empty() {
            dns_servers.push(if matches!(vantage, Vantage::Interface(_) | Vantage::Subnet(_)) {
                AZURE_DNS
            } else {
                PUBLIC_DNS
            });
        }
        let entries = match vantage {
            Vantage::Client(id) => network.client(id).map(|client| client.hosts.as_slice()),
            _ => None,
        };
        let line =
            |entry: &azure::model::HostsEntry| (entry.address, entry.names.iter().map(ToString::to_string).collect());
        let hosts = entries.unwrap_or_default().iter().map(line).collect();
        Some(Self { place, dns_servers, hosts })
    }

    /// Its `resolv.conf`.
    pub fn resolv_conf(&self) -> String {
        let servers = self.dns_servers.iter().map(|server| format!("nameserver {server}"));
        // Short waits: a server that cannot be reached is a case people come to see.
        let lines: Vec<String> = servers.chain(["options timeout:2 attempts:2\n".to_owned()]).collect();
        lines.join("\n")
    }

    /// Its hosts file.
    pub fn hosts_file(&self) -> String {
        let own = "127.0.0.1 localhost\n".to_owned();
        self.hosts.iter().fold(own, |text, (address, names)| text + &format!("{address} {}\n", names.join(" ")))
    }
}
