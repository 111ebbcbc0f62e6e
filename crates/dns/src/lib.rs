//! DNS servers: the public view and one view for each virtual network, UDP and TCP, out of the
//! newest network. They read nothing else; what a forwarding rule covers may really be asked of the
//! rule's servers.

mod message;
mod relay;
mod server;
#[cfg_attr(not(target_os = "linux"), path = "udp_portable.rs")]
mod udp;

pub use message::{Transport, reply};
pub use relay::Forwarder;
pub use server::{BoundView, CurrentNetwork, ServedView, Server};
