//! Vantages that behave alike: all that the resolver and the router look at is the same for them, so
//! that one of them answers for all.
//!
//! A vantage is a subnet, what its interface adds to it (security group, DNS servers, public
//! address, power), and an address. Addresses of one subnet differ only where something is said of
//! some of them: a security rule, a route, a peering or an authorized range that covers one and not
//! the other (they are then in different *cells*), or a name, a route or a setting that means exactly
//! this one. A property test holds this to asking every vantage by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{
    Kind, ResourceId,
    model::{AddressMatch, HostsEntry, Model, RecordData, RouteNextHop},
};
use ipnet::Ipv4Net;

use crate::{
    attachment::{Attachment, Seat},
    network::Network,
    security::SecurityGroup,
    vantage::Vantage,
    virtual_network::VirtualNetwork,
};

/// What distinguishes the addresses of one subnet from each other.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    /// Where a prefix that something is said of begins, or ends: sorted.
    bounds: Arc<[u32]>,
    /// Addresses that something is said of by themselves.
    named: Arc<BTreeSet<Ipv4Addr>>,
}

impl Cells {
    /// The cell of an address: addresses of one cell are covered by the same prefixes.
    pub fn cell(&self, address: Ipv4Addr) -> u32 {
        let cell = self.bounds.partition_point(|bound| *bound <= u32::from(address));
        u32::try_from(cell).unwrap_or(u32::MAX)
    }

    /// Whether nothing is said of these prefixes and addresses that these cells do not tell apart
    /// already: cells of one network then serve another one, too.
    pub fn cover(&self, prefixes: &[Ipv4Net], addresses: impl IntoIterator<Item = Ipv4Addr>) -> bool {
        let known = |bound: u32| self.bounds.binary_search(&bound).is_ok();
        let ends = |prefix: &Ipv4Net| {
            known(u32::from(prefix.network())) && u32::from(prefix.broadcast()).checked_add(1).is_none_or(known)
        };
        prefixes.iter().all(ends) && addresses.into_iter().all(|address| self.named.contains(&address))
    }

    /// Whether something is said of this address by itself.
    pub fn names(&self, address: Ipv4Addr) -> bool {
        self.named.contains(&address)
    }

    fn place(&self, address: Ipv4Addr) -> Spot {
        Spot { cell: self.cell(address), named: self.names(address).then_some(address) }
    }
}

/// Where an address lies, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Spot {
    cell: u32,
    named: Option<Ipv4Addr>,
}

impl SecurityGroup {
    /// The prefixes that its rules name.
    pub fn prefixes(&self) -> impl Iterator<Item = Ipv4Net> {
        let rules = self.inbound.iter().chain(&self.outbound);
        rules.flat_map(|rule| rule.sources.iter().chain(&rule.destinations)).filter_map(|place| match place {
            AddressMatch::Prefix(prefix) => Some(*prefix),
            AddressMatch::Any | AddressMatch::Tag(_) => None,
        })
    }
}

impl VirtualNetwork {
    /// The prefixes that it tells apart: its own, its peers', what is behind its gateway.
    pub fn said_prefixes(&self) -> impl Iterator<Item = Ipv4Net> {
        let peers = self.peers.iter().flat_map(|peer| &peer.prefixes);
        let gateway = self.gateway.iter();
        let behind = gateway.flat_map(|gateway| {
            gateway.behind().map(|(prefix, _)| prefix).chain(gateway.custom_routes.iter().copied())
        });
        self.address_space.iter().chain(peers).copied().chain(behind)
    }

    /// The addresses that mean something by themselves.
    pub fn said_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        let endpoints = self.interfaces.iter().filter(|(_, held)| held.private_endpoint.is_some()).map(|(at, _)| at);
        let targets = self.forwarding_rules.values().flat_map(|rule| &rule.targets).map(|(at, _)| at);
        let public = self.interfaces.values().filter_map(|held| held.public_address.as_ref());
        self.dns_servers
            .iter()
            .chain(self.inbound_endpoints.keys())
            .chain(endpoints)
            .chain(targets)
            .chain(public)
            .copied()
    }
}

/// All that the resolver and the router look at of a vantage. Vantages with equal likenesses get equal
/// answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Likeness(Kindred);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kindred {
    Inside {
        subnet: ResourceId,
        group: Option<ResourceId>,
        dns_servers: Vec<Ipv4Addr>,
        public: Option<Spot>,
        spot: Spot,
        /// Whoever cannot be taken for another one: a stopped machine, an interface whose address
        /// somebody else has.
        alone: Option<ResourceId>,
    },
    Outside {
        /// The gateway or the site.
        by: Option<ResourceId>,
        spot: Option<Spot>,
        dns_servers: Vec<Ipv4Addr>,
        hosts: Vec<HostsEntry>,
        public: Spot,
    },
    /// Without an attachment a machine still has a hosts file.
    Nowhere { hosts: Vec<HostsEntry> },
}

