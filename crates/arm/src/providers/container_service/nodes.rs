//! What a cluster's API server needs to know of the estate: its nodes and its own names.

use std::net::{IpAddr, Ipv4Addr};

use azure::{DnsName, Estate, Json, ResourceId, aks, model::ManagedCluster};

use super::{
    site::Site,
    state::{ClusterState, PoolState},
};
use crate::providers::compute::sizes::{self, Size};

/// What a node has whose size nobody knows: pools were of any size once.
const SIZE_UNKNOWN: Size = Size { vcpus: 2, memory_mib: 8192 };

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in Kubernetes: `aks-nodepool1-12345678-vmss000000`.
    pub name: String,
    /// Its agent pool.
    pub pool: String,
    /// `System` or `User`.
    pub mode: String,
    /// Its address in the pool's subnet.
    pub internal_ip: Ipv4Addr,
    /// Its size, e.g. `Standard_DS2_v2`.
    pub vm_size: String,
    /// Its virtual CPUs.
    pub vcpus: u32,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its operating system's disk in GiB.
    pub disk_gib: u32,
    /// The most pods it may run.
    pub max_pods: u32,
    /// When it was made; `None` if nobody noted that.
    pub born: Option<jiff::Timestamp>,
    /// Its availability zone; `None` in a pool without zones.
    pub zone: Option<String>,
    /// `Linux` or `Windows`.
    pub os_type: String,
    /// Its Kubernetes version, full and without `v`.
    pub kubernetes_version: String,
    /// Its image.
    pub node_image_version: String,
    /// The pool's labels.
    pub labels: Vec<(String, String)>,
    /// The pool's taints, `key=value:effect`.
    pub taints: Vec<String>,
}

/// The nodes that run now, pool by pool; none while the cluster is stopped.
pub fn nodes(estate: &Estate, cluster: &ResourceId) -> Vec<Node> {
    let (Some(resource), Some(model)) = (estate.get(cluster), estate.managed_cluster(cluster)) else {
        return Vec::new();
    };
    let digits = ClusterState::of(resource).map(|state| state.digits).unwrap_or_default();
    let mut nodes = Vec::new();
    for name in model.agent_pools.iter().filter(|_| model.running) {
        let Some(pool) = estate.agent_pool(&cluster.child("agentPools", name)) else { continue };
        let stored = estate.get(&cluster.child("agentPools", name));
        let (document, born) =
            stored.map(|pool| (pool.document().value(), PoolState::of(pool).born)).unwrap_or_default();
        let number = |name: &str| Json::new(&document).get("properties").get(name).number().unwrap_or_default();
        let (disk_gib, max_pods) = (number("osDiskSizeGB"), number("maxPods"));
        let size = sizes::find(&pool.vm_size).unwrap_or(SIZE_UNKNOWN);
        let windows = pool.os_type.eq_ignore_ascii_case("windows");
        for (index, address) in (0_u32..).zip(&pool.node_addresses).filter(|_| pool.running) {
            let zone = usize::try_from(index).ok().and_then(|index| index.checked_rem(pool.zones.len()));
            let born = usize::try_from(index).ok().and_then(|index| born.get(index));
            nodes.push(Node {
                name: if windows { windows_node_name(name, index) } else { aks::node_name(name, &digits, index) },
                pool: name.clone(),
                mode: pool.mode.clone(),
                internal_ip: *address,
                vm_size: pool.vm_size.clone(),
                vcpus: size.vcpus,
                memory_mib: size.memory_mib,
                disk_gib,
                max_pods,
                born: born.and_then(|born| jiff::Timestamp::from_second(*born).ok()),
                zone: zone.and_then(|at| pool.zones.get(at)).cloned(),
                os_type: pool.os_type.clone(),
                kubernetes_version: pool.kubernetes_version.clone(),
                node_image_version: pool.node_image_version.clone(),
                labels: pool.labels.clone(),
                taints: pool.taints.clone(),
            });
        }
    }
    nodes
}

/// `aks<pool><6 base-36 digits>`: Windows names have at most 15 characters.
fn windows_node_name(pool: &str, index: u32) -> String {
    let linux = aks::node_name(pool, "", index);
    let suffix = linux.rsplit_once("vmss").map_or("000000", |(_, suffix)| suffix);
    format!("aks{pool}{suffix}")
}

/// Every name and address that a client may have for the cluster's API server and that its
/// certificate must name: those that exist now, and those inside the cluster.
pub fn certificate_names(estate: &Estate, cluster: &ResourceId) -> (Vec<DnsName>, Vec<IpAddr>) {
    let (Some(resource), Some(model)) = (estate.get(cluster), estate.managed_cluster(cluster)) else {
        return (Vec::new(), Vec::new());
    };
    let inside = [
        "hcp-kubernetes",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let names = [&model.fqdn, &model.private_fqdn, &model.portal_fqdn].into_iter().flatten().cloned();
    let names = names.chain(inside.iter().filter_map(|name| DnsName::parse(name).ok())).collect();
    let endpoint = endpoint_address(estate, &Site::of(resource), model);
    let service = model.service_cidr.map(aks::kubernetes_service_address);
    let addresses = [endpoint, model.public_address, service].into_iter().flatten().map(IpAddr::V4).collect();
    (names, addresses)
}

fn endpoint_address(estate: &Estate, site: &Site, cluster: &ManagedCluster) -> Option<Ipv4Addr> {
    let endpoint = estate.private_endpoint(&site.endpoint()).filter(|_| cluster.private)?;
    let nics = endpoint.network_interfaces.iter().filter_map(|nic| estate.network_interface(nic));
    nics.flat_map(|nic| &nic.ip_configurations).find_map(|configuration| configuration.address)
}
