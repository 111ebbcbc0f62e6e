//! Controller revisions: what the templates of stateful sets and daemon sets were, so that they can be undone.
//!
//! Source: kubernetes/kubernetes `pkg/controller/history`.

use serde_json::{Value, json};

use super::view::{Plan, View, controlled_by, count, hash_of, name};

/// The revision of a set's template now: its name. It is written down when it is new, and those beyond the history that is
/// kept go, save the ones in use.
pub(super) fn current(view: &View, plan: &mut Plan, set: &Value, in_use: &[String]) -> String {
    let template = &set["spec"]["template"];
    let mut patch = template.clone();
    patch["$patch"] = json!("replace");
    let data = json!({"spec": {"template": patch}});
    let revision_name = format!("{}-{}", name(set), hash_of(template));
    let mut held = view.owned("controllerrevisions", set);
    held.sort_by_key(|revision| count(&revision["revision"]));
    let last = held.last().map_or(0, |revision| count(&revision["revision"]));
    match held.iter().find(|revision| name(revision) == revision_name) {
        None => {
            let mut revision = json!({
                "metadata": {"name": revision_name, "namespace": set["metadata"]["namespace"],
                             "labels": template["metadata"]["labels"], "ownerReferences": controlled_by(set)},
                "data": data,
                "revision": last + 1,
            });
            let cause = &set["metadata"]["annotations"]["kubernetes.io/change-cause"];
            if !cause.is_null() {
                revision["metadata"]["annotations"] = json!({"kubernetes.io/change-cause": cause});
            }
            plan.create("controllerrevisions", revision);
        }
        // One that was before is the newest again.
        Some(revision) if count(&revision["revision"]) < last => {
            let mut next = (*revision).clone();
            next["revision"] = json!(last + 1);
            plan.replace("controllerrevisions", revision, next);
        }
        Some(_) => {}
    }
    let kept = usize::try_from(set["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10)).unwrap_or(usize::MAX);
    let idle: Vec<&&Value> = held
        .iter()
        .filter(|revision| name(revision) != revision_name && !in_use.iter().any(|used| used == name(revision)))
        .collect();
    for revision in idle.iter().take(idle.len().saturating_sub(kept)) {
        plan.delete("controllerrevisions", revision);
    }
    revision_name
}
