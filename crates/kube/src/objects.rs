//! Objects in the store: read, list, create, update, patch, with optimistic concurrency.
//!
//! Keys are `/kube/<cluster>/<group>/<plural>/[<namespace>/]<name>`; the core group is `core`. An
//! object is stored as JSON without its resource version, which is the store's revision of the key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Condition, KeyValue, Outcome, Store, Transaction};

use crate::{
    admission::quota::{self, Quotas},
    convert,
    custom::Compiled,
    deletion::{Propagation, is_doomed, is_held},
    managed_fields::{self, Type, Writer},
    nodes, notices,
    object::{self, Birth},
    patch::{self, PatchType},
    registry::Resource,
    request::{Objects, Options},
    reviews::User,
    services,
    status::{Cause, Status},
};

/// Times a write is tried again when somebody else was quicker.
pub(crate) const RETRIES_MAX: usize = 8;
/// What generated names end in, as the real server draws it: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The objects of one cluster.
#[derive(Clone)]
pub(crate) struct ObjectStore {
    pub(crate) store: Store,
    pub(crate) cluster: String,
    pub(crate) service_cidr: String,
    pub(crate) compiled: Arc<Compiled>,
    /// What is written now is written at this time,
    pub(crate) now: Timestamp,
    /// and by this user.
    pub(crate) user: Arc<User>,
    /// What is put on record of the request.
    pub(crate) annotations: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

/// An object written, and what the client should be warned of.
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

impl Written {
    /// With other warnings before its own.
    fn warned_before(mut self, mut warnings: Vec<String>) -> Self {
        warnings.append(&mut self.warnings);
        Self { warnings, ..self }
    }
}

impl ObjectStore {
    /// Where all objects of the cluster lie.
    pub(crate) fn root(cluster: &str) -> String {
        format!("/kube/{cluster}/")
    }

    /// Where the objects of a kind lie, in all namespaces or one.
    pub(crate) fn prefix(&self, row: &Resource, namespace: Option<&str>) -> String {
        let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        format!("/kube/{}/{}/{}/{namespace}", self.cluster, row.home(), row.plural)
    }

    /// Puts something on the record of the request.
    pub(crate) fn record(&self, name: &'static str, text: String) {
        self.annotations.lock().unwrap_or_else(PoisonError::into_inner).insert(name, text);
    }

    fn key(&self, objects: &Objects<'_>, name: &str) -> String {
        self.prefix(&objects.resource, objects.namespace) + name
    }

    /// One object.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn get(&self, objects: &Objects<'_>, name: &str) -> Result<Value, Status> {
        Ok(self.entry(objects, name)?.1)
    }

    pub(crate) fn entry(&self, objects: &Objects<'_>, name: &str) -> Result<(KeyValue, Value), Status> {
        let row = &*objects.resource;
        let entry = self.store.get(&self.key(objects, name))?;
        let entry = entry.ok_or_else(|| Status::not_found(&row.group, &row.plural, name))?;
        let mut object = decode(&entry)?;
        convert::serve(row, &mut object);
        nodes::beat(row, &mut object, self.now);
        Ok((entry, object))
    }

    /// Creates an object from a body.
    ///
    /// # Errors
    /// 400, 404 (no such namespace), 409, 422.
    pub(crate) async fn create(
        &self,
        objects: &Objects<'_>,
        body: Value,
        options: &Options,
    ) -> Result<Written, Status> {
        let mut written = self.draft(objects, body, options)?;
        let writer = Authorship::new(self, objects, options);
        managed_fields::track(&Value::Null, &mut written.object, &writer.writer());
        self.insert(objects, written, options).await
    }

    /// Makes a body into a new object that is neither admitted nor stored yet.
    pub(crate) fn draft(&self, objects: &Objects<'_>, mut body: Value, options: &Options) -> Result<Written, Status> {
        let row = &*objects.resource;
        object::check_envelope(row, &mut body, objects.namespace, None)?;
        if version_of(&body)?.is_some() {
            return Err(Status::internal("resourceVersion should not be set on objects to be created"));
        }
        let mut warnings = object::check_fields(row, &body, options.field_validation)?;
        warnings.extend(row.custom().and_then(|version| version.warning.clone()));
        warnings.extend(notices::of(row, &body).map(str::to_owned));
        let uid = uuid::Uuid::new_v4().to_string();
        let suffix: String = (0..5).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect();
        object::create(row, &mut body, &Birth { now: self.now, uid, suffix: &suffix })?;
        Ok(Written { object: body, created: true, warnings })
    }

