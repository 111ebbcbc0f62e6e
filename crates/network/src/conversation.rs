//! A conversation: a request finds whom it is for, and the reply finds its way back.
//!
//! A connection comes about only when both do. What leaves for the Internet is translated to a
//! public address at the interface it leaves from, so that replies come back to that interface; an
//! appliance is taken to translate what leaves for the Internet from there, since Azure drops it
//! otherwise, and to pass on everything else as it is.

use std::net::Ipv4Addr;

use azure::{ResourceId, model::ConnectionStatus};
use ipnet::Ipv4Net;

use crate::{
    attachment::{Attachment, Seat},
    disposition::Disposition,
    flow::{Flow, Protocol},
    network::{Network, PublicHolder},
    route::{EffectiveRoute, NextHop, RouteSource, is_private, is_public},
    trace::{Hop, Recorder, Silent},
    vantage::Vantage,
    virtual_network::{Gateway, VirtualNetwork},
    walk::{Arrival, Departure, Walk},
};

/// Who is at the end of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A cluster's API server, behind a private endpoint or a public address.
    Cluster(ResourceId),
    /// A machine.
    Interface(ResourceId),
    /// 168.63.129.16 of this network.
    AzureDns(ResourceId),
    /// An inbound endpoint of a DNS private resolver.
    InboundEndpoint(ResourceId),
    /// A machine in a site (`Noren.Lab/clients`).
    Client(ResourceId),
    /// A public address that is nobody's in the estate.
    PublicHost(Ipv4Addr),
}

impl Network {
    /// Follows a client's flow from `vantage` to `port` of `address`, and the reply back.
    ///
    /// # Errors
    /// The disposition that says where which of them ends.
    pub fn route(
        &self,
        vantage: &Vantage,
        address: Ipv4Addr,
        protocol: Protocol,
        port: u16,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        let attachment = self.attachment(vantage)?;
        self.converse(attachment, address, protocol, port, recorder)
    }

    pub(crate) fn converse(
        &self,
        attachment: Attachment<'_>,
        address: Ipv4Addr,
        protocol: Protocol,
        port: u16,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        let flow = Flow::to_server(protocol, attachment.address(), address, port);
        let mut request = Walk::request(self, flow);
        let arrival = match attachment {
            Attachment::Inside(seat) => {
                if let Some(interface) = seat.interface.filter(|interface| interface.stopped) {
                    return Err(Disposition::MachineStopped { interface: interface.id.clone() });
                }
                request.leave(seat, recorder)?
            }
            Attachment::Vpn { network, gateway, public, .. } => {
                let Some(route) = tunnel_route(network, gateway, address) else {
                    return self.outside(public, address, request, recorder);
                };
                recorder.record(|| Hop::Route { to: address, subnet: None, route });
                request.enter(network, gateway, recorder)?
            }
            Attachment::Site { site, public, .. } => {
                if let Some(machine) = self.site_machine(site, address) {
                    return Ok(Destination::Client(machine.clone()));
                }
                let Some((network, gateway, route)) = self.site_route(site, address) else {
                    return self.outside(public, address, request, recorder);
                };
                recorder.record(|| Hop::Route { to: address, subnet: None, route });
                request.enter(network, gateway, recorder)?
            }
            Attachment::Internet { public } => return self.outside(public, address, request, recorder),
        };
        self.answer_back(attachment, arrival, request, recorder)
    }

