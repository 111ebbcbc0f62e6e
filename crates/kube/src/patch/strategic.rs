//! Strategic merge patch: a merge patch that knows which lists are sets of things with a name.
//!
//! Lists whose items have a merge key are merged item by item; `$patch` replaces or deletes,
//! `$retainKeys` keeps only the named keys, `$deleteFromPrimitiveList/<list>` takes out,
//! `$setElementOrder/<list>` orders. Source: Kubernetes' design document "Strategic Merge Patch"
//! and the `patchMergeKey` and `patchStrategy` tags of the built-in types.

use serde_json::{Map, Value};

use crate::status::Status;

/// The merge keys of lists, by the list's field name, in the order they are tried: the first that
/// the patch's items have is used. (`ports` is keyed by `containerPort` in containers and by
/// `port` in services.)
const MERGE_KEYS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("ports", &["containerPort", "port"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("ownerReferences", &["uid"]),
    ("conditions", &["type"]),
    ("addresses", &["type"]),
    ("podIPs", &["ip"]),
    ("hostIPs", &["ip"]),
    ("matchConditions", &["name"]),
    ("variables", &["name"]),
    ("webhooks", &["name"]),
];

/// Lists of plain values that are merged as sets.
const MERGED_PRIMITIVES: &[&str] = &["finalizers"];

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Merges `patch` into `target`.
///
/// # Errors
/// 400 for a directive that is not known or a list item without its merge key.
pub(super) fn merge(target: &mut Value, patch: &Value) -> Result<(), Status> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get(DIRECTIVE).map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            let mut replacement = patch.clone();
            replacement.remove(DIRECTIVE);
            *target = Value::Object(replacement);
            return Ok(());
        }
        Some(Some("delete")) => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(Status::bad_request(format!("unknown patch directive {other:?}"))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return Ok(()) };
    if let Some(Value::Array(kept)) = patch.get(RETAIN_KEYS) {
        target.retain(|key, _| kept.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        merge_field(target, key, value)?;
    }
    for (key, order) in patch {
        if let (Some(list), Value::Array(order)) = (key.strip_prefix(ELEMENT_ORDER), order)
            && let Some(Value::Array(items)) = target.get_mut(list)
        {
            reorder(list, items, order);
        }
    }
    Ok(())
}

fn merge_field(target: &mut Map<String, Value>, key: &str, value: &Value) -> Result<(), Status> {
    if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ELEMENT_ORDER) {
        return Ok(());
    }
    if let Some(list) = key.strip_prefix(DELETE_FROM) {
        if let (Some(Value::Array(items)), Value::Array(gone)) = (target.get_mut(list), value) {
            items.retain(|item| !gone.contains(item));
        }
        return Ok(());
    }
    match value {
        Value::Null => {
            target.remove(key);
        }
        Value::Object(_) => merge(target.entry(key).or_insert(Value::Null), value)?,
        Value::Array(items) => match merge_key(key, items) {
            Some(merge_key) => merge_list(target.entry(key).or_insert(Value::Null), merge_key, items)?,
            None if MERGED_PRIMITIVES.contains(&key) => {
                let list = target.entry(key).or_insert(Value::Null);
                let mut merged = list.as_array().cloned().unwrap_or_default();
                merged.extend(items.iter().filter(|item| !merged.contains(item)).cloned().collect::<Vec<_>>());
                *list = Value::Array(merged);
            }
            None => {
                target.insert(key.to_owned(), value.clone());
            }
        },
        plain => {
            target.insert(key.to_owned(), plain.clone());
        }
    }
    Ok(())
}

/// The key by which the items of a list are told apart; none for a list that is replaced whole.
fn merge_key(list: &str, items: &[Value]) -> Option<&'static str> {
    let (_, keys) = MERGE_KEYS.iter().find(|(name, _)| *name == list)?;
    let first = items.iter().find(|item| item.get(DIRECTIVE).is_none_or(|directive| directive != "replace"))?;
    keys.iter().copied().find(|key| first.get(key).is_some())
}

