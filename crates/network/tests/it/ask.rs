//! Asking a sketched estate.

use azure::sketch::Sketch;
use network::{Disposition, Host, Network, Trace};

/// What becomes of a connection to port 443 of an address or a name.
pub(crate) fn trace(sketch: &Sketch, vantage: &str, to: &str) -> Trace {
    let network = Network::compile(&sketch.estate());
    let vantage = network.find_vantage(vantage).unwrap().clone();
    let host = to.parse().map_or_else(|_| Host::Name(to.parse().unwrap()), Host::Address);
    network.reach(&vantage, &host, 443)
}

/// How it ends.
pub(crate) fn end(sketch: &Sketch, vantage: &str, to: &str) -> Disposition {
    trace(sketch, vantage, to).disposition
}

/// Whether it connects to a cluster or gets to a machine.
pub(crate) fn arrives(sketch: &Sketch, vantage: &str, to: &str) -> bool {
    let end = end(sketch, vantage, to);
    end.is_connected() || matches!(end, Disposition::PortClosed { .. })
}