impl Network {
    /// What distinguishes addresses in this network. Linear in the estate.
    pub fn cells(&self) -> Cells {
        let mut bounds = Vec::new();
        let mut cut = |prefix: Ipv4Net| {
            bounds.push(u32::from(prefix.network()));
            bounds.extend(u32::from(prefix.broadcast()).checked_add(1));
        };
        for group in self.security_groups.values() {
            group.prefixes().for_each(&mut cut);
        }
        let mut named = BTreeSet::new();
        for network in self.virtual_networks.values() {
            network.said_prefixes().for_each(&mut cut);
            named.extend(network.said_addresses());
        }
        for cluster in self.clusters.values() {
            cluster.authorized_ranges.iter().copied().for_each(&mut cut);
            named.extend(cluster.address);
        }
        for client in self.clients.values() {
            named.extend(&client.dns_servers);
            named.extend(client.hosts.iter().map(|entry| entry.address));
        }
        for kind in [Kind::RouteTable, Kind::Route, Kind::RecordA, Kind::NetworkInterface] {
            for resource in self.estate.of_kind(kind) {
                match resource.model() {
                    Model::RouteTable(table) => table.routes.iter().for_each(|route| said(route, &mut cut, &mut named)),
                    Model::Route(route) => said(route, &mut cut, &mut named),
                    Model::RecordSet(set) => named.extend(set.records.iter().filter_map(address)),
                    Model::NetworkInterface(nic) => named.extend(&nic.dns_servers),
                    _ => {}
                }
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        Cells { bounds: bounds.into(), named: Arc::new(named) }
    }

    /// What answers depend on at `vantage`.
    pub fn likeness(&self, vantage: &Vantage, cells: &Cells) -> Likeness {
        let own = match vantage {
            Vantage::Interface(id) => self.estate.network_interface(id).map(|nic| nic.dns_servers.clone()),
            Vantage::Client(id) => self.client(id).map(|client| client.dns_servers.clone()),
            Vantage::Internet | Vantage::Subnet(_) | Vantage::VpnClient(_) => None,
        };
        let own = own.unwrap_or_default();
        let hosts = || match vantage {
            Vantage::Client(id) => self.client(id).map(|client| client.hosts.clone()).unwrap_or_default(),
            _ => Vec::new(),
        };
        Likeness(match self.attachment(vantage) {
            Err(_) => Kindred::Nowhere { hosts: hosts() },
            Ok(Attachment::Inside(seat)) => inside(vantage, &seat, own, cells),
            Ok(outside) => {
                let (by, spot, public) = match outside {
                    Attachment::Vpn { gateway, public, .. } => (Some(gateway.id.clone()), None, public),
                    Attachment::Site { site, address, public } => {
                        (Some(site.clone()), Some(cells.place(address)), public)
                    }
                    Attachment::Internet { public } => (None, None, public),
                    Attachment::Inside(seat) => (None, None, seat.address),
                };
                Kindred::Outside { by, spot, dns_servers: own, hosts: hosts(), public: cells.place(public) }
            }
        })
    }

    /// Every vantage, by likeness.
    pub fn alike(&self, cells: &Cells) -> BTreeMap<Likeness, Vec<&Vantage>> {
        let mut alike: BTreeMap<Likeness, Vec<&Vantage>> = BTreeMap::new();
        for vantage in &self.vantages {
            alike.entry(self.likeness(vantage, cells)).or_default().push(vantage);
        }
        alike
    }
}

fn inside(vantage: &Vantage, seat: &Seat<'_>, dns_servers: Vec<Ipv4Addr>, cells: &Cells) -> Kindred {
    let interface = seat.interface;
    let own = interface.is_none_or(|interface| vantage.resource() == Some(&interface.id));
    let alone = !own || interface.is_some_and(|interface| interface.stopped);
    Kindred::Inside {
        subnet: seat.subnet.id.clone(),
        group: interface.and_then(|interface| interface.network_security_group.clone()),
        dns_servers,
        public: interface.and_then(|interface| interface.public_address).map(|address| cells.place(address)),
        spot: cells.place(seat.address),
        alone: vantage.resource().filter(|_| alone).cloned(),
    }
}

fn said(route: &azure::model::Route, cut: &mut impl FnMut(Ipv4Net), named: &mut BTreeSet<Ipv4Addr>) {
    cut(route.prefix);
    if let RouteNextHop::VirtualAppliance(address) = route.next_hop {
        named.insert(address);
    }
}

fn address(data: &RecordData) -> Option<Ipv4Addr> {
    match data {
        RecordData::A(address) => Some(*address),
        _ => None,
    }
}

impl Likeness {
    /// The subnet, for those inside a network.
    pub fn subnet(&self) -> Option<&ResourceId> {
        match &self.0 {
            Kindred::Inside { subnet, .. } => Some(subnet),
            Kindred::Outside { .. } | Kindred::Nowhere { .. } => None,
        }
    }
}
