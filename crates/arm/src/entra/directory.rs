//! Who there is in the tenant: the lab's service principals, its one user, and the identities that
//! the estate declares.
//!
//! Only looks things up. Secrets are not part of a [`Principal`].

use azure::{Estate, Json, Kind, ResourceId, model::Model};

/// The name the lab's user signs in with; [`USER_PRINCIPAL_NAME`] works as well.
pub const USER_NAME: &str = "lab";
/// The user principal name of the lab's user.
pub const USER_PRINCIPAL_NAME: &str = "lab@noren.test";
/// The tenant's default domain. `.test` never exists outside (RFC 6761).
pub const TENANT_DOMAIN: &str = "noren.test";
/// What the tenant is called.
pub const TENANT_NAME: &str = "noren";

/// Somebody (or something) a token can be about, and a role assignment can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `oid` of its tokens; `principalId` of its role assignments.
    pub object_id: String,
    /// `appid` of its tokens; for a user, empty.
    pub client_id: String,
    /// For people.
    pub display_name: String,
    /// What it is.
    pub kind: PrincipalKind,
}

/// What a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// An application with a secret.
    Application,
    /// An identity that Azure manages: of a user-assigned identity, or of a cluster.
    ManagedIdentity(ResourceId),
    /// The lab's user.
    User,
}

/// The managed identities that an estate declares: every user-assigned identity, and every cluster
/// with a system-assigned one.
pub(super) fn managed_identities(estate: &Estate) -> impl Iterator<Item = Principal> {
    let user_assigned = estate.of_kind(Kind::UserAssignedIdentity).filter_map(|resource| match resource.model() {
        Model::UserAssignedIdentity(identity) => Some(Principal {
            object_id: identity.principal_id.clone(),
            client_id: identity.client_id.clone(),
            display_name: resource.id().name().to_owned(),
            kind: PrincipalKind::ManagedIdentity(resource.id().clone()),
        }),
        _ => None,
    });
    let system_assigned = estate.of_kind(Kind::ManagedCluster).filter_map(|resource| {
        let document = resource.document().value();
        let object_id = Json::new(&document).at("identity.principalId").text()?;
        Some(Principal {
            object_id: object_id.to_owned(),
            client_id: application_of(object_id),
            display_name: resource.id().name().to_owned(),
            kind: PrincipalKind::ManagedIdentity(resource.id().clone()),
        })
    });
    user_assigned.chain(system_assigned)
}

/// The application id of a cluster's system-assigned identity. Its resource does not carry one, so
/// it is derived from the object id: always the same, never another's.
fn application_of(object_id: &str) -> String {
    stable_guid(&["application", object_id])
}

/// A GUID made of these words: always the same for the same words.
pub(crate) fn stable_guid(words: &[&str]) -> String {
    let name = format!("https://noren.test/{}", words.join("/").to_ascii_lowercase());
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}
