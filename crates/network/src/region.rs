//! Which addresses packets may get to from somewhere: never too few, sometimes too many.
//!
//! Decides nothing: it says where asking is worth while, so that a question about a whole estate need
//! not be asked of every pair. Beyond a region all addresses fare alike, but for the prefixes of which
//! something is said on the way. A way has stops, the places that packets are sent on from; what one
//! can get to from a stop is the same for everybody who passes there.

use std::collections::BTreeSet;

use azure::{ResourceId, model::AddressMatch};
use ipnet::Ipv4Net;

use crate::{
    attachment::Attachment,
    network::Network,
    route::{NextHop, RouteSource},
    vantage::Vantage,
    virtual_network::VirtualNetwork,
};

/// Where packets are sent on from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stop {
    /// The network.
    pub network: ResourceId,
    /// The subnet in it whose routes are followed.
    pub subnet: ResourceId,
    /// The interface's own security group.
    pub group: Option<ResourceId>,
    /// Whether they come out of the network's tunnels.
    pub tunnel: bool,
}

/// Where packets may get to from a stop, without passing another one. Lists may say a thing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    /// The networks, those of peerings that carry nothing among them.
    pub networks: Vec<ResourceId>,
    /// What these networks and their peerings say lies in them.
    pub prefixes: Vec<Ipv4Net>,
    /// Prefixes of which something else is said on the way: by user-defined routes, gateways,
    /// security rules.
    pub said: Vec<Ipv4Net>,
}

impl Network {
    /// The stops of what a client at `vantage` sends: its own, and the appliances that routes lead to.
    pub fn stops(&self, vantage: &Vantage) -> BTreeSet<Stop> {
        let mut stops = BTreeSet::new();
        match self.attachment(vantage) {
            Ok(Attachment::Inside(seat)) => {
                let own = seat.interface.and_then(|interface| interface.network_security_group.as_ref());
                self.follow_stops(seat.network, &seat.subnet.id, own, false, &mut stops);
            }
            Ok(Attachment::Vpn { network, .. }) => self.tunnel_stops(network, &mut stops),
            Ok(Attachment::Site { site, .. }) => {
                let gateways = self.sites.get(site).map(|site| site.gateways.clone()).unwrap_or_default();
                for network in gateways.iter().filter_map(|gateway| self.gateway_network(gateway)) {
                    self.tunnel_stops(network, &mut stops);
                }
            }
            Ok(Attachment::Internet { .. }) | Err(_) => {}
        }
        stops
    }

    fn tunnel_stops(&self, network: &VirtualNetwork, stops: &mut BTreeSet<Stop>) {
        if let Some(gateway) = &network.gateway {
            self.follow_stops(network, &gateway.subnet, None, true, stops);
        }
    }

    /// Takes up a stop, and where the appliances of its routes pass on to.
    fn follow_stops(
        &self,
        network: &VirtualNetwork,
        subnet: &ResourceId,
        group: Option<&ResourceId>,
        tunnel: bool,
        stops: &mut BTreeSet<Stop>,
    ) {
        let stop = Stop { network: network.id.clone(), subnet: subnet.clone(), group: group.cloned(), tunnel };
        if !stops.insert(stop) {
            return;
        }
        let appliances: BTreeSet<_> = self
            .effective_routes(subnet)
            .iter()
            .filter_map(|route| match route.next_hop {
                NextHop::VirtualAppliance { address } => Some(address),
                _ => None,
            })
            .collect();
        for address in appliances {
            let peers = network.open_peers().filter_map(|peer| self.virtual_network(&peer.network));
            let holders = std::iter::once(network).chain(peers.map(AsRef::as_ref));
            for holder in holders {
                if let Some(interface) = holder.interfaces.get(&address) {
                    let own = interface.network_security_group.as_ref();
                    self.follow_stops(holder, &interface.subnet, own, false, stops);
                }
            }
        }
    }

    /// Where packets may get to from `stop`.
    pub fn region(&self, stop: &Stop) -> Region {
        let mut region = Region::default();
        let Some(network) = self.virtual_network(&stop.network) else { return region };
        region.networks.push(network.id.clone());
        region.prefixes.extend(&network.address_space);
        for peer in &network.peers {
            region.networks.push(peer.network.clone());
            region.prefixes.extend(&peer.prefixes);
        }
        if let Some(gateway) = network.gateway.as_ref().filter(|_| stop.tunnel) {
            region.said.extend(&gateway.custom_routes);
        }
        let guards = network.subnet(&stop.subnet).and_then(|subnet| subnet.network_security_group.as_ref());
        for group in guards.into_iter().chain(&stop.group).filter_map(|id| self.security_groups.get(id)) {
            let rules = group.inbound.iter().chain(&group.outbound);
            region.said.extend(rules.flat_map(|rule| &rule.destinations).filter_map(|place| match place {
                AddressMatch::Prefix(prefix) => Some(*prefix),
                AddressMatch::Any | AddressMatch::Tag(_) => None,
            }));
        }
        let routes = self.effective_routes(&stop.subnet).iter();
        region.said.extend(routes.filter(|route| route.source != RouteSource::Default).map(|route| route.prefix));
        region
    }
}
