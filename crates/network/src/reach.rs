//! From a vantage to a name or an address: who resolves it, which way it goes, whether it connects.
//!
//! Routes follow Azure's system routes: the longest matching prefix of the network's own address
//! space and of the peered ones; private ranges that nothing covers go nowhere; the rest goes to
//! the Internet. Peering is not transitive, so only direct peers count; a gateway's clients go
//! further only by gateway transit. Source: azure-truth "Peering and VPN"; documentation "Virtual
//! network traffic routing".

use std::net::Ipv4Addr;

use azure::{
    DnsName, ResourceId, aks,
    model::{ConnectionStatus, RecordType},
};
use ipnet::Ipv4Net;

use crate::{
    answer::{Answer, Outcome, QueryType, ViewId},
    network::{Client, Interface, Network, VirtualNetwork},
    trace::{Disposition, Hop, NextHop, PeeringFault, Recorder, Resolution, Responder, Trace},
    vantage::Vantage,
};

/// Azure's DNS server inside every virtual network.
pub const AZURE_DNS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Ranges that system routes send nowhere unless a network covers them.
const PRIVATE_RANGES: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved first.
    Name(DnsName),
    /// An address.
    Address(Ipv4Addr),
}

/// Who is at the end of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A cluster's API server, behind a private endpoint or a public address.
    Cluster(ResourceId),
    /// A machine.
    Interface(ResourceId),
}

