//! Which of Entra ID's endpoints a path means. Pure; ARM's own paths are none of them.

/// An endpoint of the lab's identity platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// `/metadata/endpoints`.
    CloudMetadata,
    /// `/common/discovery/instance`.
    InstanceDiscovery,
    /// `…/.well-known/openid-configuration`.
    Configuration(Authority<'a>),
    /// `…/discovery/keys`.
    Keys,
    /// `…/oauth2/token`.
    Token(Authority<'a>),
    /// `…/oauth2/devicecode`.
    DeviceCode(Authority<'a>),
    /// `…/oauth2/authorize`.
    Authorize,
    /// `/devicelogin`.
    DeviceLogin,
    /// `/msi/token`: managed identity as App Service offers it.
    AppServiceIdentity,
    /// `/metadata/identity/oauth2/token`: managed identity as a virtual machine has it.
    VirtualMachineIdentity,
    /// `/graph/…`: the rest of the path.
    Graph(&'a str),
}

/// Who is asked for a token: the first segments of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// The tenant named in the path; none in `/adfs/oauth2/token`.
    pub(super) tenant: Option<&'a str>,
    /// Whether the path starts with `/adfs`.
    pub(super) adfs: bool,
    /// Whether it is the v1 or the v2 endpoint.
    pub(super) version: Version,
}

/// The version of an endpoint: it decides the parameters (`resource` or `scope`) and the shape of
/// the reply, not the version of the access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `/oauth2/token`.
    V1,
    /// `/oauth2/v2.0/token`.
    V2,
}

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`, whatever the case of its fixed parts.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        // The longest path of all has seven segments; a longer one is nobody's.
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(8).collect();
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            ["metadata", "endpoints"] => return Some(Self::CloudMetadata),
            ["metadata", "identity", "oauth2", "token"] => return Some(Self::VirtualMachineIdentity),
            ["msi", "token"] => return Some(Self::AppServiceIdentity),
            ["devicelogin"] => return Some(Self::DeviceLogin),
            ["common", "discovery", "instance"] => return Some(Self::InstanceDiscovery),
            ["graph", ..] => {
                let rest = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
                return Some(Self::Graph(rest));
            }
            _ => {}
        }
        let adfs = lower.first() == Some(&"adfs");
        let (segments, lower) = if adfs { (&segments[1..], &lower[1..]) } else { (&segments[..], &lower[..]) };
        let is_fixed = |segment: &str| matches!(segment, "oauth2" | "discovery" | "v2.0" | ".well-known");
        let (tenant, rest) = match lower.split_first() {
            Some((first, rest)) if !is_fixed(first) => (segments.first().copied(), rest),
            Some(_) if adfs => (None, lower),
            _ => return None,
        };
        let authority = |version| Authority { tenant, adfs, version };
        // AD FS has no v2 paths, but speaks the same OAuth 2.0 as Entra ID's v2.
        let unversioned = if adfs { Version::V2 } else { Version::V1 };
        Some(match rest {
            [".well-known", "openid-configuration"] => Self::Configuration(authority(unversioned)),
            ["v2.0", ".well-known", "openid-configuration"] => Self::Configuration(authority(Version::V2)),
            ["discovery", "keys"] | ["discovery", "v2.0", "keys"] => Self::Keys,
            ["oauth2", "token"] => Self::Token(authority(unversioned)),
            ["oauth2", "v2.0", "token"] => Self::Token(authority(Version::V2)),
            ["oauth2", "devicecode"] => Self::DeviceCode(authority(unversioned)),
            ["oauth2", "v2.0", "devicecode"] => Self::DeviceCode(authority(Version::V2)),
            ["oauth2", "authorize"] | ["oauth2", "v2.0", "authorize"] => Self::Authorize,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_endpoint_with_and_without_adfs_leads_to_the_same_tenant() {
        let v2 = |tenant, adfs| Some(Endpoint::Token(Authority { tenant, adfs, version: Version::V2 }));
        assert_eq!(Endpoint::parse("/T/oauth2/v2.0/token"), v2(Some("T"), false));
        assert_eq!(Endpoint::parse("/adfs/T/oauth2/v2.0/token"), v2(Some("T"), true));
        assert_eq!(Endpoint::parse("//ADFS/OAuth2/token/"), v2(None, true));
        assert_eq!(
            Endpoint::parse("/T/oauth2/token"),
            Some(Endpoint::Token(Authority { tenant: Some("T"), adfs: false, version: Version::V1 }))
        );
    }

    #[test]
    fn discovery_documents_and_keys_are_found() {
        let configuration = |path| matches!(Endpoint::parse(path), Some(Endpoint::Configuration(_)));
        assert!(configuration("/T/v2.0/.well-known/openid-configuration"));
        assert!(configuration("/T/.well-known/openid-configuration"));
        assert!(configuration("/adfs/.well-known/openid-configuration"));
        assert!(configuration("/adfs/noren.test/v2.0/.well-known/openid-configuration"));
        assert_eq!(Endpoint::parse("/T/discovery/v2.0/keys"), Some(Endpoint::Keys));
        assert_eq!(Endpoint::parse("/adfs/discovery/keys"), Some(Endpoint::Keys));
        assert_eq!(Endpoint::parse("/common/discovery/instance"), Some(Endpoint::InstanceDiscovery));
    }

    #[test]
    fn the_rest_of_a_graph_path_keeps_its_case() {
        assert_eq!(Endpoint::parse("/graph//v1.0/servicePrincipals"), Some(Endpoint::Graph("/v1.0/servicePrincipals")));
        assert_eq!(Endpoint::parse("/graph"), Some(Endpoint::Graph("")));
    }

    #[test]
    fn the_paths_of_arm_are_not_entras() {
        for path in [
            "/",
            "/subscriptions",
            "/subscriptions/0/resourceGroups/oauth2",
            "/tenants",
            "/providers/Microsoft.Network",
            "/oauth2/token",
            "/metadata/instance",
            "/adfs",
        ] {
            assert_eq!(Endpoint::parse(path), None, "{path}");
        }
    }
}
