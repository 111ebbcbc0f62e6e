//! Sets of fields: what a manager owns, as `fieldsV1` writes it.
//!
//! An element of a path is kept as it is written: `f:name` for a field, `k:{"name":"a"}` for an item of a list
//! that is told apart by keys, `v:"a"` for a member of a set. Source: sigs.k8s.io/structured-merge-diff
//! `fieldpath`, whose `Set` this is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::{Map, Value, json};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element(Box<str>);

impl Element {
    pub(super) fn field(name: &str) -> Self {
        Self(format!("f:{name}").into())
    }

    /// An item by the values of its keys, which are in the order of their names.
    pub(super) fn keyed(keys: &Map<String, Value>) -> Self {
        Self(format!("k:{}", Value::Object(keys.clone())).into())
    }

    pub(super) fn value(value: &Value) -> Self {
        Self(format!("v:{value}").into())
    }

    pub(super) fn is_field(&self) -> bool {
        self.0.starts_with("f:")
    }

    /// The name of a field.
    pub(super) fn name(&self) -> &str {
        self.0.get(2..).unwrap_or_default()
    }

    /// `.spec`, `[name="a"]`, `[="a"]`: as refusals name it.
    fn show(&self, text: &mut String) {
        let rest = self.name();
        if self.is_field() {
            text.push('.');
            text.push_str(rest);
        } else if let Ok(Value::Object(keys)) = serde_json::from_str(rest) {
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let _ = write!(text, "[{}]", pairs.join(","));
        } else {
            let _ = write!(text, "[={rest}]");
        }
    }
}

/// A set of paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Set {
    pub(super) members: BTreeSet<Element>,
    pub(super) children: BTreeMap<Element, Set>,
}

impl Set {
    /// Reads `fieldsV1`; `None` for anything else.
    pub(crate) fn read(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (name, below) in fields.as_object()? {
            let below = below.as_object()?;
            let element = Element(name.as_str().into());
            if below.is_empty() || below.contains_key(".") {
                set.members.insert(element.clone());
            }
            let below: Map<String, Value> = below
                .iter()
                .filter(|(name, _)| *name != ".")
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !below.is_empty() {
                set.children.insert(element, Self::read(&Value::Object(below))?);
            }
        }
        Some(set)
    }

    /// As `fieldsV1`.
    pub(crate) fn write(&self) -> Value {
        let names: BTreeSet<&Element> = self.members.iter().chain(self.children.keys()).collect();
        let fields = names.into_iter().map(|name| {
            let mut below = self.children.get(name).map_or_else(|| json!({}), Self::write);
            if let Value::Object(fields) = &mut below
                && !fields.is_empty()
                && self.members.contains(name)
            {
                fields.shift_insert(0, ".".to_owned(), json!({}));
            }
            (name.0.to_string(), below)
        });
        Value::Object(fields.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Puts what is below an element into it.
    pub(super) fn attach(&mut self, element: Element, below: Self) {
        if !below.is_empty() {
            self.children.insert(element, below);
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.members.extend(other.members.iter().cloned());
        for (element, below) in &other.children {
            let joined = all.children.get(element).map_or_else(|| below.clone(), |held| held.union(below));
            all.children.insert(element.clone(), joined);
        }
        all
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut rest = Self { members: self.members.difference(&other.members).cloned().collect(), ..Self::default() };
        for (element, below) in &self.children {
            let left = other.children.get(element).map_or_else(|| below.clone(), |gone| below.difference(gone));
            rest.attach(element.clone(), left);
        }
        rest
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both =
            Self { members: self.members.intersection(&other.members).cloned().collect(), ..Self::default() };
        for (element, below) in &self.children {
            if let Some(other) = other.children.get(element) {
                both.attach(element.clone(), below.intersection(other));
            }
        }
        both
    }

    /// Without the paths given by the names of their fields, and whatever lies below them.
    pub(super) fn without(mut self, paths: &[&[&str]]) -> Self {
        for path in paths {
            self.cut(path);
        }
        self
    }

    fn cut(&mut self, path: &[&str]) {
        let [first, rest @ ..] = path else { return };
        let element = Element::field(first);
        if rest.is_empty() {
            self.members.remove(&element);
            self.children.remove(&element);
        } else if let Some(below) = self.children.get_mut(&element) {
            below.cut(rest);
            if below.is_empty() {
                self.children.remove(&element);
            }
        }
    }

    /// Every path in words: `.spec.template.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(&mut String::new(), &mut found);
        found
    }

    fn walk(&self, prefix: &mut String, found: &mut Vec<String>) {
        let names: BTreeSet<&Element> = self.members.iter().chain(self.children.keys()).collect();
        for name in names {
            let length = prefix.len();
            name.show(prefix);
            if self.members.contains(name) {
                found.push(prefix.clone());
            }
            if let Some(below) = self.children.get(name) {
                below.walk(prefix, found);
            }
            prefix.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_is_written() {
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:replicas": {}}});
        let set = Set::read(&fields).unwrap();
        assert_eq!(set.write(), fields);
        assert_eq!(set.paths(), [".metadata.labels", ".metadata.labels.app", ".spec.replicas"]);
        assert_eq!(set.clone().without(&[&["metadata", "labels"]]).paths(), [".spec.replicas"]);
        assert_eq!(Set::read(&json!({"f:x": 1})), None);
    }

    #[test]
    fn items_are_named_by_their_keys() {
        let fields = json!({"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}, "v:\"x\"": {}});
        assert_eq!(Set::read(&fields).unwrap().paths(), ["[name=\"a\"]", "[name=\"a\"].image", "[=\"x\"]"]);
    }
}
