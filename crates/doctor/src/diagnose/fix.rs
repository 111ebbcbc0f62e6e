//! What people can type, filled in with what the kubeconfig tells.

use std::net::IpAddr;

use azure::aks;

use crate::{
    address::{AddressKind, Zone},
    observation::Target,
};

/// `-g <group> -n <cluster>`.
fn cluster(target: &Target) -> String {
    match &target.cluster {
        Some(cluster) => format!("-g {} -n {}", cluster.group, cluster.name),
        None => "-g GROUP -n CLUSTER".to_owned(),
    }
}

/// Writes a kubeconfig with the public FQDN.
pub(super) fn public_kubeconfig(target: &Target) -> String {
    format!("az aks get-credentials {} --public-fqdn --overwrite-existing", cluster(target))
}

/// Writes the kubeconfig anew.
pub(super) fn kubeconfig(target: &Target) -> String {
    format!("az aks get-credentials {} --overwrite-existing", cluster(target))
}

/// Shows how the cluster is.
pub(super) fn show(target: &Target) -> String {
    let query = "{power:powerState.code,fqdn:fqdn,privateFqdn:privateFqdn}";
    format!("az aks show {} --query '{query}'", cluster(target))
}

/// Runs a command inside the cluster.
pub(super) fn command_invoke(target: &Target) -> String {
    format!("az aks command invoke {} --command 'kubectl get nodes'", cluster(target))
}

/// A line of the hosts file.
pub(super) fn hosts_line(address: IpAddr, name: &str) -> String {
    format!("echo '{address} {name}' | sudo tee -a /etc/hosts")
}

/// Links a private zone to the network of this machine. AKS's own zones are in the cluster's node resource group.
pub(super) fn link(target: &Target, zone: &str) -> String {
    let group = match (&target.kind, &target.cluster) {
        (AddressKind::PrivateFqdn { zone: Zone::System, region, .. }, Some(cluster)) => {
            aks::node_resource_group(&cluster.group, &cluster.name, region)
        }
        _ => "ZONE_GROUP".to_owned(),
    };
    format!(
        "az network private-dns link vnet create -g {group} -z {zone} -n LINK -v VIRTUAL_NETWORK_ID \
         --registration-enabled false"
    )
}
