//! Deletion: at once, or when the finalizers are done; what an object owns goes with it, and a
//! namespace with everything in it.
//!
//! What the garbage collector of a real cluster does a little later happens here in the same
//! transaction: nobody sees an owner gone and its dependents still there. Foreground deletion differs from that in
//! the background where finalizers keep a dependent that blocks its owner: the owner stays until it is gone. Source: the Kubernetes concepts "Garbage Collection", "Finalizers"
//! and "Namespaces"; the words of refusals are the real server's.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};
use store::{Condition, KeyValue, Outcome, RangeOptions, Transaction};

use crate::{
    object,
    objects::{ObjectStore, RETRIES_MAX, Written, decode, set_version, without_version},
    registry::Resource,
    request::{Objects, Options},
    status::{Cause, Status, success},
};

/// Namespaces without which a cluster is none.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Keeps a definition while it has objects.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Keeps an object that is deleted in the foreground while it has dependents that block it.
const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of what an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Propagation {
    #[default]
    Background,
    /// The owner waits for dependents that block it.
    Foreground,
    /// Dependents stay and forget their owner.
    Orphan,
}

/// How to delete.
#[derive(Debug, Default)]
pub(crate) struct Deletion {
    pub(crate) dry_run: bool,
    propagation: Propagation,
    /// Only the object with this uid.
    uid: Option<String>,
    /// Only the object as of this revision.
    resource_version: Option<String>,
}

impl Deletion {
    /// Reads what the query and `DeleteOptions` in the body say.
    ///
    /// # Errors
    /// 422 for a propagation policy that there is not.
    pub(crate) fn read(options: &Options, body: &Value) -> Result<Self, Status> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = text(&body["propagationPolicy"]).or_else(|| options.propagation.clone());
        let propagation = match policy.as_deref() {
            None if body["orphanDependents"] == true => Propagation::Orphan,
            None | Some("Background") => Propagation::Background,
            Some("Orphan") => Propagation::Orphan,
            Some("Foreground") => Propagation::Foreground,
            Some(other) => {
                let known = "supported values: \"Background\", \"Foreground\", \"Orphan\"";
                let cause = Cause::invalid("propagationPolicy", &json!(other), known);
                return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]));
            }
        };
        let all = |values: &Value| values.as_array().is_some_and(|values| values.iter().any(|value| value == "All"));
        Ok(Self {
            dry_run: options.dry_run || all(&body["dryRun"]),
            propagation,
            uid: text(&body["preconditions"]["uid"]),
            resource_version: text(&body["preconditions"]["resourceVersion"]),
        })
    }

    fn check(&self, row: &Resource, name: &str, stored: &Value) -> Result<(), Status> {
        let wants = [("UID", "uid", &self.uid), ("ResourceVersion", "resourceVersion", &self.resource_version)];
        for (called, field, wanted) in wants {
            let held = stored["metadata"][field].as_str().unwrap_or_default();
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != held) {
                return Err(Status::precondition_failed(&row.group, &row.plural, name, (called, wanted, held)));
            }
        }
        Ok(())
    }
}

impl ObjectStore {
    /// Deletes an object: at once, or when its finalizers are done. Gives the answer's body.
    ///
    /// # Errors
    /// 404, 403 for what may not be deleted, 409 for one that is not as the client thinks, what admission refuses.
    pub(crate) async fn delete(
        &self,
        objects: &Objects<'_>,
        name: &str,
        deletion: &Deletion,
    ) -> Result<Written, Status> {
        let row = &*objects.resource;
        if row.is_core("Namespace") && IMMORTAL.contains(&name) {
            let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
            return Err(Status::forbidden(message));
        }
        for _ in 0..RETRIES_MAX {
            let (entry, stored) = self.entry(objects, name)?;
            deletion.check(row, name, &stored)?;
            let warnings = self.admit_deletion(objects, &stored, deletion.dry_run).await?;
            let deleted = |object| Written { object, created: false, warnings };
            if is_doomed(&stored) && is_held(&stored) {
                return Ok(deleted(stored));
            }
            if deletion.dry_run {
                return Ok(deleted(done(row, name, &stored)));
            }
            let (transaction, left) = if row.is_core("Namespace") {
                self.termination(&entry, &stored, name)?
            } else if row.kind == "CustomResourceDefinition" && row.custom().is_none() {
                self.retirement(&entry, &stored)?
            } else {
                self.removal(entry, &stored, deletion.propagation)?
            };
            if let Outcome::Committed(revision) = self.store.commit(transaction).await? {
                let Some(mut left) = left else {
                    self.finish_owners(&stored).await?;
                    return Ok(deleted(done(row, name, &stored)));
                };
                set_version(&mut left, revision.0);
                return Ok(deleted(left));
            }
        }
        Err(Status::conflict(&row.group, &row.plural, name))
    }

