//! Resource provider namespaces: what `az provider show` and `az provider register` answer.
//!
//! Every namespace is registered at once; api-versions are listed because clients choose one from
//! here (`az resource create`), not because requests are held to them (az-wire §2.1).

use azure::{ArmError, Kind, ResourceId};
use serde_json::{Value, json};

use super::locations;

/// The api-versions each type is said to have, newest first.
const API_VERSIONS: &[&str] =
    &["2025-07-01", "2025-01-01", "2024-11-01", "2024-07-01", "2024-06-01", "2023-11-01", "2022-07-01", "2020-06-01"];

/// Namespaces in which noren knows no type, or not all that clients ask for: such resources are kept
/// as documents. `(namespace, further types)`.
const FURTHER: &[(&str, &[&str])] = &[
    (
        "Microsoft.Network",
        &[
            "dnsZones",
            "loadBalancers",
            "natGateways",
            "azureFirewalls",
            "bastionHosts",
            "locations",
            "locations/operations",
        ],
    ),
    (
        "Microsoft.Compute",
        &["virtualMachineScaleSets", "virtualMachines/extensions", "locations", "locations/publishers"],
    ),
    ("Microsoft.ContainerService", &["locations", "locations/kubernetesVersions", "locations/operations"]),
    ("Microsoft.ContainerRegistry", &["registries"]),
    ("Microsoft.Insights", &["components", "dataCollectionRules"]),
    ("Microsoft.KeyVault", &["vaults"]),
    ("Microsoft.OperationalInsights", &["workspaces"]),
    ("Microsoft.OperationsManagement", &["solutions"]),
    ("Microsoft.PolicyInsights", &[]),
    ("Microsoft.Storage", &["storageAccounts"]),
];

/// One type of a namespace, without the namespace.
fn types(namespace: &str) -> Vec<&'static str> {
    let kinds = Kind::ALL.iter().filter_map(|kind| {
        let (its_namespace, rest) = kind.arm_type().split_once('/')?;
        its_namespace.eq_ignore_ascii_case(namespace).then_some(rest)
    });
    let further = FURTHER.iter().filter(|(name, _)| name.eq_ignore_ascii_case(namespace));
    kinds.chain(further.flat_map(|(_, types)| types.iter().copied())).collect()
}

/// Every namespace as Azure spells it, in alphabetical order.
pub fn names() -> Vec<&'static str> {
    let of_kinds = Kind::ALL.iter().filter_map(|kind| kind.arm_type().split_once('/')).map(|(name, _)| name);
    let mut names: Vec<&str> = of_kinds.chain(FURTHER.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether types of this namespace lie in no region.
fn is_global(namespace: &str, resource_type: &str) -> bool {
    resource_type.starts_with("privateDnsZones")
        || resource_type.starts_with("dnsZones")
        || ["Microsoft.Authorization", "Noren.Lab"].contains(&namespace)
}

fn document(namespace: &str, subscription: Option<&ResourceId>) -> Value {
    let regions: Vec<&str> = locations::REGIONS.iter().map(|region| region.display_name).collect();
    let resource_types: Vec<Value> = types(namespace)
        .into_iter()
        .map(|resource_type| {
            let global = is_global(namespace, resource_type);
            json!({
                "resourceType": resource_type,
                "locations": if global { vec!["global"] } else { regions.clone() },
                "apiVersions": API_VERSIONS,
                "defaultApiVersion": API_VERSIONS.first(),
                "capabilities": if global { "None" } else { "SupportsTags, SupportsLocation" },
            })
        })
        .collect();
    let mut document = json!({
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": resource_types,
    });
    if let Some(subscription) = subscription {
        document["id"] = json!(format!("{subscription}/providers/{namespace}"));
        document["registrationState"] = json!("Registered");
    }
    document
}

/// `GET …/providers`.
pub fn list(subscription: Option<&ResourceId>) -> Value {
    json!({"value": names().into_iter().map(|name| document(name, subscription)).collect::<Vec<_>>()})
}

/// `GET …/providers/<namespace>`; registering and unregistering answer the same.
///
/// # Errors
/// 404 for a namespace nobody knows.
pub fn show(namespace: &str, subscription: Option<&ResourceId>) -> Result<Value, ArmError> {
    let known = names().into_iter().find(|name| name.eq_ignore_ascii_case(namespace));
    known.map(|name| document(name, subscription)).ok_or_else(|| {
        ArmError::not_found("InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_in_its_namespace() {
        for kind in Kind::ALL {
            let (namespace, rest) = kind.arm_type().split_once('/').unwrap();
            let document = show(&namespace.to_lowercase(), None).unwrap();
            assert_eq!(document["namespace"], namespace);
            assert!(
                document["resourceTypes"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one["resourceType"] == rest && !one["apiVersions"].as_array().unwrap().is_empty()),
                "{kind:?}"
            );
        }
        assert_eq!(show("Nobody.Knows", None).unwrap_err().status, 404);
    }
}
