//! Route tables.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// `Microsoft.Network/routeTables`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteTable {
    /// The routes in its own document (`properties.routes`); further routes are children.
    pub routes: Vec<Route>,
    /// `disableBgpRoutePropagation`: its subnets do not learn the gateway's routes.
    pub disable_bgp_route_propagation: bool,
}

/// `…/routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name, unique in the table in any case.
    pub name: String,
    /// `addressPrefix`.
    pub prefix: Ipv4Net,
    /// `nextHopType`, with `nextHopIpAddress` where it has one.
    pub next_hop: RouteNextHop,
}

/// `nextHopType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteNextHop {
    /// `VnetLocal`: stays in the virtual network.
    VnetLocal,
    /// `VirtualNetworkGateway`.
    VirtualNetworkGateway,
    /// `Internet`.
    Internet,
    /// `VirtualAppliance`: the machine that has this address.
    VirtualAppliance(Ipv4Addr),
    /// `None`: dropped.
    None,
}