    /// That an object goes, and with it whatever it owns and nobody else does. What still has finalizers is only marked,
    /// and in the foreground so is whoever it blocks. Gives the object if it stays.
    pub(crate) fn removal(
        &self,
        entry: KeyValue,
        object: &Value,
        propagation: Propagation,
    ) -> Result<(Transaction, Option<Value>), Status> {
        let orphan = propagation == Propagation::Orphan;
        let mut seen = HashSet::new();
        let mut gone = BTreeSet::new();
        let (mut going, mut staying) = (Vec::new(), Vec::new());
        let mut candidates = Vec::new();
        let mut due = vec![(entry, object.clone())];
        loop {
            while let Some((entry, object)) = due.pop() {
                if !seen.insert(entry.key.clone()) {
                    continue;
                }
                let held = is_held(&object);
                let orphaned = orphan && gone.is_empty();
                if !held || orphaned {
                    candidates.extend(self.dependents(&object)?);
                    gone.insert(uid(&object).to_owned());
                }
                if held { &mut staying } else { &mut going }.push((entry, object));
            }
            candidates.retain(|(entry, _): &(KeyValue, Value)| !seen.contains(&entry.key));
            if !orphan {
                let (kept, forlorn) = self.sort_out(candidates, &gone)?;
                (candidates, due) = (kept, forlorn);
            }
            if due.is_empty() {
                break;
            }
        }
        if propagation == Propagation::Foreground {
            wait_for_blocking(&mut going, &mut staying);
        }
        let mut transaction = Transaction::new();
        for (entry, _) in &going {
            transaction = unchanged(transaction, entry).delete(entry.key.to_string());
        }
        let mut left = None;
        for (entry, kept) in staying {
            let next = doomed(&kept, self.now);
            transaction = mark(transaction, &entry, &next);
            if uid(&next) == uid(object) {
                left = Some(next);
            }
        }
        for (entry, mut dependent) in candidates {
            if seen.insert(entry.key.clone()) {
                forget(&mut dependent, &gone);
                transaction = mark(transaction, &entry, &dependent);
            }
        }
        Ok((transaction, left))
    }

    /// Ends the owners of an object that is gone if they only waited for it.
    pub(crate) async fn finish_owners(&self, dependent: &Value) -> Result<(), Status> {
        let mut due = vec![dependent.clone()];
        while let Some(dependent) = due.pop() {
            for owner in owners(&dependent).filter(|owner| owner["blockOwnerDeletion"] == true) {
                let text = |field: &str| owner[field].as_str().unwrap_or_default();
                let Some(row) = self.kind_named(text("apiVersion"), text("kind"))? else { continue };
                let namespace = dependent["metadata"]["namespace"].as_str().filter(|_| row.namespaced);
                let Some(entry) = self.store.get(&(self.prefix(&row, namespace) + text("name")))? else { continue };
                let mut held = decode(&entry)?;
                let waits = |finalizer: &Value| finalizer == FOREGROUND;
                let Some(finalizers) = held["metadata"].get_mut("finalizers").and_then(Value::as_array_mut) else {
                    continue;
                };
                if !finalizers.iter().any(waits) {
                    continue;
                }
                finalizers.retain(|finalizer| !waits(finalizer));
                if uid(&held) != text("uid") || self.dependents(&held)?.iter().any(|(_, other)| blocks(other, &held)) {
                    continue;
                }
                let transaction = if is_held(&held) {
                    mark(Transaction::new(), &entry, &held)
                } else {
                    self.removal(entry, &held, Propagation::Background)?.0
                };
                if matches!(self.store.commit(transaction).await?, Outcome::Committed(_)) && !is_held(&held) {
                    due.push(held);
                }
            }
        }
        Ok(())
    }

