//! Objects in the store: read, list, create, update, patch, delete, with optimistic concurrency.
//!
//! Keys are `/kube/<cluster>/<group>/<plural>/[<namespace>/]<name>`; the core group is `core`. An
//! object is stored as JSON without its resource version, which is the store's revision of the key.

use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Condition, KeyValue, Outcome, RangeOptions, Store, Transaction};

use crate::{
    object::{self, Birth},
    patch::{self, PatchType},
    registry::{self, Resource},
    request::{Objects, Options},
    services,
    status::{Status, success},
};

/// Times a write is tried again when somebody else was quicker.
const RETRIES_MAX: usize = 8;
/// Objects one page of a list has at most, whatever the client asks.
const PAGE_MAX: usize = 10_000;
/// What generated names end in, as the real server draws it: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The objects of one cluster.
#[derive(Clone)]
pub(crate) struct ObjectStore {
    pub(crate) store: Store,
    pub(crate) cluster: String,
    pub(crate) service_cidr: String,
}

/// An object written, and what the client should be warned of.
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

/// A page of a list.
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) revision: u64,
    pub(crate) continue_token: Option<String>,
}

impl ObjectStore {
    /// Where all objects of the cluster lie.
    pub(crate) fn root(cluster: &str) -> String {
        format!("/kube/{cluster}/")
    }

    /// Where the objects of a kind lie, in all namespaces or one.
    pub(crate) fn prefix(&self, row: &Resource, namespace: Option<&str>) -> String {
        let group = if row.group.is_empty() { "core" } else { row.group };
        let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        format!("/kube/{}/{group}/{}/{namespace}", self.cluster, row.plural)
    }

    fn key(&self, objects: &Objects<'_>, name: &str) -> String {
        self.prefix(objects.resource, objects.namespace) + name
    }

