//! The fabric: how a packet goes from one interface to another, and whether its reply comes back.
//!
//! Azure has no routers between subnets. Every packet that leaves an interface is decided upon
//! there: outbound security, then the effective routes of the interface's subnet; where it arrives,
//! inbound security. A machine that a user-defined route names as next hop takes the packet and
//! sends it on from its own interface, under its own subnet's routes and security. Sources:
//! documentation "Virtual network traffic routing", "How network security groups filter traffic",
//! "Virtual network peering", "About VPN gateway transit".

use std::net::Ipv4Addr;

use azure::{
    ResourceId,
    model::{Access, Direction},
};
use ipnet::Ipv4Net;

use crate::{
    attachment::{Attachment, Seat},
    disposition::{ApplianceFault, Disposition, PeeringFault},
    flow::Flow,
    network::Network,
    route::{AZURE_DNS, EffectiveRoute, NextHop, RouteSource},
    trace::{Hop, Recorder},
    virtual_network::{Gateway, InboundEndpoint, Interface, VirtualNetwork},
};

/// Where a packet comes out of the fabric.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival<'a> {
    /// At the place a reply was meant for.
    Home,
    /// At a machine's interface.
    Interface(Seat<'a>),
    /// At a private endpoint.
    PrivateEndpoint { network: &'a VirtualNetwork, interface: &'a Interface },
    /// At an inbound endpoint of a DNS private resolver.
    InboundEndpoint { seat: Seat<'a>, endpoint: &'a InboundEndpoint },
    /// At 168.63.129.16 of this network.
    AzureDns(&'a VirtualNetwork),
    /// At a machine in a site.
    SiteMachine { site: &'a ResourceId, machine: &'a ResourceId },
    /// It has left for the Internet from here.
    Internet(Seat<'a>),
}

/// Where a reply sets off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Departure<'a> {
    /// From an interface.
    Interface(Seat<'a>),
    /// Out of a gateway's tunnel.
    Tunnel { network: &'a VirtualNetwork, gateway: &'a Gateway },
}

/// A packet on its way.
pub(crate) struct Walk<'a> {
    network: &'a Network,
    flow: Flow,
    /// For a reply: where the request came from.
    home: Option<Attachment<'a>>,
    /// The interfaces that the packet has been let through.
    seen: Vec<Seat<'a>>,
    /// For a reply: the interfaces that let the request through. Security groups are stateful, so
    /// that they let the reply through, too.
    established: Vec<Seat<'a>>,
    /// The appliances passed.
    passed: Vec<Seat<'a>>,
}

impl<'a> Walk<'a> {
    /// A first packet of `flow`.
    pub(crate) fn request(network: &'a Network, flow: Flow) -> Self {
        Self { network, flow, home: None, seen: Vec::new(), established: Vec::new(), passed: Vec::new() }
    }

    /// The reply to `request`, from `source`, that must come back to `home`.
    pub(crate) fn reply(request: &Self, source: Ipv4Addr, home: Attachment<'a>) -> Self {
        Self {
            network: request.network,
            flow: request.flow.reply().from(source).to(home.address()),
            home: Some(home),
            seen: Vec::new(),
            established: request.seen.clone(),
            passed: Vec::new(),
        }
    }

    /// Where the packet goes.
    pub(crate) fn destination(&self) -> Ipv4Addr {
        self.flow.destination
    }

    /// The packet sets off.
    pub(crate) fn depart(
        &mut self,
        departure: Departure<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Arrival<'a>, Disposition> {
        match departure {
            Departure::Interface(seat) => self.leave(seat, recorder),
            Departure::Tunnel { network, gateway } => self.enter(network, gateway, recorder),
        }
    }

    /// The packet leaves the interface at `seat`.
    pub(crate) fn leave(
        &mut self,
        mut seat: Seat<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Arrival<'a>, Disposition> {
        let to = self.flow.destination;
        loop {
            if to == seat.address {
                return Ok(if self.ends_in(seat.network) { Arrival::Home } else { Arrival::Interface(seat) });
            }
            // The host answers for the platform's address, before routes and security groups.
            if to == AZURE_DNS {
                return Ok(Arrival::AzureDns(seat.network));
            }
            self.guard(Direction::Outbound, &seat, self.flow, recorder)?;
            let route = self.lookup(seat.network, &seat.subnet.id, recorder)?;
            match &route.next_hop {
                NextHop::VirtualNetwork { .. } => return self.deliver(seat.network, recorder),
                NextHop::Peering { network, .. } | NextHop::InterfaceEndpoint { network } => {
                    let there = self.cross(seat.network, network)?;
                    return self.deliver(there, recorder);
                }
                NextHop::VirtualAppliance { address } => {
                    seat = self.pass(seat.network, *address, route, recorder)?;
                }
                NextHop::Gateway { gateway } => {
                    // A peer's gateway is in the peer: what a machine passes on must be let in there.
                    if let Some(there) = self.network.gateway_network(gateway) {
                        self.cross(seat.network, &there.id)?;
                    }
                    return self.behind(gateway);
                }
                NextHop::Internet => return Ok(Arrival::Internet(seat)),
                NextHop::NoGateway => return Err(Disposition::NoGateway { to, route: route.because.clone() }),
                NextHop::None => return Err(dropped(route, to)),
            }
        }
    }

    /// The packet comes out of a gateway's tunnel into `network`.
    pub(crate) fn enter(
        &mut self,
        network: &'a VirtualNetwork,
        gateway: &'a Gateway,
        recorder: &mut impl Recorder,
    ) -> Result<Arrival<'a>, Disposition> {
        let to = self.flow.destination;
        let route = self.lookup(network, &gateway.subnet, recorder)?;
        match &route.next_hop {
            NextHop::VirtualNetwork { .. } => self.deliver(network, recorder),
            NextHop::Peering { network: remote, .. } | NextHop::InterfaceEndpoint { network: remote } => {
                if *remote == network.id {
                    return self.deliver(network, recorder);
                }
                // Gateway transit is what lets a tunnel's traffic into a peer, not forwarded traffic.
                let transit = network.peer(remote).is_some_and(|peer| peer.transit);
                let there = self.network.virtual_networks.get(remote).filter(|_| transit);
                self.deliver(there.ok_or(Disposition::NoRoute { to })?, recorder)
            }
            NextHop::VirtualAppliance { address } => {
                let seat = self.pass(network, *address, route, recorder)?;
                self.leave(seat, recorder)
            }
            // No tunnel leads into another one, and none to the Internet.
            NextHop::Gateway { .. } | NextHop::NoGateway | NextHop::Internet => Err(Disposition::NoRoute { to }),
            NextHop::None => Err(dropped(route, to)),
        }
    }

    /// The packet comes from the Internet to the public address of the interface at `seat`.
    pub(crate) fn admit(
        &mut self,
        source: Ipv4Addr,
        seat: Seat<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<(), Disposition> {
        self.guard(Direction::Inbound, &seat, self.flow.from(source).to(seat.address), recorder)
    }

    fn lookup(
        &self,
        network: &'a VirtualNetwork,
        subnet: &'a ResourceId,
        recorder: &mut impl Recorder,
    ) -> Result<&'a EffectiveRoute, Disposition> {
        let to = self.flow.destination;
        let routing = self.network.routing.get(&network.id).and_then(|routing| routing.get(subnet));
        let route = routing.and_then(|routing| routing.lookup(to)).ok_or(Disposition::NoRoute { to })?;
        // The platform's default routes say nothing of a peering that carries no traffic.
        if route.because.is_none()
            && let Some(blocked) = blocked_peering(network, to)
        {
            return Err(blocked);
        }
        recorder.record(|| Hop::Route { to, subnet: Some(subnet.clone()), route: route.clone() });
        Ok(route)
    }

    /// Goes from a network into itself or into a peer. What a machine passes on, that is what does
    /// not come from the sending network's own address space, goes in only where the receiving
    /// half of the peering allows forwarded traffic.
    fn cross(&self, from: &'a VirtualNetwork, into: &ResourceId) -> Result<&'a VirtualNetwork, Disposition> {
        let to = self.flow.destination;
        if from.id == *into {
            return Ok(from);
        }
        let peer = from.peer(into).ok_or(Disposition::NoRoute { to })?;
        if !peer.remote_accepts_forwarded && !from.contains(self.flow.source) {
            let peering = peer.remote_peering.clone().unwrap_or_else(|| peer.peering.clone());
            return Err(Disposition::ForwardedTrafficRefused { to, source: self.flow.source, peering });
        }
        self.network.virtual_networks.get(into).map(AsRef::as_ref).ok_or(Disposition::NoRoute { to })
    }

    /// Whether this is the reply to whoever has its destination in `network`.
    fn ends_in(&self, network: &VirtualNetwork) -> bool {
        matches!(&self.home, Some(Attachment::Inside(home))
            if home.address == self.flow.destination && home.network.id == network.id)
    }

    /// Hands the packet to whoever is at its destination in `network`.
    fn deliver(
        &mut self,
        network: &'a VirtualNetwork,
        recorder: &mut impl Recorder,
    ) -> Result<Arrival<'a>, Disposition> {
        let to = self.flow.destination;
        if self.ends_in(network) {
            return Ok(Arrival::Home);
        }
        if let Some(endpoint) = network.inbound_endpoints.get(&to) {
            let subnet = network.subnet(&endpoint.subnet).ok_or(Disposition::NothingThere { to })?;
            let seat = Seat { network, subnet, address: to, interface: None };
            self.guard(Direction::Inbound, &seat, self.flow, recorder)?;
            return Ok(Arrival::InboundEndpoint { seat, endpoint });
        }
        let seat = Seat::at(network, to).ok_or(Disposition::NothingThere { to })?;
        let interface = seat.interface.ok_or(Disposition::NothingThere { to })?;
        if interface.private_endpoint.is_none() {
            self.guard(Direction::Inbound, &seat, self.flow, recorder)?;
            if interface.stopped {
                return Err(Disposition::MachineStopped { interface: interface.id.clone() });
            }
            return Ok(Arrival::Interface(seat));
        }
        if seat.subnet.private_endpoint_policies.network_security_groups {
            self.guard(Direction::Inbound, &seat, self.flow, recorder)?;
        }
        Ok(Arrival::PrivateEndpoint { network, interface })
    }

    /// Hands the packet to the appliance at `address`, in this network or in a peer.
    fn pass(
        &mut self,
        from: &'a VirtualNetwork,
        address: Ipv4Addr,
        route: &EffectiveRoute,
        recorder: &mut impl Recorder,
    ) -> Result<Seat<'a>, Disposition> {
        let to = self.flow.destination;
        let fault = |why| Disposition::NoAppliance { to, appliance: address, why, route: route.because.clone() };
        let holder = if from.contains(address) {
            from
        } else {
            let peer =
                from.open_peers().find(|peer| peer.covers(address)).ok_or_else(|| fault(ApplianceFault::OutOfReach))?;
            self.cross(from, &peer.network)?
        };
        let seat = Seat::at(holder, address).ok_or_else(|| fault(ApplianceFault::NothingThere))?;
        let interface = seat.interface.filter(|interface| interface.private_endpoint.is_none());
        let interface = interface.ok_or_else(|| fault(ApplianceFault::NothingThere))?;
        if self.passed.iter().any(|passed| passed.is(&seat)) {
            return Err(Disposition::RoutingLoop { to, through: address });
        }
        recorder.record(|| Hop::Appliance { interface: interface.id.clone(), address });
        self.guard(Direction::Inbound, &seat, self.flow, recorder)?;
        if interface.stopped {
            return Err(fault(ApplianceFault::Stopped));
        }
        if !interface.ip_forwarding && address != to {
            return Err(fault(ApplianceFault::NotForwarding));
        }
        self.passed.push(seat);
        Ok(seat)
    }

    /// Hands the packet to whoever is at its destination behind a gateway.
    fn behind(&self, gateway: &ResourceId) -> Result<Arrival<'a>, Disposition> {
        let to = self.flow.destination;
        let network = self.network.gateway_network(gateway).ok_or(Disposition::NoRoute { to })?;
        let gateway = network.gateway.as_ref().ok_or(Disposition::NoRoute { to })?;
        let site_of = |id: &ResourceId| gateway.sites.iter().any(|site| site.id == *id);
        match &self.home {
            Some(Attachment::Vpn { gateway: home, address, .. }) if home.id == gateway.id && *address == to => {
                return Ok(Arrival::Home);
            }
            Some(Attachment::Site { site, address, .. }) if site_of(site) && *address == to => {
                return Ok(Arrival::Home);
            }
            _ => {}
        }
        let covers = |prefixes: &[Ipv4Net]| prefixes.iter().any(|prefix| prefix.contains(&to));
        if let Some(site) = gateway.sites.iter().find(|site| covers(&site.prefixes)) {
            let machine = self.network.site_machine(&site.id, to).ok_or(Disposition::NothingThere { to })?;
            return Ok(Arrival::SiteMachine { site: &site.id, machine });
        }
        Err(if covers(&gateway.client_address_pool) {
            Disposition::NothingThere { to }
        } else {
            Disposition::NoRoute { to }
        })
    }

    /// Asks the security groups that guard `seat`: outbound the interface's and then the subnet's,
    /// inbound the other way round.
    fn guard(
        &mut self,
        direction: Direction,
        seat: &Seat<'a>,
        flow: Flow,
        recorder: &mut impl Recorder,
    ) -> Result<(), Disposition> {
        if self.established.iter().any(|established| established.is(seat)) {
            return Ok(());
        }
        let own = seat.interface.and_then(|interface| interface.network_security_group.as_ref());
        let subnets = seat.subnet.network_security_group.as_ref();
        let groups = match direction {
            Direction::Outbound => [own, subnets],
            Direction::Inbound => [subnets, own],
        };
        let routing = self.network.routing.get(&seat.network.id).and_then(|routing| routing.get(&seat.subnet.id));
        if let Some(routing) = routing {
            // A reference to a group that does not exist is a finding and filters nothing.
            for group in groups.into_iter().flatten().filter_map(|id| self.network.security_groups.get(id)) {
                let Some(rule) = group.decide(direction, &flow, &routing.tags) else { continue };
                recorder.record(|| Hop::SecurityRule {
                    group: group.id.clone(),
                    rule: rule.name.clone(),
                    direction,
                    allowed: rule.access == Access::Allow,
                });
                if rule.access == Access::Deny {
                    return Err(Disposition::SecurityRuleDenies {
                        to: flow.destination,
                        source: flow.source,
                        group: group.id.clone(),
                        rule: rule.name.clone(),
                        direction,
                    });
                }
            }
        }
        self.seen.push(*seat);
        Ok(())
    }
}

fn dropped(route: &EffectiveRoute, to: Ipv4Addr) -> Disposition {
    match (&route.because, route.source) {
        (Some(because), RouteSource::User) => {
            Disposition::RouteDrops { to, prefix: route.prefix, route: because.clone() }
        }
        _ => Disposition::NoRoute { to },
    }
}

/// The peering that covers an address and carries nothing.
fn blocked_peering(network: &VirtualNetwork, to: Ipv4Addr) -> Option<Disposition> {
    let peer = network.peers.iter().find(|peer| !(peer.connected && peer.access) && peer.covers(to))?;
    let why = if peer.connected { PeeringFault::AccessDisallowed } else { PeeringFault::OneSided };
    Some(Disposition::PeeringBlocks { to, peering: peer.peering.clone(), why })
}
