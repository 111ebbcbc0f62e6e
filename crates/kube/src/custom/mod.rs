//! Custom resource definitions: kinds that a cluster's users bring.
//!
//! A definition is compiled into one [`Resource`] for each version it serves, and kept compiled as long as it stays as
//! it is. Objects are stored once, whatever the version; versions differ by name alone (conversion strategy `None`).

mod definition;
mod paths;
mod rules;
mod structural;
mod validation;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use store::{KeyValue, Revision};

use crate::{
    managed_fields::Type,
    registry::{Nature, Resource, Verbs},
    status::Cause,
};

pub(crate) use definition::{complete, validate};
pub(crate) use paths::Path;
use rules::Rules;

/// Definitions kept compiled, of all clusters together.
const COMPILED_MAX: usize = 20_000;

/// One version of a definition, ready for use.
#[derive(Debug)]
pub(crate) struct Version {
    /// `openAPIV3Schema`.
    pub(crate) schema: Value,
    pub(crate) shape: Type,
    pub(crate) columns: Vec<Column>,
    pub(crate) scale: Option<ScalePaths>,
    /// What to warn of when it is used.
    pub(crate) warning: Option<String>,
    patterns: validation::Patterns,
    rules: Rules,
}

/// A column that `kubectl get` shows.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) value_type: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: Path,
}

/// Where an object has what its `scale` is made of.
#[derive(Debug)]
pub(crate) struct ScalePaths {
    pub(crate) wanted: Path,
    pub(crate) held: Path,
    pub(crate) selector: Option<Path>,
}

impl Version {
    fn compile(definition: &Value, version: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let schema = version["schema"]["openAPIV3Schema"].clone();
        let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
        let columns = columns.map(|column| Column {
            name: text(&column["name"]),
            value_type: text(&column["type"]),
            format: text(&column["format"]),
            description: text(&column["description"]),
            priority: column["priority"].as_i64().unwrap_or(0),
            path: Path::parse(column["jsonPath"].as_str().unwrap_or_default()),
        });
        let path = |value: &Value| value.as_str().map(Path::parse);
        let scale = &version["subresources"]["scale"];
        let scale = path(&scale["specReplicasPath"])
            .zip(path(&scale["statusReplicasPath"]))
            .map(|(wanted, held)| ScalePaths { wanted, held, selector: path(&scale["labelSelectorPath"]) });
        let (group, kind) = (text(&definition["spec"]["group"]), text(&definition["spec"]["names"]["kind"]));
        let name = text(&version["name"]);
        let warning = (version["deprecated"] == true).then(|| {
            version["deprecationWarning"].as_str().map_or(format!("{group}/{name} {kind} is deprecated"), str::to_owned)
        });
        Self {
            shape: Type::custom(Some(&schema)),
            columns: columns.collect(),
            scale,
            warning,
            patterns: validation::patterns(&schema),
            rules: Rules::compile(&schema),
            schema,
        }
    }

    /// Fields that the schema does not know.
    pub(crate) fn unknown_fields(&self, object: &Value) -> Vec<String> {
        structural::unknown(&self.schema, object)
    }

    /// Takes out what the schema does not know and puts in what it has by default.
    pub(crate) fn complete(&self, object: &mut Value) {
        structural::prune(&self.schema, object);
        structural::default(&self.schema, object);
    }

    /// What is wrong with an object; `before` is what it takes the place of.
    pub(crate) fn validate(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        let mut causes = validation::validate(&self.schema, object, &self.patterns);
        // Rules speak of objects that have the right form.
        if causes.is_empty() {
            causes = self.rules.check(object, before);
        }
        causes
    }
}

/// The kinds that a definition serves.
fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(|name| text(name).into()).collect::<Vec<_>>();
    let mut versions: Vec<&Value> = spec["versions"].as_array().into_iter().flatten().collect();
    versions.sort_by_key(|version| std::cmp::Reverse(priority(version["name"].as_str().unwrap_or_default())));
    let served = versions.into_iter().filter(|version| version["served"] == true);
    let resource = |version: &Value| {
        let subresources = ["scale", "status"].into_iter().filter(|name| version["subresources"][name].is_object());
        Arc::new(Resource {
            group: text(&spec["group"]).into(),
            version: text(&version["name"]).into(),
            kind: text(&names["kind"]).into(),
            plural: text(&names["plural"]).into(),
            singular: text(&names["singular"]).into(),
            short_names: list(&names["shortNames"]),
            categories: list(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            verbs: Verbs::All,
            subresources: subresources.collect(),
            nature: Nature::Custom(Arc::new(Version::compile(definition, version))),
        })
    };
    served.map(resource).collect()
}

/// How versions are ordered: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then any other names.
fn priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let other = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return other };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(digits);
    let Ok(major) = major.parse() else { return other };
    let minor = |text: &str| text.parse().ok();
    let order = match stage {
        "" => Some((3, major, 0)),
        stage => stage
            .strip_prefix("beta")
            .and_then(minor)
            .map(|minor| (2, major, minor))
            .or_else(|| stage.strip_prefix("alpha").and_then(minor).map(|minor| (1, major, minor))),
    };
    order.map_or(other, |(stage, major, minor)| (stage, major, minor, std::cmp::Reverse(String::new())))
}

/// The definitions that are in use, compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled(Mutex<HashMap<String, (Revision, Kinds)>>);

/// What a definition serves.
type Kinds = Arc<Vec<Arc<Resource>>>;

impl Compiled {
    /// What the definition in a store's entry serves.
    pub(crate) fn of(&self, entry: &KeyValue) -> Kinds {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, known)) = lock().get(&*entry.key)
            && *revision == entry.mod_revision
        {
            return Arc::clone(known);
        }
        let definition: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let compiled = Arc::new(resources(&definition));
        let mut all = lock();
        if all.len() >= COMPILED_MAX {
            all.clear();
        }
        all.insert(entry.key.to_string(), (entry.mod_revision, Arc::clone(&compiled)));
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_clients_prefer_them() {
        let mut versions = ["v1alpha1", "foo", "v10", "v1beta2", "v2", "v1", "v1beta1", "v11alpha2"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v11alpha2", "v1alpha1", "foo"]);
    }
}
