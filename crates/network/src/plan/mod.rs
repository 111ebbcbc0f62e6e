//! What the kernel must look like: `Network` → [`Fabric`] (namespaces, links, routes, filters) and
//! from two fabrics a [`Plan`] (ordered steps). Plain data: it can be printed, compared and tested
//! without a kernel. The `netns` crate is the only one that carries it out.
//!
//! The model has Azure's hops only; what stands here is how Linux is made to behave like that:
//!
//! - One namespace for each virtual network, its *router*; one for each machine (a network
//!   interface), joined to its router by a veth pair with a /32: no shared layer 2.
//! - The *backbone* is Microsoft's side and the public Internet: public API servers listen there,
//!   on one socket, told apart by the address a connection was accepted at.
//! - A private endpoint is an element of its router's destination map: what enters it comes to a
//!   socket of the router's, again one for all API servers.
//! - A peering is a veth pair between two routers, with routes for the other's address space only.
//! - A user route to a virtual appliance in a peered network takes a veth pair of its own, whose
//!   far end follows a table with one route: to the appliance.
//!
//! Addresses that only the fabric knows are reserved ones: API servers in 240.0.0.0/5, routers and
//! whoever else has no public address in 248.0.0.0/5. No Azure network may use them.

mod backbone;
mod diff;
mod fabric;
mod filter;
mod numbers;
mod outside;
mod router;
mod standing;
mod types;
mod unit;

pub use diff::{Plan, Step};
pub use fabric::{Entrance, Fabric};
pub use filter::{
    Addresses, BackboneFilter, Endpoint, Filter, GatewayFilter, GroupId, InterfaceFilter, NameServerFilter, PacketRule,
    PeerFilter, Protocol, RouterFilter,
};
pub use outside::TunnelAddresses;
pub use standing::Standing;
pub use types::{
    API_SERVER_RANGE, BACKBONE_HOP, FABRIC_MAC, HOST_RANGE, LinkEnd, LinkName, Listener, MAIN_TABLE, NETWORK_RANGE,
    Namespace, PUBLIC_DNS, Place, Route, RouteTarget, STAND_IN_PORT, Veth, mac_of,
};
