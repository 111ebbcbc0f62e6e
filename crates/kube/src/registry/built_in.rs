//! The kinds that every cluster serves: one row each, in the order in which discovery lists them.
//!
//! Of a group's versions the first is the preferred one. Source: the API of Kubernetes itself, as k8s-openapi has it;
//! short names and categories are those of kubernetes/kubernetes `pkg/registry`.

use std::sync::{Arc, LazyLock};

use k8s_openapi::{
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication,
        authorization::v1 as authorization, autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling,
        batch::v1 as batch, certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core,
        discovery::v1 as discovery, events::v1 as events, flowcontrol::v1 as flowcontrol, networking::v1 as networking,
        node::v1 as node, policy::v1 as policy, rbac::v1 as rbac, resource::v1 as resource,
        scheduling::v1 as scheduling, storage::v1 as storage,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration,
    schemars::SchemaGenerator,
};

use super::{Nature, Resource, Verbs, check};

macro_rules! resources {
    ($($group:literal $version:literal $kind:ident $plural:literal [$($short:literal)*] [$($category:literal)*] $scope:ident $verbs:ident [$($sub:literal)*] $module:ident;)*) => {
        /// The table.
        pub(super) static BUILT_IN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| vec![$(
            Arc::new(Resource {
                group: $group.into(),
                version: $version.into(),
                kind: stringify!($kind).into(),
                plural: $plural.into(),
                singular: stringify!($kind).to_ascii_lowercase().into(),
                short_names: vec![$($short.into()),*],
                categories: vec![$($category.into()),*],
                namespaced: scope!($scope),
                verbs: Verbs::$verbs,
                subresources: vec![$($sub),*],
                nature: Nature::BuiltIn {
                    check: check::<$module::$kind>,
                    schema: SchemaGenerator::subschema_for::<$module::$kind>,
                },
            }),
        )*]);
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
    "" "v1" Binding "bindings" [] [] namespaced Create [] core;
    "" "v1" ComponentStatus "componentstatuses" ["cs"] [] cluster Read [] core;
    "" "v1" ConfigMap "configmaps" ["cm"] [] namespaced All [] core;
    "" "v1" Endpoints "endpoints" ["ep"] [] namespaced All [] core;
    "" "v1" Event "events" ["ev"] [] namespaced All [] core;
    "" "v1" LimitRange "limitranges" ["limits"] [] namespaced All [] core;
    "" "v1" Namespace "namespaces" ["ns"] [] cluster All ["finalize" "status"] core;
    "" "v1" Node "nodes" ["no"] [] cluster All ["proxy" "status"] core;
    "" "v1" PersistentVolumeClaim "persistentvolumeclaims" ["pvc"] [] namespaced All ["status"] core;
    "" "v1" PersistentVolume "persistentvolumes" ["pv"] [] cluster All ["status"] core;
    "" "v1" Pod "pods" ["po"] ["all"] namespaced All ["attach" "binding" "ephemeralcontainers" "eviction" "exec" "log" "portforward" "proxy" "resize" "status"] core;
    "" "v1" PodTemplate "podtemplates" [] [] namespaced All [] core;
    "" "v1" ReplicationController "replicationcontrollers" ["rc"] ["all"] namespaced All ["scale" "status"] core;
    "" "v1" ResourceQuota "resourcequotas" ["quota"] [] namespaced All ["status"] core;
    "" "v1" Secret "secrets" [] [] namespaced All [] core;
    "" "v1" ServiceAccount "serviceaccounts" ["sa"] [] namespaced All ["token"] core;
    "" "v1" Service "services" ["svc"] ["all"] namespaced All ["proxy" "status"] core;
    "apiregistration.k8s.io" "v1" APIService "apiservices" [] ["api-extensions"] cluster All ["status"] apiregistration;
    "apps" "v1" ControllerRevision "controllerrevisions" [] [] namespaced All [] apps;
    "apps" "v1" DaemonSet "daemonsets" ["ds"] ["all"] namespaced All ["status"] apps;
    "apps" "v1" Deployment "deployments" ["deploy"] ["all"] namespaced All ["scale" "status"] apps;
    "apps" "v1" ReplicaSet "replicasets" ["rs"] ["all"] namespaced All ["scale" "status"] apps;
    "apps" "v1" StatefulSet "statefulsets" ["sts"] ["all"] namespaced All ["scale" "status"] apps;
    "events.k8s.io" "v1" Event "events" ["ev"] [] namespaced All [] events;
    "authentication.k8s.io" "v1" SelfSubjectReview "selfsubjectreviews" [] [] cluster Create [] authentication;
    "authentication.k8s.io" "v1" TokenReview "tokenreviews" [] [] cluster Create [] authentication;
    "authorization.k8s.io" "v1" LocalSubjectAccessReview "localsubjectaccessreviews" [] [] namespaced Create [] authorization;
    "authorization.k8s.io" "v1" SelfSubjectAccessReview "selfsubjectaccessreviews" [] [] cluster Create [] authorization;
    "authorization.k8s.io" "v1" SelfSubjectRulesReview "selfsubjectrulesreviews" [] [] cluster Create [] authorization;
    "authorization.k8s.io" "v1" SubjectAccessReview "subjectaccessreviews" [] [] cluster Create [] authorization;
    "autoscaling" "v2" HorizontalPodAutoscaler "horizontalpodautoscalers" ["hpa"] ["all"] namespaced All ["status"] autoscaling;
    "autoscaling" "v1" HorizontalPodAutoscaler "horizontalpodautoscalers" ["hpa"] ["all"] namespaced All ["status"] autoscaling_v1;
    "batch" "v1" CronJob "cronjobs" ["cj"] ["all"] namespaced All ["status"] batch;
    "batch" "v1" Job "jobs" [] ["all"] namespaced All ["status"] batch;
    "certificates.k8s.io" "v1" CertificateSigningRequest "certificatesigningrequests" ["csr"] [] cluster All ["approval" "status"] certificates;
    "networking.k8s.io" "v1" IngressClass "ingressclasses" [] [] cluster All [] networking;
    "networking.k8s.io" "v1" Ingress "ingresses" ["ing"] [] namespaced All ["status"] networking;
    "networking.k8s.io" "v1" IPAddress "ipaddresses" ["ip"] [] cluster All [] networking;
    "networking.k8s.io" "v1" NetworkPolicy "networkpolicies" ["netpol"] [] namespaced All [] networking;
    "networking.k8s.io" "v1" ServiceCIDR "servicecidrs" [] [] cluster All ["status"] networking;
    "policy" "v1" PodDisruptionBudget "poddisruptionbudgets" ["pdb"] [] namespaced All ["status"] policy;
    "rbac.authorization.k8s.io" "v1" ClusterRoleBinding "clusterrolebindings" [] [] cluster All [] rbac;
    "rbac.authorization.k8s.io" "v1" ClusterRole "clusterroles" [] [] cluster All [] rbac;
    "rbac.authorization.k8s.io" "v1" RoleBinding "rolebindings" [] [] namespaced All [] rbac;
    "rbac.authorization.k8s.io" "v1" Role "roles" [] [] namespaced All [] rbac;
    "storage.k8s.io" "v1" CSIDriver "csidrivers" [] [] cluster All [] storage;
    "storage.k8s.io" "v1" CSINode "csinodes" [] [] cluster All [] storage;
    "storage.k8s.io" "v1" CSIStorageCapacity "csistoragecapacities" [] [] namespaced All [] storage;
    "storage.k8s.io" "v1" StorageClass "storageclasses" ["sc"] [] cluster All [] storage;
    "storage.k8s.io" "v1" VolumeAttachment "volumeattachments" [] [] cluster All ["status"] storage;
    "storage.k8s.io" "v1" VolumeAttributesClass "volumeattributesclasses" ["vac"] [] cluster All [] storage;
    "admissionregistration.k8s.io" "v1" MutatingAdmissionPolicy "mutatingadmissionpolicies" [] ["api-extensions"] cluster All [] admission;
    "admissionregistration.k8s.io" "v1" MutatingAdmissionPolicyBinding "mutatingadmissionpolicybindings" [] ["api-extensions"] cluster All [] admission;
    "admissionregistration.k8s.io" "v1" MutatingWebhookConfiguration "mutatingwebhookconfigurations" [] ["api-extensions"] cluster All [] admission;
    "admissionregistration.k8s.io" "v1" ValidatingAdmissionPolicy "validatingadmissionpolicies" [] ["api-extensions"] cluster All ["status"] admission;
    "admissionregistration.k8s.io" "v1" ValidatingAdmissionPolicyBinding "validatingadmissionpolicybindings" [] ["api-extensions"] cluster All [] admission;
    "admissionregistration.k8s.io" "v1" ValidatingWebhookConfiguration "validatingwebhookconfigurations" [] ["api-extensions"] cluster All [] admission;
    "apiextensions.k8s.io" "v1" CustomResourceDefinition "customresourcedefinitions" ["crd" "crds"] ["api-extensions"] cluster All ["status"] apiextensions;
    "scheduling.k8s.io" "v1" PriorityClass "priorityclasses" ["pc"] [] cluster All [] scheduling;
    "coordination.k8s.io" "v1" Lease "leases" [] [] namespaced All [] coordination;
    "node.k8s.io" "v1" RuntimeClass "runtimeclasses" [] [] cluster All [] node;
    "discovery.k8s.io" "v1" EndpointSlice "endpointslices" [] [] namespaced All [] discovery;
    "flowcontrol.apiserver.k8s.io" "v1" FlowSchema "flowschemas" [] [] cluster All ["status"] flowcontrol;
    "flowcontrol.apiserver.k8s.io" "v1" PriorityLevelConfiguration "prioritylevelconfigurations" [] [] cluster All ["status"] flowcontrol;
    "resource.k8s.io" "v1" DeviceClass "deviceclasses" [] [] cluster All [] resource;
    "resource.k8s.io" "v1" ResourceClaim "resourceclaims" [] [] namespaced All ["status"] resource;
    "resource.k8s.io" "v1" ResourceClaimTemplate "resourceclaimtemplates" [] [] namespaced All [] resource;
    "resource.k8s.io" "v1" ResourceSlice "resourceslices" [] [] cluster All [] resource;
}
