//! Who a cluster acts as: the control plane's identity, the kubelets' identity, and the rights
//! they need beforehand.

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId, model::Model};
use serde_json::{Value, json};

use super::{fields, fields::Fields, refusal, site::Site};
use crate::{
    provider::{Entropy, Lab},
    providers::identity::identity_document,
    stage::Stage,
};

/// Ids of built-in role definitions, the same in every tenant.
mod role {
    pub(super) const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    pub(super) const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
    pub(super) const NETWORK_CONTRIBUTOR: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
    pub(super) const PRIVATE_DNS_ZONE_CONTRIBUTOR: &str = "b12aa53e-6015-4669-85d0-8515ebb3ae7f";
}

/// What the control plane acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ControlPlane {
    /// An identity that comes and goes with the cluster.
    SystemAssigned,
    /// An identity that existed before, with its principal.
    UserAssigned {
        /// Object id of its service principal.
        principal: String,
    },
    /// An application of the user's.
    ServicePrincipal,
}

impl ControlPlane {
    /// Reads `identity`, or what it was before, and writes it as AKS returns it.
    ///
    /// # Errors
    /// When there is neither an identity nor a service principal, or the identity does not exist.
    pub(super) fn settle(
        estate: &Estate,
        document: &mut Fields,
        properties: &mut Fields,
        before: Option<&Value>,
        lab: &Lab,
        entropy: &mut Entropy,
    ) -> Result<Self, ArmError> {
        let null = Value::Null;
        let before = before.and_then(|before| before.get("identity")).unwrap_or(&null);
        let given =
            document.remove("identity").filter(|identity| !identity.is_null()).unwrap_or_else(|| before.clone());
        let identity = Json::new(&given);
        match identity.get("type").text().unwrap_or("None").to_ascii_lowercase().as_str() {
            "systemassigned" => {
                let kept = Json::new(before).get("principalId").text().map(str::to_owned);
                let principal = kept.unwrap_or_else(|| entropy.guid());
                let settled = json!({"type": "SystemAssigned", "principalId": principal, "tenantId": lab.tenant});
                document.insert("identity".to_owned(), settled);
                properties.insert("servicePrincipalProfile".to_owned(), json!({"clientId": "msi"}));
                Ok(Self::SystemAssigned)
            }
            "userassigned" => {
                let ids = identity.get("userAssignedIdentities").value().and_then(Value::as_object);
                let mut ids = ids.into_iter().flatten().filter(|(_, value)| !value.is_null()).map(|(id, _)| id);
                let (Some(id), None) = (ids.next(), ids.next()) else {
                    return Err(refusal::invalid_parameter(
                        "identity.userAssignedIdentities",
                        "exactly one user-assigned identity must be given.",
                    ));
                };
                let found = user_assigned(estate, id)?;
                let principal = found.principal_id.clone();
                let values = json!({"principalId": found.principal_id, "clientId": found.client_id});
                let settled = json!({
                    "type": "UserAssigned",
                    "userAssignedIdentities": Fields::from_iter([(id.clone(), values)]),
                });
                document.insert("identity".to_owned(), settled);
                properties.insert("servicePrincipalProfile".to_owned(), json!({"clientId": "msi"}));
                Ok(Self::UserAssigned { principal })
            }
            "none" => Self::service_principal(properties),
            other => Err(refusal::invalid_parameter(
                "identity.type",
                &format!("'{other}' is not one of SystemAssigned, UserAssigned and None."),
            )),
        }
    }

    fn service_principal(properties: &mut Fields) -> Result<Self, ArmError> {
        let profile = fields::object(properties, "servicePrincipalProfile");
        // Azure never shows the secret again.
        profile.shift_remove("secret");
        match fields::text(profile, "clientId") {
            None | Some("msi") => Err(refusal::missing_parameter("servicePrincipalProfile")),
            Some(_) => Ok(Self::ServicePrincipal),
        }
    }

