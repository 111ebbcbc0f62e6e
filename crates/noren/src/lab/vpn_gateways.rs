//! VPN servers: keeps a real `openvpn` running at each gateway that takes point-to-site clients.
//!
//! A reconciler like the kernel plane's, of which it is woken: it compares what runs with what the
//! newest network's gateways want and starts anew what differs, so that a certificate revoked is
//! refused at once, also to whoever is connected. Without a server a gateway still has the lab's own
//! clients, whose tunnels are the fabric's.

use std::{collections::BTreeMap, env, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use arm::providers::network::vpn::{PORT, PointToSite, openvpn, point_to_site};
use azure::{Kind, ResourceId};
use netns::{Fabric, FabricError, Program};
use network::{
    Network,
    plan::{Place, TunnelAddresses},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    kernel::{Realised, RealisedHandle},
    running::VpnServerStatus,
};

/// The server.
const PROGRAM: &str = "openvpn";
/// The server's tunnel in the gateway's namespace. The gateway's filter lets `tun*` through.
const DEVICE: &str = "tun0";

/// The VPN servers of a lab.
pub(super) struct VpnGateways {
    network: Arc<ArcSwap<Network>>,
    shutdown: CancellationToken,
    status: watch::Sender<Vec<VpnServerStatus>>,
    running: BTreeMap<ResourceId, Wanted>,
    /// Whose servers those are: with another fabric they are gone.
    fabric: Option<Arc<Fabric>>,
}

/// What a server is started with.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    program: String,
    server: PointToSite,
    addresses: TunnelAddresses,
}

impl VpnGateways {
    /// None runs yet; `status` is told what does.
    pub(super) fn new(
        network: Arc<ArcSwap<Network>>,
        shutdown: CancellationToken,
        status: watch::Sender<Vec<VpnServerStatus>>,
    ) -> Self {
        Self { network, shutdown, status, running: BTreeMap::new(), fabric: None }
    }

    /// Keeps the servers what the newest network says until the lab stops. `realised` wakes also
    /// without a change, so that what failed is tried again.
    pub(super) async fn follow(mut self, mut realised: RealisedHandle) {
        loop {
            let now = realised.newest();
            let status = self.reconcile(&now).await;
            self.status.send_if_modified(|told| std::mem::replace(told, status.clone()) != status);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                alive = realised.changed() => if !alive { return },
            }
        }
    }

    async fn reconcile(&mut self, realised: &Realised) -> Vec<VpnServerStatus> {
        let same = match (&self.fabric, &realised.helper) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        if !same {
            self.running.clear();
            self.fabric.clone_from(&realised.helper);
        }
        let network = self.network.load_full();
        let gateways: Vec<ResourceId> =
            network.estate().of_kind(Kind::VirtualNetworkGateway).map(|gateway| gateway.id().clone()).collect();
        let gone: Vec<ResourceId> = self.running.keys().filter(|id| !gateways.contains(id)).cloned().collect();
        for id in gone {
            self.end(&id).await;
        }
        let mut status = Vec::new();
        for id in gateways {
            let Some(server) = point_to_site(network.estate(), &id) else {
                self.end(&id).await;
                continue;
            };
            let address = server.public_address;
            let outcome = self.keep(realised, &id, server).await;
            if outcome.is_err() {
                self.end(&id).await;
            }
            status.push(VpnServerStatus { gateway: id.name().to_owned(), address, why: outcome.err() });
        }
        status
    }

    /// Keeps the server of one gateway running; says why it does not.
    async fn keep(&mut self, realised: &Realised, id: &ResourceId, server: PointToSite) -> Result<(), String> {
        let Some(fabric) = &realised.helper else {
            return Err(realised
                .unavailable
                .clone()
                .unwrap_or_else(|| "the kernel data plane is being made".to_owned()));
        };
        fabric.capabilities().tun.as_ref().map_err(ToString::to_string)?;
        let program = find(PROGRAM).ok_or("there is no openvpn: install openvpn")?;
        let address = server.public_address.ok_or("it has no public address")?;
        let pool = server.pool.first().ok_or("it has no client address pool")?;
        let addresses = TunnelAddresses::of(*pool).ok_or_else(|| format!("the pool {pool} is too small"))?;
        let place = Place::Gateway(id.clone());
        if !realised.fabric.namespaces.contains_key(&place) {
            return Err("its namespace is being made".to_owned());
        }
        let (tunnel, clients) = (addresses.gateway, addresses.served.clone());
        let at = openvpn::Place { address, port: PORT, device: DEVICE, tunnel, clients };
        let files = openvpn::server(&server, &at).ok_or("it has no root certificate, so that nobody could get in")?;
        let wanted = Wanted { program: format!("openvpn-{}", server.uid), server, addresses };
        if self.running.get(id) == Some(&wanted) {
            return Ok(());
        }
        // A gateway made anew under the same id has another name for its server.
        self.end(id).await;
        let [config, verify] = files;
        let words = [&*program.to_string_lossy(), "--cd", "{files}", "--config", config.name];
        let program = Program {
            name: wanted.program.clone(),
            place,
            argv: words.map(str::to_owned).into(),
            files: [config, verify].map(|file| (file.name.to_owned(), file.text)).into(),
        };
        fabric.spawn(program).await.map_err(|error| error.to_string())?;
        self.running.insert(id.clone(), wanted);
        Ok(())
    }

    async fn end(&mut self, id: &ResourceId) {
        let (Some(running), Some(fabric)) = (self.running.remove(id), &self.fabric) else { return };
        match fabric.end(&running.program).await {
            // Its servers have ended with it.
            Ok(()) | Err(FabricError::Ended) => {}
            Err(error) => tracing::warn!(%error, gateway = id.name(), "a VPN server could not be ended"),
        }
    }
}

/// Where a program is installed.
fn find(name: &str) -> Option<PathBuf> {
    let path = netns::search_path();
    env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}