    /// One object.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn get(&self, objects: &Objects<'_>, name: &str) -> Result<Value, Status> {
        Ok(self.entry(objects, name)?.1)
    }

    fn entry(&self, objects: &Objects<'_>, name: &str) -> Result<(KeyValue, Value), Status> {
        let row = objects.resource;
        let entry = self.store.get(&self.key(objects, name))?;
        let entry = entry.ok_or_else(|| Status::not_found(row.group, row.plural, name))?;
        let object = decode(&entry)?;
        Ok((entry, object))
    }

    /// A page of objects that the selectors select.
    ///
    /// # Errors
    /// 400 for a continue token that is none.
    pub(crate) fn list(&self, objects: &Objects<'_>, options: &Options) -> Result<Page, Status> {
        let prefix = self.prefix(objects.resource, objects.namespace);
        let limit = if options.limit == 0 { PAGE_MAX } else { options.limit.min(PAGE_MAX) };
        let start_after = options.continue_token.as_deref().map(|token| read_token(&prefix, token)).transpose()?;
        let range = self.store.range(&prefix, &RangeOptions { limit, start_after })?;
        let last = range.entries.last().map(|entry| entry.key.to_string()).filter(|_| range.more);
        let mut items = Vec::with_capacity(range.entries.len());
        for entry in &range.entries {
            let object = decode(entry)?;
            if options.labels.matches(&object) && options.fields.matches(&object) {
                items.push(object);
            }
        }
        let continue_token = last.map(|key| write_token(&prefix, &key));
        Ok(Page { items, revision: range.revision.0, continue_token })
    }

    /// Creates an object from a body.
    ///
    /// # Errors
    /// 400, 404 (no such namespace), 409, 422.
    pub(crate) async fn create(
        &self,
        objects: &Objects<'_>,
        mut body: Value,
        options: &Options,
        now: Timestamp,
    ) -> Result<Written, Status> {
        let row = objects.resource;
        object::check_envelope(row, &mut body, objects.namespace, None)?;
        let warnings = object::check_fields(row, &body, options.field_validation)?;
        let uid = uuid::Uuid::new_v4().to_string();
        let suffix: String = (0..5).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect();
        object::create(row, &mut body, &Birth { now, uid, suffix: &suffix })?;
        if row.kind == "Service" {
            services::assign_cluster_ip(self, &mut body)?;
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = self.key(objects, &name);
        let mut transaction = Transaction::new().when(Condition::Absent { key: key.clone() });
        if let Some(namespace) = objects.namespace {
            let place = self.namespace_key(namespace);
            if self.store.get(&place)?.is_none() {
                return Err(Status::not_found("", "namespaces", namespace));
            }
            transaction = transaction.when(Condition::Exists { key: place });
        }
        if options.dry_run {
            let exists = self.store.get(&key)?.is_some();
            let taken = || Status::already_exists(row.group, row.plural, &name);
            return if exists { Err(taken()) } else { Ok(Written { object: body, created: true, warnings }) };
        }
        match self.store.commit(transaction.put(key.clone(), body.to_string())).await? {
            Outcome::Committed(revision) => {
                set_version(&mut body, revision.0);
                Ok(Written { object: body, created: true, warnings })
            }
            Outcome::ConditionFailed { condition, .. } if condition.key() == key => {
                Err(Status::already_exists(row.group, row.plural, &name))
            }
            Outcome::ConditionFailed { .. } => {
                Err(Status::not_found("", "namespaces", objects.namespace.unwrap_or_default()))
            }
        }
    }

    /// Replaces an object (or its status) by a body.
    ///
    /// # Errors
    /// 400, 404, 409, 422.
    pub(crate) async fn replace(
        &self,
        objects: &Objects<'_>,
        name: &str,
        mut body: Value,
        options: &Options,
    ) -> Result<Written, Status> {
        let row = objects.resource;
        object::check_envelope(row, &mut body, objects.namespace, Some(name))?;
        let warnings = object::check_fields(row, &body, options.field_validation)?;
        let wanted = version_of(&body);
        let object = self
            .write(objects, name, options.dry_run, |entry, stored| {
                if wanted.is_some_and(|wanted| wanted != entry.mod_revision.0) {
                    return Err(Status::conflict(row.group, row.plural, name));
                }
                next_state(objects, stored, body.clone())
            })
            .await?;
        Ok(Written { object, created: false, warnings })
    }

    /// Patches an object (or its status).
    ///
    /// # Errors
    /// 400, 404, 409, 415, 422.
    pub(crate) async fn patch(
        &self,
        objects: &Objects<'_>,
        name: &str,
        (patch_type, patch): (PatchType, Value),
        options: &Options,
    ) -> Result<Written, Status> {
        let row = objects.resource;
        let mut warnings = Vec::new();
        let object = self
            .write(objects, name, options.dry_run, |entry, stored| {
                let mut patched = patch::apply(patch_type, stored, &patch)?;
                object::check_envelope(row, &mut patched, objects.namespace, Some(name))?;
                warnings = object::check_fields(row, &patched, options.field_validation)?;
                // A patch that names a version means that version and no other.
                let wanted = version_of(&patch);
                if wanted.is_some_and(|wanted| wanted != entry.mod_revision.0) {
                    return Err(Status::conflict(row.group, row.plural, name));
                }
                next_state(objects, stored, patched)
            })
            .await?;
        Ok(Written { object, created: false, warnings })
    }

    /// Reads, changes and writes an object; again when somebody else was quicker.
    async fn write(
        &self,
        objects: &Objects<'_>,
        name: &str,
        dry_run: bool,
        mut change: impl FnMut(&KeyValue, &Value) -> Result<Value, Status>,
    ) -> Result<Value, Status> {
        let row = objects.resource;
        for _ in 0..RETRIES_MAX {
            let (entry, stored) = self.entry(objects, name)?;
            let mut next = change(&entry, &stored)?;
            set_version(&mut next, entry.mod_revision.0);
            if next == stored || dry_run {
                return Ok(next);
            }
            let unchanged = Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision };
            let finished = is_finished(&next);
            let transaction = Transaction::new().when(unchanged);
            let transaction = if finished {
                transaction.delete(entry.key.to_string())
            } else {
                transaction.put(entry.key.to_string(), without_version(&next))
            };
            if let Outcome::Committed(revision) = self.store.commit(transaction).await? {
                set_version(&mut next, revision.0);
                return Ok(next);
            }
        }
        Err(Status::conflict(row.group, row.plural, name))
    }

    /// Deletes an object: at once, or when its finalizers are done. Gives the answer's body.
    ///
    /// # Errors
    /// 404, 403 for what may not be deleted.
    pub(crate) async fn delete(
        &self,
        objects: &Objects<'_>,
        name: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Value, Status> {
        let row = objects.resource;
        if row.kind == "Namespace" && ["default", "kube-system", "kube-public"].contains(&name) {
            let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
            return Err(Status::forbidden(message));
        }
        let (entry, stored) = self.entry(objects, name)?;
        let uid = stored["metadata"]["uid"].as_str().unwrap_or_default();
        let held = stored["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
        if dry_run {
            return Ok(success(row.group, row.plural, name, uid));
        }
        if held {
            return self
                .write(objects, name, false, |_, stored| {
                    let mut next = stored.clone();
                    if next["metadata"]["deletionTimestamp"].is_null() {
                        next["metadata"]["deletionTimestamp"] = json!(object::rfc3339(now));
                        next["metadata"]["deletionGracePeriodSeconds"] = json!(0);
                    }
                    Ok(next)
                })
                .await;
        }
        let mut transaction = Transaction::new().delete(entry.key.to_string());
        if row.kind == "Namespace" {
            for inside in registry::RESOURCES.iter().filter(|inside| inside.namespaced) {
                transaction = transaction.delete_prefix(self.prefix(inside, Some(name)));
            }
        }
        self.store.commit(transaction).await?;
        Ok(success(row.group, row.plural, name, uid))
    }

    /// Where a namespace lies.
    fn namespace_key(&self, name: &str) -> String {
        format!("/kube/{}/core/namespaces/{name}", self.cluster)
    }
}

/// The next state of an object, or of its status where that is what the path names.
fn next_state(objects: &Objects<'_>, stored: &Value, wanted: Value) -> Result<Value, Status> {
    if objects.subresource == Some("status") {
        return Ok(object::update_status(stored, &wanted));
    }
    let mut next = wanted;
    object::update(objects.resource, stored, &mut next)?;
    Ok(next)
}

/// Deleted, and its last finalizer is gone.
fn is_finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    metadata["deletionTimestamp"].is_string() && !held
}

/// The object of an entry, with its resource version.
///
/// # Errors
/// 500 when what is stored cannot be read.
pub(crate) fn decode(entry: &KeyValue) -> Result<Value, Status> {
    let mut object: Value = serde_json::from_slice(&entry.value)
        .map_err(|error| Status::internal(format!("the stored object {} is damaged: {error}", entry.key)))?;
    set_version(&mut object, entry.mod_revision.0);
    Ok(object)
}

pub(crate) fn set_version(object: &mut Value, revision: u64) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("resourceVersion".into(), json!(revision.to_string()));
    }
}

fn without_version(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    object.to_string()
}

fn version_of(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty())?.parse().ok()
}

/// A continue token is the last key without its prefix, in base64 so that clients take it as it is.
fn write_token(prefix: &str, key: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(key.strip_prefix(prefix).unwrap_or(key))
}

fn read_token(prefix: &str, token: &str) -> Result<String, Status> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let rest = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let rest = rest.ok_or_else(|| Status::bad_request("continue key is not valid"))?;
    Ok(format!("{prefix}{rest}"))
}
