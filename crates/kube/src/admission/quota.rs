//! Resource quotas: how much of what a namespace may have.
//!
//! What a write needs is charged to the quotas in the transaction that writes: two writers cannot both have the last of
//! something. How much there is in use is counted, not remembered. Source: kubernetes/kubernetes `pkg/quota/v1`,
//! k8s.io/apiserver `pkg/admission/plugin/resourcequota`, whose words these are.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use serde_json::{Value, json};
use store::{Condition, KeyValue, RangeOptions, Transaction};

use super::resources::{Amounts, amounts, containers, of_pod};
use crate::{
    defaults::qos_class,
    deletion::is_doomed,
    objects::{ObjectStore, decode, without_version},
    quantity::Quantity,
    registry::{self, Resource},
    status::{Status, qualified},
};

/// Resources of pods which every container must say when a quota speaks of them.
const MUST_BE_SAID: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

/// Kinds whose objects are counted under their plural alone.
const COUNTED: [&str; 7] =
    ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services"];

/// Whether a change of an object of the kind may need more than it had.
pub(crate) fn may_change(row: &Resource) -> bool {
    row.group.is_empty() && matches!(&*row.kind, "Pod" | "Service" | "PersistentVolumeClaim")
}

/// The quotas of a namespace, to be charged.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    held: Vec<(KeyValue, Value)>,
    charged: BTreeSet<usize>,
}

impl Quotas {
    /// Reads the quotas of a namespace.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn of(objects: &ObjectStore, namespace: &str) -> Result<Self, Status> {
        let Some(row) = registry::find("", "v1", "resourcequotas") else { return Ok(Self::default()) };
        let entries = objects.store.range(&objects.prefix(row, Some(namespace)), &RangeOptions::default())?.entries;
        let held: Result<Vec<_>, Status> =
            entries.into_iter().map(|entry| Ok((entry.clone(), decode(&entry)?))).collect();
        let mut held = held?;
        held.retain(|(_, quota)| !is_doomed(quota));
        Ok(Self { held, charged: BTreeSet::new() })
    }

    /// Charges what an object needs more than what it takes the place of (null for nothing).
    ///
    /// # Errors
    /// 403 when a quota does not allow it.
    pub(crate) fn charge(
        &mut self,
        objects: &ObjectStore,
        row: &Resource,
        before: &Value,
        object: &Value,
    ) -> Result<(), Status> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let mut next = Vec::new();
        for (index, (_, quota)) in self.held.iter().enumerate() {
            if !in_scope(quota, row, object) {
                continue;
            }
            let called = quota["metadata"]["name"].as_str().unwrap_or_default();
            let hard = amounts(&quota["spec"]["hard"]);
            if before.is_null()
                && let Some(missing) = unsaid(&hard, row, object)
            {
                return Err(Status::denied(row, name, &format!("failed quota: {called}: {missing}")));
            }
            let mut asked = Amounts::new();
            for resource in hard.keys() {
                let more = amount(row, object, resource).unwrap_or_default()
                    - amount(row, before, resource).unwrap_or_default();
                if more.sign() > 0 {
                    asked.insert(resource.clone(), more);
                }
            }
            if asked.is_empty() {
                continue;
            }
            let mut used = if self.charged.contains(&index) {
                amounts(&quota["status"]["used"])
            } else {
                objects.used(quota, asked.keys())?
            };
            let over = |name: &&String| used.get(*name).copied().unwrap_or_default() + asked[*name] > hard[*name];
            let exceeded: BTreeSet<&String> = asked.keys().filter(over).collect();
            if !exceeded.is_empty() {
                let shown = |all: &Amounts| {
                    let pairs =
                        exceeded.iter().map(|name| format!("{name}={}", all.get(*name).copied().unwrap_or_default()));
                    pairs.collect::<Vec<_>>().join(",")
                };
                let why = format!(
                    "exceeded quota: {called}, requested: {}, used: {}, limited: {}",
                    shown(&asked),
                    shown(&used),
                    shown(&hard)
                );
                return Err(Status::denied(row, name, &why));
            }
            for (resource, more) in asked {
                let held = used.entry(resource).or_default();
                *held = *held + more;
            }
            next.push((index, used));
        }
        // Nothing is charged before everything is allowed.
        for (index, used) in next {
            let (_, quota) = &mut self.held[index];
            quota["status"]["hard"] = quota["spec"]["hard"].clone();
            for (resource, amount) in used {
                quota["status"]["used"][resource] = json!(amount.to_string());
            }
            self.charged.insert(index);
        }
        Ok(())
    }

    /// Whether something was charged to a quota.
    pub(crate) fn has_charged(&self, name: &str) -> bool {
        self.charged.iter().any(|index| self.held[*index].1["metadata"]["name"] == name)
    }

    /// The transaction with what was charged; it happens only if no quota has changed meanwhile.
    pub(crate) fn write(&self, mut transaction: Transaction) -> Transaction {
        for (entry, quota) in self.charged.iter().map(|index| &self.held[*index]) {
            let unchanged = Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision };
            transaction = transaction.when(unchanged).put(entry.key.to_string(), without_version(quota));
        }
        transaction
    }
}

