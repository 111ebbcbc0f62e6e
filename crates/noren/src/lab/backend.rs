//! What stands behind private endpoints and public addresses: the embedded API server of the
//! cluster, over a pipe in memory.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use azure::{Estate, ResourceId};
use imbl::ordmap::DiffItem;
use kube::{ApiServer, Capacity, ClusterSpec, NodeSpec, TokenUser};
use network::Network;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes a pipe holds in each direction.
const PIPE_BYTES: usize = 64 * 1024;

/// Who the credentials that AKS hands out are: the same as in their client certificates.
const CLUSTER_USER: &str = "masterclient";
const CLUSTER_GROUP: &str = "system:masters";

/// Opens connections to clusters' API servers.
pub(super) struct Backend {
    api_server: ApiServer,
    network: Arc<ArcSwap<Network>>,
}

impl Backend {
    /// Over the clusters of the newest network.
    pub(super) fn new(api_server: ApiServer, network: Arc<ArcSwap<Network>>) -> Self {
        Self { api_server, network }
    }

    /// A pipe to the cluster's API server.
    pub(super) fn pipe(&self, cluster: &ResourceId) -> io::Result<tokio::io::DuplexStream> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(converse(self.api_server.clone(), self.spec(cluster)?, far));
        Ok(near)
    }

    /// Serves one connection as the cluster's API server until it ends.
    pub(super) async fn serve(&self, cluster: &ResourceId, stream: impl proxy::Stream + 'static) {
        match self.spec(cluster) {
            Ok(spec) => converse(self.api_server.clone(), spec, stream).await,
            Err(error) => tracing::debug!(%cluster, %error, "a connection to an API server is refused"),
        }
    }

    fn spec(&self, cluster: &ResourceId) -> io::Result<Arc<ClusterSpec>> {
        let spec = spec(self.network.load().estate(), cluster);
        spec.map(Arc::new).ok_or_else(|| io::Error::other("the cluster has no credentials"))
    }
}

async fn converse(api_server: ApiServer, spec: Arc<ClusterSpec>, stream: impl proxy::Stream + 'static) {
    if let Err(error) = api_server.serve(&spec, stream).await {
        tracing::debug!(cluster = spec.name, %error, "connection to an API server ended");
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

/// Removes the objects of clusters that are no more. A reconciler: at the start it compares what
/// is stored with what is declared, later each network with the one before.
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
        match forgotten {
            Ok(()) => done = Some(network),
            Err(error) => tracing::error!(%error, "objects of deleted clusters could not be removed"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
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
