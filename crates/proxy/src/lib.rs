//! The unprivileged data plane: for each vantage a loopback port that speaks SOCKS5 and HTTP
//! CONNECT and connects exactly what the model says a client standing there can reach.

mod connect;
mod refusal;
mod relay;
mod server;
mod socks5;
mod workers;

use std::io;

use network::Host;

pub use server::{Backend, CurrentNetwork, Proxy, Stream};

/// Why a client's request did not come to a decision.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("the client's request is malformed: {0}")]
    Malformed(&'static str),
    #[error("the client did not finish its request in time")]
    TimedOut,
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

/// A destination as clients write it: an IPv4 address or a name.
fn parse_host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::Address(address));
    }
    text.parse().ok().map(Host::Name)
}

#[cfg(test)]
mod tests;
