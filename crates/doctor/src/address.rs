//! What kind of name or address a kubeconfig's server is, and which other name its cluster would have.
//!
//! Source: azure-truth "Addresses" and "Zones"; the domains of the other clouds from Microsoft's documentation
//! of endpoints ("Azure Kubernetes Service" of Azure Government and of Azure operated by 21Vianet).

use std::net::IpAddr;

use azure::{DnsName, aks};
use serde::Serialize;

/// The domains of AKS's clouds: the public cloud's, Azure Government's, 21Vianet's.
const DOMAINS: [&str; 3] = ["azmk8s.io", "cx.aks.containerservice.azure.us", "cx.prod.service.azk8s.cn"];

/// What a kubeconfig's server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AddressKind {
    /// `<label>.hcp.<region>.azmk8s.io`, which public DNS answers.
    PublicFqdn {
        /// The region.
        region: String,
    },
    /// A name of a private zone that only linked networks know.
    PrivateFqdn {
        /// Whose zone it is.
        zone: Zone,
        /// The zone's name.
        zone_name: String,
        /// The region.
        region: String,
    },
    /// This machine: the near end of a tunnel.
    Loopback,
    /// An address instead of a name.
    Address,
    /// A name that AKS did not make.
    Custom,
}

/// Whose private zone it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Zone {
    /// AKS made it: `<guid>.privatelink.<region>.azmk8s.io`.
    System,
    /// The user made it: `[<sub>.]privatelink.<region>.azmk8s.io`.
    Own,
    /// One for API server VNet integration: `[<sub>.]private.<region>.azmk8s.io`, or AKS's with a guid.
    Integrated,
}

/// A name's parts, if it is one of AKS's: `<label>.<within>.<marker>.<region>.<domain>`.
struct Parts<'a> {
    label: &'a str,
    /// Between the label and the marker: a guid, a user's `<sub>`, or nothing.
    within: &'a str,
    marker: &'a str,
    region: &'a str,
    domain: &'a str,
}

fn parts(name: &DnsName) -> Option<Parts<'_>> {
    let text = name.as_str();
    let domain =
        DOMAINS.into_iter().find(|domain| text.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))?;
    let (rest, region) = text.strip_suffix(domain)?.strip_suffix('.')?.rsplit_once('.')?;
    let (rest, marker) = rest.rsplit_once('.')?;
    let (label, within) = rest.split_once('.').unwrap_or((rest, ""));
    ["hcp", "privatelink", "private"].contains(&marker).then_some(Parts { label, within, marker, region, domain })
}

/// Recognises a server's host.
pub fn recognise(host: &str) -> AddressKind {
    if let Ok(address) = host.parse::<IpAddr>() {
        return if address.is_loopback() { AddressKind::Loopback } else { AddressKind::Address };
    }
    let Ok(name) = DnsName::parse(host) else { return AddressKind::Custom };
    if name.as_str() == "localhost" {
        return AddressKind::Loopback;
    }
    let Some(parts) = parts(&name) else { return AddressKind::Custom };
    let region = parts.region.to_owned();
    if parts.marker == "hcp" {
        return AddressKind::PublicFqdn { region };
    }
    let zone = match parts.marker {
        "private" => Zone::Integrated,
        _ if is_guid(parts.within) => Zone::System,
        _ if parts.within.contains('.') || parts.within.len() > aks::ZONE_PREFIX_LEN_MAX => return AddressKind::Custom,
        _ => Zone::Own,
    };
    let zone_name = name.as_str().split_once('.').map_or_else(String::new, |(_, zone)| zone.to_owned());
    AddressKind::PrivateFqdn { zone, zone_name, region }
}

