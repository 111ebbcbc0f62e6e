//! DNS servers: the public view and one view for each virtual network, UDP and TCP, out of the
//! newest network. They read nothing else.

mod message;
mod server;
#[cfg_attr(not(target_os = "linux"), path = "udp_portable.rs")]
mod udp;

pub use message::{Transport, reply};
pub use server::{BoundView, CurrentNetwork, ServedView, Server};
