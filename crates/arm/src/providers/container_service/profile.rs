//! The cluster's document: the defaults of its profiles, what never changes, and the order in
//! which AKS shows it.
//!
//! Source: the bodies that AKS returned to Azure's own CLI tests (2025-07-01 and later).

use azure::{ArmError, Json, parse_prefix};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{
    fields::{self, Fields},
    refusal,
};

/// Properties that are the service's: what a client sends for them is not looked at.
const READ_ONLY: &[&str] = &[
    "provisioningState",
    "powerState",
    "currentKubernetesVersion",
    "fqdn",
    "azurePortalFQDN",
    "privateFQDN",
    "maxAgentPools",
    "privateLinkResources",
    "resourceUID",
    "status",
];

/// Properties that keep their first value, by the name a refusal gives them.
const IMMUTABLE: &[&str] = &["dnsPrefix", "fqdnSubdomain", "nodeResourceGroup", "enableRBAC"];

/// The same within `networkProfile`.
const IMMUTABLE_NETWORK: &[&str] = &["networkPlugin", "loadBalancerSku", "podCidr", "serviceCidr", "dnsServiceIP"];

/// The order in which AKS shows the properties; unknown ones follow.
const ORDER: &[&str] = &[
    "provisioningState",
    "powerState",
    "kubernetesVersion",
    "currentKubernetesVersion",
    "dnsPrefix",
    "fqdnSubdomain",
    "fqdn",
    "azurePortalFQDN",
    "privateFQDN",
    "agentPoolProfiles",
    "linuxProfile",
    "windowsProfile",
    "servicePrincipalProfile",
    "addonProfiles",
    "nodeResourceGroup",
    "enableRBAC",
    "supportPlan",
    "aadProfile",
    "networkProfile",
    "maxAgentPools",
    "privateLinkResources",
    "apiServerAccessProfile",
    "identityProfile",
    "autoUpgradeProfile",
    "disableLocalAccounts",
    "securityProfile",
    "storageProfile",
    "oidcIssuerProfile",
    "workloadAutoScalerProfile",
    "resourceUID",
];

/// How many agent pools a cluster may have.
pub(super) const AGENT_POOLS_MAX: usize = 100;

/// Takes a client's `properties` as a wish: without what is the service's, and, for a cluster that
/// exists, with everything left open as it was. Both access and network profile are merged, since
/// clients that leave `privateDNSZone` out do not mean another zone (terraform-wire "Cluster").
///
/// # Errors
/// `PropertyChangeNotAllowed` for what never changes.
pub(super) fn wish(properties: &mut Fields, before: Option<&Fields>) -> Result<(), ArmError> {
    for name in READ_ONLY {
        properties.shift_remove(*name);
    }
    fields::drop_open(properties);
    for name in ["networkProfile", "apiServerAccessProfile"] {
        if properties.contains_key(name) {
            fields::drop_open(fields::object(properties, name));
        }
    }
    let Some(before) = before else { return Ok(()) };
    check_unchanged(properties, before, IMMUTABLE, "")?;
    if let Some(Value::Object(network)) = before.get("networkProfile") {
        let wished = fields::object(properties, "networkProfile");
        check_unchanged(wished, network, IMMUTABLE_NETWORK, "networkProfile.")?;
        fields::inherit(wished, network);
    }
    if let Some(Value::Object(access)) = before.get("apiServerAccessProfile") {
        fields::inherit(fields::object(properties, "apiServerAccessProfile"), access);
    }
    fields::inherit(properties, before);
    Ok(())
}

fn check_unchanged(wished: &Fields, before: &Fields, names: &[&str], path: &str) -> Result<(), ArmError> {
    for name in names {
        let (Some(wished), before) = (wished.get(*name), before.get(*name)) else { continue };
        let same = match (wished.as_str(), before.and_then(Value::as_str)) {
            (Some(wished), Some(before)) => wished.eq_ignore_ascii_case(before),
            _ => Some(wished) == before,
        };
        if !same {
            return Err(refusal::change_not_allowed(&format!("{path}{name}")));
        }
    }
    Ok(())
}

