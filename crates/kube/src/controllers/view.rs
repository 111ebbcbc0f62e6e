//! What controllers see and what they want: pure data.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object::rfc3339;

/// The kinds of which controllers look at every object, as group, version and plural.
pub(super) const WATCHED: [(&str, &str, &str); 16] = [
    ("", "v1", "endpoints"),
    ("", "v1", "persistentvolumeclaims"),
    ("", "v1", "pods"),
    ("", "v1", "replicationcontrollers"),
    ("", "v1", "resourcequotas"),
    ("", "v1", "services"),
    ("apps", "v1", "controllerrevisions"),
    ("apps", "v1", "daemonsets"),
    ("apps", "v1", "deployments"),
    ("apps", "v1", "replicasets"),
    ("apps", "v1", "statefulsets"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "cronjobs"),
    ("batch", "v1", "jobs"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("policy", "v1", "poddisruptionbudgets"),
];

/// One namespace of a cluster, and the nodes, at one moment.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) now: Timestamp,
    pub(super) namespace: String,
    /// The certificate of the cluster's authority.
    pub(super) authority: String,
    pub(super) nodes: Vec<Value>,
    /// How many pods of other namespaces each node has.
    pub(super) load: HashMap<String, usize>,
    pub(super) storage_classes: Vec<Value>,
    /// What is in use of what each quota counts, by its name.
    pub(super) used: HashMap<String, Value>,
    /// Of accounts and config maps only those that every namespace has.
    pub(super) objects: HashMap<&'static str, Vec<Value>>,
}

impl View {
    /// The objects of a kind that are not about to go.
    pub(super) fn of(&self, plural: &str) -> impl Iterator<Item = &Value> {
        self.objects
            .get(plural)
            .into_iter()
            .flatten()
            .filter(|object| object["metadata"]["deletionTimestamp"].is_null())
    }

    pub(super) fn named(&self, plural: &str, name: &str) -> Option<&Value> {
        self.objects.get(plural).into_iter().flatten().find(|object| object["metadata"]["name"] == name)
    }

    /// Those of a kind that an object controls.
    pub(super) fn owned<'a>(&'a self, plural: &str, owner: &Value) -> Vec<&'a Value> {
        let uid = uid(owner).to_owned();
        self.of(plural).filter(|object| controller(object).is_some_and(|owner| owner["uid"] == uid.as_str())).collect()
    }

    pub(super) fn time(&self) -> String {
        rfc3339(self.now)
    }
}

/// Something that a controller wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Write {
    /// A new object.
    Create(&'static str, Value),
    /// One as it is, and its next state.
    Replace(&'static str, Value, Value),
    Delete(&'static str, Value),
}

/// Everything that is wanted, and when to look again by itself.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    pub(super) wake: Option<Timestamp>,
    /// What to say about objects: the object, reason, message, whether it is a warning.
    pub(super) events: Vec<(Value, &'static str, String, bool)>,
}

impl Plan {
    pub(super) fn create(&mut self, plural: &'static str, object: Value) {
        self.writes.push(Write::Create(plural, object));
    }

    pub(super) fn delete(&mut self, plural: &'static str, object: &Value) {
        self.writes.push(Write::Delete(plural, object.clone()));
    }

    /// Writes the next state of an object if it is another.
    pub(super) fn replace(&mut self, plural: &'static str, before: &Value, next: Value) {
        if *before != next {
            self.writes.push(Write::Replace(plural, before.clone(), next));
        }
    }

    pub(super) fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |held| held.min(time)));
    }

    pub(super) fn say(&mut self, about: &Value, reason: &'static str, message: String) {
        self.events.push((about.clone(), reason, message, false));
    }

    pub(super) fn warn(&mut self, about: &Value, reason: &'static str, message: String) {
        self.events.push((about.clone(), reason, message, true));
    }
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(super) fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// The reference to the owner that controls an object.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// A reference to an object that controls others.
pub(super) fn controlled_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

pub(super) fn is_ready(pod: &Value) -> bool {
    condition(&pod["status"], "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Whether a pod has come to its end.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

pub(super) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|held| held["type"] == kind)
}

/// Sets a condition; its time moves only when its status does.
pub(super) fn set_condition(status: &mut Value, kind: &str, holds: &str, reason: &str, message: &str, time: &str) {
    let held = condition(status, kind).cloned();
    let since = held.as_ref().filter(|held| held["status"] == holds).map(|held| held["lastTransitionTime"].clone());
    let mut next = json!({
        "type": kind, "status": holds, "reason": reason, "message": message,
        "lastTransitionTime": since.unwrap_or_else(|| json!(time)),
    });
    if let Some(held) = &held {
        for field in ["lastUpdateTime", "lastProbeTime"] {
            if !held[field].is_null() {
                next[field] = held[field].clone();
            }
        }
    }
    if held.as_ref() == Some(&next) {
        return;
    }
    let Some(Value::Array(all)) = status.get_mut("conditions") else {
        status["conditions"] = json!([next]);
        return;
    };
    match all.iter_mut().find(|held| held["type"] == kind) {
        Some(held) => *held = next,
        None => all.push(next),
    }
}

/// A pod made from a template.
pub(super) fn pod_from(template: &Value, owner: &Value) -> Value {
    let mut pod = json!({"metadata": {}, "spec": template["spec"]});
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            pod["metadata"][field] = template["metadata"][field].clone();
        }
    }
    pod["metadata"]["namespace"] = owner["metadata"]["namespace"].clone();
    pod["metadata"]["ownerReferences"] = controlled_by(owner);
    pod
}

/// Whether labels satisfy a `LabelSelector`; an empty one selects everything, none nothing.
pub(crate) fn selects(selector: &Value, object: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let labels = &object["metadata"]["labels"];
    let pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    pairs.clone().all(|(key, value)| labels[key] == *value)
        && expressions.all(|wanted| {
            let key = wanted["key"].as_str().unwrap_or_default();
            let among = wanted["values"].as_array().is_some_and(|values| values.contains(&labels[key]));
            match wanted["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => !labels[key].is_null(),
                Some("DoesNotExist") => labels[key].is_null(),
                _ => false,
            }
        })
}

/// Whether labels satisfy a plain map of labels, as services and replication controllers have it.
pub(super) fn selects_plainly(selector: &Value, object: &Value) -> bool {
    let pairs = selector.as_object().filter(|pairs| !pairs.is_empty());
    pairs.is_some_and(|pairs| pairs.iter().all(|(key, value)| object["metadata"]["labels"][key] == *value))
}

/// A number or a share of `of` in percent, rounded up or down.
pub(super) fn resolved(value: &Value, of: i64, up: bool) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let product = percent * of;
            if up { (product + 99) / 100 } else { product / 100 }
        }
        other => other.as_i64().unwrap_or(0),
    }
}

/// A short name for what a template says, the same for the same template.
pub(super) fn hash_of(template: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in sorted(template).to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut text = String::new();
    for _ in 0..10 {
        text.push(char::from(ALPHABET[usize::try_from(hash % 27).unwrap_or(0)]));
        hash /= 27;
    }
    text
}

/// The same value whatever the order of its keys, without nulls.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut pairs: Vec<(&String, &Value)> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            pairs.sort_by_key(|(key, _)| *key);
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}
