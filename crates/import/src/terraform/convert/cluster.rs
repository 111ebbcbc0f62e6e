//! Clusters and their node pools.

use azure::{Kind, ResourceId};
use serde_json::{Value, json};

use super::super::reader::Reader;
use crate::draft::Draft;

/// `private_dns_zone_id` is `System`, `None` or the id of a zone.
fn zone(draft: &mut Draft, reader: Reader<'_>) -> Value {
    match reader.text("private_dns_zone_id") {
        Some(text) => json!(text),
        None => json!(reader.id(draft, "private_dns_zone_id", &[Kind::PrivateDnsZone])),
    }
}

pub(super) fn cluster(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Value {
    // What AKS makes with a cluster is in no state and no plan.
    draft.declared.insert(id.clone());
    let access = "api_server_access_profile.0";
    let ranges = [format!("{access}.authorized_ip_ranges"), "api_server_authorized_ip_ranges".to_owned()];
    let ranges = ranges.iter().map(|path| reader.value(path)).find(|ranges| ranges.is_array());
    let integration = ["virtual_network_integration_enabled", "vnet_integration_enabled"];
    let integration = integration.iter().find_map(|name| reader.flag(&format!("{access}.{name}")));
    let (name, group) = (id.name(), id.group_name().unwrap_or_default());
    let location: String = reader.text("location").unwrap_or_default().to_lowercase().split(' ').collect();
    let made = || azure::aks::node_resource_group(group, name, &location);
    let zone = zone(draft, reader);
    let pool = pool_profile(draft, reader, "default_node_pool.0.");
    json!({
        "kubernetesVersion": reader.text("current_kubernetes_version").or(reader.text("kubernetes_version")),
        "dnsPrefix": reader.text("dns_prefix"),
        "fqdnSubdomain": reader.text("dns_prefix_private_cluster"),
        "fqdn": reader.text("fqdn"),
        "privateFQDN": reader.text("private_fqdn"),
        "azurePortalFQDN": reader.text("portal_fqdn"),
        "nodeResourceGroup": reader.text("node_resource_group").map_or_else(made, str::to_owned),
        "apiServerAccessProfile": {
            "enablePrivateCluster": reader.flag("private_cluster_enabled").unwrap_or(false),
            "enablePrivateClusterPublicFQDN": reader.flag("private_cluster_public_fqdn_enabled").unwrap_or(false),
            "privateDNSZone": zone,
            "authorizedIPRanges": ranges,
            "enableVnetIntegration": integration,
        },
        "networkProfile": {"serviceCidr": reader.text("network_profile.0.service_cidr")},
        "agentPoolProfiles": [pool],
    })
}

pub(super) fn pool(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let mut properties = pool_profile(draft, reader, "");
    if let Value::Object(properties) = &mut properties {
        properties.remove("name");
    }
    properties
}

/// The pool whose attributes stand at `path`, which is empty or ends with a dot.
fn pool_profile(draft: &mut Draft, reader: Reader<'_>, path: &str) -> Value {
    let at = |name: &str| format!("{path}{name}");
    let subnet_path = at("vnet_subnet_id");
    let subnet = reader.id(draft, &subnet_path, &[Kind::Subnet]);
    // Not the one that AKS would make.
    let elsewhere = || {
        let group = ResourceId::group(reader.world.subscription(), "unknown");
        group.resource(Kind::VirtualNetwork.arm_type(), "unknown").child(Kind::Subnet.collection(), "unknown")
    };
    let subnet = subnet.or_else(|| reader.is_lost(&subnet_path).then(elsewhere));
    let mode = reader.text(&at("mode")).unwrap_or(if path.is_empty() { "User" } else { "System" });
    json!({
        "name": reader.text(&at("name")).unwrap_or("default"),
        "count": reader.value(&at("node_count")),
        "vmSize": reader.value(&at("vm_size")),
        "mode": mode,
        "osType": reader.text(&at("os_type")).unwrap_or("Linux"),
        "vnetSubnetID": subnet,
        "availabilityZones": reader.value(&at("zones")),
        "nodeLabels": reader.value(&at("node_labels")),
        "nodeTaints": reader.value(&at("node_taints")),
        "currentOrchestratorVersion": reader.value(&at("orchestrator_version")),
    })
}
