//! The server that is measured: noren's DNS with as many views as asked for.

use std::{future::pending, io::Write as _, net::Ipv4Addr, sync::Arc};

use anyhow::Result;
use arc_swap::ArcSwap;
use azure::{Kind, sketch::Sketch};
use dns::Server;
use network::{Network, ViewId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// The zone that every view is linked to.
pub(crate) const ZONE: &str = "corp.example";
/// Records in the zone.
pub(crate) const RECORDS: usize = 256;

/// A record's name in the zone, and its address.
pub(crate) fn record(index: usize) -> (String, Ipv4Addr) {
    let low = u8::try_from(index % 250).unwrap_or_default();
    (format!("host-{index}"), Ipv4Addr::new(10, 9, 0, low))
}

/// Serves `n_views` virtual networks until it is killed; prints each view's port on a line.
#[tokio::main]
pub(crate) async fn run(n_views: usize) -> Result<()> {
    let mut sketch = Sketch::new().zone(ZONE);
    for index in 0..RECORDS {
        let (name, address) = record(index);
        sketch = sketch.a_record(ZONE, &name, &address.to_string());
    }
    let names: Vec<String> = (0..n_views).map(|index| format!("network-{index}")).collect();
    for (index, name) in names.iter().enumerate() {
        let prefix = format!("10.{}.{}.0/24", index / 256, index % 256);
        sketch = sketch.network(name, &prefix).link(ZONE, name, json!({}));
    }
    let current = Arc::new(ArcSwap::from_pointee(Network::compile(&sketch.estate())));
    let server = Server::new(current, CancellationToken::new());
    let mut ports = String::new();
    let mut running = Vec::new();
    for name in &names {
        let view = ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, name));
        let bound = Server::bind(view, (Ipv4Addr::LOCALHOST, 0).into())?;
        ports += &format!("{}\n", bound.address().port());
        running.push(server.serve(bound));
    }
    drop(sketch);
    let mut out = std::io::stdout();
    out.write_all(ports.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    pending().await
}