    async fn insert(&self, objects: &Objects<'_>, draft: Written, options: &Options) -> Result<Written, Status> {
        let row = &*objects.resource;
        let Written { object: mut body, warnings, .. } = self.admit_new(objects, draft, options.dry_run).await?;
        // What the server gives belongs to nobody.
        if row.is_core("Service") {
            services::assign(self, &mut body)?;
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = self.key(objects, &name);
        for _ in 0..RETRIES_MAX {
            let mut transaction = Transaction::new().when(Condition::Absent { key: key.clone() });
            if let Some(namespace) = objects.namespace {
                transaction = transaction.when(self.open_namespace(row, namespace, &name)?);
                let mut quotas = Quotas::of(self, namespace)?;
                quotas.charge(self, row, &Value::Null, &body)?;
                transaction = quotas.write(transaction);
            }
            let taken = || Status::already_exists(&row.group, &row.plural, &name);
            if options.dry_run {
                let exists = self.store.get(&key)?.is_some();
                return if exists { Err(taken()) } else { Ok(Written { object: body, created: true, warnings }) };
            }
            match self.store.commit(transaction.put(key.clone(), body.to_string())).await? {
                Outcome::Committed(revision) => {
                    set_version(&mut body, revision.0);
                    return Ok(Written { object: body, created: true, warnings });
                }
                Outcome::ConditionFailed { condition, .. } if condition.key() == key => return Err(taken()),
                // The namespace or a quota has changed meanwhile; perhaps it ends or is used up.
                Outcome::ConditionFailed { .. } => {}
            }
        }
        Err(Status::conflict(&row.group, &row.plural, &name))
    }

    /// That a namespace is as it is now: there, and not about to end.
    fn open_namespace(&self, row: &Resource, namespace: &str, name: &str) -> Result<Condition, Status> {
        let entry = self.store.get(&self.namespace_key(namespace))?;
        let entry = entry.ok_or_else(|| Status::not_found("", "namespaces", namespace))?;
        if is_doomed(&decode(&entry)?) {
            return Err(Status::namespace_ends(&row.group, &row.plural, name, namespace));
        }
        Ok(Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision })
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
        let row = &*objects.resource;
        object::check_envelope(row, &mut body, objects.namespace, Some(name))?;
        let warnings = object::check_fields(row, &body, options.field_validation)?;
        let wanted = version_of(&body)?;
        let author = Authorship::new(self, objects, options);
        let object = self
            .write(objects, name, options.dry_run, |entry, stored| {
                if wanted.is_some_and(|wanted| wanted != entry.mod_revision.0) {
                    return Err(Status::conflict(&row.group, &row.plural, name));
                }
                let mut next = next_state(objects, stored, body.clone(), self.now)?;
                managed_fields::track(stored, &mut next, &author.writer());
                Ok(next)
            })
            .await?;
        Ok(object.warned_before(warnings))
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
        let row = &*objects.resource;
        let mut warnings = Vec::new();
        let author = Authorship::new(self, objects, options);
        let object = self
            .write(objects, name, options.dry_run, |entry, stored| {
                let mut patched = patch::apply(patch_type, stored, &patch)?;
                object::check_envelope(row, &mut patched, objects.namespace, Some(name))?;
                warnings = object::check_fields(row, &patched, options.field_validation)?;
                // A patch that names a version means that version and no other.
                let wanted = version_of(&patch)?;
                if wanted.is_some_and(|wanted| wanted != entry.mod_revision.0) {
                    return Err(Status::conflict(&row.group, &row.plural, name));
                }
                let mut next = next_state(objects, stored, patched, self.now)?;
                managed_fields::track(stored, &mut next, &author.writer());
                Ok(next)
            })
            .await?;
        Ok(object.warned_before(warnings))
    }

    /// What an object would be after a patch, as far as its form goes.
    ///
    /// # Errors
    /// 400, 422.
    pub(crate) fn preview(
        &self,
        objects: &Objects<'_>,
        name: &str,
        (patch_type, patch): (PatchType, Value),
    ) -> Result<Value, Status> {
        let stored = match self.get(objects, name) {
            Ok(stored) => stored,
            Err(status) if status.code == 404 => Value::Null,
            Err(status) => return Err(status),
        };
        match patch_type {
            // Whatever is applied is so afterwards; what stays was granted before.
            PatchType::Apply => Ok(patch),
            _ => patch::apply(patch_type, &stored, &patch),
        }
    }

