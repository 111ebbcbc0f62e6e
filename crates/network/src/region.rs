//! Which addresses packets may get to from somewhere: never too few, sometimes too many.
//!
//! Decides nothing: it says where asking is worth while, so that a question about a whole estate need
//! not be asked of every pair. Beyond a region all addresses fare alike, but for the prefixes of which
//! something is said on the way.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{ResourceId, model::AddressMatch};
use ipnet::Ipv4Net;

use crate::{
    attachment::Attachment,
    network::Network,
    route::{NextHop, RouteSource},
    vantage::Vantage,
    virtual_network::VirtualNetwork,
};

/// Where packets of a vantage may get to. Lists may say a thing twice.
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
    /// Where packets of `vantage` may get to.
    pub fn region(&self, vantage: &Vantage) -> Region {
        let mut region = Region::default();
        let mut seen = BTreeSet::new();
        match self.attachment(vantage) {
            Ok(Attachment::Inside(seat)) => {
                let own = seat.interface.and_then(|interface| interface.network_security_group.as_ref());
                self.spread(seat.network, &seat.subnet.id, own, &mut region, &mut seen);
            }
            Ok(Attachment::Vpn { network, .. }) => self.spread_tunnel(network, &mut region, &mut seen),
            Ok(Attachment::Site { site, .. }) => {
                let gateways = self.sites.get(site).map(|site| site.gateways.clone()).unwrap_or_default();
                for network in gateways.iter().filter_map(|gateway| self.gateway_network(gateway)) {
                    self.spread_tunnel(network, &mut region, &mut seen);
                }
            }
            Ok(Attachment::Internet { .. }) | Err(_) => {}
        }
        region
    }

    fn spread_tunnel(
        &self,
        network: &VirtualNetwork,
        region: &mut Region,
        seen: &mut BTreeSet<(ResourceId, Ipv4Addr)>,
    ) {
        let Some(gateway) = &network.gateway else { return };
        region.said.extend(&gateway.custom_routes);
        self.spread(network, &gateway.subnet, None, region, seen);
    }

    /// From a subnet: its network, that network's peers, and where the appliances of its routes pass on to.
    fn spread(
        &self,
        network: &VirtualNetwork,
        subnet: &ResourceId,
        group: Option<&ResourceId>,
        region: &mut Region,
        seen: &mut BTreeSet<(ResourceId, Ipv4Addr)>,
    ) {
        region.networks.push(network.id.clone());
        region.prefixes.extend(&network.address_space);
        for peer in &network.peers {
            region.networks.push(peer.network.clone());
            region.prefixes.extend(&peer.prefixes);
        }
        let guards = network.subnet(subnet).and_then(|subnet| subnet.network_security_group.as_ref());
        for group in guards.into_iter().chain(group).filter_map(|id| self.security_groups.get(id)) {
            let rules = group.inbound.iter().chain(&group.outbound);
            region.said.extend(rules.flat_map(|rule| &rule.destinations).filter_map(|place| match place {
                AddressMatch::Prefix(prefix) => Some(*prefix),
                AddressMatch::Any | AddressMatch::Tag(_) => None,
            }));
        }
        for route in self.effective_routes(subnet) {
            if route.source != RouteSource::Default {
                region.said.push(route.prefix);
            }
            let NextHop::VirtualAppliance { address } = route.next_hop else { continue };
            let peers = network.open_peers().filter_map(|peer| self.virtual_network(&peer.network));
            let holders = std::iter::once(network).chain(peers.map(AsRef::as_ref));
            for holder in holders {
                if let Some(interface) = holder.interfaces.get(&address)
                    && seen.insert((holder.id.clone(), address))
                {
                    let own = interface.network_security_group.as_ref();
                    self.spread(holder, &interface.subnet, own, region, seen);
                }
            }
        }
    }
}
