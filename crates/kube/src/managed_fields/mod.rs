//! Who wrote which field: `metadata.managedFields`, and server-side apply, which is built on it.
//!
//! Every write is compared with what was there; what it changed belongs to its manager and nobody else. An apply
//! owns exactly the fields it names, gives back those it no longer names, and is refused when it would change what
//! somebody else owns, unless it is forced to. Pure: values in, values out.
//!
//! Source: sigs.k8s.io/structured-merge-diff `merge`; k8s.io/apimachinery `pkg/util/managedfields`, whose words the
//! refusals have.

mod path;
mod schema;
mod typed;

use serde_json::{Map, Value, json};

use crate::status::{Cause, Status};

pub(crate) use path::Set;
pub(crate) use schema::Type;

/// Managers by ordinary writes that are told apart at most; the oldest ones become one.
const UPDATERS_MAX: usize = 10;
/// Their common name.
const ANCIENT: &str = "ancient-changes";
/// Owns what was there before anybody applied anything and before owners were written down.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What nobody owns: the envelope and what the server writes.
const UNOWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
];

/// Who writes, what and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    /// `status` or `scale` when only that is written.
    pub(crate) subresource: Option<&'a str>,
    /// `apps/v1`.
    pub(crate) api_version: &'a str,
    /// The time as Kubernetes writes it.
    pub(crate) time: &'a str,
    pub(crate) shape: &'a Type,
    /// The object has a status that only its subresource writes.
    pub(crate) has_status: bool,
}

/// One manager's fields.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    manager: String,
    applied: bool,
    api_version: String,
    time: String,
    subresource: String,
    fields: Set,
}

impl Entry {
    fn of(writer: &Writer<'_>, applied: bool, fields: Set) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            applied,
            api_version: writer.api_version.to_owned(),
            time: writer.time.to_owned(),
            subresource: writer.subresource.unwrap_or_default().to_owned(),
            fields,
        }
    }

    fn read(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let applied = match entry["operation"].as_str() {
            Some("Apply") => true,
            Some("Update") => false,
            _ => return None,
        };
        let fields = Set::read(&entry["fieldsV1"])?;
        let (manager, api_version) = (text("manager"), text("apiVersion"));
        Some(Self { manager, applied, api_version, time: text("time"), subresource: text("subresource"), fields })
    }

    fn write(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": if self.applied { "Apply" } else { "Update" },
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.write(),
        });
        if !self.subresource.is_empty() {
            entry["subresource"] = json!(self.subresource);
        }
        entry
    }

    /// Whether it is the entry for what a writer does; whoever applies has one whatever the version.
    fn is_for(&self, writer: &Writer<'_>, applied: bool) -> bool {
        self.manager == writer.manager
            && self.applied == applied
            && self.subresource == writer.subresource.unwrap_or_default()
            && (applied || self.api_version == writer.api_version)
    }

    /// As refusals name it.
    fn show(&self) -> String {
        let mut text = json!(self.manager).to_string();
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {}", json!(self.subresource));
        }
        if !self.applied {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

/// Writes down who owns the fields of `next`, which is about to take the place of `before` (null for a new object).
pub(crate) fn track(before: &Value, next: &mut Value, writer: &Writer<'_>) {
    let Some(held) = entries_of(before, next, writer.subresource.is_some()) else { return };
    let mut entries = held.clone();
    let (changed, gone) = differences(before, next, writer.shape);
    let changed = owned(changed, writer, false);
    for entry in &mut entries {
        entry.fields = entry.fields.difference(&changed).difference(&gone);
    }
    if !changed.is_empty() {
        match entries.iter_mut().find(|entry| entry.is_for(writer, false)) {
            Some(own) => {
                own.fields = own.fields.union(&changed);
                writer.time.clone_into(&mut own.time);
            }
            None => entries.push(Entry::of(writer, false, changed)),
        }
    }
    cap(&mut entries);
    store(next, entries);
}

/// The object after `applied` is put over `live` (null for a new object).
///
/// # Errors
/// 409 when others own what it would change and it is not forced; 500 for an item given twice, as the real server.
pub(crate) fn apply(live: &Value, applied: &Value, force: bool, writer: &Writer<'_>) -> Result<Value, Status> {
    if let Some(duplicate) = typed::duplicate(writer.shape, applied) {
        return Err(untyped(applied, &duplicate));
    }
    let bare = without_entries(live);
    let mut entries = entries_of(live, &Value::Null, true).unwrap_or_default();
    if entries.is_empty() && !live.is_null() {
        let everything = Writer { manager: BEFORE_FIRST_APPLY, subresource: None, ..*writer };
        let fields = owned(typed::fields(writer.shape, &bare), &everything, false);
        entries.push(Entry::of(&everything, false, fields));
    }
    let mut merged = typed::merge(writer.shape, &bare, applied);
    let wanted = typed::fields(writer.shape, applied);
    let last = entries.iter().position(|entry| entry.is_for(writer, true)).map(|index| entries.remove(index));
    if let Some(last) = &last {
        let appliers = entries.iter().filter(|entry| entry.applied).map(|entry| &entry.fields);
        let managed = appliers.fold(wanted.clone(), |all, fields| all.union(fields));
        merged = prune(writer.shape, &merged, &last.fields, &managed);
    }
    let (changed, gone) = differences(&bare, &merged, writer.shape);
    if !force {
        let taken = entries.iter().map(|entry| (entry, entry.fields.intersection(&changed)));
        let taken: Vec<(&Entry, Set)> = taken.filter(|(_, fields)| !fields.is_empty()).collect();
        if !taken.is_empty() {
            return Err(conflict(&taken));
        }
    }
    for entry in &mut entries {
        entry.fields = entry.fields.difference(&changed).difference(&gone);
    }
    let mut own = Entry::of(writer, true, owned(wanted, writer, true));
    if let Some(last) = last
        && merged == bare
        && last.fields == own.fields
    {
        own.time = last.time;
    }
    entries.push(own);
    store(&mut merged, entries);
    Ok(merged)
}

/// 500 for what does not have the form of its kind, in the real server's words.
pub(crate) fn untyped(applied: &Value, problem: &str) -> Status {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&applied["apiVersion"]), text(&applied["kind"]));
    let metadata = &applied["metadata"];
    Status::unexplained(format!(
        "failed to create typed patch object ({}/{}; {api_version}, Kind={kind}): {problem}",
        text(&metadata["namespace"]),
        text(&metadata["name"]),
    ))
}