    /// Lets whoever the request has come to reply.
    fn answer_back<'a>(
        &'a self,
        home: Attachment<'a>,
        arrival: Arrival<'a>,
        request: Walk<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        match arrival {
            Arrival::AzureDns(network) => Ok(Destination::AzureDns(network.id.clone())),
            Arrival::Interface(seat) if matches!(&home, Attachment::Inside(own) if own.is(&seat)) => {
                interface_destination(&seat, request.destination())
            }
            Arrival::Interface(seat) => {
                comes_home(&request, home, seat.address, Departure::Interface(seat), recorder)?;
                interface_destination(&seat, request.destination())
            }
            Arrival::InboundEndpoint { seat, endpoint } => {
                comes_home(&request, home, seat.address, Departure::Interface(seat), recorder)?;
                Ok(Destination::InboundEndpoint(endpoint.id.clone()))
            }
            Arrival::PrivateEndpoint { network, interface } => {
                let to = request.destination();
                let endpoint = interface.private_endpoint.as_ref().ok_or(Disposition::NothingThere { to })?;
                let service = self.service(endpoint, to, recorder)?;
                if self.leads_straight_to(network, &home) {
                    Ok(Destination::Cluster(service))
                } else {
                    let why = Box::new(Disposition::NoRoute { to: home.address() });
                    Err(Disposition::ReplyLost { from: to, to: home.address(), why })
                }
            }
            Arrival::SiteMachine { site, machine } => {
                let to = request.destination();
                let lost = || Disposition::NoRoute { to: home.address() };
                let (network, gateway, _) = self.site_route(site, home.address()).ok_or_else(lost)?;
                comes_home(&request, home, to, Departure::Tunnel { network, gateway }, recorder)?;
                Ok(Destination::Client(machine.clone()))
            }
            Arrival::Internet(seat) => self.through_internet(home, seat, request, recorder),
            Arrival::Home => Err(Disposition::NothingThere { to: request.destination() }),
        }
    }

    /// A request that has left a network from `exit`.
    fn through_internet<'a>(
        &'a self,
        home: Attachment<'a>,
        exit: Seat<'a>,
        mut request: Walk<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        let to = request.destination();
        let destination = self.public_side(exit.public_address(), to, &mut request, recorder)?;
        // An appliance has the reply first and sends it on to where the request came from.
        let came_from_here = matches!(&home, Attachment::Inside(seat) if seat.is(&exit));
        if !came_from_here {
            comes_home(&request, home, to, Departure::Interface(exit), recorder)?;
        }
        Ok(destination)
    }

    /// A request of a machine with a public address of its own, outside every network.
    fn outside<'a>(
        &'a self,
        source: Ipv4Addr,
        address: Ipv4Addr,
        mut request: Walk<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        if is_private(address) {
            return Err(Disposition::NoRoute { to: address });
        }
        let route = EffectiveRoute {
            prefix: Ipv4Net::default(),
            source: RouteSource::Default,
            next_hop: NextHop::Internet,
            because: None,
        };
        recorder.record(|| Hop::Route { to: address, subnet: None, route });
        self.public_side(source, address, &mut request, recorder)
    }

    /// Whoever has a public address, asked from `source`.
    fn public_side<'a>(
        &'a self,
        source: Ipv4Addr,
        address: Ipv4Addr,
        request: &mut Walk<'a>,
        recorder: &mut impl Recorder,
    ) -> Result<Destination, Disposition> {
        if !is_public(address) {
            return Err(Disposition::NothingThere { to: address });
        }
        match self.public_holder(address) {
            None => Ok(Destination::PublicHost(address)),
            Some(PublicHolder::Cluster(id)) => {
                let cluster = self.cluster(id).ok_or(Disposition::NothingThere { to: address })?;
                let ranges = &cluster.authorized_ranges;
                if !ranges.is_empty() && !ranges.iter().any(|range| range.contains(&source)) {
                    return Err(Disposition::SourceNotAuthorized { cluster: id.clone(), source });
                }
                recorder.record(|| Hop::PublicEndpoint { cluster: id.clone() });
                Ok(Destination::Cluster(id.clone()))
            }
            Some(PublicHolder::Interface { network, address: private }) => {
                let network = self.virtual_networks.get(network).ok_or(Disposition::NothingThere { to: address })?;
                let seat = Seat::at(network, *private).ok_or(Disposition::NothingThere { to: address })?;
                recorder.record(|| Hop::PublicAddress { address, private: *private });
                request.admit(source, seat, recorder)?;
                if let Some(interface) = seat.interface.filter(|interface| interface.stopped) {
                    return Err(Disposition::MachineStopped { interface: interface.id.clone() });
                }
                // The platform translates back only what leaves the interface for the Internet.
                let home = Attachment::Internet { public: source };
                let mut reply = Walk::reply(request, seat.address, home);
                match reply.leave(seat, &mut Silent) {
                    Ok(Arrival::Internet(exit)) if exit.is(&seat) => interface_destination(&seat, address),
                    outcome => {
                        let why = outcome.err().unwrap_or(Disposition::NoRoute { to: source });
                        Err(Disposition::ReplyLost { from: address, to: source, why: Box::new(why) })
                    }
                }
            }
        }
    }

    /// What a private endpoint leads to, if its connection is approved.
    fn service(
        &self,
        endpoint: &ResourceId,
        to: Ipv4Addr,
        recorder: &mut impl Recorder,
    ) -> Result<ResourceId, Disposition> {
        let declared = self.estate.private_endpoint(endpoint).ok_or(Disposition::NothingThere { to })?;
        let service = declared.service.clone().ok_or(Disposition::NothingThere { to })?;
        if declared.status != ConnectionStatus::Approved {
            return Err(Disposition::EndpointNotApproved { endpoint: endpoint.clone(), status: declared.status });
        }
        recorder.record(|| Hop::PrivateEndpoint { endpoint: endpoint.clone(), service: service.clone() });
        Ok(service)
    }

    /// Whether a private endpoint in `network` can reply: it takes no notice of user-defined routes,
    /// so that there must be a way of the platform's: its own network, a peer, or a gateway.
    fn leads_straight_to(&self, network: &VirtualNetwork, home: &Attachment<'_>) -> bool {
        let in_use = || crate::route::gateway_in_use(&self.virtual_networks, network);
        match home {
            Attachment::Inside(seat) => seat.network.id == network.id || network.peer(&seat.network.id).is_some(),
            Attachment::Vpn { gateway, .. } => in_use().is_some_and(|used| used.id == gateway.id),
            Attachment::Site { site, address, .. } => in_use().is_some_and(|used| {
                let mut sites = used.sites.iter().filter(|held| held.id == **site);
                sites.any(|held| held.prefixes.iter().any(|prefix| prefix.contains(address)))
            }),
            Attachment::Internet { .. } => false,
        }
    }

    /// The tunnel from a site that leads to `address`.
    fn site_route(&self, site: &ResourceId, address: Ipv4Addr) -> Option<(&VirtualNetwork, &Gateway, EffectiveRoute)> {
        let networks = self.sites.get(site)?.gateways.iter().filter_map(|gateway| self.gateway_network(gateway));
        let routes = networks.filter_map(|network| {
            let gateway = network.gateway.as_ref()?;
            // A site knows the networks behind its tunnel; custom routes are for point-to-site clients.
            let route = advertised_route(network, gateway, &[], address)?;
            Some((network.as_ref(), gateway, route))
        });
        routes.max_by_key(|(_, _, route)| route.prefix.prefix_len())
    }
}

