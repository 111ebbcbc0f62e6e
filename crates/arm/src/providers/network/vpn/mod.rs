//! VPN: virtual network gateways with their point-to-site clients, sites and the connections to them.
//!
//! `gateways` is the resource; around it, one file for each question: where it stands
//! (`placement`), who may connect (`client_configuration`), with which keys (`keys`), what a client
//! downloads (`client_package`), what the server is to do (`point_to_site`) and how that is said to
//! `OpenVPN` (`openvpn`).

mod client_configuration;
mod client_package;
mod connections;
mod gateways;
mod keys;
pub mod openvpn;
mod placement;
mod point_to_site;
mod sites;

pub(crate) use client_package::download;
pub use connections::Connections;
pub use gateways::VirtualNetworkGateways;
pub(crate) use placement::GATEWAY_SUBNET;
pub use point_to_site::{PORT, PointToSite, point_to_site};
pub use sites::LocalNetworkGateways;