    /// Those that somebody else owns, too, and those that nobody owns any more.
    #[expect(clippy::type_complexity, reason = "two lists of the same")]
    fn sort_out(
        &self,
        candidates: Vec<(KeyValue, Value)>,
        gone: &BTreeSet<String>,
    ) -> Result<(Vec<(KeyValue, Value)>, Vec<(KeyValue, Value)>), Status> {
        let (mut kept, mut forlorn) = (Vec::new(), Vec::new());
        for (entry, dependent) in candidates {
            let mut owned = false;
            for owner in owners(&dependent) {
                owned |=
                    !owner["uid"].as_str().is_some_and(|uid| gone.contains(uid)) && self.lives(owner, &dependent)?;
            }
            if owned { kept.push((entry, dependent)) } else { forlorn.push((entry, dependent)) }
        }
        Ok((kept, forlorn))
    }

    /// Whether the owner that a reference of `dependent` names is there. One of a kind that is not
    /// served counts as living: nobody can know.
    fn lives(&self, owner: &Value, dependent: &Value) -> Result<bool, Status> {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let row = self.kind_named(text("apiVersion"), text("kind"))?;
        let (Some(row), Some(name)) = (row, owner["name"].as_str()) else { return Ok(true) };
        let namespace = dependent["metadata"]["namespace"].as_str().filter(|_| row.namespaced);
        let found = self.store.get(&(self.prefix(&row, namespace) + name))?;
        Ok(match found {
            Some(entry) => uid(&decode(&entry)?) == owner["uid"],
            None => false,
        })
    }

    /// What an object owns: in its own namespace, or anywhere when it is in none.
    fn dependents(&self, owner: &Value) -> Result<Vec<(KeyValue, Value)>, Status> {
        let prefixes: Vec<String> = match owner["metadata"]["namespace"].as_str() {
            Some(namespace) => self.namespaced_kinds()?.iter().map(|row| self.prefix(row, Some(namespace))).collect(),
            None => vec![Self::root(&self.cluster)],
        };
        let uid = uid(owner);
        let mut found = Vec::new();
        for prefix in prefixes {
            for entry in self.store.range(&prefix, &RangeOptions::default())?.entries {
                // Most objects have no owner at all and need not be read for it.
                if !contains(&entry.value, b"\"ownerReferences\"") {
                    continue;
                }
                let object = decode(&entry)?;
                if owners(&object).any(|owner| owner["uid"] == uid) {
                    found.push((entry, object));
                }
            }
        }
        Ok(found)
    }

    /// That a namespace goes with everything in it; what has finalizers keeps it, terminating. Gives
    /// the namespace if it stays.
    fn termination(
        &self,
        entry: &KeyValue,
        namespace: &Value,
        name: &str,
    ) -> Result<(Transaction, Option<Value>), Status> {
        let mut stays = is_held(namespace);
        let mut transaction = unchanged(Transaction::new(), entry);
        for row in self.namespaced_kinds()? {
            let (next, held) = self.clear(transaction, self.prefix(&row, Some(name)))?;
            transaction = next;
            stays |= held;
        }
        if !stays {
            return Ok((transaction.delete(entry.key.to_string()), None));
        }
        let mut left = doomed(namespace, self.now);
        left["status"]["phase"] = json!("Terminating");
        Ok((transaction.put(entry.key.to_string(), without_version(&left)), Some(left)))
    }

    /// That everything below a prefix goes; what has finalizers is only marked. Says whether anything stays.
    fn clear(&self, mut transaction: Transaction, prefix: String) -> Result<(Transaction, bool), Status> {
        let entries = self.store.range(&prefix, &RangeOptions::default())?.entries;
        let mut held = Vec::new();
        for entry in entries.iter().filter(|entry| contains(&entry.value, b"\"finalizers\"")) {
            let object = decode(entry)?;
            if is_held(&object) {
                held.push((entry, object));
            }
        }
        if held.is_empty() {
            return Ok((transaction.delete_prefix(prefix), false));
        }
        for entry in entries.iter().filter(|entry| !held.iter().any(|(held, _)| held.key == entry.key)) {
            transaction = unchanged(transaction, entry).delete(entry.key.to_string());
        }
        for (entry, object) in &held {
            transaction = mark(transaction, entry, &doomed(object, self.now));
        }
        Ok((transaction, true))
    }

