//! Role definitions (the built-in ones that people use with AKS) and role assignments.

use azure::{ArmError, Json, Kind, Resource, ResourceId, model::Model};
use serde_json::{Value, json};

use crate::provider::{Draft, Effect, Listing, Provider, Request};

/// Name, GUID and what it is for, as Azure publishes them.
const BUILT_IN: &[(&str, &str, &str)] = &[
    ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Everything, and who may do what."),
    ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", "Everything but who may do what."),
    ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reads everything, changes nothing."),
    ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "Decides who may do what."),
    ("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7", "Manages networks."),
    ("Private DNS Zone Contributor", "b12aa53e-6015-4669-85d0-8515ebb3ae7f", "Manages private DNS zones."),
    ("DNS Zone Contributor", "befefa01-2a29-4197-83a8-272ff33ce314", "Manages DNS zones."),
    ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830", "Assigns user-assigned identities."),
    ("Managed Identity Contributor", "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Manages user-assigned identities."),
    (
        "Azure Kubernetes Service Cluster Admin Role",
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "Lists administrators' credentials.",
    ),
    ("Azure Kubernetes Service Cluster User Role", "4abbcc35-e782-43d8-92c5-2d3f1bd2253f", "Lists users' credentials."),
    ("Azure Kubernetes Service Contributor Role", "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8", "Manages clusters."),
    ("Azure Kubernetes Service RBAC Admin", "3498e952-d568-435e-9b2c-8d77e338d7f7", "Manages all in a namespace."),
    (
        "Azure Kubernetes Service RBAC Cluster Admin",
        "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
        "Manages all in a cluster.",
    ),
    ("Azure Kubernetes Service RBAC Reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db", "Reads most of a namespace."),
    ("Azure Kubernetes Service RBAC Writer", "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb", "Writes most of a namespace."),
    ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d", "Pulls images."),
];

/// The provider of role definitions: built in, at every scope.
pub struct RoleDefinitions;

impl Provider for RoleDefinitions {
    fn put(&self, request: &mut Request<'_>, _existing: Option<&Resource>) -> Result<Effect, ArmError> {
        Err(ArmError::bad_request(
            "NotSupported",
            format!("Custom roles are not supported by this lab ({}).", request.id),
        ))
    }

    fn list(&self, request: &mut Request<'_>) -> Result<Listing, ArmError> {
        let wanted = filter_value(request, "roleName eq ");
        let all =
            BUILT_IN.iter().filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name)));
        Ok(Listing::These(all.map(|role| definition(request, role)).collect()))
    }

    fn builtin(&self, request: &mut Request<'_>) -> Option<Value> {
        let role = BUILT_IN.iter().find(|(_, guid, _)| guid.eq_ignore_ascii_case(request.id.name()))?;
        Some(definition(request, role))
    }
}

fn definition(request: &Request<'_>, (name, guid, description): &(&str, &str, &str)) -> Value {
    let subscription = ResourceId::subscription_scope(&request.lab.subscription);
    json!({
        "id": subscription.resource(Kind::RoleDefinition.arm_type(), guid),
        "name": guid,
        "type": Kind::RoleDefinition.arm_type(),
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "description": description,
            "assignableScopes": ["/"],
            "permissions": [{"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}],
        },
    })
}

/// The provider of role assignments.
pub struct RoleAssignments;

impl Provider for RoleAssignments {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let scope = id.parent().unwrap_or_else(|| ResourceId::subscription_scope(&request.lab.subscription));
        let mut draft = Draft::new(request, existing);
        draft.properties().remove("provisioningState");
        let properties = Value::Object(draft.properties().clone());
        let reader = Json::new(&properties);
        let role = reader
            .get("roleDefinitionId")
            .text()
            .and_then(|id| id.rsplit('/').next())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !BUILT_IN.iter().any(|(_, guid, _)| *guid == role) {
            return Err(ArmError::bad_request(
                "RoleDefinitionDoesNotExist",
                format!("The specified role definition with ID '{role}' does not exist."),
            ));
        }
        let principal = reader.get("principalId").text().unwrap_or_default().to_owned();
        if principal.is_empty() {
            return Err(ArmError::bad_request("InvalidPrincipalId", "The role assignment names no principal."));
        }
        let same = |other: &&std::sync::Arc<Resource>| {
            matches!(other.model(), Model::RoleAssignment(held) if held.scope == scope && held.principal_id == principal && held.role == role)
                && *other.id() != id
        };
        if let Some(other) = request.estate.of_kind(Kind::RoleAssignment).find(same) {
            return Err(ArmError::conflict(
                "RoleAssignmentExists",
                format!(
                    "The role assignment already exists. The ID of the existing role assignment is {}.",
                    other.id().name()
                ),
            ));
        }
        let now = request.now.to_string();
        let author = request.lab.principal.clone();
        draft.set("scope", json!(scope));
        draft.default("principalType", json!("ServicePrincipal"));
        for (name, value) in [("createdOn", &now), ("updatedOn", &now), ("createdBy", &author), ("updatedBy", &author)]
        {
            draft.default(name, json!(value));
        }
        Ok(draft.finish(request, existing))
    }

    fn list(&self, request: &mut Request<'_>) -> Result<Listing, ArmError> {
        let principal = filter_value(request, "principalId eq ").or_else(|| filter_value(request, "assignedTo("));
        let exact = request.query("$filter").is_some_and(|filter| filter.contains("atScope()"));
        let scope = request.id.clone();
        let holds = |held: &azure::model::RoleAssignment| {
            let above = scope == held.scope || scope.is_below(&held.scope);
            let below = !exact && held.scope.is_below(&scope);
            (above || below) && principal.as_ref().is_none_or(|principal| *principal == held.principal_id)
        };
        let found = request
            .estate
            .of_kind(Kind::RoleAssignment)
            .filter(|resource| matches!(resource.model(), Model::RoleAssignment(held) if holds(held)));
        Ok(Listing::These(found.map(|resource| resource.document().value()).collect()))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The quoted value behind `before` in `$filter`.
fn filter_value(request: &Request<'_>, before: &str) -> Option<String> {
    let filter = request.query("$filter")?;
    let (_, rest) = filter.split_once(before)?;
    let rest = rest.trim_start().strip_prefix('\'')?;
    rest.split_once('\'').map(|(value, _)| value.to_owned())
}
