//! From the store to a view, and from a plan to the store.

use std::{collections::HashMap, sync::Arc};

use jiff::ToSpan;
use rand::RngExt;
use serde_json::{Value, json};
use store::{Condition, Revision, Transaction};

use super::{
    refused,
    view::{Plan, View, WATCHED, Write, name, uid},
};
use crate::{
    admission::quota::Quotas,
    deletion::{Deletion, is_doomed, is_held},
    managed_fields::{self, Writer},
    object::rfc3339,
    objects::{ObjectStore, decode, without_version},
    registry::{self, Resource},
    request::{Objects, Options},
    spec::ClusterSpec,
    status::Status,
};

/// Who writes, in `managedFields`.
const MANAGER: &str = "kube-controller-manager";
/// How long events are kept, in seconds.
const EVENTS_KEPT_S: i64 = 3600;

fn row(plural: &str) -> Option<&'static Arc<Resource>> {
    registry::built_in().iter().find(|row| row.plural == plural)
}

/// A namespace as it is, and the condition that it stays open; `None` when it is not there or about to end.
pub(super) fn view(
    objects: &ObjectStore,
    spec: &ClusterSpec,
    namespace: &str,
) -> Result<Option<(View, Condition)>, Status> {
    let Some(entry) = objects.store.get(&objects.namespace_key(namespace))? else { return Ok(None) };
    if is_doomed(&decode(&entry)?) {
        return Ok(None);
    }
    let open = Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision };
    let mut held = HashMap::new();
    for (group, version, plural) in WATCHED {
        let Some(row) = registry::find(group, version, plural) else { continue };
        held.insert(plural, objects.stored(row, Some(namespace))?);
    }
    for (plural, name) in [("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")] {
        let Some(row) = row(plural) else { continue };
        let entry = objects.store.get(&(objects.prefix(row, Some(namespace)) + name))?;
        held.insert(plural, entry.as_ref().map(decode).transpose()?.into_iter().collect());
    }
    let everywhere = |plural: &str| row(plural).map_or(Ok(Vec::new()), |row| objects.stored(row, None));
    let pods = held.get("pods").map_or(&[][..], Vec::as_slice);
    let mut view = View {
        now: objects.now,
        namespace: namespace.to_owned(),
        authority: spec.authority.certificate.clone(),
        // Only who has pods to place has to know where.
        nodes: if held.values().all(Vec::is_empty) { Vec::new() } else { everywhere("nodes")? },
        storage_classes: if held["persistentvolumeclaims"].is_empty() {
            Vec::new()
        } else {
            everywhere("storageclasses")?
        },
        ..View::default()
    };
    if pods.iter().any(|pod| pod["spec"]["nodeName"].is_null()) {
        for pod in everywhere("pods")?.iter().filter(|pod| pod["metadata"]["namespace"] != namespace) {
            if let Some(node) = pod["spec"]["nodeName"].as_str() {
                *view.load.entry(node.to_owned()).or_default() += 1;
            }
        }
    }
    for quota in held.get("resourcequotas").into_iter().flatten() {
        let counted = quota["spec"]["hard"].as_object().into_iter().flatten().map(|(resource, _)| resource);
        let used = objects.used(quota, counted)?;
        let shown = used.iter().map(|(resource, amount)| (resource.clone(), json!(amount.to_string())));
        view.used.insert(name(quota).to_owned(), Value::Object(shown.collect()));
    }
    view.objects = held;
    Ok(Some((view, open)))
}

/// Writes what is wanted, all or nothing. Nothing happens when somebody else was quicker: then the loop is woken anyhow.
/// Says whether admission refused something, which is then left out.
pub(super) async fn carry_out(
    objects: &ObjectStore,
    view: &View,
    open: Condition,
    mut plan: Plan,
) -> Result<bool, Status> {
    if plan.writes.is_empty() && plan.events.is_empty() {
        return Ok(false);
    }
    let namespace = view.namespace.as_str();
    let time = rfc3339(objects.now);
    let mut transaction = Transaction::new().when(open);
    let mut quotas = Quotas::of(objects, namespace)?;
    let mut refused = Vec::new();
    let (created, changed): (Vec<_>, Vec<_>) =
        std::mem::take(&mut plan.writes).into_iter().partition(|write| matches!(write, Write::Create(..)));
    plan.writes = changed;
    for write in created {
        let Write::Create(plural, object) = write else { continue };
        let Some(row) = row(plural) else { continue };
        let place = place(row, namespace);
        match create(objects, &place, object.clone(), &mut quotas).await {
            Ok(object) => {
                let key = objects.prefix(row, place.namespace) + name(&object);
                transaction = transaction.when(Condition::Absent { key: key.clone() }).put(key, object.to_string());
            }
            Err(status) => {
                tracing::debug!(?status, plural, "a controller's object is refused");
                refused.push((object, status));
            }
        }
    }
    for (object, status) in &refused {
        refused::tell(view, &mut plan, object, status.message());
    }
    let mut later = Vec::new();
    for write in plan.writes {
        match write {
            // What was charged is written with what it was charged for.
            Write::Replace("resourcequotas", before, _) if quotas.has_charged(name(&before)) => {}
            Write::Replace(plural, before, mut next) => {
                let Some(row) = row(plural) else { continue };
                track(row, &before, &mut next, &time);
                let (key, unchanged) = unchanged(objects, row, namespace, &before);
                transaction = transaction.when(unchanged).put(key, without_version(&next));
            }
            Write::Delete("pods", pod) if !is_held(&pod) => {
                let Some(row) = row("pods") else { continue };
                let (key, unchanged) = unchanged(objects, row, namespace, &pod);
                transaction = transaction.when(unchanged).delete(key);
            }
            Write::Delete(plural, object) => later.push((plural, object)),
            Write::Create(..) => {}
        }
    }
    if !plan.events.is_empty() {
        transaction = say(objects, namespace, transaction, &plan.events)?;
    }
    objects.store.commit(quotas.write(transaction)).await?;
    for (plural, object) in later {
        let Some(row) = row(plural) else { continue };
        match objects.delete(&place(row, namespace), name(&object), &Deletion::default()).await {
            Err(status) if status.code != 404 => return Err(status),
            _ => {}
        }
    }
    Ok(!refused.is_empty())
}