fn merge_list(target: &mut Value, merge_key: &str, patch: &[Value]) -> Result<(), Status> {
    let mut items = target.as_array().cloned().unwrap_or_default();
    let replaces = patch.iter().any(|item| item.get(DIRECTIVE).is_some_and(|directive| directive == "replace"));
    if replaces {
        items.clear();
    }
    for change in patch {
        let directive = change.get(DIRECTIVE).and_then(Value::as_str);
        if directive == Some("replace") {
            continue;
        }
        let Some(wanted) = change.get(merge_key) else {
            return Err(Status::bad_request(format!("map does not contain declared merge key: {merge_key}")));
        };
        let found = items.iter().position(|item| item.get(merge_key) == Some(wanted));
        match (directive, found) {
            (Some("delete"), Some(index)) => drop(items.remove(index)),
            (Some("delete"), None) => {}
            (_, Some(index)) => merge(&mut items[index], change)?,
            (_, None) => {
                let mut item = Value::Null;
                merge(&mut item, change)?;
                items.push(item);
            }
        }
    }
    *target = Value::Array(items);
    Ok(())
}

/// Puts the items into the order the patch gives; the others keep their place behind.
fn reorder(list: &str, items: &mut [Value], order: &[Value]) {
    let key = order.first().filter(|first| first.is_object()).and_then(|_| merge_key(list, order));
    let position = |item: &Value| {
        order
            .iter()
            .position(|wanted| match key {
                Some(key) => wanted.get(key) == item.get(key),
                None => wanted == item,
            })
            .unwrap_or(usize::MAX)
    };
    items.sort_by_key(position);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: &Value) -> Value {
        merge(&mut target, patch).unwrap();
        target
    }

    #[test]
    fn maps_merge_and_null_removes() {
        let labels = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        let patch = json!({"metadata": {"labels": {"b": null, "c": "3"}}});
        assert_eq!(merged(labels, &patch), json!({"metadata": {"labels": {"a": "1", "c": "3"}}}));
    }

    #[test]
    fn containers_merge_by_name() {
        let pod = json!({"containers": [{"name": "a", "image": "1", "tty": true}, {"name": "b", "image": "1"}]});
        let patch = json!({"containers": [{"name": "a", "image": "2"}, {"name": "c", "image": "3"}]});
        let expected = json!({"containers": [
            {"name": "a", "image": "2", "tty": true}, {"name": "b", "image": "1"}, {"name": "c", "image": "3"}
        ]});
        assert_eq!(merged(pod, &patch), expected);
    }

    #[test]
    fn an_item_can_be_deleted_and_the_rest_ordered() {
        let pod = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
        let patch = json!({
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "b", "$patch": "delete"}],
        });
        assert_eq!(merged(pod, &patch), json!({"containers": [{"name": "c"}, {"name": "a"}]}));
    }

    #[test]
    fn service_ports_and_container_ports_have_their_own_keys() {
        let service = json!({"ports": [{"port": 80, "targetPort": 1}, {"port": 443}]});
        let patch = json!({"ports": [{"port": 80, "targetPort": 2}]});
        assert_eq!(merged(service, &patch), json!({"ports": [{"port": 80, "targetPort": 2}, {"port": 443}]}));
        let container = json!({"ports": [{"containerPort": 80}]});
        let patch = json!({"ports": [{"containerPort": 81}]});
        assert_eq!(merged(container, &patch), json!({"ports": [{"containerPort": 80}, {"containerPort": 81}]}));
    }

    #[test]
    fn lists_without_a_key_are_replaced() {
        let container = json!({"args": ["a", "b"], "tolerations": [{"key": "x"}]});
        let patch = json!({"args": ["c"], "tolerations": []});
        assert_eq!(merged(container, &patch), patch);
    }

    #[test]
    fn finalizers_are_a_set() {
        let metadata = json!({"finalizers": ["a", "b"]});
        assert_eq!(
            merged(metadata.clone(), &json!({"finalizers": ["b", "c"]})),
            json!({"finalizers": ["a", "b", "c"]})
        );
        assert_eq!(
            merged(metadata, &json!({"$deleteFromPrimitiveList/finalizers": ["a"]})),
            json!({"finalizers": ["b"]})
        );
    }

    #[test]
    fn strategies_retain_only_their_own_keys() {
        let strategy = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
        let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
        assert_eq!(merged(strategy, &patch), json!({"strategy": {"type": "Recreate"}}));
    }

    #[test]
    fn whole_maps_and_lists_can_be_replaced() {
        assert_eq!(
            merged(json!({"a": {"x": 1}}), &json!({"a": {"$patch": "replace", "y": 2}})),
            json!({"a": {"y": 2}})
        );
        let patch = json!({"containers": [{"name": "n"}, {"$patch": "replace"}]});
        assert_eq!(merged(json!({"containers": [{"name": "o"}]}), &patch), json!({"containers": [{"name": "n"}]}));
        assert!(merge(&mut json!({}), &json!({"$patch": "explode"})).is_err());
    }
}
