//! What is done with values of a type: which fields they have, what differs, merging, taking fields out.
//!
//! Source: sigs.k8s.io/structured-merge-diff `typed`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::{Map, Value};

use super::{
    path::{Element, Set},
    schema::{Child, Type},
};

/// The fields a value has.
pub(super) fn fields(shape: &Type, value: &Value) -> Set {
    let mut set = Set::default();
    for child in shape.children(value).into_iter().flatten() {
        let below = child.shape.children(child.value).map(|_| fields(child.shape, child.value));
        let is_bare = child.value.is_null() || child.value.as_object().is_some_and(Map::is_empty);
        if below.is_none() || is_bare || !child.declared {
            set.members.insert(child.element.clone());
        }
        set.attach(child.element, below.unwrap_or_default());
    }
    set
}

/// The fields by which `after` differs: the changed and new ones, and those that are gone.
pub(super) fn compare(shape: &Type, before: &Value, after: &Value) -> (Set, Set) {
    let (mut changed, mut gone) = (Set::default(), Set::default());
    let mut parts: BTreeMap<Element, (Option<&Value>, Option<&Value>, &Type)> = BTreeMap::new();
    for child in shape.children(before).into_iter().flatten() {
        parts.entry(child.element).or_insert((Some(child.value), None, child.shape));
    }
    for child in shape.children(after).into_iter().flatten() {
        let part = parts.entry(child.element).or_insert((None, None, child.shape));
        part.1.get_or_insert(child.value);
    }
    let had_fields = before.is_object();
    // A struct that always is there was not there by its own will.
    let implied: Vec<(Element, &Type)> = shape.always().map(|(name, shape)| (Element::field(name), shape)).collect();
    for (element, (mut before, mut after, shape)) in parts {
        if implied.iter().any(|(always, _)| *always == element) {
            let by_itself = Some(if shape.is_list() { &Value::Null } else { &*EMPTY });
            before = before.or(by_itself.filter(|_| had_fields));
            after = after.or(by_itself);
            if is_empty(before) && is_empty(after) && had_fields {
                continue;
            }
        }
        let children = |value: Option<&Value>| value.is_some_and(|value| shape.children(value).is_some());
        let is_leaf = !(children(before) || children(after)) || (is_empty(before) && is_empty(after));
        if !is_leaf {
            let (null_before, null_after) = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
            let (changed_below, gone_below) = compare(shape, null_before, null_after);
            changed.attach(element.clone(), changed_below);
            gone.attach(element.clone(), gone_below);
        }
        match (before, after) {
            (_, None) => _ = gone.members.insert(element),
            (None, Some(_)) => _ = changed.members.insert(element),
            (Some(before), Some(after)) if is_leaf && before != after => _ = changed.members.insert(element),
            (Some(_), Some(_)) => {}
        }
    }
    (changed, gone)
}

static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// The live value with what is applied put over it.
pub(super) fn merge(shape: &Type, live: &Value, applied: &Value) -> Value {
    if is_empty(Some(live)) && is_empty(Some(applied)) {
        return applied.clone();
    }
    match (shape.children(live), shape.children(applied)) {
        (Some(_), None) if applied.is_null() => live.clone(),
        (Some(held), Some(wanted)) if shape.is_list() => Value::Array(merge_items(&held, &wanted)),
        (Some(_), Some(_)) => {
            let (Value::Object(live), Value::Object(applied)) = (live, applied) else { return applied.clone() };
            let mut fields = live.clone();
            for (name, value) in applied {
                let merged = merge(shape.field(name), live.get(name).unwrap_or(&Value::Null), value);
                fields.insert(name.clone(), merged);
            }
            Value::Object(fields)
        }
        _ => applied.clone(),
    }
}

/// What only the live list has keeps its place; what both have stands in the order in which it is applied.
fn merge_items(held: &[Child<'_>], wanted: &[Child<'_>]) -> Vec<Value> {
    let live: BTreeMap<&Element, &Value> = held.iter().map(|child| (&child.element, child.value)).collect();
    let applied: BTreeSet<&Element> = wanted.iter().map(|child| &child.element).collect();
    let mut items = Vec::new();
    let mut shared = wanted.iter().map(|child| &child.element).filter(|element| live.contains_key(element)).peekable();
    let mut held = held.iter().peekable();
    for child in wanted {
        while let Some(next) = held.peek() {
            if !applied.contains(&next.element) {
                items.push(next.value.clone());
            } else if next.element == child.element || shared.peek() == Some(&&next.element) {
                break;
            }
            held.next();
        }
        if held.peek().is_some_and(|next| next.element == child.element) {
            held.next();
        }
        if shared.peek() == Some(&&child.element) {
            shared.next();
        }
        items.push(match live.get(&child.element) {
            Some(live) => merge(child.shape, live, child.value),
            None => child.value.clone(),
        });
    }
    items.extend(held.filter(|child| !applied.contains(&child.element)).map(|child| child.value.clone()));
    items
}

