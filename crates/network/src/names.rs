//! Who resolves a name for a client, and what becomes of it.
//!
//! A machine in a network asks the DNS servers of its interface, else of its network, else
//! 168.63.129.16. A VPN client gets the network's custom servers and never 168.63.129.16, so that
//! without custom servers it keeps asking its own, or public DNS; the same for a machine in a site.
//! A server must be reachable for UDP 53 like anything else; 168.63.129.16 always is, where it is
//! at all. What stands behind an address decides what it answers: an inbound endpoint as
//! 168.63.129.16 of its network, a machine in a network is taken to forward to that, a machine in a
//! site to know public DNS only. Sources: azure-truth "Zones", "Peering and VPN"; documentation
//! "What is IP address 168.63.129.16", "What is Azure DNS Private Resolver".

use std::net::Ipv4Addr;

use azure::{
    DnsName, ResourceId,
    model::{RecordData, RecordType},
};

use crate::{
    answer::{Answer, AnswerRecord, Outcome, QueryType, ViewId},
    attachment::Attachment,
    conversation::Destination,
    disposition::Disposition,
    flow::Protocol,
    network::Network,
    trace::{Hop, Recorder, Resolution, Responder, Silent},
    vantage::Vantage,
};

/// The port of DNS.
pub const DNS_PORT: u16 = 53;

impl Network {
    /// Asks `name` as a client at `vantage` would.
    ///
    /// # Errors
    /// The disposition that says why there is nobody to ask.
    pub fn resolve(
        &self,
        vantage: &Vantage,
        name: &DnsName,
        query: QueryType,
        recorder: &mut impl Recorder,
    ) -> Result<Resolution, Disposition> {
        if let Some(address) = self.hosts_entry(vantage, name) {
            recorder.record(|| Hop::HostsEntry { name: name.clone(), address });
            return Ok(Resolution { answer: hosts_answer(name, address), responder: Responder::HostsFile });
        }
        let (view, responder) = self.name_server(vantage, recorder)?;
        recorder.record(|| Hop::Ask { responder: responder.clone() });
        Ok(Resolution { answer: self.answer(&view, name, query, recorder), responder })
    }

    /// The address that `vantage` gets for `name`.
    pub(crate) fn address_of(
        &self,
        vantage: &Vantage,
        name: &DnsName,
        recorder: &mut impl Recorder,
    ) -> Result<Ipv4Addr, Disposition> {
        let Resolution { answer, responder } =
            self.resolve(vantage, name, QueryType::Record(RecordType::A), recorder)?;
        match answer.outcome {
            Outcome::NoError => answer.addresses().next().ok_or(Disposition::NoAddress { name: name.clone() }),
            Outcome::NxDomain => Err(Disposition::NameNotFound { name: name.clone(), responder }),
            Outcome::AliasLoop => Err(Disposition::AliasLoop { name: name.clone() }),
            Outcome::NoView => Err(Disposition::NoVantage),
            Outcome::ForwarderUnreachable => {
                Err(Disposition::ForwarderUnreachable { name: name.clone(), responder, rule: answer.failed_rule })
            }
        }
    }

    /// The address that the hosts file at `vantage` has for `name`.
    pub fn hosts_entry(&self, vantage: &Vantage, name: &DnsName) -> Option<Ipv4Addr> {
        let Vantage::Client(id) = vantage else { return None };
        let entry = self.client(id)?.hosts.iter().find(|entry| entry.names.contains(name))?;
        Some(entry.address)
    }

    /// The view that a client at `vantage` asks, and through whom.
    ///
    /// # Errors
    /// [`Disposition::NoResolver`] when no configured server can be reached,
    /// [`Disposition::NoVantage`] when the vantage does not exist.
    pub fn name_server(
        &self,
        vantage: &Vantage,
        recorder: &mut impl Recorder,
    ) -> Result<(ViewId, Responder), Disposition> {
        let attachment = self.attachment(vantage)?;
        let servers = self.configured_servers(vantage, &attachment);
        if servers.is_empty() {
            return Ok(match attachment {
                Attachment::Inside(seat) => azure_dns(&seat.network.id),
                Attachment::Vpn { .. } | Attachment::Site { .. } | Attachment::Internet { .. } => public_dns(),
            });
        }
        for &address in &servers {
            if let Some(found) = self.server_at(attachment, address, DNS_PORT) {
                return Ok(found);
            }
            recorder.record(|| Hop::ServerUnreachable { address });
        }
        Err(Disposition::NoResolver { servers })
    }

    /// The DNS servers that the machine at `vantage` is told to ask, in order; none means what
    /// [`Network::name_server`] falls back to.
    pub fn dns_servers(&self, vantage: &Vantage) -> Vec<Ipv4Addr> {
        self.attachment(vantage).map(|attachment| self.configured_servers(vantage, &attachment)).unwrap_or_default()
    }

    fn configured_servers(&self, vantage: &Vantage, attachment: &Attachment<'_>) -> Vec<Ipv4Addr> {
        let own = match vantage {
            Vantage::Interface(id) => self.estate.network_interface(id).map(|nic| &nic.dns_servers),
            Vantage::Client(id) => self.client(id).map(|client| &client.dns_servers),
            Vantage::Internet | Vantage::Subnet(_) | Vantage::VpnClient(_) => None,
        };
        let own = own.into_iter().flatten().copied();
        match attachment {
            Attachment::Inside(seat) => {
                let own: Vec<Ipv4Addr> = own.collect();
                if own.is_empty() { seat.network.dns_servers.clone() } else { own }
            }
            Attachment::Vpn { network, .. } => network.dns_servers.iter().copied().chain(own).collect(),
            Attachment::Site { .. } | Attachment::Internet { .. } => own.collect(),
        }
    }

    /// What whoever is at `address` answers, asked from `attachment` for names.
    pub(crate) fn server_at(
        &self,
        attachment: Attachment<'_>,
        address: Ipv4Addr,
        port: u16,
    ) -> Option<(ViewId, Responder)> {
        match self.converse(attachment, address, Protocol::Udp, port, &mut Silent).ok()? {
            Destination::AzureDns(network) if port == DNS_PORT => Some(azure_dns(&network)),
            Destination::InboundEndpoint(endpoint) if port == DNS_PORT => {
                let network = self.estate.inbound_endpoint(&endpoint)?.subnet.parent()?;
                Some((ViewId::VirtualNetwork(network.clone()), Responder::InboundEndpoint { endpoint, network }))
            }
            Destination::Interface(nic) => {
                let network = self.estate.network_interface(&nic)?.ip_configurations.first()?.subnet.parent()?;
                let responder = Responder::CustomServer { address, network: network.clone() };
                Some((ViewId::VirtualNetwork(network), responder))
            }
            Destination::Client(machine) => Some((ViewId::Public, Responder::SiteServer { address, machine })),
            Destination::PublicHost(_) => Some(public_dns()),
            Destination::AzureDns(_) | Destination::InboundEndpoint(_) | Destination::Cluster(_) => None,
        }
    }
}

fn azure_dns(network: &ResourceId) -> (ViewId, Responder) {
    (ViewId::VirtualNetwork(network.clone()), Responder::AzureDns { network: network.clone() })
}

fn public_dns() -> (ViewId, Responder) {
    (ViewId::Public, Responder::PublicDns)
}

fn hosts_answer(name: &DnsName, address: Ipv4Addr) -> Answer {
    let record = AnswerRecord { name: name.clone(), ttl_s: 0, data: RecordData::A(address) };
    Answer { records: vec![record], ..Answer::new(Outcome::NoError) }
}
