//! What stands behind private endpoints and public addresses: the door of the cluster's API server, over a pipe in
//! memory, and behind it the embedded server or another control plane.

use std::{collections::BTreeSet, future::ready, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use azure::{Estate, ResourceId};
use imbl::ordmap::DiffItem;
use kube::{ApiServer, Capacity, ClusterSpec, NodeSpec, TokenUser};
use network::Network;
use tokio::{runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;

use super::control_plane::{self, ControlPlane, ControlPlanes};

/// Bytes a pipe holds in each direction.
const PIPE_BYTES: usize = 64 * 1024;

/// Who the credentials that AKS hands out are: the same as in their client certificates.
const CLUSTER_USER: &str = "masterclient";
const CLUSTER_GROUP: &str = "system:masters";

/// Opens connections to clusters' API servers.
pub(super) struct Backend {
    api_server: ApiServer,
    control_planes: Arc<ControlPlanes>,
    network: Arc<ArcSwap<Network>>,
    /// Where API servers do their work, whoever opens connections to them.
    runtime: Handle,
}

impl Backend {
    /// Over the clusters of the newest network, on the runtime this is called on.
    pub(super) fn new(
        api_server: ApiServer,
        control_planes: Arc<ControlPlanes>,
        network: Arc<ArcSwap<Network>>,
    ) -> Self {
        Self { api_server, control_planes, network, runtime: Handle::current() }
    }

    /// A pipe to the cluster's API server.
    pub(super) fn pipe(&self, cluster: &ResourceId) -> io::Result<tokio::io::DuplexStream> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.runtime.spawn(self.door(cluster)?.converse(far));
        Ok(near)
    }

    /// Serves one connection as the cluster's API server until it ends.
    pub(super) async fn serve(&self, cluster: &ResourceId, stream: impl proxy::Stream + 'static) {
        match self.door(cluster) {
            Ok(door) => door.converse(stream).await,
            Err(error) => tracing::debug!(%cluster, %error, "a connection to an API server is refused"),
        }
    }

    fn door(&self, cluster: &ResourceId) -> io::Result<Door> {
        let network = self.network.load();
        let spec = spec(network.estate(), cluster).map(Arc::new);
        Ok(Door {
            api_server: self.api_server.clone(),
            control_planes: Arc::clone(&self.control_planes),
            spec: spec.ok_or_else(|| io::Error::other("the cluster has no credentials"))?,
            tag: tag(network.estate(), cluster),
        })
    }
}

/// The tag by which a cluster chooses its control plane.
pub(super) fn tag(estate: &Estate, cluster: &ResourceId) -> Option<String> {
    let document = estate.get(cluster)?.document();
    document.value()["tags"][control_plane::TAG].as_str().map(str::to_owned)
}

/// The door of one cluster.
struct Door {
    api_server: ApiServer,
    control_planes: Arc<ControlPlanes>,
    spec: Arc<ClusterSpec>,
    tag: Option<String>,
}

impl Door {
    async fn converse(self, stream: impl proxy::Stream + 'static) {
        let Self { api_server, control_planes, spec, tag } = self;
        let ended = match control_planes.choice(tag.as_deref()) {
            Ok(ControlPlane::Embedded) => api_server.serve(&spec, stream).await,
            Ok(ControlPlane::Real(real)) => {
                let behind = async { control_planes.behind(&spec, real).await.map_err(|failure| failure.in_a_line()) };
                api_server.relay(&spec, stream, behind).await
            }
            Err(failure) => api_server.relay(&spec, stream, ready(Err(failure.in_a_line()))).await,
        };
        if let Err(error) = ended {
            tracing::debug!(cluster = spec.name, %error, "connection to an API server ended");
        }
    }
}

impl Backend {
    /// Removes the objects of clusters that `before` had and `after` has not; costs the difference.
    async fn forget(&self, before: &Network, after: &Network) -> Result<(), kube::ServeError> {
        for item in before.clusters().diff(after.clusters()) {
            let gone = match item {
                DiffItem::Remove(_, cluster) => Some(cluster),
                DiffItem::Update { old: (_, old), new: (_, new) } if old.uid != new.uid => Some(old),
                DiffItem::Update { .. } | DiffItem::Add(..) => None,
            };
            if let Some(uid) = gone.and_then(|cluster| cluster.uid.as_ref()) {
                self.api_server.remove(uid).await?;
            }
        }
        Ok(())
    }
}

impl proxy::Backend for Backend {
    fn open(&self, cluster: &ResourceId) -> io::Result<Box<dyn proxy::Stream>> {
        Ok(Box::new(self.pipe(cluster)?))
    }
}

/// Removes the objects of clusters that are no more, and stops control planes of those that do not run; all of them
/// with the lab. A reconciler: at the start it compares what is stored with what is declared, later each network with the
/// one before.
pub(super) async fn forget_deleted(backend: Arc<Backend>, changed: Arc<Notify>, shutdown: CancellationToken) {
    const RETRY: Duration = Duration::from_secs(60);
    let mut done: Option<Arc<Network>> = None;
    loop {
        let woken = changed.notified();
        let network = backend.network.load_full();
        let forgotten = match &done {
            None => backend.api_server.retain(&uids(&network)).await,
            Some(before) => backend.forget(before, &network).await,
        };
        backend.control_planes.follow(&network).await;
        match forgotten {
            Ok(()) => done = Some(network),
            Err(error) => tracing::error!(%error, "objects of deleted clusters could not be removed"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return backend.control_planes.stop().await,
            _ = tokio::time::timeout(RETRY, woken) => {}
        }
    }
}

fn uids(network: &Network) -> BTreeSet<String> {
    network.clusters().values().filter_map(|cluster| cluster.uid.clone()).collect()
}

/// The cluster as its API server needs to know it.
pub(super) fn spec(estate: &Estate, id: &ResourceId) -> Option<ClusterSpec> {
    use arm::providers::container_service as aks;
    let resource = estate.get(id)?;
    let cluster = estate.managed_cluster(id)?;
    let credentials = aks::credentials(resource)?;
    let (names, addresses) = aks::certificate_names(estate, id);
    let region = resource.document().value()["location"].as_str().unwrap_or_default().to_owned();
    let node_resource_group = cluster.node_resource_group.as_ref().map_or("", ResourceId::name).to_owned();
    let nodes = aks::nodes(estate, id).into_iter().map(|node| NodeSpec {
        name: node.name,
        pool: node.pool,
        mode: node.mode,
        internal_ip: node.internal_ip.into(),
        vm_size: node.vm_size,
        capacity: Capacity {
            vcpus: node.vcpus,
            memory_mib: node.memory_mib,
            disk_gib: node.disk_gib,
            pods: node.max_pods,
        },
        born: node.born,
        region: region.clone(),
        zone: node.zone,
        os: node.os_type.to_ascii_lowercase(),
        version: node.kubernetes_version,
        node_image_version: node.node_image_version,
        node_resource_group: node_resource_group.clone(),
        labels: node.labels,
        taints: node.taints,
    });
    Some(ClusterSpec {
        id: cluster.uid.clone()?,
        name: id.name().to_owned(),
        version: cluster.kubernetes_version.clone(),
        nodes: nodes.collect(),
        certificate_names: names.iter().map(ToString::to_string).collect(),
        certificate_addresses: addresses,
        authority: credentials.authority,
        tokens: [credentials.user, credentials.admin]
            .into_iter()
            .map(|access| TokenUser {
                token: access.token,
                user: CLUSTER_USER.to_owned(),
                groups: vec![CLUSTER_GROUP.to_owned()],
            })
            .collect(),
        service_cidr: cluster.service_cidr.map_or_else(|| "10.0.0.0/16".to_owned(), |cidr| cidr.to_string()),
    })
}