/// Walks the reply of whoever is at `from`; when it is lost, once more for the record.
fn comes_home<'a>(
    request: &Walk<'a>,
    home: Attachment<'a>,
    from: Ipv4Addr,
    departure: Departure<'a>,
    recorder: &mut impl Recorder,
) -> Result<(), Disposition> {
    let to = home.address();
    if matches!(Walk::reply(request, from, home).depart(departure, &mut Silent), Ok(Arrival::Home)) {
        return Ok(());
    }
    recorder.record(|| Hop::Reply { from, to });
    let outcome = Walk::reply(request, from, home).depart(departure, recorder);
    let why = Box::new(outcome.err().unwrap_or(Disposition::NoRoute { to }));
    Err(Disposition::ReplyLost { from, to, why })
}

fn interface_destination(seat: &Seat<'_>, to: Ipv4Addr) -> Result<Destination, Disposition> {
    let interface = seat.interface.ok_or(Disposition::NothingThere { to })?;
    Ok(Destination::Interface(interface.id.clone()))
}

/// What a point-to-site client sends into its tunnel: the network's address space, that of peers
/// with gateway transit, and the gateway's custom routes.
fn tunnel_route(network: &VirtualNetwork, gateway: &Gateway, address: Ipv4Addr) -> Option<EffectiveRoute> {
    advertised_route(network, gateway, &gateway.custom_routes, address)
}

fn advertised_route(
    network: &VirtualNetwork,
    gateway: &Gateway,
    custom: &[Ipv4Net],
    address: Ipv4Addr,
) -> Option<EffectiveRoute> {
    let custom = custom.iter().map(|prefix| (*prefix, &gateway.id));
    let covering = network.advertised().chain(custom).filter(|(prefix, _)| prefix.contains(&address));
    let (prefix, because) = covering.max_by_key(|(prefix, _)| prefix.prefix_len())?;
    Some(EffectiveRoute {
        prefix,
        source: RouteSource::Gateway,
        next_hop: NextHop::Gateway { gateway: gateway.id.clone() },
        because: Some(because.clone()),
    })
}
