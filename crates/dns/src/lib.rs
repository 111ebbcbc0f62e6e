//! DNS servers: the public view and one view for each virtual network, UDP and TCP, out of the
//! newest network. They read nothing else.

mod message;
mod server;

pub use server::{BoundView, CurrentNetwork, ServedView, Server};