/// A new object as it is to be stored, admitted and charged.
async fn create(
    objects: &ObjectStore,
    place: &Objects<'_>,
    object: Value,
    quotas: &mut Quotas,
) -> Result<Value, Status> {
    let row = &*place.resource;
    let mut draft = objects.draft(place, object, &Options { manager: MANAGER.to_owned(), ..Options::default() })?;
    track(row, &Value::Null, &mut draft.object, &rfc3339(objects.now));
    let admitted = objects.admit_new(place, draft, false).await?.object;
    quotas.charge(objects, row, &Value::Null, &admitted)?;
    Ok(admitted)
}

fn place<'a>(row: &Arc<Resource>, namespace: &'a str) -> Objects<'a> {
    let namespace = row.namespaced.then_some(namespace);
    Objects { resource: Arc::clone(row), namespace, name: None, subresource: None }
}

fn unchanged(objects: &ObjectStore, row: &Resource, namespace: &str, object: &Value) -> (String, Condition) {
    let key = objects.prefix(row, row.namespaced.then_some(namespace)) + name(object);
    let revision = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let condition = Condition::ModRevision { key: key.clone(), revision: Revision(revision) };
    (key, condition)
}

fn track(row: &Resource, before: &Value, next: &mut Value, time: &str) {
    let only_status = row.has_status() && before["spec"] == next["spec"] && !before.is_null();
    let (api_version, shape) = (row.api_version(), row.shape());
    let writer = Writer {
        manager: MANAGER,
        subresource: only_status.then_some("status"),
        api_version: &api_version,
        time,
        shape: &shape,
        has_status: row.has_status(),
    };
    managed_fields::track(before, next, &writer);
}

/// Adds the events to a transaction, and takes out those whose time is over.
fn say(
    objects: &ObjectStore,
    namespace: &str,
    mut transaction: Transaction,
    events: &[(Value, &'static str, String, bool)],
) -> Result<Transaction, Status> {
    let Some(row) = row("events") else { return Ok(transaction) };
    let prefix = objects.prefix(row, Some(namespace));
    let oldest = objects.now.checked_sub(EVENTS_KEPT_S.seconds()).map(rfc3339).unwrap_or_default();
    let held = objects.stored(row, Some(namespace))?;
    for event in held.iter().filter(|event| event["lastTimestamp"].as_str().is_some_and(|at| *at < *oldest)) {
        transaction = transaction.delete(prefix.clone() + name(event));
    }
    let time = rfc3339(objects.now);
    for (about, reason, message, warning) in events {
        let same = |event: &&Value| {
            event["involvedObject"]["uid"] == uid(about)
                && event["reason"] == *reason
                && event["message"] == message.as_str()
        };
        let mut event = held.iter().find(same).cloned().unwrap_or_else(|| {
            let suffix: u64 = rand::rng().random();
            json!({
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": format!("{}.{suffix:016x}", name(about)), "namespace": namespace,
                             "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": time},
                "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], "name": name(about),
                                   "namespace": namespace, "uid": uid(about),
                                   "resourceVersion": about["metadata"]["resourceVersion"]},
                "reason": reason, "message": message, "type": if *warning { "Warning" } else { "Normal" },
                "source": {"component": component(about, reason)}, "reportingComponent": component(about, reason),
                "reportingInstance": "", "firstTimestamp": time, "eventTime": null, "count": 0,
            })
        });
        event["count"] = json!(event["count"].as_u64().unwrap_or(0) + 1);
        event["lastTimestamp"] = json!(time);
        transaction = transaction.put(prefix.clone() + name(&event), without_version(&event));
    }
    Ok(transaction)
}

/// Which part of a control plane would have said it.
fn component(about: &Value, reason: &str) -> &'static str {
    match (about["kind"].as_str().unwrap_or_default(), reason) {
        ("Pod", "Scheduled" | "FailedScheduling") => "default-scheduler",
        ("Pod", "TaintManagerEviction") => "taint-eviction-controller",
        ("Pod", _) => "kubelet",
        ("Deployment", _) => "deployment-controller",
        ("ReplicaSet", _) => "replicaset-controller",
        ("ReplicationController", _) => "replication-controller",
        ("Job", _) => "job-controller",
        ("CronJob", _) => "cronjob-controller",
        ("Service", _) => "service-controller",
        ("HorizontalPodAutoscaler", _) => "horizontal-pod-autoscaler",
        _ => "persistentvolume-controller",
    }
}
