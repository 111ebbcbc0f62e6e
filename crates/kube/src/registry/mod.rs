//! The kinds of objects that a cluster serves: the built-in ones, and its own by custom resource definitions.
//!
//! Adding a built-in kind is adding a row. What a row does not say is the same for all kinds. The typed check decodes
//! an object into k8s-openapi's type: it finds wrong types and unknown fields.

mod built_in;

use std::{borrow::Cow, sync::Arc};

use k8s_openapi::schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{custom::Version, managed_fields::Type};

type Name = Cow<'static, str>;

/// One kind of object in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The API group; empty for core.
    pub(crate) group: Name,
    pub(crate) version: Name,
    pub(crate) kind: Name,
    pub(crate) plural: Name,
    pub(crate) singular: Name,
    pub(crate) short_names: Vec<Name>,
    pub(crate) categories: Vec<Name>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Verbs,
    /// `status`, `scale`, …
    pub(crate) subresources: Vec<&'static str>,
    pub(crate) nature: Nature,
}

/// What can be done with a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbs {
    All,
    /// Questions, whose answer is the created object; nothing is kept.
    Create,
    Read,
}

impl Verbs {
    /// By name.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Self::Create => &["create"],
            Self::Read => &["get", "list"],
        }
    }
}

/// Where a kind's form is known from.
#[derive(Debug)]
pub(crate) enum Nature {
    /// A type of Kubernetes.
    BuiltIn {
        check: fn(&Value) -> Result<Vec<String>, String>,
        /// A reference to its schema, which the generator then has.
        schema: fn(&mut SchemaGenerator) -> Schema,
    },
    /// A version of a custom resource definition.
    Custom(Arc<Version>),
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Unknown fields by their paths, or why the object does not have the form of its kind.
    pub(crate) fn check(&self, object: &Value) -> Result<Vec<String>, String> {
        match &self.nature {
            Nature::BuiltIn { check, .. } => check(object),
            Nature::Custom(version) => Ok(version.unknown_fields(object)),
        }
    }

    /// How its objects are merged field by field.
    pub(crate) fn shape(&self) -> Type {
        match &self.nature {
            Nature::BuiltIn { .. } => Type::of_kind(&self.group, &self.version, &self.kind),
            Nature::Custom(version) => version.shape.clone(),
        }
    }

    /// The custom resource definition's version it is of.
    pub(crate) fn custom(&self) -> Option<&Version> {
        match &self.nature {
            Nature::BuiltIn { .. } => None,
            Nature::Custom(version) => Some(version),
        }
    }

    /// Whether the object has a status of its own that ordinary writes do not touch.
    pub(crate) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }

    /// Whether it is of core and of that kind.
    pub(crate) fn is_core(&self, kind: &str) -> bool {
        self.group.is_empty() && self.kind == kind
    }

    /// The group under which its objects are kept: some kinds are served in two.
    pub(crate) fn home(&self) -> &str {
        match &*self.group {
            "" | "events.k8s.io" => "core",
            group => group,
        }
    }
}

/// The built-in kinds.
pub(crate) fn built_in() -> &'static [Arc<Resource>] {
    &built_in::BUILT_IN
}

/// The row of a built-in resource.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Arc<Resource>> {
    built_in().iter().find(|row| row.group == group && row.version == version && row.plural == plural)
}

/// The groups in the order they first appear, each with its versions, the preferred one first.
pub(crate) fn groups(rows: &[Arc<Resource>]) -> Vec<(&str, Vec<&str>)> {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        match seen.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, versions)) if versions.contains(&&*row.version) => {}
            Some((_, versions)) => versions.push(&row.version),
            None => seen.push((&row.group, vec![&row.version])),
        }
    }
    seen
}

/// Decodes an object into its type: the paths of fields the type does not have, or why it does not
/// decode.
fn check<T: DeserializeOwned>(object: &Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let decoded: Result<T, _> = serde_ignored::deserialize(object, |path| unknown.push(dotted(&path.to_string())));
    decoded.map(|_| unknown).map_err(|error| error.to_string())
}

/// `spec.template.spec.containers.0.foo` → `spec.template.spec.containers[0].foo`; the question
/// marks by which optional values are marked go.
fn dotted(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for part in path.split('.').filter(|part| *part != "?") {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            text += &format!("[{part}]");
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text += part;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_found_by_path_and_wrong_types_refused() {
        let deployment = find("apps", "v1", "deployments").unwrap();
        let object = json!({"spec": {"replicaz": 1, "selector": {}, "template": {"spec": {"containers": [
            {"name": "a", "imag": "x"}
        ]}}}});
        let unknown = deployment.check(&object).unwrap();
        assert_eq!(unknown, ["spec.replicaz", "spec.template.spec.containers[0].imag"]);
        assert!(deployment.check(&json!({"spec": {"replicas": "three"}})).is_err());
    }

    #[test]
    fn names_are_unique_within_a_group_and_version() {
        for row in built_in() {
            let same = |other: &&Arc<Resource>| {
                (&other.group, &other.version, &other.plural) == (&row.group, &row.version, &row.plural)
            };
            assert_eq!(built_in().iter().filter(same).count(), 1, "{}", row.plural);
        }
    }
}
