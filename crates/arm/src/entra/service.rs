//! What a token can be for: the resources of the lab, and how clients spell them.
//!
//! Pure. A resource that is not here gets no token.

/// A service that accepts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Azure Resource Manager.
    ResourceManager,
    /// Microsoft Graph.
    Graph,
    /// The AKS Entra ID server application: the Kubernetes API of clusters with Entra ID sign-in.
    AksServer,
}

/// Application id of the AKS Entra ID server, the same in every cloud.
pub(super) const AKS_SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

/// How public Azure spells ARM. Management SDKs ask for it by default, whatever their endpoint; as
/// the token is signed by the lab it is good for nothing but the lab.
const PUBLIC_RESOURCE_MANAGERS: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

impl Service {
    /// The resource a client names, by URL (with or without trailing slash, in any case) or application id.
    pub(super) fn named(base: &str, name: &str) -> Option<Self> {
        let name = name.trim_end_matches('/');
        [Self::ResourceManager, Self::Graph, Self::AksServer]
            .into_iter()
            .find(|service| service.spellings(base).iter().any(|spelling| spelling.eq_ignore_ascii_case(name)))
    }

    /// How tokens for this resource may spell their audience: each with and without trailing slash,
    /// the one that is advertised first.
    pub(super) fn audiences(self, base: &str) -> Vec<String> {
        self.spellings(base)
            .into_iter()
            .flat_map(|spelling| match self {
                Self::AksServer => vec![spelling],
                Self::ResourceManager | Self::Graph => vec![format!("{spelling}/"), spelling],
            })
            .collect()
    }

    /// What this resource is called, without trailing slash.
    fn spellings(self, base: &str) -> Vec<String> {
        match self {
            Self::ResourceManager => std::iter::once(base).chain(PUBLIC_RESOURCE_MANAGERS).map(str::to_owned).collect(),
            Self::Graph => vec![format!("{base}/graph")],
            Self::AksServer => vec![AKS_SERVER.to_owned()],
        }
    }
}

/// What a client wants a token for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Which service.
    pub(super) service: Service,
    /// How the client spells it: the `aud` of the token.
    pub(super) audience: String,
    /// The scopes of that service, as the client spells them.
    pub(super) scopes: Vec<String>,
}

/// Why a scope names no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InvalidScope {
    /// Nothing but `OpenID` scopes.
    NoResource,
    /// Not `<resource>/.default` or `<resource>/<permission>`.
    Malformed(String),
    /// Scopes of two services in one request.
    SeveralResources(String, String),
    /// No service of the lab.
    Unknown(String),
}

impl Target {
    /// The target of a v1 request, `resource=<resource>`.
    pub(super) fn of_resource(base: &str, name: &str) -> Result<Self, InvalidScope> {
        let service = Service::named(base, name).ok_or_else(|| InvalidScope::Unknown(shown(name)))?;
        Ok(Self::new(service, name, Vec::new(), base))
    }

    /// The target of a v2 request, `scope=<resource>/.default openid …`.
    ///
    /// Only the last `/` and what follows it is the permission: with the audience `https://host/` the scope is
    /// `https://host//.default`, and the audience keeps its slash.
    pub(super) fn of_scope(base: &str, scope: &str) -> Result<Self, InvalidScope> {
        let mut named: Option<(&str, Vec<String>)> = None;
        for one in scope.split_ascii_whitespace() {
            if matches!(one, "openid" | "profile" | "email" | "offline_access") {
                continue;
            }
            let (resource, permission) = one.rsplit_once('/').ok_or_else(|| InvalidScope::Malformed(shown(one)))?;
            if resource.is_empty() || permission.is_empty() {
                return Err(InvalidScope::Malformed(shown(one)));
            }
            match &mut named {
                None => named = Some((resource, vec![one.to_owned()])),
                Some((earlier, scopes)) if earlier.eq_ignore_ascii_case(resource) => scopes.push(one.to_owned()),
                Some((earlier, _)) => return Err(InvalidScope::SeveralResources(shown(earlier), shown(resource))),
            }
        }
        let (name, scopes) = named.ok_or(InvalidScope::NoResource)?;
        let service = Service::named(base, name).ok_or_else(|| InvalidScope::Unknown(shown(name)))?;
        Ok(Self::new(service, name, scopes, base))
    }

    /// Microsoft Graph: what a sign-in without a resource is for.
    pub(super) fn graph(base: &str) -> Self {
        let audience = format!("{base}/graph/");
        let scopes = vec![format!("{audience}/.default")];
        Self::new(Service::Graph, &audience, scopes, base)
    }

    fn new(service: Service, audience: &str, scopes: Vec<String>, base: &str) -> Self {
        // An audience is compared exactly by whoever checks the token: any case of a URL becomes the known one.
        let known = service.audiences(base).into_iter().find(|known| known.eq_ignore_ascii_case(audience));
        // `aud` of the AKS server has no slash, however it was asked for.
        let audience = known.unwrap_or_else(|| audience.trim_end_matches('/').to_ascii_lowercase());
        Self { service, audience, scopes }
    }
}

/// What is repeated of a client's text in an error.
fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::testing::BASE;

    fn target(scope: &str) -> Result<(Service, String), InvalidScope> {
        Target::of_scope(BASE, scope).map(|target| (target.service, target.audience))
    }

    #[test]
    fn the_double_slash_of_az_keeps_the_audiences_trailing_slash() {
        assert_eq!(target(&format!("{BASE}//.default")), Ok((Service::ResourceManager, format!("{BASE}/"))));
        assert_eq!(target(&format!("{BASE}/.default")), Ok((Service::ResourceManager, BASE.to_owned())));
        assert_eq!(target(&format!("{BASE}/graph//.default")), Ok((Service::Graph, format!("{BASE}/graph/"))));
    }

    #[test]
    fn the_aks_server_is_named_by_its_application_id() {
        assert_eq!(target(&format!("{AKS_SERVER}/.default")), Ok((Service::AksServer, AKS_SERVER.to_owned())));
        assert_eq!(
            Target::of_resource(BASE, &AKS_SERVER.to_uppercase()).map(|target| target.audience),
            Ok(AKS_SERVER.to_owned())
        );
    }

    #[test]
    fn management_sdks_may_ask_for_the_public_name_of_arm() {
        let (service, audience) = target("https://management.azure.com/.default openid offline_access").unwrap();
        assert_eq!((service, audience.as_str()), (Service::ResourceManager, "https://management.azure.com"));
    }

    #[test]
    fn a_scope_of_nobody_of_two_or_of_no_shape_is_refused() {
        assert_eq!(
            target("https://vault.azure.net/.default"),
            Err(InvalidScope::Unknown("https://vault.azure.net".into()))
        );
        assert_eq!(target("openid profile"), Err(InvalidScope::NoResource));
        assert_eq!(target("user_impersonation"), Err(InvalidScope::Malformed("user_impersonation".into())));
        assert!(matches!(
            target(&format!("{BASE}/.default {AKS_SERVER}/.default")),
            Err(InvalidScope::SeveralResources(..))
        ));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_for_the_audience_is_one_that_the_resource_accepts(scope in "\\PC{0,60}") {
            if let Ok(target) = Target::of_scope(BASE, &scope) {
                proptest::prop_assert!(target.service.audiences(BASE).contains(&target.audience));
            }
        }
    }
}