/// Takes out what the manager applied last time, and neither applies now nor anybody else does.
fn prune(shape: &Type, merged: &Value, last: &Set, managed: &Set) -> Value {
    let ensured = |set: &Set| typed::with_structs(shape, set);
    let without = |set: &Set| typed::remove(shape, merged, set).unwrap_or_else(|| json!({}));
    let (all, last) = (ensured(&typed::fields(shape, merged)), ensured(last));
    let left = ensured(&typed::fields(shape, &without(&last)));
    let left = ensured(&typed::fields(shape, &without(&all.difference(&left.union(&ensured(managed))))));
    without(&all.difference(&left).intersection(&last))
}

fn differences(before: &Value, next: &Value, shape: &Type) -> (Set, Set) {
    let (before, next) = (without_entries(before), without_entries(next));
    typed::compare(shape, if before.is_null() { &EMPTY } else { &before }, &next)
}

static EMPTY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));

/// What of a set its writer may own.
fn owned(fields: Set, writer: &Writer<'_>, applied: bool) -> Set {
    let fields = fields.without(UNOWNED);
    match writer.subresource {
        // Of the rest only the envelope can be applied along.
        Some("status") if applied => fields.without(&[&["spec"], &["metadata"]]),
        Some("status") => fields,
        _ if writer.has_status => fields.without(&[&["status"]]),
        _ => fields,
    }
}

/// The entries to go on from: those in the written object when the client speaks of them, else the stored ones.
/// `None` when the client wishes that nobody owns anything.
fn entries_of(before: &Value, next: &Value, only_stored: bool) -> Option<Vec<Entry>> {
    let read = |object: &Value| -> Option<Vec<Entry>> {
        object["metadata"]["managedFields"].as_array()?.iter().map(Entry::read).collect()
    };
    let stored = || Some(read(before).unwrap_or_default());
    if only_stored {
        return stored();
    }
    let written = next["metadata"]["managedFields"].as_array();
    if written.is_some_and(|entries| entries.len() == 1 && entries[0].as_object().is_some_and(Map::is_empty)) {
        return Some(Vec::new());
    }
    read(next).filter(|entries| !entries.is_empty()).map_or_else(stored, Some)
}

fn without_entries(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(Value::Object(metadata)) = bare.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    bare
}

/// Joins the oldest of too many ordinary managers.
fn cap(entries: &mut Vec<Entry>) {
    let updaters = entries.iter().filter(|entry| !entry.applied).count();
    if updaters <= UPDATERS_MAX {
        return;
    }
    sort(entries);
    let first = entries.iter().position(|entry| !entry.applied).unwrap_or(0);
    for old in entries.drain(first..=first + (updaters - UPDATERS_MAX)).collect::<Vec<_>>() {
        let joined = entries.iter_mut().find(|entry| entry.manager == ANCIENT && entry.api_version == old.api_version);
        match joined {
            Some(joined) => {
                joined.fields = joined.fields.union(&old.fields);
                joined.time = joined.time.clone().max(old.time);
            }
            None => entries.push(Entry { manager: ANCIENT.to_owned(), subresource: String::new(), ..old }),
        }
    }
}

fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| {
        let key =
            |entry: &Entry| (!entry.applied, entry.time.clone(), entry.manager.clone(), entry.subresource.clone());
        key(a).cmp(&key(b))
    });
}

fn store(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    sort(&mut entries);
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".into(), entries.iter().map(Entry::write).collect());
    }
}

fn conflict(taken: &[(&Entry, Set)]) -> Status {
    let mut causes = Vec::new();
    let mut groups = Vec::new();
    for (entry, fields) in taken {
        let manager = entry.show();
        let paths = fields.paths();
        groups.push(format!("conflicts with {manager}:\n- {}", paths.join("\n- ")));
        causes.extend(paths.into_iter().map(|field| Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {manager}"),
            field,
        }));
    }
    let message = match causes.as_slice() {
        [only] => format!("Apply failed with 1 conflict: {}: {}", only.message, only.field),
        many => format!("Apply failed with {} conflicts: {}", many.len(), groups.join("\n")),
    };
    Status::apply_conflict(message, &causes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer<'a>(manager: &'a str, shape: &'a Type) -> Writer<'a> {
        let time = "2026-11-25T12:00:00Z";
        Writer { manager, subresource: None, api_version: "apps/v1", time, shape, has_status: true }
    }

    fn deployment(spec: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    }

    fn owners(object: &Value) -> Vec<(String, Vec<String>)> {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        entries.filter_map(Entry::read).map(|entry| (entry.show(), entry.fields.paths())).collect()
    }

    #[test]
    fn applying_owns_changing_conflicts_and_force_takes_over() {
        let shape = Type::of_kind("apps", "v1", "Deployment");
        let a = writer("a", &shape);
        let live = apply(&Value::Null, &deployment(&json!({"replicas": 1, "paused": true})), false, &a).unwrap();
        assert_eq!(owners(&live), [("\"a\"".into(), vec![".spec.paused".into(), ".spec.replicas".into()])]);
        let b = writer("b", &shape);
        let other = deployment(&json!({"replicas": 2}));
        let refused = apply(&live, &other, false, &b).unwrap_err().to_value();
        assert_eq!(refused["message"], "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");
        assert_eq!(refused["details"]["causes"][0]["reason"], "FieldManagerConflict");
        let forced = apply(&live, &other, true, &b).unwrap();
        assert_eq!(forced["spec"], json!({"replicas": 2, "paused": true}));
        assert_eq!(
            owners(&forced),
            [("\"a\"".into(), vec![".spec.paused".to_owned()]), ("\"b\"".into(), vec![".spec.replicas".to_owned()])]
        );
    }

    #[test]
    fn what_is_no_longer_applied_goes_unless_another_applier_owns_it() {
        let shape = Type::of_kind("apps", "v1", "Deployment");
        let (a, b) = (writer("a", &shape), writer("b", &shape));
        let both = deployment(&json!({"replicas": 1, "paused": true}));
        let live = apply(&Value::Null, &both, false, &a).unwrap();
        let live = apply(&live, &deployment(&json!({"replicas": 1})), false, &b).unwrap();
        let left = apply(&live, &deployment(&json!({"minReadySeconds": 3})), false, &a).unwrap();
        assert_eq!(left["spec"], json!({"replicas": 1, "minReadySeconds": 3}));
    }

    #[test]
    fn ordinary_writes_take_what_they_change() {
        let shape = Type::of_kind("apps", "v1", "Deployment");
        let live = apply(&Value::Null, &deployment(&json!({"replicas": 1})), false, &writer("a", &shape)).unwrap();
        let mut scaled = live.clone();
        scaled["spec"]["replicas"] = json!(2);
        track(&live, &mut scaled, &writer("scaler", &shape));
        assert_eq!(owners(&scaled), [("\"scaler\" using apps/v1".into(), vec![".spec.replicas".to_owned()])]);
        let mut same = scaled.clone();
        track(&scaled, &mut same, &writer("nobody", &shape));
        assert_eq!(same, scaled);
    }

    #[test]
    fn the_oldest_of_too_many_managers_become_one() {
        let shape = Type::of_kind("", "v1", "ConfigMap");
        let mut live = json!({"metadata": {"name": "c"}, "data": {}});
        for number in 0..14 {
            let mut next = live.clone();
            next["data"][format!("k{number}")] = json!("v");
            let (manager, time) = (format!("m{number:02}"), format!("2026-11-25T12:00:{number:02}Z"));
            track(&live, &mut next, &Writer { time: &time, ..writer(&manager, &shape) });
            live = next;
        }
        let owners = owners(&live);
        assert_eq!(owners.len(), UPDATERS_MAX);
        assert!(owners.iter().any(|(manager, fields)| manager.contains(ANCIENT) && fields.len() == 5), "{owners:?}");
    }
}
