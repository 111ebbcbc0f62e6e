//! `whatIf`: what a deployment would change, found by deploying it where nobody sees it.

use std::collections::BTreeSet;

use azure::{ArmError, Estate, Kind, ResourceId};
use serde_json::{Value, json};

use super::{body::Body, run};
use crate::{provider::Entropy, providers, scene::Scene};

/// What a deployment changes of a resource although nobody asked for it.
const STAMPS: &[&str] = &["etag", "eTag", "provisioningState", "resourceGuid", "lastModifiedAt"];

/// The answer to `whatIf`.
///
/// # Errors
/// As the deployment: what it would be refused.
pub(super) fn answer(
    scene: &Scene<'_>,
    id: &ResourceId,
    body: &Value,
    entropy: &mut Entropy,
) -> Result<Value, ArmError> {
    let effect = run::deploy(scene, id, body, None, entropy)?;
    if let Some(failure) = effect.failure {
        return Err(failure);
    }
    let only_ids = body["properties"]["whatIfSettings"]["resultFormat"] == "ResourceIdOnly";
    let after = scene.estate.apply(scene.estate.revision(), &effect.changes);
    let scope = id.parent().unwrap_or_else(|| id.clone());
    let complete = Body::read(body)?.mode.as_str() == "Complete";
    let mut ids: BTreeSet<ResourceId> = effect.changes.iter().map(|change| change.id().clone()).collect();
    ids.extend(scene.estate.below(&scope).map(|resource| resource.id().clone()));
    let is_touched = |id: &ResourceId| effect.changes.iter().any(|change| change.id() == id);
    let mut changes = Vec::new();
    for id in ids {
        if Kind::of(&id) == Kind::Deployment || (!is_touched(&id) && id.parent().as_ref() != Some(&scope)) {
            continue;
        }
        let shown = |estate: &Estate| {
            let resource = estate.get(&id)?;
            let mut value = providers::of(resource.kind()).render(estate, resource);
            strip(&mut value);
            Some(value)
        };
        let (before, after) = (shown(scene.estate), shown(&after));
        let mut delta = Vec::new();
        let kind = match (&before, &after) {
            (None, Some(_)) => "Create",
            (Some(_), None) => "Delete",
            (Some(_), Some(_)) if !is_touched(&id) => {
                if complete {
                    "NoChange"
                } else {
                    "Ignore"
                }
            }
            (Some(before), Some(after)) => {
                differences("", before, after, &mut delta);
                if delta.is_empty() { "NoChange" } else { "Modify" }
            }
            (None, None) => continue,
        };
        let mut change = json!({"resourceId": id, "changeType": kind});
        if !only_ids {
            for (name, value) in [("before", before), ("after", after)] {
                if let Some(value) = value {
                    change[name] = value;
                }
            }
            if kind == "Modify" {
                change["delta"] = Value::Array(delta);
            }
        }
        changes.push(change);
    }
    Ok(json!({"status": "Succeeded", "properties": {"correlationId": entropy.guid(), "changes": changes}}))
}

/// Takes out what changes with every write.
fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !STAMPS.contains(&key.as_str()));
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The differences of two objects, property by property; arrays as a whole.
fn differences(path: &str, before: &Value, after: &Value, delta: &mut Vec<Value>) {
    if before == after {
        return;
    }
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        delta.push(json!({"path": path, "propertyChangeType": "Modify", "before": before, "after": after}));
        return;
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) => differences(&path, before, after, delta),
            (Some(before), None) => {
                delta.push(json!({"path": path, "propertyChangeType": "Delete", "before": before}));
            }
            (None, Some(after)) => delta.push(json!({"path": path, "propertyChangeType": "Create", "after": after})),
            (None, None) => {}
        }
    }
}
