//! Reports the lab's state from the newest network and the listeners.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use network::{Network, Silent, Vantage, VantageError, ViewId};
use tokio::sync::watch;

use super::{
    backend,
    control_plane::ControlPlanes,
    endpoints::{Listening, ListeningHandle},
    estate::DeclaredEstate,
    kernel::RealisedHandle,
    running::{ClusterStatus, Lookout, Stand, Status, VantageStatus, ViewStatus, VpnServerStatus},
};

/// How long a place may take to be made.
pub(super) const STAND_PATIENCE: Duration = Duration::from_secs(10);

/// Why nobody can stand somewhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum StandError {
    /// There is no such vantage.
    #[error(transparent)]
    Vantage(#[from] VantageError),
    /// The kernel data plane is not there, or not up to date.
    #[error("the kernel data plane did not follow within {seconds} s: {why}")]
    Late {
        /// How long was waited.
        seconds: u64,
        /// What it does meanwhile.
        why: String,
    },
}

/// What reporting needs.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) network: Arc<ArcSwap<Network>>,
    pub(super) listening: ListeningHandle,
    pub(super) realised: RealisedHandle,
    /// How long somebody who wants to stand somewhere waits for the kernel plane.
    pub(super) patience: Duration,
    pub(super) vpn_servers: watch::Receiver<Vec<VpnServerStatus>>,
    pub(super) control_planes: Arc<ControlPlanes>,
    pub(super) data: Option<String>,
    pub(super) url: String,
}

impl Reporter {
    /// How to stand at the vantage that `text` names, once the plane has followed the newest network.
    ///
    /// # Errors
    /// No vantage, or more than one, has that name; the plane does not follow.
    pub(super) async fn stand(&self, text: &str) -> Result<Stand, StandError> {
        let network = self.network.load_full();
        let vantage = network.find_vantage(text)?;
        let standing = async {
            self.realised.complete_for(network.revision()).await;
            self.realised.stand(&network, vantage).await
        };
        self.in_time(standing).await
    }

    /// Where the packets of what `text` names are seen: a vantage, or an endpoint, which stands at its
    /// network's router.
    ///
    /// # Errors
    /// Nothing, or more than one thing, has that name; the plane does not follow.
    pub(super) async fn lookout(&self, text: &str) -> Result<Lookout, StandError> {
        let network = self.network.load_full();
        let (router, address) = match (network.find_vantage(text), network.find_endpoint(text)) {
            (Err(VantageError::Unknown { .. }), Ok(endpoint)) => endpoint,
            (Err(VantageError::Unknown { .. }), Err(ambiguous @ VantageError::Ambiguous { .. })) => {
                return Err(ambiguous.into());
            }
            _ => return Ok(Lookout { stand: self.stand(text).await?, address: None }),
        };
        let standing = async {
            self.realised.complete_for(network.revision()).await;
            self.realised.stand_at_router(router).await
        };
        Ok(Lookout { stand: self.in_time(standing).await?, address: Some(address) })
    }

    /// What `standing` comes to, unless it takes too long.
    async fn in_time(&self, standing: impl Future<Output = Stand>) -> Result<Stand, StandError> {
        let late = |_| StandError::Late { seconds: self.patience.as_secs(), why: self.realised.waiting() };
        tokio::time::timeout(self.patience, standing).await.map_err(late)
    }

    /// What is declared now.
    pub(super) fn estate(&self) -> DeclaredEstate {
        DeclaredEstate::from(self.network.load().estate())
    }

    /// The state now.
    pub(super) fn status(&self) -> Status {
        let (network, listening) = (self.network.load(), self.listening.get());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            data: self.data.clone(),
            plane: self.realised.describe(),
            vpn_servers: self.vpn_servers.borrow().clone(),
            arm: self.url.clone(),
            revision: network.revision(),
            resources: network.estate().len(),
            views: listening.views.iter().map(|(view, address)| view_status(view, *address)).collect(),
            vantages: vantages(&network, &listening),
            clusters: clusters(&network, &self.control_planes),
            findings: network.findings().iter().filter_map(|finding| serde_json::to_value(finding).ok()).collect(),
        }
    }
}

fn view_status(view: &ViewId, address: std::net::SocketAddr) -> ViewStatus {
    match view {
        ViewId::Public => ViewStatus { name: "public".to_owned(), network: None, address },
        ViewId::VirtualNetwork(id) => ViewStatus { name: id.name().to_owned(), network: Some(id.to_string()), address },
    }
}

fn vantages(network: &Network, listening: &Listening) -> Vec<VantageStatus> {
    let report = |(vantage, proxy): (&Vantage, &std::net::SocketAddr)| {
        let (names, dns) = match network.name_server(vantage, &mut Silent) {
            Ok((view, responder)) => (responder.describe(), listening.views.get(&view).copied()),
            Err(disposition) => (disposition.sentence(), None),
        };
        VantageStatus {
            name: vantage.name(),
            kind: vantage.describe().to_owned(),
            id: vantage.resource().map(ToString::to_string),
            proxy: *proxy,
            names,
            dns,
            hosts: hosts(network, vantage),
        }
    };
    listening.vantages.iter().map(report).collect()
}

fn hosts(network: &Network, vantage: &Vantage) -> Vec<(String, String)> {
    let Vantage::Client(id) = vantage else { return Vec::new() };
    let entries = network.client(id).into_iter().flat_map(|client| &client.hosts);
    entries.flat_map(|entry| entry.names.iter().map(|name| (entry.address.to_string(), name.to_string()))).collect()
}

fn clusters(network: &Network, control_planes: &ControlPlanes) -> Vec<ClusterStatus> {
    let report = |cluster: &Arc<network::Cluster>| ClusterStatus {
        name: cluster.id.name().to_owned(),
        group: cluster.id.group_name().unwrap_or_default().to_owned(),
        power: if cluster.running { "Running" } else { "Stopped" }.to_owned(),
        fqdn: cluster.fqdn.as_ref().map(ToString::to_string),
        private_fqdn: cluster.private_fqdn.as_ref().map(ToString::to_string),
        address: cluster.address.as_ref().map(ToString::to_string),
        control_plane: control_planes.real(backend::tag(network.estate(), &cluster.id).as_deref()),
    };
    network.clusters().values().map(report).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_wants_to_stand_somewhere_does_not_wait_for_ever() {
        let (_making, realised) = RealisedHandle::being_made();
        let reporter = Reporter {
            network: Arc::new(ArcSwap::from_pointee(Network::compile(&azure::Estate::default()))),
            listening: ListeningHandle::default(),
            realised,
            patience: Duration::ZERO,
            vpn_servers: watch::channel(Vec::new()).1,
            control_planes: Arc::default(),
            data: None,
            url: String::new(),
        };
        let late = reporter.stand("internet").await.unwrap_err();
        assert_eq!(late.to_string(), "the kernel data plane did not follow within 0 s: it is being made");
        assert!(matches!(reporter.stand("nowhere").await, Err(StandError::Vantage(_))), "that is known at once");
    }
}