    /// Refuses an own zone that the control plane may not write, and a network it may not link to
    /// it. The rights of an application are not looked at: nobody knows its object id here.
    pub(super) fn check_zone_rights(
        &self,
        estate: &Estate,
        zone: &ResourceId,
        subnet: Option<&ResourceId>,
    ) -> Result<(), ArmError> {
        let principal = match self {
            Self::SystemAssigned => return Err(refusal::own_zone_with_system_identity(zone)),
            Self::ServicePrincipal => return Ok(()),
            Self::UserAssigned { principal } => principal,
        };
        let general = [role::OWNER, role::CONTRIBUTOR, role::NETWORK_CONTRIBUTOR];
        let zone_roles = [general[0], general[1], general[2], role::PRIVATE_DNS_ZONE_CONTRIBUTOR];
        if !holds(estate, principal, &zone_roles, zone) {
            return Err(refusal::zone_permission(zone));
        }
        match subnet {
            Some(subnet) if !holds(estate, principal, &general, subnet) => {
                let network = subnet.parent().unwrap_or_else(|| subnet.clone());
                Err(refusal::network_permission(principal, zone, &network))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `principal` holds one of `roles` at `resource` or above.
fn holds(estate: &Estate, principal: &str, roles: &[&str], resource: &ResourceId) -> bool {
    let mut scopes = std::iter::successors(Some(resource.clone()), ResourceId::parent);
    scopes.any(|scope| {
        estate.children(&scope, Kind::RoleAssignment).any(|assignment| match assignment.model() {
            Model::RoleAssignment(assignment) => {
                assignment.principal_id.eq_ignore_ascii_case(principal) && roles.contains(&assignment.role.as_str())
            }
            _ => false,
        })
    })
}

fn user_assigned<'a>(estate: &'a Estate, id: &str) -> Result<&'a azure::model::UserAssignedIdentity, ArmError> {
    let parsed = ResourceId::parse(id).ok();
    parsed.and_then(|id| estate.user_assigned_identity(&id)).ok_or_else(|| {
        ArmError::bad_request(
            "FailedIdentityOperation",
            format!(
                "Identity operation failed: the user-assigned identity '{id}' was not found. \
                 Please create it before it is assigned to a cluster."
            ),
        )
        .with_target("identity.userAssignedIdentities")
    })
}

/// Settles `identityProfile.kubeletidentity`: the user's, or one that AKS makes in the node
/// resource group, `<cluster>-agentpool`.
///
/// # Errors
/// When a given identity does not exist, or the control plane's comes with the cluster.
pub(super) fn settle_kubelet(
    stage: &mut Stage,
    properties: &mut Fields,
    site: &Site,
    control_plane: &ControlPlane,
    lab: &Lab,
    entropy: &mut Entropy,
) -> Result<(), ArmError> {
    let null = Value::Null;
    let given = Json::new(properties.get("identityProfile").unwrap_or(&null)).at("kubeletidentity.resourceId").text();
    let made = site.node_group.resource(Kind::UserAssignedIdentity.arm_type(), &site.kubelet_identity_name());
    let id = match given {
        Some(given) if !ResourceId::parse(given).is_ok_and(|given| given == made) => {
            if *control_plane == ControlPlane::SystemAssigned {
                return Err(ArmError::bad_request(
                    "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster",
                    "Custom kubelet identity is only supported on a cluster with a user-assigned control plane identity.",
                )
                .with_target("identityProfile.kubeletidentity"));
            }
            given.to_owned()
        }
        _ if *control_plane == ControlPlane::ServicePrincipal => return Ok(()),
        _ => {
            if !stage.estate().contains(&made) {
                stage.put(made_identity(&made, site, lab, entropy));
            }
            made.to_string()
        }
    };
    let found = user_assigned(stage.estate(), &id)?;
    let kubelet = json!({"resourceId": id, "clientId": found.client_id, "objectId": found.principal_id});
    fields::object(properties, "identityProfile").insert("kubeletidentity".to_owned(), kubelet);
    Ok(())
}

fn made_identity(id: &ResourceId, site: &Site, lab: &Lab, entropy: &mut Entropy) -> Resource {
    let (principal, client) = (entropy.guid(), entropy.guid());
    Resource::new(id.clone(), &identity_document(id, &site.region, &lab.tenant, &principal, &client))
}