/// The public FQDN that the cluster of a private one would have: both begin with `<prefix>-<8>`. Nothing for names
/// that follow no such rule (`fqdnSubdomain`), and for public ones, whose private name holds a guid.
pub fn public_name(host: &str) -> Option<DnsName> {
    let name = DnsName::parse(host).ok()?;
    let parts = parts(&name).filter(|parts| parts.marker != "hcp")?;
    let (prefix, hash) = parts.label.rsplit_once('-')?;
    (!prefix.is_empty() && hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(())?;
    DnsName::parse(&format!("{}.hcp.{}.{}", parts.label, parts.region, parts.domain)).ok()
}

/// Whether two names are of the same cluster: both of AKS, in one region, with one first label.
pub fn same_cluster(one: &str, other: &str) -> bool {
    let names = (DnsName::parse(one), DnsName::parse(other));
    let (Ok(one), Ok(other)) = names else { return false };
    match (parts(&one), parts(&other)) {
        (Some(one), Some(other)) => (one.label, one.region, one.domain) == (other.label, other.region, other.domain),
        _ => false,
    }
}

/// The zones above a private name, nearest first, up to the cloud's domain: who answers for them tells how far a
/// forwarder follows.
pub fn zones_above(host: &str) -> Vec<DnsName> {
    let Ok(name) = DnsName::parse(host) else { return Vec::new() };
    let Some(parts) = parts(&name).filter(|parts| parts.marker != "hcp") else { return Vec::new() };
    let suffixes = name.suffixes().skip(1).take_while(|zone| *zone != parts.domain);
    suffixes
        .filter(|zone| *zone != format!("{}.{}", parts.region, parts.domain))
        .filter_map(|zone| zone.parse().ok())
        .collect()
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Whether an address is of a private network (RFC 1918, RFC 6598, RFC 4193) or of a link.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [first, second, ..] = four.octets();
            four.is_private() || four.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "243ace23-5b14-4f0f-a8a0-6a33b3f3e0e1";

    #[test]
    fn every_form_of_aks_is_recognised() {
        let zone = |host: &str| match recognise(host) {
            AddressKind::PrivateFqdn { zone, .. } => Some(zone),
            _ => None,
        };
        assert_eq!(zone(&format!("a-rg-06jie3fz.{GUID}.privatelink.japaneast.azmk8s.io")), Some(Zone::System));
        assert_eq!(zone("a-06jie3fz.privatelink.japaneast.azmk8s.io"), Some(Zone::Own));
        assert_eq!(zone("api.team.privatelink.japaneast.azmk8s.io"), Some(Zone::Own));
        assert_eq!(zone("a-06jie3fz.private.japaneast.azmk8s.io"), Some(Zone::Integrated));
        assert_eq!(zone("a.privatelink.usgovvirginia.cx.aks.containerservice.azure.us"), Some(Zone::Own));
        let public = AddressKind::PublicFqdn { region: "japaneast".into() };
        assert_eq!(recognise("A-06jie3fz.hcp.JapanEast.azmk8s.io"), public);
        assert_eq!(
            recognise("a.hcp.chinaeast2.cx.prod.service.azk8s.cn"),
            AddressKind::PublicFqdn { region: "chinaeast2".into() }
        );
        assert_eq!(recognise("10.224.0.4"), AddressKind::Address);
        for tunnel in ["127.0.0.1", "localhost", "::1"] {
            assert_eq!(recognise(tunnel), AddressKind::Loopback);
        }
        for other in ["k8s.corp.example", "azmk8s.io", "a.b.c.privatelink.japaneast.azmk8s.io"] {
            assert_eq!(recognise(other), AddressKind::Custom, "{other}");
        }
    }

    #[test]
    fn a_private_name_tells_the_public_one_unless_the_user_chose_its_first_label() {
        let public = |host: &str| public_name(host).map(|name| name.to_string());
        let private = format!("a-rg-06jie3fz.{GUID}.privatelink.japaneast.azmk8s.io");
        assert_eq!(public(&private).as_deref(), Some("a-rg-06jie3fz.hcp.japaneast.azmk8s.io"));
        assert_eq!(public("api.privatelink.japaneast.azmk8s.io"), None);
        assert_eq!(public("a-06jie3fz.hcp.japaneast.azmk8s.io"), None);
        assert!(same_cluster(&private, "a-rg-06jie3fz.hcp.japaneast.azmk8s.io"));
        assert!(!same_cluster(&private, "a-rg-06jie3fa.hcp.japaneast.azmk8s.io"));
    }

    #[test]
    fn the_zones_of_a_private_name_end_at_privatelink() {
        let zones = zones_above(&format!("a-06jie3fz.{GUID}.privatelink.japaneast.azmk8s.io"));
        let zones: Vec<&str> = zones.iter().map(DnsName::as_str).collect();
        assert_eq!(zones, [&format!("{GUID}.privatelink.japaneast.azmk8s.io"), "privatelink.japaneast.azmk8s.io"]);
    }
}
