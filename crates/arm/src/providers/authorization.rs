//! Role definitions (the built-in ones that people use with AKS) and role assignments.

use azure::{ArmError, Change, Json, Kind, Resource, ResourceId, model::Model};
use serde_json::{Value, json};

use crate::provider::{Draft, Effect, Listing, Provider, Reply, Request};

/// A role that Azure brings along.
struct Role {
    name: &'static str,
    guid: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

impl Role {
    const fn new(
        name: &'static str,
        guid: &'static str,
        description: &'static str,
        actions: &'static [&'static str],
    ) -> Self {
        Self { name, guid, description, actions, not_actions: &[], data_actions: &[] }
    }
}

/// What most roles carry besides their own: to see roles, alerts, deployments, groups and tickets.
macro_rules! actions {
    ($($own:literal),*) => {
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            $($own,)*
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ]
    };
}

/// Source: Azure's published list of built-in roles; names, GUIDs and actions are Azure's, the
/// descriptions are ours.
const BUILT_IN: &[Role] = &[
    Role::new("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Everything, and who may do what.", &["*"]),
    Role {
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
        ],
        ..Role::new("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", "Everything but who may do what.", &["*"])
    },
    Role::new("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reads everything, changes nothing.", &["*/read"]),
    Role::new(
        "User Access Administrator",
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "Decides who may do what.",
        &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
    ),
    Role::new(
        "Network Contributor",
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "Manages networks.",
        actions!("Microsoft.Network/*"),
    ),
    Role::new(
        "Private DNS Zone Contributor",
        "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
        "Manages private DNS zones.",
        &[
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
            "Microsoft.Network/privateDnsZones/*",
            "Microsoft.Network/privateDnsOperationResults/*",
            "Microsoft.Network/privateDnsOperationStatuses/*",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/join/action",
            "Microsoft.Authorization/*/read",
        ],
    ),
    Role::new(
        "DNS Zone Contributor",
        "befefa01-2a29-4197-83a8-272ff33ce314",
        "Manages DNS zones.",
        actions!("Microsoft.Network/dnsZones/*"),
    ),
    Role::new(
        "Managed Identity Operator",
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Assigns user-assigned identities.",
        actions!(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action"
        ),
    ),
    Role::new(
        "Managed Identity Contributor",
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Manages user-assigned identities.",
        actions!(
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete"
        ),
    ),
    Role::new(
        "Azure Kubernetes Service Cluster Admin Role",
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "Lists administrators' credentials.",
        &[
            "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
            "Microsoft.ContainerService/managedClusters/accessProfiles/listCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/runcommand/action",
        ],
    ),
    Role::new(
        "Azure Kubernetes Service Cluster User Role",
        "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        "Lists users' credentials.",
        &[
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
        ],
    ),
    Role::new(
        "Azure Kubernetes Service Contributor Role",
        "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
        "Manages clusters.",
        &[
            "Microsoft.ContainerService/locations/*",
            "Microsoft.ContainerService/managedClusters/*",
            "Microsoft.ContainerService/managedclustersnapshots/*",
            "Microsoft.ContainerService/snapshots/*",
            "Microsoft.Resources/deployments/*",
        ],
    ),
    Role {
        data_actions: &["Microsoft.ContainerService/managedClusters/*"],
        ..Role::new(
            "Azure Kubernetes Service RBAC Admin",
            "3498e952-d568-435e-9b2c-8d77e338d7f7",
            "Manages all in a namespace.",
            actions!("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"),
        )
    },
    Role {
        data_actions: &["Microsoft.ContainerService/managedClusters/*"],
        ..Role::new(
            "Azure Kubernetes Service RBAC Cluster Admin",
            "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
            "Manages all in a cluster.",
            actions!("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"),
        )
    },
    Role {
        data_actions: &["Microsoft.ContainerService/managedClusters/*/read"],
        ..Role::new(
            "Azure Kubernetes Service RBAC Reader",
            "7f6c6a51-bcf8-42ba-9220-52d62157d7db",
            "Reads most of a namespace.",
            actions!(),
        )
    },
    Role {
        data_actions: &["Microsoft.ContainerService/managedClusters/*"],
        ..Role::new(
            "Azure Kubernetes Service RBAC Writer",
            "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb",
            "Writes most of a namespace.",
            actions!(),
        )
    },
    Role::new(
        "AcrPull",
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "Pulls images.",
        &["Microsoft.ContainerRegistry/registries/pull/read"],
    ),
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
            BUILT_IN.iter().filter(|role| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(role.name)));
        Ok(Listing::These(all.map(|role| definition(request, role)).collect()))
    }

    fn builtin(&self, request: &mut Request<'_>) -> Option<Value> {
        let role = BUILT_IN.iter().find(|role| role.guid.eq_ignore_ascii_case(request.id.name()))?;
        Some(definition(request, role))
    }

    fn not_found(&self, id: &ResourceId) -> ArmError {
        role_not_found(id.name())
    }
}

fn role_not_found(guid: &str) -> ArmError {
    ArmError::not_found(
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{guid}' does not exist."),
    )
}

fn definition(request: &Request<'_>, role: &Role) -> Value {
    let Role { name, guid, description, actions, not_actions, data_actions } = role;
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
            "permissions": [{
                "actions": actions,
                "notActions": not_actions,
                "dataActions": data_actions,
                "notDataActions": [],
            }],
        },
    })
}

/// The provider of role assignments.
pub struct RoleAssignments;

impl Provider for RoleAssignments {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        if uuid::Uuid::try_parse(id.name()).is_err() {
            return Err(ArmError::bad_request(
                "InvalidRoleAssignmentId",
                format!("The role assignment ID '{}' is not valid. The role assignment ID must be a GUID.", id.name()),
            ));
        }
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
        if !BUILT_IN.iter().any(|known| known.guid == role) {
            return Err(ArmError { status: 400, ..role_not_found(&role) });
        }
        let principal = reader.get("principalId").text().unwrap_or_default().to_owned();
        if principal.is_empty() {
            return Err(ArmError::bad_request("InvalidPrincipalId", "The role assignment names no principal."));
        }
        let before = existing.map(Resource::model);
        if matches!(before, Some(Model::RoleAssignment(before)) if before.principal_id != principal || before.role != role)
        {
            return Err(ArmError::bad_request(
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        let same = |other: &&std::sync::Arc<Resource>| {
            matches!(other.model(), Model::RoleAssignment(held) if held.principal_id == principal && held.role == role)
                && *other.id() != id
        };
        if let Some(other) = request.estate.children(&scope, Kind::RoleAssignment).find(same) {
            return Err(ArmError::conflict(
                "RoleAssignmentExists",
                format!(
                    "The role assignment already exists. The ID of the existing role assignment is {}.",
                    other.id().name().replace('-', "")
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

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let _ = request;
        let deleted = Reply::Ok(existing.document().value());
        Ok(Effect::new(vec![Change::Delete(existing.id().clone())], deleted))
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
