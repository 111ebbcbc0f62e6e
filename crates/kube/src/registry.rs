//! Every kind of object that is served: one row each.
//!
//! Adding a kind is adding a row. What a row does not say is the same for all kinds. The typed
//! check decodes an object into k8s-openapi's type: it finds wrong types and unknown fields.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination,
    core::v1 as core, discovery::v1 as discovery, events::v1 as events, networking::v1 as networking,
    policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::managed_fields::Type;

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The API group; empty for core.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// `status`, `scale`, …
    pub(crate) subresources: &'static [&'static str],
    pub(crate) check: fn(&Value) -> Result<Vec<String>, String>,
    /// A reference to its schema, which the generator then has.
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

/// What can be done with every kind.
pub(crate) const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Resource {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name of one: the kind in lower case.
    pub(crate) fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }

    /// How its objects are merged field by field.
    pub(crate) fn shape(&self) -> Type {
        Type::of_kind(self.group, self.version, self.kind)
    }

    /// Whether the object has a status of its own that ordinary writes do not touch.
    pub(crate) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

macro_rules! resources {
    ($($group:literal $version:literal $kind:ident $plural:literal [$($short:literal)*] [$($category:literal)*] $scope:ident [$($sub:literal)*] $module:ident;)*) => {
        /// The table.
        pub(crate) static RESOURCES: &[Resource] = &[$(
            Resource {
                group: $group,
                version: $version,
                kind: stringify!($kind),
                plural: $plural,
                short_names: &[$($short),*],
                categories: &[$($category),*],
                namespaced: scope!($scope),
                subresources: &[$($sub),*],
                check: check::<$module::$kind>,
                schema: SchemaGenerator::subschema_for::<$module::$kind>,
            },
        )*];
    };
}

macro_rules! scope {
    (namespaced) => {
        true
    };
    (cluster) => {
        false
    };
}

resources! {
    "" "v1" Namespace "namespaces" ["ns"] [] cluster ["status"] core;
    "" "v1" Node "nodes" ["no"] [] cluster ["status"] core;
    "" "v1" PersistentVolume "persistentvolumes" ["pv"] [] cluster ["status"] core;
    "" "v1" ConfigMap "configmaps" ["cm"] [] namespaced [] core;
    "" "v1" Endpoints "endpoints" ["ep"] [] namespaced [] core;
    "" "v1" Event "events" ["ev"] [] namespaced [] core;
    "" "v1" LimitRange "limitranges" ["limits"] [] namespaced [] core;
    "" "v1" PersistentVolumeClaim "persistentvolumeclaims" ["pvc"] [] namespaced ["status"] core;
    "" "v1" Pod "pods" ["po"] ["all"] namespaced ["status"] core;
    "" "v1" PodTemplate "podtemplates" [] [] namespaced [] core;
    "" "v1" ReplicationController "replicationcontrollers" ["rc"] ["all"] namespaced ["status" "scale"] core;
    "" "v1" ResourceQuota "resourcequotas" ["quota"] [] namespaced ["status"] core;
    "" "v1" Secret "secrets" [] [] namespaced [] core;
    "" "v1" ServiceAccount "serviceaccounts" ["sa"] [] namespaced [] core;
    "" "v1" Service "services" ["svc"] ["all"] namespaced ["status"] core;
    "apps" "v1" ControllerRevision "controllerrevisions" [] [] namespaced [] apps;
    "apps" "v1" DaemonSet "daemonsets" ["ds"] ["all"] namespaced ["status"] apps;
    "apps" "v1" Deployment "deployments" ["deploy"] ["all"] namespaced ["status" "scale"] apps;
    "apps" "v1" ReplicaSet "replicasets" ["rs"] ["all"] namespaced ["status" "scale"] apps;
    "apps" "v1" StatefulSet "statefulsets" ["sts"] ["all"] namespaced ["status" "scale"] apps;
    "autoscaling" "v2" HorizontalPodAutoscaler "horizontalpodautoscalers" ["hpa"] ["all"] namespaced ["status"] autoscaling;
    "batch" "v1" CronJob "cronjobs" ["cj"] ["all"] namespaced ["status"] batch;
    "batch" "v1" Job "jobs" [] ["all"] namespaced ["status"] batch;
    "coordination.k8s.io" "v1" Lease "leases" [] [] namespaced [] coordination;
    "discovery.k8s.io" "v1" EndpointSlice "endpointslices" [] [] namespaced [] discovery;
    "events.k8s.io" "v1" Event "events" ["ev"] [] namespaced [] events;
    "networking.k8s.io" "v1" Ingress "ingresses" ["ing"] [] namespaced ["status"] networking;
    "networking.k8s.io" "v1" IngressClass "ingressclasses" [] [] cluster [] networking;
    "networking.k8s.io" "v1" NetworkPolicy "networkpolicies" ["netpol"] [] namespaced [] networking;
    "policy" "v1" PodDisruptionBudget "poddisruptionbudgets" ["pdb"] [] namespaced ["status"] policy;
    "rbac.authorization.k8s.io" "v1" ClusterRole "clusterroles" [] [] cluster [] rbac;
    "rbac.authorization.k8s.io" "v1" ClusterRoleBinding "clusterrolebindings" [] [] cluster [] rbac;
    "rbac.authorization.k8s.io" "v1" Role "roles" [] [] namespaced [] rbac;
    "rbac.authorization.k8s.io" "v1" RoleBinding "rolebindings" [] [] namespaced [] rbac;
    "scheduling.k8s.io" "v1" PriorityClass "priorityclasses" ["pc"] [] cluster [] scheduling;
    "storage.k8s.io" "v1" StorageClass "storageclasses" ["sc"] [] cluster [] storage;
}

