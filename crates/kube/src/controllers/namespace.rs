//! What every namespace has: an account for its pods and the authority's certificate.
//!
//! Source: kubernetes/kubernetes `pkg/controller/serviceaccount`, `pkg/controller/certificates/rootcacertpublisher`.

use serde_json::json;

use super::view::{Plan, View};

const ROOT: &str = "kube-root-ca.crt";

/// Makes what is missing in the namespace.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    let namespace = &view.namespace;
    if view.named("serviceaccounts", "default").is_none() {
        plan.create("serviceaccounts", json!({"metadata": {"name": "default", "namespace": namespace}}));
    }
    let data = json!({"ca.crt": view.authority});
    match view.named("configmaps", ROOT) {
        None => {
            let why = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
                       such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
                       distributions of Kubernetes clusters.";
            let metadata =
                json!({"name": ROOT, "namespace": namespace, "annotations": {"kubernetes.io/description": why}});
            plan.create("configmaps", json!({"metadata": metadata, "data": data}));
        }
        Some(held) => {
            let mut next = held.clone();
            next["data"] = data;
            plan.replace("configmaps", held, next);
        }
    }
}