impl ObjectStore {
    /// How much of some resources is in use, as far as a quota is concerned.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn used<'a>(
        &self,
        quota: &Value,
        resources: impl Iterator<Item = &'a String>,
    ) -> Result<Amounts, Status> {
        let namespace = quota["metadata"]["namespace"].as_str();
        let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut used = Amounts::new();
        for resource in resources {
            let Some(row) = self.counted_kind(resource)? else { continue };
            let held = match rows.entry(qualified(&row.plural, &row.group)) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(place) => place.insert(self.stored(&row, namespace)?),
            };
            let counted = held.iter().filter(|object| in_scope(quota, &row, object));
            used.insert(resource.clone(), counted.filter_map(|object| amount(&row, object, resource)).sum());
        }
        Ok(used)
    }

    /// The kind of which a quota's resource speaks.
    fn counted_kind(&self, resource: &str) -> Result<Option<Arc<Resource>>, Status> {
        let plural = match resource {
            _ if resource.starts_with("count/") => {
                let named = &resource["count/".len()..];
                let (plural, group) = named.split_once('.').unwrap_or((named, ""));
                return Ok(self.kinds()?.iter().find(|row| row.plural == plural && row.group == group).cloned());
            }
            "services.nodeports" | "services.loadbalancers" => "services",
            "requests.storage" => "persistentvolumeclaims",
            _ if resource.contains(".storageclass.storage.k8s.io/") => "persistentvolumeclaims",
            plural if COUNTED.contains(&plural) => plural,
            _ => "pods",
        };
        Ok(registry::find("", "v1", plural).cloned())
    }
}

/// How much of a quota's resource an object needs; `None` when that does not speak of its kind.
fn amount(row: &Resource, object: &Value, resource: &str) -> Option<Quantity> {
    if object.is_null() {
        return None;
    }
    let one = Some(Quantity::count(1));
    if let Some(named) = resource.strip_prefix("count/") {
        return if named == qualified(&row.plural, &row.group) { one } else { None };
    }
    if !row.group.is_empty() {
        return None;
    }
    let spec = &object["spec"];
    match &*row.kind {
        "Pod" => {
            // What has come to its end needs nothing.
            if matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
                return None;
            }
            of_running(spec, resource)
        }
        "Service" => {
            let kind = spec["type"].as_str().unwrap_or_default();
            let ports = spec["ports"].as_array().map_or(0, Vec::len);
            match resource {
                "services" => one,
                "services.loadbalancers" if kind == "LoadBalancer" => one,
                "services.nodeports" if kind == "NodePort" => Some(Quantity::count(ports)),
                "services.nodeports" if kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false => {
                    Some(Quantity::count(ports))
                }
                _ => None,
            }
        }
        "PersistentVolumeClaim" => {
            let resource = match resource.split_once(".storageclass.storage.k8s.io/") {
                Some((class, resource)) if spec["storageClassName"] == class => resource,
                Some(_) => return None,
                None => resource,
            };
            match resource {
                "persistentvolumeclaims" => one,
                "requests.storage" => Quantity::of(&spec["resources"]["requests"]["storage"]),
                _ => None,
            }
        }
        _ => (resource == row.plural && COUNTED.contains(&resource)).then_some(Quantity::count(1)),
    }
}

fn of_running(spec: &Value, resource: &str) -> Option<Quantity> {
    if resource == "pods" {
        return Some(Quantity::count(1));
    }
    let (list, name) = match resource.split_once('.') {
        Some((list @ ("requests" | "limits"), name)) => (list, name),
        _ => ("requests", resource),
    };
    of_pod(spec, list).get(name).copied()
}

/// Whether the scopes of a quota hold an object. A quota with scopes speaks of pods only.
fn in_scope(quota: &Value, row: &Resource, object: &Value) -> bool {
    let scopes = quota["spec"]["scopes"].as_array().into_iter().flatten();
    let plain = scopes.map(|scope| json!({"scopeName": scope, "operator": "Exists"}));
    let selecting = quota["spec"]["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten().cloned();
    plain.chain(selecting).all(|wanted| row.is_core("Pod") && holds(&wanted, object))
}

fn holds(wanted: &Value, pod: &Value) -> bool {
    let spec = &pod["spec"];
    let ends = spec["activeDeadlineSeconds"].is_number();
    let best_effort = qos_class(spec) == "BestEffort";
    match wanted["scopeName"].as_str() {
        Some("Terminating") => ends,
        Some("NotTerminating") => !ends,
        Some("BestEffort") => best_effort,
        Some("NotBestEffort") => !best_effort,
        Some("PriorityClass") => {
            let class = &spec["priorityClassName"];
            let named = class.as_str().is_some_and(|class| !class.is_empty());
            let among = wanted["values"].as_array().is_some_and(|values| values.contains(class));
            match wanted["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("DoesNotExist") => !named,
                _ => named,
            }
        }
        Some("CrossNamespacePodAffinity") => ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
            let kind = &spec["affinity"][kind];
            let required = kind["requiredDuringSchedulingIgnoredDuringExecution"].as_array().into_iter().flatten();
            let preferred = kind["preferredDuringSchedulingIgnoredDuringExecution"].as_array().into_iter().flatten();
            let mut terms = required.chain(preferred.map(|preferred| &preferred["podAffinityTerm"]));
            terms.any(|term| term["namespaces"].is_array() || term["namespaceSelector"].is_object())
        }),
        _ => false,
    }
}

/// What the containers of a pod would have to say for a quota to count it.
fn unsaid(hard: &Amounts, row: &Resource, pod: &Value) -> Option<String> {
    if !row.is_core("Pod") || pod["spec"]["resources"]["requests"].is_object() {
        return None;
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (container, _) in containers(&pod["spec"]) {
        for resource in MUST_BE_SAID.into_iter().filter(|resource| hard.contains_key(*resource)) {
            let (list, name) = resource.split_once('.').unwrap_or(("requests", resource));
            if container["resources"][list][name].is_null() {
                let called = container["name"].as_str().unwrap_or_default();
                missing.entry(resource).or_default().insert(called);
            }
        }
    }
    let each = missing.iter().map(|(resource, names)| {
        let names: Vec<&str> = names.iter().copied().collect();
        format!("{resource} for: {}", names.join(","))
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| format!("must specify {}", each.join("; ")))
}
