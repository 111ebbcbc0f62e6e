//! The estate while it is being gathered: documents by id, and what was noticed on the way.

use std::collections::{BTreeMap, BTreeSet};

use azure::{Change, Estate, Kind, Resource, ResourceId};
use serde_json::{Map, Value};

use crate::{Error, Imported, SourceFinding, complete, document};

/// What is known of one resource.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// The document as ARM writes it, without embedded children.
    pub(crate) document: Map<String, Value>,
    /// What the model wants to know and ARM's document does not say.
    pub(crate) hidden: Map<String, Value>,
}

/// Documents gathered so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) entries: BTreeMap<ResourceId, Entry>,
    /// Clusters, interfaces and resolver endpoints that Azure has not made yet, or of which the source cannot have what
    /// Azure makes with them.
    pub(crate) declared: BTreeSet<ResourceId>,
    /// Whether a source said that it has everything: then nothing means that there is nothing.
    pub(crate) may_be_empty: bool,
    /// What an inventory named, with or without documents.
    pub(crate) seen: BTreeSet<ResourceId>,
    findings: Vec<SourceFinding>,
    unmodelled: BTreeMap<String, usize>,
    nameless: BTreeMap<String, usize>,
}

impl Draft {
    pub(crate) fn find(&mut self, finding: SourceFinding) {
        self.findings.push(finding);
    }

    /// An object that names no resource, in `place`.
    pub(crate) fn nameless(&mut self, place: &str) {
        *self.nameless.entry(place.to_owned()).or_default() += 1;
    }

    /// Takes in the resource `id`, in any of the shapes that Azure's tools give it, with what is embedded in it.
    pub(crate) fn add(&mut self, id: ResourceId, object: Map<String, Value>) {
        let kind = Kind::of(&id);
        let mut document = document::normal(kind, object);
        let hidden = document::hidden(kind, &document);
        for (child, object) in document::take_children(&id, kind, &mut document) {
            self.add(child, object);
        }
        self.put(id, kind, Entry { document, hidden });
    }

    /// What comes second adds to what came first, and is believed where they differ.
    fn put(&mut self, id: ResourceId, kind: Kind, entry: Entry) {
        let Some(held) = self.entries.get_mut(&id) else {
            if kind == Kind::Other {
                *self.unmodelled.entry(id.resource_type()).or_default() += 1;
            }
            self.entries.insert(id, entry);
            return;
        };
        let mut differs = BTreeSet::new();
        for (key, value) in entry.document {
            match (held.document.get_mut(&key), value) {
                (Some(Value::Object(held)), Value::Object(new)) if key == "properties" => {
                    for (key, value) in new.into_iter().filter(|(_, value)| !value.is_null()) {
                        if held.get(&key).is_some_and(|old| *old != value && key != "provisioningState") {
                            differs.insert(key.clone());
                        }
                        held.insert(key, value);
                    }
                }
                (Some(_), Value::Null) => {}
                (_, value) => drop(held.document.insert(key, value)),
            }
        }
        held.hidden.extend(entry.hidden);
        if !differs.is_empty() {
            let names: Vec<_> = differs.into_iter().collect();
            let message = format!("it is described twice, with different {}: the later one counts", names.join(", "));
            self.findings.push(SourceFinding::note("DescribedTwice", message).of(&id));
        }
    }

    /// What was noticed first.
    pub(crate) fn first_finding(&self) -> Option<String> {
        self.findings.first().map(|finding| finding.message.clone())
    }

    /// The estate of what was gathered.
    ///
    /// # Errors
    /// When that is nothing.
    pub(crate) fn finish(mut self, origin: String) -> Result<Imported, Error> {
        if self.entries.is_empty() && !self.may_be_empty {
            return Err(Error::NothingRead { origin });
        }
        for (place, count) in std::mem::take(&mut self.nameless) {
            let message = match count {
                1 => "an object without a resource `id` is left out (a `--query` may have dropped it)".to_owned(),
                n => format!("{n} objects without a resource `id` are left out (a `--query` may have dropped it)"),
            };
            self.findings.push(SourceFinding::note("NoResourceId", message).at(place));
        }
        for (arm_type, count) in std::mem::take(&mut self.unmodelled) {
            let message = format!("{count} of type {arm_type}: kept, but not acted on");
            self.findings.push(SourceFinding::note("NotModelled", message));
        }
        complete::public_addresses(&mut self);
        let mut changes = Vec::with_capacity(self.entries.len());
        for (id, entry) in self.entries {
            let (document, hidden) = (Value::Object(entry.document), Value::Object(entry.hidden));
            changes.push(Change::put(Resource::with_hidden(id, &document, &hidden)));
        }
        let mut estate = Estate::default().apply(1, &changes);
        drop(changes);
        complete::complete(&mut estate, &self.declared, &mut self.findings);
        self.findings.sort();
        self.findings.dedup();
        Ok(Imported { estate, findings: self.findings, origin })
    }
}