/// How a vantage is attached.
enum Attachment<'a> {
    /// Inside a virtual network.
    Inside(&'a VirtualNetwork),
    /// A VPN client of the network's gateway.
    Vpn(&'a VirtualNetwork),
    /// On the Internet, with this source address if it is known.
    Internet(Option<Ipv4Addr>),
}

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

    /// The address that the hosts file at `vantage` has for `name`.
    pub fn hosts_entry(&self, vantage: &Vantage, name: &DnsName) -> Option<Ipv4Addr> {
        let Vantage::Client(id) = vantage else { return None };
        let entry = self.client(id)?.hosts.iter().find(|entry| entry.names.contains(name))?;
        Some(entry.address)
    }

    /// The view that a client at `vantage` asks, and through whom.
    ///
    /// A machine in a network asks the DNS servers of its interface, else of its network, else
    /// 168.63.129.16. A VPN client gets the network's custom servers and never 168.63.129.16, so
    /// without custom servers it keeps asking public DNS. A custom server is taken to forward to
    /// Azure-provided DNS of the network it stands in.
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
        let (network, servers) = match attachment {
            Attachment::Inside(network) => (network, self.interface_servers(vantage).unwrap_or(&network.dns_servers)),
            Attachment::Vpn(network) => (network, &network.dns_servers),
            Attachment::Internet(_) => return Ok((ViewId::Public, Responder::PublicDns)),
        };
        if servers.is_empty() {
            return Ok(match attachment {
                Attachment::Inside(_) => {
                    let view = ViewId::VirtualNetwork(network.id.clone());
                    (view, Responder::AzureDns { network: network.id.clone() })
                }
                Attachment::Vpn(_) | Attachment::Internet(_) => (ViewId::Public, Responder::PublicDns),
            });
        }
        for &address in servers {
            if let Some(found) = self.server_at(vantage, &attachment, address) {
                return Ok(found);
            }
            recorder.record(|| Hop::ServerUnreachable { address });
        }
        Err(Disposition::NoResolver { servers: servers.clone() })
    }

    fn interface_servers(&self, vantage: &Vantage) -> Option<&Vec<Ipv4Addr>> {
        let Vantage::Interface(id) = vantage else { return None };
        Some(&self.estate.network_interface(id)?.dns_servers).filter(|servers| !servers.is_empty())
    }

    fn server_at(
        &self,
        vantage: &Vantage,
        attachment: &Attachment<'_>,
        address: Ipv4Addr,
    ) -> Option<(ViewId, Responder)> {
        if address == AZURE_DNS {
            return match attachment {
                Attachment::Inside(network) => Some((
                    ViewId::VirtualNetwork(network.id.clone()),
                    Responder::AzureDns { network: network.id.clone() },
                )),
                // 168.63.129.16 answers only inside Azure networks.
                Attachment::Vpn(_) | Attachment::Internet(_) => None,
            };
        }
        if !is_private(address) {
            return Some((ViewId::Public, Responder::PublicDns));
        }
        match self.route(vantage, address, &mut crate::trace::Silent) {
            Ok(Destination::Interface(nic)) => {
                let subnet = &self.estate.network_interface(&nic)?.ip_configurations.first()?.subnet;
                let network = subnet.parent()?;
                let responder = Responder::CustomServer { address, network: network.clone() };
                Some((ViewId::VirtualNetwork(network), responder))
            }
            _ => None,
        }
    }

    /// Follows the routes from `vantage` to `address`.
    ///
    /// # Errors
    /// The disposition that says where the way ends.
    pub fn route(
        &self,
        vantage: &Vantage,
        address: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        let source = match self.attachment(vantage)? {
            Attachment::Inside(network) => {
                if let Some((prefix, hop)) = local_route(network, address) {
                    recorder.record(|| Hop::Route { to: address, prefix, next_hop: hop });
                    return self.deliver(network, address, recorder);
                }
                if let Some(delivered) = self.peer_route(network, address, recorder) {
                    return delivered;
                }
                None
            }
            Attachment::Vpn(network) => {
                if let Some(delivered) = self.gateway_route(network, address, recorder) {
                    return delivered;
                }
                None
            }
            Attachment::Internet(source) => source,
        };
        self.internet_route(source, address, recorder)
    }

    /// Resolves, routes and connects; the whole way with its reasons.
    pub fn reach(&self, vantage: &Vantage, host: &Host, port: u16) -> Trace {
        let mut hops = Vec::new();
        let disposition = self.connect(vantage, host, port, &mut hops);
        let target = match host {
            Host::Name(name) => format!("{name}:{port}"),
            Host::Address(address) => format!("{address}:{port}"),
        };
        Trace { vantage: vantage.clone(), target, hops, disposition }
    }

    /// How a connection from `vantage` ends, without the reasons.
    pub fn connect(&self, vantage: &Vantage, host: &Host, port: u16, recorder: &mut impl Recorder) -> Disposition {
        let address = match host {
            Host::Address(address) => *address,
            Host::Name(name) => match self.address_of(vantage, name, recorder) {
                Ok(address) => address,
                Err(disposition) => return disposition,
            },
        };
        match self.route(vantage, address, recorder) {
            Err(disposition) => disposition,
            Ok(Destination::Interface(_)) => Disposition::PortClosed { to: address, port },
            Ok(Destination::Cluster(cluster)) => match self.cluster(&cluster) {
                None => Disposition::NothingThere { to: address },
                Some(found) if !found.running => Disposition::ClusterStopped { cluster },
                Some(_) if port != aks::API_SERVER_PORT => Disposition::PortClosed { to: address, port },
                Some(_) => Disposition::Connected { cluster, address },
            },
        }
    }

    fn address_of(
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
        }
    }

    fn attachment(&self, vantage: &Vantage) -> Result<Attachment<'_>, Disposition> {
        let inside = |subnet: &ResourceId| {
            let network = subnet.parent().and_then(|network| self.virtual_networks.get(&network));
            network.map(|network| Attachment::Inside(network)).ok_or(Disposition::NoVantage)
        };
        let vpn = |gateway: &ResourceId| {
            self.gateway_network(gateway).map(|network| Attachment::Vpn(network)).ok_or(Disposition::NoVantage)
        };
        match vantage {
            Vantage::Internet => Ok(Attachment::Internet(None)),
            Vantage::Subnet(id) => inside(id),
            Vantage::Interface(id) => {
                let nic = self.estate.network_interface(id).ok_or(Disposition::NoVantage)?;
                inside(&nic.ip_configurations.first().ok_or(Disposition::NoVantage)?.subnet)
            }
            Vantage::VpnClient(id) => vpn(id),
            Vantage::Client(id) => match self.client(id).map(AsRef::as_ref) {
                None => Err(Disposition::NoVantage),
                Some(Client { gateway: Some(gateway), .. }) => vpn(gateway),
                Some(Client { gateway: None, public_address, .. }) => Ok(Attachment::Internet(*public_address)),
            },
        }
    }

    fn peer_route(
        &self,
        network: &VirtualNetwork,
        address: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Option<Result<Destination, Disposition>> {
        let (peer, prefix) =
            longest(network.peers.iter().flat_map(|peer| peer.prefixes.iter().map(move |p| (peer, *p))), address)?;
        let fault = match (peer.connected, peer.access) {
            (false, _) => Some(PeeringFault::OneSided),
            (true, false) => Some(PeeringFault::AccessDisallowed),
            (true, true) => None,
        };
        if let Some(why) = fault {
            return Some(Err(Disposition::PeeringBlocks { to: address, peering: peer.peering.clone(), why }));
        }
        let next_hop = NextHop::Peering { peering: peer.peering.clone(), network: peer.network.clone() };
        recorder.record(|| Hop::Route { to: address, prefix, next_hop });
        let remote = self.virtual_networks.get(&peer.network)?;
        Some(self.deliver(remote, address, recorder))
    }

    fn gateway_route(
        &self,
        network: &VirtualNetwork,
        address: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Option<Result<Destination, Disposition>> {
        let gateway = &network.gateway.as_ref()?.id;
        let own = network.address_space.iter().map(|prefix| (network, *prefix));
        let transit = network.peers.iter().filter(|peer| peer.connected && peer.access && peer.transit);
        let peers = transit.filter_map(|peer| Some((self.virtual_networks.get(&peer.network)?.as_ref(), peer)));
        let peers = peers.flat_map(|(remote, peer)| peer.prefixes.iter().map(move |prefix| (remote, *prefix)));
        let (destination, prefix) = longest(own.chain(peers), address)?;
        let next_hop = NextHop::Gateway { gateway: gateway.clone() };
        recorder.record(|| Hop::Route { to: address, prefix, next_hop });
        Some(self.deliver(destination, address, recorder))
    }

    fn internet_route(
        &self,
        source: Option<Ipv4Addr>,
        address: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        if let Some(prefix) = private_range(address) {
            recorder.record(|| Hop::Route { to: address, prefix, next_hop: NextHop::None });
            return Err(Disposition::NoRoute { to: address });
        }
        recorder.record(|| Hop::Route { to: address, prefix: Ipv4Net::default(), next_hop: NextHop::Internet });
        let cluster = self.public_addresses.get(&address).and_then(|id| self.cluster(id));
        let cluster = cluster.ok_or(Disposition::NothingThere { to: address })?;
        let ranges = &cluster.authorized_ranges;
        let allowed =
            ranges.is_empty() || source.is_some_and(|source| ranges.iter().any(|range| range.contains(&source)));
        if !allowed {
            return Err(Disposition::SourceNotAuthorized { cluster: cluster.id.clone() });
        }
        recorder.record(|| Hop::PublicEndpoint { cluster: cluster.id.clone() });
        Ok(Destination::Cluster(cluster.id.clone()))
    }

    /// Hands a packet to whoever is at an address of a network.
    fn deliver(
        &self,
        network: &VirtualNetwork,
        address: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        let Some(Interface { id, private_endpoint }) = network.interfaces.get(&address) else {
            return Err(Disposition::NothingThere { to: address });
        };
        let Some(endpoint) = private_endpoint else { return Ok(Destination::Interface(id.clone())) };
        let declared = self.estate.private_endpoint(endpoint);
        let Some(service) = declared.and_then(|declared| declared.service.clone()) else {
            return Err(Disposition::NothingThere { to: address });
        };
        let status = declared.map_or(ConnectionStatus::Disconnected, |declared| declared.status);
        if status != ConnectionStatus::Approved {
            return Err(Disposition::EndpointNotApproved { endpoint: endpoint.clone(), status });
        }
        recorder.record(|| Hop::PrivateEndpoint { endpoint: endpoint.clone(), service: service.clone() });
        Ok(Destination::Cluster(service))
    }
}

fn local_route(network: &VirtualNetwork, address: Ipv4Addr) -> Option<(Ipv4Net, NextHop)> {
    let (id, prefix) = longest(network.address_space.iter().map(|prefix| (&network.id, *prefix)), address)?;
    Some((prefix, NextHop::VirtualNetwork { network: id.clone() }))
}

/// The candidate with the longest prefix that contains `address`.
fn longest<T>(candidates: impl Iterator<Item = (T, Ipv4Net)>, address: Ipv4Addr) -> Option<(T, Ipv4Net)> {
    candidates.filter(|(_, prefix)| prefix.contains(&address)).max_by_key(|(_, prefix)| prefix.prefix_len())
}

fn private_range(address: Ipv4Addr) -> Option<Ipv4Net> {
    let ranges = PRIVATE_RANGES.iter().filter_map(|(network, length)| Ipv4Net::new(*network, *length).ok());
    ranges.into_iter().find(|range| range.contains(&address))
}

fn is_private(address: Ipv4Addr) -> bool {
    private_range(address).is_some()
}

fn hosts_answer(name: &DnsName, address: Ipv4Addr) -> Answer {
    let data = azure::model::RecordData::A(address);
    let record = crate::answer::AnswerRecord { name: name.clone(), ttl_s: 0, data };
    Answer { outcome: Outcome::NoError, records: vec![record], authority: None }
}
