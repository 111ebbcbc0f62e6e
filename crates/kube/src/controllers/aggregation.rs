//! Cluster roles that are put together from others: their rules are those of the roles that their selectors select.
//!
//! Source: kubernetes/kubernetes `pkg/controller/clusterroleaggregation`.

use std::sync::Arc;

use serde_json::json;

use crate::{
    objects::ObjectStore,
    patch::PatchType,
    rbac, registry,
    request::{Objects, Options},
    status::Status,
};

const MANAGER: &str = "clusterrole-aggregation-controller";

/// Writes the rules of every such role where they are others. What is written wakes the loop again, for roles that are put
/// together from that one.
pub(super) async fn reconcile(objects: &ObjectStore) -> Result<(), Status> {
    let Some(row) = registry::find(rbac::GROUP, "v1", "clusterroles") else { return Ok(()) };
    let held = objects.stored(row, None)?;
    for role in &held {
        let Some(rules) = rbac::collected(role, &held) else { continue };
        if role["rules"].as_array().map_or(&[][..], Vec::as_slice) == rules {
            continue;
        }
        let place = Objects { resource: Arc::clone(row), namespace: None, name: None, subresource: None };
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        let patch = json!({"metadata": {"resourceVersion": role["metadata"]["resourceVersion"]}, "rules": rules});
        let options = Options { manager: MANAGER.to_owned(), ..Options::default() };
        match objects.patch(&place, name, (PatchType::Merge, patch), &options).await {
            // Somebody wrote or deleted it at the same time, which wakes the loop again.
            Err(status) if matches!(status.code, 404 | 409) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_new_clusters_roles_need_no_writing() {
        let held: Vec<Value> = rbac::default_objects().into_iter().map(|(_, object)| object).collect();
        let mut seen = 0;
        for role in &held {
            if let Some(rules) = rbac::collected(role, &held) {
                assert_eq!(role["rules"], json!(rules), "{}", role["metadata"]["name"]);
                seen += 1;
            }
        }
        assert_eq!(seen, 3);
    }
}
