//! Serves the portal over an estate of a thousand private clusters in five hundred networks around three
//! hubs, to look at and to measure: prints a link that works once and waits.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example that cannot go on should stop")]
#![expect(dead_code, reason = "the tests' stage has more than is needed here")]

use std::sync::Arc;

use azure::sketch::Sketch;
use portal::{Door, Portal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[path = "../tests/it/stage.rs"]
mod stage;

const HUBS: usize = 3;
const NETWORKS: usize = 500;

fn estate() -> Sketch {
    let hubs = (0..HUBS)
        .fold(Sketch::new(), |sketch, hub| sketch.network(&format!("hub{hub}"), &format!("10.{}.0.0/16", 250 + hub)));
    let hubs = hubs.vpn_gateway("vpn", "hub0").client("laptop", Some("vpn"), &[]).peering("hub0", "hub1");
    (0..NETWORKS).fold(hubs, |sketch, index| {
        let (name, prefix) = (format!("spoke{index}"), format!("10.{}.{}", index / 250, index % 250));
        let cluster = |sketch: Sketch, half: usize| {
            let address = format!("{prefix}.{}", 4 + half);
            sketch.private_cluster(&format!("aks-{index}-{half}"), &name, &address, index % 3 == 0)
        };
        let sketch = sketch.network(&name, &format!("{prefix}.0/24")).peering(&format!("hub{}", index % HUBS), &name);
        cluster(cluster(sketch, 0), 1)
    })
}

#[tokio::main]
async fn main() {
    let lab = Arc::new(stage::Staged::new(&estate(), None));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let portal = Arc::new(Portal::new(lab, Door::new(listener.local_addr().unwrap().port())));
    println!("{}", portal.link());
    portal::serve(portal, listener, CancellationToken::new()).await;
}