/// The value without some of its fields; `None` when nothing is left of it.
pub(super) fn remove(shape: &Type, value: &Value, gone: &Set) -> Option<Value> {
    let Some(children) = shape.children(value) else { return Some(value.clone()) };
    let left = children.into_iter().filter_map(|child| {
        if gone.members.contains(&child.element) {
            return None;
        }
        let value = match gone.children.get(&child.element) {
            Some(below) => remove(child.shape, child.value, below)?,
            None => child.value.clone(),
        };
        Some((child.element, value))
    });
    let left: Vec<(Element, Value)> = left.collect();
    if left.is_empty() {
        return None;
    }
    Some(match value {
        Value::Object(_) => left.into_iter().map(|(element, value)| (element.name().to_owned(), value)).collect(),
        _ => Value::Array(left.into_iter().map(|(_, value)| value).collect()),
    })
}

/// The set with every struct on the way to its members: who owns something in a struct owns that it is there.
pub(super) fn with_structs(shape: &Type, set: &Set) -> Set {
    let mut all = Set { members: set.members.clone(), ..Set::default() };
    for (element, below) in &set.children {
        if shape.declares(element) {
            all.members.insert(element.clone());
        }
        let below_shape = if shape.is_list() { shape.item() } else { shape.field(element.name()) };
        all.attach(element.clone(), with_structs(below_shape, below));
    }
    all
}

/// The first item that a list of `value` has twice: where, and which.
pub(super) fn duplicate(shape: &Type, value: &Value) -> Option<String> {
    let mut seen = Set::default();
    for child in shape.children(value)? {
        let mut at = Set::default();
        at.members.insert(child.element.clone());
        let name = at.paths().concat();
        if !seen.members.insert(child.element) {
            return Some(format!(": duplicate entries for key {name}"));
        }
        if let Some(found) = duplicate(child.shape, child.value) {
            return Some(name + &found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Type {
        Type::of_kind("apps", "v1", "Deployment")
    }

    fn template(containers: &Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn applied_items_are_merged_by_their_keys() {
        let live = template(&json!([{"name": "a", "image": "1", "tty": true}, {"name": "side", "image": "s"}]));
        let applied = template(&json!([{"name": "a", "image": "2"}, {"name": "b", "image": "3"}]));
        let expected = template(&json!([
            {"name": "a", "image": "2", "tty": true}, {"name": "side", "image": "s"}, {"name": "b", "image": "3"}
        ]));
        assert_eq!(merge(&deployment(), &live, &applied), expected);
    }

    #[test]
    fn a_new_object_is_owned_field_by_field_and_its_items_as_such() {
        let object = template(&json!([{"name": "a", "resources": {}}]));
        let (changed, gone) = compare(&deployment(), &json!({}), &object);
        assert_eq!(
            changed.write(),
            json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:resources": {}}
            }}}}})
        );
        assert!(gone.is_empty());
    }

    #[test]
    fn what_differs_is_told_by_path() {
        let before = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 1}});
        let after = json!({"metadata": {"labels": {"a": "2"}}, "spec": {"replicas": 1, "paused": true}});
        let (changed, gone) = compare(&deployment(), &before, &after);
        assert_eq!(changed.paths(), [".metadata.labels.a", ".spec.paused"]);
        assert_eq!(gone.paths(), [".metadata.labels.b"]);
    }

    #[test]
    fn items_can_be_taken_out() {
        let shape = deployment();
        let object = template(&json!([{"name": "a", "image": "1"}, {"name": "b"}]));
        let all = fields(&shape, &object);
        let kept = fields(&shape, &template(&json!([{"name": "a"}])));
        let left = remove(&shape, &object, &all.difference(&kept)).unwrap();
        assert_eq!(left, template(&json!([{"name": "a"}])));
    }

    #[test]
    fn an_item_given_twice_is_found() {
        let twice = template(&json!([{"name": "a"}, {"name": "a"}]));
        assert_eq!(
            duplicate(&deployment(), &twice).unwrap(),
            ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"
        );
    }
}
