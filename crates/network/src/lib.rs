//! The compiled network: [`Network::compile`] turns an [`azure::Estate`] into name views, effective
//! routes, security groups and endpoints; [`Network::answer`], [`Network::resolve`],
//! [`Network::route`] and [`Network::reach`] are the one resolver and the one router that
//! everything uses.
//!
//! Pure and total: no I/O, no clock, no randomness. A reference to nothing is a finding.

mod alike;
mod answer;
mod attachment;
mod compile;
mod conversation;
mod difference;
mod disposition;
mod flow;
mod names;
mod network;
pub mod plan;
mod reach;
mod region;
mod route;
mod security;
mod trace;
mod vantage;
mod virtual_network;
mod walk;
mod zone;

pub use alike::{Cells, Likeness};
pub use answer::{Answer, AnswerRecord, Authority, Forwarding, Outcome, QueryType, ViewId};
pub use attachment::{DEFAULT_OUTBOUND_ADDRESS, INTERNET_HOST_ADDRESS};
pub use azure::{
    DnsName, Estate, Finding, ResourceId,
    model::{RecordData, RecordType, Soa},
};
pub use conversation::Destination;
pub use difference::Difference;
pub use disposition::{ApplianceFault, Disposition, PeeringFault};
pub use flow::{Flow, Protocol};
pub use names::DNS_PORT;
pub use network::{Client, Cluster, Network, PublicHolder, SiteNetwork};
pub use reach::{Host, Standpoint};
pub use region::{Region, Stop};
pub use route::{AZURE_DNS, EffectiveRoute, NextHop, RouteSource};
pub use security::{SecurityGroup, Tags};
pub use trace::{Hop, Recorder, Resolution, Responder, Silent, Trace};
pub use vantage::{Vantage, VantageError};
pub use virtual_network::{
    ForwardingRule, Gateway, InboundEndpoint, Interface, LinkedZone, PeeredNetwork, Site, Subnet, VirtualNetwork,
};
pub use zone::{Lookup, Node, Zone};