    /// That a definition goes with all its objects; those with finalizers keep it. Gives the definition if it stays.
    fn retirement(&self, entry: &KeyValue, definition: &Value) -> Result<(Transaction, Option<Value>), Status> {
        let transaction = unchanged(Transaction::new(), entry);
        let (transaction, stays) = self.clear(transaction, self.instances(definition))?;
        if !stays && !is_held(definition) {
            return Ok((transaction.delete(entry.key.to_string()), None));
        }
        let mut left = doomed(definition, self.now);
        if stays {
            let mut finalizers = left["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(json!(CLEANUP));
            left["metadata"]["finalizers"] = json!(finalizers);
        }
        Ok((transaction.put(entry.key.to_string(), without_version(&left)), Some(left)))
    }

    fn instances(&self, definition: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &definition["spec"];
        format!("{}{}/{}/", Self::root(&self.cluster), text(&spec["group"]), text(&spec["names"]["plural"]))
    }

    /// Ends a definition that is to go once the last of its objects is gone.
    pub(crate) async fn finish_definition(&self, row: &Resource) -> Result<(), Status> {
        if row.custom().is_none() {
            return Ok(());
        }
        let key = format!(
            "{}apiextensions.k8s.io/customresourcedefinitions/{}.{}",
            Self::root(&self.cluster),
            row.plural,
            row.group
        );
        let Some(entry) = self.store.get(&key)? else { return Ok(()) };
        let definition = decode(&entry)?;
        let first = RangeOptions { limit: 1, start_after: None };
        let others = |finalizer: &Value| finalizer != CLEANUP;
        let held = definition["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(others));
        if is_doomed(&definition) && !held && self.store.range(&self.instances(&definition), &first)?.entries.is_empty()
        {
            self.store.commit(unchanged(Transaction::new(), &entry).delete(key)).await?;
        }
        Ok(())
    }

    /// Ends a terminating namespace once nothing keeps it any more.
    pub(crate) async fn finish_namespace(&self, name: &str) -> Result<(), Status> {
        let Some(entry) = self.store.get(&self.namespace_key(name))? else { return Ok(()) };
        let namespace = decode(&entry)?;
        if !is_doomed(&namespace) || is_held(&namespace) {
            return Ok(());
        }
        for row in self.namespaced_kinds()? {
            let first = RangeOptions { limit: 1, start_after: None };
            if !self.store.range(&self.prefix(&row, Some(name)), &first)?.entries.is_empty() {
                return Ok(());
            }
        }
        // Nothing can be made in it meanwhile; if it was changed, whoever did that comes here, too.
        self.store.commit(unchanged(Transaction::new(), &entry).delete(entry.key.to_string())).await?;
        Ok(())
    }
}

/// Moves the owners that something blocks which stays from those that go to those that stay.
fn wait_for_blocking(going: &mut Vec<(KeyValue, Value)>, staying: &mut Vec<(KeyValue, Value)>) {
    loop {
        let blocked = |(_, owner): &(KeyValue, Value)| staying.iter().any(|(_, dependent)| blocks(dependent, owner));
        let Some(index) = going.iter().position(blocked) else { return };
        let (entry, mut owner) = going.swap_remove(index);
        owner["metadata"]["finalizers"] = json!([FOREGROUND]);
        staying.push((entry, owner));
    }
}

/// Whether a dependent keeps an owner that is deleted in the foreground.
fn blocks(dependent: &Value, owner: &Value) -> bool {
    owners(dependent).any(|reference| reference["uid"] == uid(owner) && reference["blockOwnerDeletion"] == true)
}

/// Whether finalizers keep an object.
pub(crate) fn is_held(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Whether an object is deleted, and gone once its finalizers are.
pub(crate) fn is_doomed(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The object marked as deleted.
fn doomed(object: &Value, now: jiff::Timestamp) -> Value {
    let mut next = object.clone();
    if !is_doomed(object) {
        next["metadata"]["deletionTimestamp"] = json!(object::rfc3339(now));
        next["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
    next
}

fn unchanged(transaction: Transaction, entry: &KeyValue) -> Transaction {
    transaction.when(Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision })
}

fn mark(transaction: Transaction, entry: &KeyValue, next: &Value) -> Transaction {
    unchanged(transaction, entry).put(entry.key.to_string(), without_version(next))
}

fn done(row: &Resource, name: &str, object: &Value) -> Value {
    success(&row.group, &row.plural, name, uid(object))
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

/// Takes the owners out that are gone.
fn forget(dependent: &mut Value, gone: &BTreeSet<String>) {
    let Some(Value::Object(metadata)) = dependent.get_mut("metadata") else { return };
    let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") else { return };
    owners.retain(|owner| !owner["uid"].as_str().is_some_and(|uid| gone.contains(uid)));
    if owners.is_empty() {
        metadata.remove("ownerReferences");
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