/// Fills the profiles that do not depend on anything but the wish itself.
///
/// # Errors
/// Refusals of network profiles that make no sense.
pub(super) fn complete(properties: &mut Fields, tenant: &str, region: &str, uid: &str) -> Result<(), ArmError> {
    fields::default(properties, "enableRBAC", json!(true));
    fields::default(properties, "supportPlan", json!("KubernetesOfficial"));
    fields::default(properties, "disableLocalAccounts", json!(false));
    fields::default(properties, "securityProfile", json!({}));
    fields::default(properties, "workloadAutoScalerProfile", json!({}));
    fields::default(properties, "metricsProfile", json!({"costAnalysis": {"enabled": false}}));
    fields::default(properties, "bootstrapProfile", json!({"artifactSource": "Direct"}));
    let upgrade = fields::object(properties, "autoUpgradeProfile");
    fields::default(upgrade, "nodeOSUpgradeChannel", json!("NodeImage"));
    let storage = fields::object(properties, "storageProfile");
    for driver in ["diskCSIDriver", "fileCSIDriver", "snapshotController"] {
        fields::default(storage, driver, json!({"enabled": true}));
    }
    let provisioning = fields::object(properties, "nodeProvisioningProfile");
    fields::default(provisioning, "mode", json!("Manual"));
    fields::default(provisioning, "defaultNodePools", json!("Auto"));
    let issuer = fields::object(properties, "oidcIssuerProfile");
    fields::default(issuer, "enabled", json!(false));
    if issuer["enabled"] == true {
        let url = format!("https://{region}.oic.prod-aks.azure.com/{tenant}/{uid}/");
        fields::default(issuer, "issuerURL", json!(url));
    }
    if fields::is_open(properties.get("aadProfile").and_then(|profile| profile.get("tenantID")))
        && properties.contains_key("aadProfile")
    {
        fields::object(properties, "aadProfile").insert("tenantID".to_owned(), json!(tenant));
    }
    properties.insert("maxAgentPools".to_owned(), json!(AGENT_POOLS_MAX));
    complete_network(properties)
}

fn complete_network(properties: &mut Fields) -> Result<(), ArmError> {
    let private =
        Json::new(&Value::Object(properties.clone())).at("apiServerAccessProfile.enablePrivateCluster").flag();
    let network = fields::object(properties, "networkProfile");
    if !network.contains_key("networkPlugin") {
        network.insert("networkPlugin".to_owned(), json!("azure"));
        fields::default(network, "networkPluginMode", json!("overlay"));
    }
    let plugin = fields::text(network, "networkPlugin").unwrap_or_default().to_owned();
    let overlay = fields::text(network, "networkPluginMode").is_some_and(|mode| mode.eq_ignore_ascii_case("overlay"));
    let cilium = fields::text(network, "networkDataplane").is_some_and(|plane| plane.eq_ignore_ascii_case("cilium"));
    if plugin.eq_ignore_ascii_case("azure") {
        fields::default(network, "networkDataplane", json!("azure"));
    }
    fields::default(network, "networkPolicy", json!(if cilium { "cilium" } else { "none" }));
    let sku = fields::text(network, "loadBalancerSku").unwrap_or("standard").to_ascii_lowercase();
    if private == Some(true) && sku == "basic" {
        return Err(ArmError::bad_request(
            "PrivateClusterNotSupportedWithBasicLoadBalancer",
            "Private cluster is not supported with a basic load balancer. Please use standard load balancer for \
             private cluster.",
        )
        .with_target("networkProfile.loadBalancerSku"));
    }
    network.insert("loadBalancerSku".to_owned(), json!(sku));
    fields::default(network, "outboundType", json!("loadBalancer"));
    if sku == "standard" && fields::text(network, "outboundType") == Some("loadBalancer") {
        let balancer = fields::object(network, "loadBalancerProfile");
        let explicit = ["managedOutboundIPs", "outboundIPs", "outboundIPPrefixes"];
        if explicit.iter().all(|way| fields::is_open(balancer.get(*way))) {
            balancer.insert("managedOutboundIPs".to_owned(), json!({"count": 1}));
        }
        fields::default(balancer, "backendPoolType", json!("nodeIPConfiguration"));
    }
    for (one, many, default) in
        [("podCidr", "podCidrs", "10.244.0.0/16"), ("serviceCidr", "serviceCidrs", "10.0.0.0/16")]
    {
        if one == "podCidr" && !overlay && !plugin.eq_ignore_ascii_case("kubenet") {
            continue;
        }
        let first = network.get(many).and_then(|list| list.get(0)).cloned().unwrap_or_else(|| json!(default));
        fields::default(network, one, first);
        let only = json!([network[one]]);
        fields::default(network, many, only);
    }
    let dns = cidr(network, "serviceCidr")?
        .map(|services| std::net::Ipv4Addr::from(u32::from(services.network()).saturating_add(10)).to_string());
    fields::default(network, "dnsServiceIP", json!(dns.unwrap_or_else(|| "10.0.0.10".to_owned())));
    fields::default(network, "ipFamilies", json!(["IPv4"]));
    check_addresses(network)
}

/// An IPv4 prefix of the network profile.
///
/// # Errors
/// `CidrStringParseError` when there is something else.
pub(super) fn cidr(network: &Fields, name: &str) -> Result<Option<Ipv4Net>, ArmError> {
    let Some(text) = fields::text(network, name) else { return Ok(None) };
    let prefix = text.contains('/').then(|| parse_prefix(text)).flatten();
    prefix.map(Some).ok_or_else(|| {
        ArmError::bad_request("CidrStringParseError", "Cidr is invalid").with_target(format!("networkProfile.{name}"))
    })
}

