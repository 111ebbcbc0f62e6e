//! Names: what a cluster, a DNS prefix and a pool may be called, and what AKS calls the rest.

use azure::{ArmError, DnsName, aks};

use super::refusal;
use crate::provider::Entropy;

/// Letters and digits that AKS draws the `<8>` in a cluster's FQDNs from.
const HASH_ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A fresh `<8>`.
pub(super) fn hash(entropy: &mut Entropy) -> String {
    entropy.text(HASH_ALPHABET, 8)
}

/// A cluster's own name.
///
/// # Errors
/// `InvalidParameter` when it is not 1–63 letters, digits, `-` and `_` with a letter or digit at
/// both ends.
pub(super) fn check_cluster_name(name: &str) -> Result<(), ArmError> {
    if aks::is_cluster_name(name) {
        return Ok(());
    }
    Err(refusal::invalid_parameter(
        "resourceName",
        &format!(
            "'{name}' must be 1 to 63 characters of letters, numbers, underscores and hyphens, and must start and \
             end with a letter or number."
        ),
    ))
}

/// A DNS prefix or FQDN subdomain: the first label of the FQDNs, with or without `-<8>` behind it.
///
/// # Errors
/// `InvalidParameter` when it is not 1–54 letters, digits and hyphens, letter or digit at both ends.
pub(super) fn check_prefix(parameter: &str, prefix: &str) -> Result<(), ArmError> {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let valid = (1..=54).contains(&prefix.len())
        && edge(prefix.bytes().next())
        && edge(prefix.bytes().last())
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if valid {
        return Ok(());
    }
    Err(refusal::invalid_parameter(
        parameter,
        &format!(
            "'{prefix}' is not a valid DNS name prefix: it must contain between 1 and 54 characters of letters, \
             numbers and hyphens, and must start and end with a letter or number."
        ),
    ))
}

/// An agent pool's name.
///
/// # Errors
/// `InvalidParameter` when it is not 1–12 lower-case letters and digits, letter first; a Windows
/// pool has at most 6 characters.
pub(super) fn check_pool_name(name: &str, windows: bool) -> Result<(), ArmError> {
    if aks::is_agent_pool_name(name) && (!windows || name.len() <= 6) {
        return Ok(());
    }
    let most = if windows { 6 } else { 12 };
    Err(refusal::invalid_parameter(
        "agentPoolProfile.name",
        &format!(
            "'{name}' must start with a lowercase letter, have max length of {most}, and only have characters a-z0-9."
        ),
    ))
}

/// What the addresses of one cluster are made of.
#[derive(Debug, Clone)]
pub(super) struct Labels<'a> {
    /// `dnsPrefix`, or `fqdnSubdomain` where that stands in its place.
    pub(super) prefix: &'a str,
    /// `fqdnSubdomain`.
    pub(super) subdomain: Option<&'a str>,
    /// The `<8>`.
    pub(super) hash: &'a str,
    /// The 32 hexadecimal digits of the portal's name.
    pub(super) portal_hash: &'a str,
    /// The region, normalised.
    pub(super) region: &'a str,
}

impl Labels<'_> {
    /// The first label of the FQDNs: `<prefix>-<8>`.
    pub(super) fn host(&self) -> String {
        format!("{}-{}", self.prefix, self.hash)
    }

    /// The name of the cluster's `A` record in its private zone: the subdomain if there is one.
    pub(super) fn record(&self) -> String {
        self.subdomain.map_or_else(|| self.host(), str::to_owned).to_ascii_lowercase()
    }

    /// `fqdn`.
    pub(super) fn public(&self) -> Option<DnsName> {
        aks::public_fqdn(self.prefix, self.hash, self.region).ok()
    }

    /// `privateFQDN` in a zone.
    pub(super) fn private(&self, zone: &str) -> Option<DnsName> {
        DnsName::parse(zone).and_then(|zone| zone.prepend(&self.record())).ok()
    }

    /// `azurePortalFQDN`: a private cluster's hides the prefix, a public one's shows it.
    pub(super) fn portal(&self, private: bool) -> Option<DnsName> {
        let host = if private { self.portal_hash.to_owned() } else { self.host() };
        aks::portal_fqdn(&host, private, self.region).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_pool_names_follow_azures_rules() {
        assert!(check_prefix("dnsPrefix", "aks-public-aks-public-fqdn-c209fd").is_ok());
        for prefix in ["", "-a", "a-", "a_b", "a.b", &"a".repeat(55)] {
            let error = check_prefix("dnsPrefix", prefix).unwrap_err();
            assert_eq!((error.code.as_ref(), error.target.as_deref()), ("InvalidParameter", Some("dnsPrefix")));
        }
        assert!(check_pool_name("win123", true).is_ok());
        assert!(check_pool_name("windows", true).is_err());
        assert!(check_pool_name("Pool", false).is_err());
        assert!(check_cluster_name("a-").is_err());
    }

    #[test]
    fn one_hash_is_in_both_names_and_a_subdomain_replaces_the_private_one() {
        let mut labels = Labels {
            prefix: "aks-rg-c209fd",
            subdomain: None,
            hash: "h7dqq0jo",
            portal_hash: "ed52dcf580e6b3f7e030b9917e4f3bb1",
            region: "japaneast",
        };
        let zone = "3ac1.privatelink.japaneast.azmk8s.io";
        assert_eq!(labels.public().unwrap().as_str(), "aks-rg-c209fd-h7dqq0jo.hcp.japaneast.azmk8s.io");
        assert_eq!(labels.private(zone).unwrap().as_str(), format!("aks-rg-c209fd-h7dqq0jo.{zone}"));
        assert_eq!(
            labels.portal(true).unwrap().as_str(),
            "ed52dcf580e6b3f7e030b9917e4f3bb1-priv.portal.hcp.japaneast.azmk8s.io"
        );
        assert_eq!(labels.portal(false).unwrap().as_str(), "aks-rg-c209fd-h7dqq0jo.portal.hcp.japaneast.azmk8s.io");
        labels.subdomain = Some("api");
        assert_eq!(labels.private(zone).unwrap().as_str(), format!("api.{zone}"));
    }
}
