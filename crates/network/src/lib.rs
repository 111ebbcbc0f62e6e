//! The compiled network: [`Network::compile`] turns an [`azure::Estate`] into name views, routes
//! and endpoints; [`Network::answer`], [`Network::resolve`], [`Network::route`] and
//! [`Network::reach`] are the one resolver and the one router that everything uses.
//!
//! Pure and total: no I/O, no clock, no randomness. A reference to nothing is a finding.

mod answer;
mod compile;
mod network;
pub mod plan;
mod reach;
mod trace;
mod vantage;
mod zone;

pub use answer::{Answer, AnswerRecord, Authority, Outcome, QueryType, ViewId};
pub use azure::{
    DnsName, Estate, Finding, ResourceId,
    model::{RecordData, RecordType, Soa},
};
pub use network::{Client, Cluster, Gateway, Interface, LinkedZone, Network, PeeredNetwork, VirtualNetwork};
pub use reach::{AZURE_DNS, Destination, Host};
pub use trace::{Disposition, Hop, NextHop, PeeringFault, Recorder, Resolution, Responder, Silent, Trace};
pub use vantage::{Vantage, VantageError};
pub use zone::{Lookup, Node, Zone};