/// How the ranges of the network profile stand to one another.
fn check_addresses(network: &Fields) -> Result<(), ArmError> {
    let (services, pods) = (cidr(network, "serviceCidr")?, cidr(network, "podCidr")?);
    if let (Some(services), Some(pods)) = (services, pods)
        && azure::addressing::overlap(&[services], &[pods]).is_some()
    {
        return Err(ArmError::bad_request(
            "PodCidrOverlapServiceCidr",
            format!("The specified pod CIDR {pods} is conflicted with service CIDR {services}"),
        )
        .with_target("networkProfile.podCIDR"));
    }
    let dns = fields::text(network, "dnsServiceIP").unwrap_or_default();
    let refused = |code: &'static str, message: String| {
        Err(ArmError::bad_request(code, message).with_target("networkProfile.dnsServiceIP"))
    };
    let Ok(dns) = dns.parse::<std::net::Ipv4Addr>() else {
        return refused("DnsServiceIpParseError", format!("The specified DNS service IP '{dns}' is invalid."));
    };
    let Some(services) = services else { return Ok(()) };
    if !services.contains(&dns) {
        let message = format!("The specified DNS service IP {dns} is out of the service CIDR {services}");
        return refused("DnsServiceIpOutOfServiceCidr", message);
    }
    if dns == azure::aks::kubernetes_service_address(services) {
        let message = format!("The specified DNS service IP {dns} is conflicted with the API server's service IP");
        return refused("DnsServiceIpConflicting", message);
    }
    Ok(())
}

/// `sku` and `kind` as AKS returns them.
pub(super) fn complete_sku(document: &mut Fields) {
    let sku = fields::object(document, "sku");
    let automatic = fields::text(sku, "name").is_some_and(|name| name.eq_ignore_ascii_case("automatic"));
    let name = if automatic { "Automatic" } else { "Base" };
    sku.insert("name".to_owned(), json!(name));
    fields::default(sku, "tier", json!("Free"));
    document.insert("kind".to_owned(), json!(name));
}

/// The order of what stands around the properties.
const ENVELOPE: &[&str] = &["id", "location", "name", "tags", "type", "kind", "properties", "identity", "sku", "eTag"];

/// The document with its properties in AKS's order.
pub(super) fn in_order(mut document: Fields) -> Fields {
    if let Some(Value::Object(properties)) = document.remove("properties") {
        document.insert("properties".to_owned(), Value::Object(fields::ordered(properties, ORDER)));
    }
    fields::ordered(document, ENVELOPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(profile: Value) -> Result<Value, ArmError> {
        let mut properties = Fields::from_iter([("networkProfile".to_owned(), profile)]);
        complete_network(&mut properties)?;
        Ok(properties["networkProfile"].clone())
    }

    #[test]
    fn without_a_plugin_a_cluster_gets_azure_cni_overlay() {
        insta::assert_snapshot!(network(json!({})).unwrap(), @r#"{"networkPlugin":"azure","networkPluginMode":"overlay","networkDataplane":"azure","networkPolicy":"none","loadBalancerSku":"standard","outboundType":"loadBalancer","loadBalancerProfile":{"managedOutboundIPs":{"count":1},"backendPoolType":"nodeIPConfiguration"},"podCidr":"10.244.0.0/16","podCidrs":["10.244.0.0/16"],"serviceCidr":"10.0.0.0/16","serviceCidrs":["10.0.0.0/16"],"dnsServiceIP":"10.0.0.10","ipFamilies":["IPv4"]}"#);
    }

    #[test]
    fn ranges_that_clash_are_refused() {
        let code = |profile: Value| network(profile).unwrap_err().code.into_owned();
        assert_eq!(code(json!({"serviceCidr": "10.244.1.0/24"})), "PodCidrOverlapServiceCidr");
        assert_eq!(code(json!({"dnsServiceIP": "10.1.0.10"})), "DnsServiceIpOutOfServiceCidr");
        assert_eq!(code(json!({"dnsServiceIP": "10.0.0.1"})), "DnsServiceIpConflicting");
        assert_eq!(code(json!({"dnsServiceIP": "ten"})), "DnsServiceIpParseError");
        assert_eq!(code(json!({"serviceCidr": "10.0.0.0"})), "CidrStringParseError");
        // A service range of one's own brings its DNS address along.
        assert_eq!(network(json!({"serviceCidr": "172.16.0.0/16"})).unwrap()["dnsServiceIP"], "172.16.0.10");
        // Classic Azure CNI has no pod range.
        assert_eq!(network(json!({"networkPlugin": "azure"})).unwrap().get("podCidr"), None);
    }
}