    /// Applies a body: what it names is so afterwards, and belongs to whoever applies it. What is not there is created.
    ///
    /// # Errors
    /// 400, 404 (of a subresource), 409 when others own what would change, 422.
    pub(crate) async fn apply(
        &self,
        objects: &Objects<'_>,
        name: &str,
        mut body: Value,
        options: &Options,
    ) -> Result<Written, Status> {
        let row = &*objects.resource;
        let author = Authorship::new(self, objects, options);
        if options.manager.is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]));
        }
        if !body["metadata"]["managedFields"].is_null() {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        object::check_envelope(row, &mut body, objects.namespace, Some(name))?;
        let unknown = row.check(&body).map_err(|error| managed_fields::untyped(&body, &error))?;
        if let Some(field) = unknown.first() {
            return Err(managed_fields::untyped(&body, &format!(".{field}: field not declared in schema")));
        }
        for _ in 0..RETRIES_MAX {
            match self.entry(objects, name) {
                Err(status) if status.code == 404 && objects.subresource.is_none() => {
                    let applied = managed_fields::apply(&Value::Null, &body, true, &author.writer())?;
                    let draft = self.draft(objects, applied, options)?;
                    match self.insert(objects, draft, options).await {
                        // Somebody else was quicker.
                        Err(status) if status.is_already_exists() => {}
                        other => return other,
                    }
                }
                Err(status) => return Err(status),
                Ok(_) => {
                    let wanted = version_of(&body)?;
                    let object = self.write(objects, name, options.dry_run, |entry, stored| {
                        if wanted.is_some_and(|wanted| wanted != entry.mod_revision.0) {
                            return Err(Status::conflict(&row.group, &row.plural, name));
                        }
                        let applied = managed_fields::apply(stored, &body, options.force, &author.writer())?;
                        let owners = applied["metadata"]["managedFields"].clone();
                        let mut next = next_state(objects, stored, applied, self.now)?;
                        next["metadata"]["managedFields"] = owners;
                        Ok(next)
                    });
                    return object.await;
                }
            }
        }
        Err(Status::conflict(&row.group, &row.plural, name))
    }

    /// Reads, changes and writes an object; again when somebody else was quicker.
    async fn write(
        &self,
        objects: &Objects<'_>,
        name: &str,
        dry_run: bool,
        mut change: impl FnMut(&KeyValue, &Value) -> Result<Value, Status>,
    ) -> Result<Written, Status> {
        let row = &*objects.resource;
        for _ in 0..RETRIES_MAX {
            let (entry, stored) = self.entry(objects, name)?;
            let next = change(&entry, &stored)?;
            let Written { object: mut next, warnings, .. } = self.admit_next(objects, &stored, next, dry_run).await?;
            let written = |object| Written { object, created: false, warnings };
            if row.is_core("Service") && stored["spec"] != next["spec"] {
                services::reassign(self, &stored, &mut next)?;
            }
            set_version(&mut next, entry.mod_revision.0);
            if next == stored {
                return Ok(written(next));
            }
            let mut quotas = Quotas::default();
            if let Some(namespace) = objects.namespace.filter(|_| quota::may_change(row)) {
                quotas = Quotas::of(self, namespace)?;
                quotas.charge(self, row, &stored, &next)?;
            }
            if dry_run {
                return Ok(written(next));
            }
            // A namespace ends with what is in it.
            let finished = is_doomed(&next) && !is_held(&next) && !row.is_core("Namespace");
            let transaction = if finished {
                self.removal(entry, &next, Propagation::Background)?.0
            } else {
                let unchanged = Condition::ModRevision { key: entry.key.to_string(), revision: entry.mod_revision };
                Transaction::new().when(unchanged).put(entry.key.to_string(), without_version(&next))
            };
            if let Outcome::Committed(revision) = self.store.commit(quotas.write(transaction)).await? {
                if is_doomed(&next) && !is_held(&next) {
                    self.finish_owners(&next).await?;
                    self.finish_namespace(objects.namespace.unwrap_or(name)).await?;
                    self.finish_definition(row).await?;
                }
                set_version(&mut next, revision.0);
                return Ok(written(next));
            }
        }
        Err(Status::conflict(&row.group, &row.plural, name))
    }

    /// Where a namespace lies.
    pub(crate) fn namespace_key(&self, name: &str) -> String {
        format!("/kube/{}/core/namespaces/{name}", self.cluster)
    }
}

/// What a [`Writer`] borrows.
struct Authorship<'a> {
    manager: &'a str,
    subresource: Option<&'a str>,
    api_version: String,
    time: String,
    shape: Type,
    has_status: bool,
}

impl<'a> Authorship<'a> {
    fn new(store: &ObjectStore, objects: &Objects<'a>, options: &'a Options) -> Self {
        let row = &*objects.resource;
        Self {
            manager: &options.manager,
            subresource: objects.subresource,
            api_version: row.api_version(),
            time: object::rfc3339(store.now),
            shape: row.shape(),
            has_status: row.has_status(),
        }
    }

    fn writer(&self) -> Writer<'_> {
        let Self { manager, subresource, has_status, .. } = *self;
        Writer {
            manager,
            subresource,
            api_version: &self.api_version,
            time: &self.time,
            shape: &self.shape,
            has_status,
        }
    }
}

/// The next state of an object, or of its status where that is what the path names.
fn next_state(objects: &Objects<'_>, stored: &Value, wanted: Value, now: Timestamp) -> Result<Value, Status> {
    if objects.subresource == Some("status") {
        return Ok(object::update_status(&objects.resource, stored, &wanted));
    }
    let mut next = wanted;
    object::update(&objects.resource, stored, &mut next, now)?;
    Ok(next)
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

pub(crate) fn without_version(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    object.to_string()
}

/// The resource version a body names; an empty one is none.
fn version_of(object: &Value) -> Result<Option<u64>, Status> {
    let named = object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty());
    let invalid = |text: &str| Status::bad_request(format!("invalid resource version {text:?}"));
    named.map(|text| text.parse().map_err(|_| invalid(text))).transpose()
}
