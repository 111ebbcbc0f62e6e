//! How AKS names and places a cluster: its FQDNs, its zones, its node resource group, its network.
//!
//! Source: azure-truth "Addresses" and "Zones"; the recordings of Azure's own CLI tests.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{DnsName, InvalidDnsName};

/// The name of the private endpoint AKS makes in the node resource group.
pub const PRIVATE_ENDPOINT_NAME: &str = "kube-apiserver";
/// The `groupId` and `requiredMember` of a cluster's private link resource.
pub const PRIVATE_LINK_GROUP: &str = "management";
/// The port the API server listens on.
pub const API_SERVER_PORT: u16 = 443;
/// Address space of the virtual network AKS makes when no subnet is given.
pub const DEFAULT_ADDRESS_SPACE: &str = "10.224.0.0/12";
/// Its one subnet.
pub const DEFAULT_SUBNET: &str = "10.224.0.0/16";
/// The name of that subnet.
pub const DEFAULT_SUBNET_NAME: &str = "aks-subnet";
/// Addresses the lab gives to public API servers: the benchmarking range of RFC 2544, which no
/// real network routes, split so that lab clients on the Internet have their own half.
pub const PUBLIC_API_SERVERS: &str = "198.18.0.0/16";
/// The longest `<sub>` in `<sub>.privatelink.<region>.azmk8s.io`.
pub const ZONE_PREFIX_LEN_MAX: usize = 32;

/// `<prefix>-<8 hex>.hcp.<region>.azmk8s.io`.
///
/// # Errors
/// When the parts do not make a DNS name.
pub fn public_fqdn(prefix: &str, hash: &str, region: &str) -> Result<DnsName, InvalidDnsName> {
    DnsName::parse(&format!("{prefix}-{hash}.hcp.{region}.azmk8s.io"))
}

/// `<32 hex>[-priv].portal.hcp.<region>.azmk8s.io`.
///
/// # Errors
/// When the parts do not make a DNS name.
pub fn portal_fqdn(hash: &str, private: bool, region: &str) -> Result<DnsName, InvalidDnsName> {
    let mark = if private { "-priv" } else { "" };
    DnsName::parse(&format!("{hash}{mark}.portal.hcp.{region}.azmk8s.io"))
}

/// `<guid>.privatelink.<region>.azmk8s.io`, the zone AKS makes itself.
///
/// # Errors
/// When the parts do not make a DNS name.
pub fn system_zone(guid: &str, region: &str) -> Result<DnsName, InvalidDnsName> {
    DnsName::parse(&format!("{guid}.privatelink.{region}.azmk8s.io"))
}

/// Whether a user's own zone of this name may serve a private cluster of `region`:
/// `privatelink.<region>.azmk8s.io` or one label of at most 32 characters before it.
pub fn is_own_zone_name(zone: &DnsName, region: &str) -> bool {
    let base = format!("privatelink.{region}.azmk8s.io");
    let Ok(base) = DnsName::parse(&base) else { return false };
    match zone.relative_to(&base) {
        Some("") => true,
        Some(label) => !label.contains('.') && label.len() <= ZONE_PREFIX_LEN_MAX,
        None => false,
    }
}

/// `MC_<group>_<cluster>_<region>`, cut to the 80 characters a node resource group may have.
pub fn node_resource_group(group: &str, cluster: &str, region: &str) -> String {
    let full = format!("MC_{group}_{cluster}_{region}");
    full.chars().take(80).collect()
}

/// `aks-<pool>-<8 digits>-vmss<6 base-36 digits>`: a Linux node's name.
pub fn node_name(pool: &str, cluster_hash: &str, index: u32) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut suffix = [b'0'; 6];
    let mut rest = index;
    for digit in suffix.iter_mut().rev() {
        *digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    format!("aks-{pool}-{cluster_hash}-vmss{}", String::from_utf8_lossy(&suffix))
}

/// The address of the `kubernetes` service: the first of the service CIDR.
pub fn kubernetes_service_address(service_cidr: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(service_cidr.network()) + 1)
}

/// Whether `name` may be a cluster's: 1–63 letters, digits, `-`, `_`, letter or digit at both ends.
pub fn is_cluster_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    name.len() <= 63
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether `name` may be a Linux agent pool's: 1–12 lower-case letters and digits, letter first.
pub fn is_agent_pool_name(name: &str) -> bool {
    (1..=12).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_names_come_out() {
        let public = public_fqdn("aks-public-aks-public-fqdn-c209fd", "h7dqq0jo", "japaneast").unwrap();
        assert_eq!(public.as_str(), "aks-public-aks-public-fqdn-c209fd-h7dqq0jo.hcp.japaneast.azmk8s.io");
        assert_eq!(node_resource_group("rg", "aks-1", "japaneast"), "MC_rg_aks-1_japaneast");
        assert_eq!(node_name("nodepool1", "12345678", 0), "aks-nodepool1-12345678-vmss000000");
        assert_eq!(node_name("nodepool1", "12345678", 36), "aks-nodepool1-12345678-vmss000010");
    }

    #[test]
    fn an_own_zone_has_one_of_two_shapes() {
        let allowed = |zone: &str| is_own_zone_name(&zone.parse().unwrap(), "westeurope");
        assert!(allowed("privatelink.westeurope.azmk8s.io"));
        assert!(allowed("team-a.privatelink.westeurope.azmk8s.io"));
        assert!(!allowed("a.b.privatelink.westeurope.azmk8s.io"));
        assert!(!allowed("privatelink.northeurope.azmk8s.io"));
        assert!(!allowed("corp.example"));
        assert!(!allowed(&format!("{}.privatelink.westeurope.azmk8s.io", "a".repeat(33))));
    }

    #[test]
    fn cluster_and_pool_names_follow_azures_rules() {
        assert!(is_cluster_name("aks-public") && is_cluster_name("a_1"));
        assert!(!is_cluster_name("-a") && !is_cluster_name("a-") && !is_cluster_name("") && !is_cluster_name("a.b"));
        assert!(is_agent_pool_name("nodepool1"));
        assert!(
            !is_agent_pool_name("NodePool") && !is_agent_pool_name("1pool") && !is_agent_pool_name("abcdefghijklm")
        );
    }
}