/// The row of a resource.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|row| row.group == group && row.version == version && row.plural == plural)
}

/// The groups in the order they first appear, each with its versions.
pub(crate) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut seen = Vec::new();
    for row in RESOURCES {
        if !seen.contains(&(row.group, row.version)) {
            seen.push((row.group, row.version));
        }
    }
    seen
}

/// The rows of one group and version.
pub(crate) fn of(group: &str, version: &str) -> impl Iterator<Item = &'static Resource> {
    let (group, version) = (group.to_owned(), version.to_owned());
    RESOURCES.iter().filter(move |row| row.group == group && row.version == version)
}

/// Decodes an object into its type: the paths of fields the type does not have, or why it does not
/// decode.
fn check<T: DeserializeOwned>(object: &Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let decoded: Result<T, _> = serde_ignored::deserialize(object, |path| unknown.push(dotted(&path.to_string())));
    decoded.map(|_| unknown).map_err(|error| error.to_string())
}

/// `spec.template.spec.containers.0.foo` → `spec.template.spec.containers[0].foo`; the question
/// marks by which optional values are marked go.
fn dotted(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for part in path.split('.').filter(|part| *part != "?") {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            text += &format!("[{part}]");
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text += part;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_found_by_path_and_wrong_types_refused() {
        let deployment = find("apps", "v1", "deployments").unwrap();
        let object = json!({"spec": {"replicaz": 1, "selector": {}, "template": {"spec": {"containers": [
            {"name": "a", "imag": "x"}
        ]}}}});
        let unknown = (deployment.check)(&object).unwrap();
        assert_eq!(unknown, ["spec.replicaz", "spec.template.spec.containers[0].imag"]);
        assert!((deployment.check)(&json!({"spec": {"replicas": "three"}})).is_err());
    }

    #[test]
    fn names_are_unique_within_a_group() {
        for row in RESOURCES {
            let same = RESOURCES.iter().filter(|other| other.group == row.group && other.plural == row.plural);
            assert_eq!(same.count(), 1, "{}", row.plural);
        }
    }
}
