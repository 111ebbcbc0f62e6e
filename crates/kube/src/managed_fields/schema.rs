//! How values are merged: which lists are sets or are told apart by keys, which maps are one value.
//!
//! For built-in kinds this is the table `schema/merge.txt`, made by `schema/merge.py`; for custom ones it is read
//! off their schema's `x-kubernetes-list-type`, `-list-map-keys` and `-map-type`.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::{Map, Value, json};

use super::path::Element;

/// How a value of a type is merged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// As one value.
    Leaf,
    /// A map whose keys are known, each with its type; of any other key the value is a leaf.
    Struct(HashMap<String, Field>),
    /// A struct of the table.
    Named(String),
    /// A map with any keys.
    Map(Box<Type>),
    /// A list of different values.
    Set,
    /// A list whose items are told apart by keys, which may have a default.
    Keyed(Vec<(String, Option<Value>)>, Box<Type>),
    /// Whatever the value looks like: maps are merged, all else is a leaf.
    Deduced,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) shape: Type,
    /// It is there even when nobody writes it.
    pub(crate) always: bool,
}

/// A part of a value.
pub(super) struct Child<'a> {
    pub(super) element: Element,
    pub(super) value: &'a Value,
    pub(super) shape: &'a Type,
    /// A field of a struct: owned only through what is in it.
    pub(super) declared: bool,
}

static LEAF: Type = Type::Leaf;
static DEDUCED: Type = Type::Deduced;
static NOTHING: LazyLock<Type> = LazyLock::new(|| Type::Struct(HashMap::new()));

static TABLE: LazyLock<HashMap<&str, Type>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    let (mut name, mut fields) = ("", HashMap::new());
    for line in include_str!("../../schema/merge.txt").lines().chain(["."]) {
        if let Some(head) = line.strip_prefix('.') {
            table.insert(name, Type::Struct(std::mem::take(&mut fields)));
            let (next, atomic) = head.split_once(' ').unwrap_or((head, ""));
            name = next;
            if !atomic.is_empty() {
                table.insert(next, Type::Leaf);
                name = "";
            }
        } else {
            let mut words = line.split(' ');
            let (field, shape) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let always = shape.ends_with('!');
            let shape = shape_of(shape.trim_end_matches('!'), words.next().unwrap_or_default());
            fields.insert(field.to_owned(), Field { shape, always });
        }
    }
    table
});

fn shape_of(shape: &str, name: &str) -> Type {
    let named = || match name {
        "" => Type::Leaf,
        "?" => Type::Deduced,
        name => Type::Named(name.to_owned()),
    };
    match shape {
        "@" => named(),
        "{}" => Type::Map(Box::new(named())),
        "[]" => Type::Set,
        keys => {
            let keys = keys.trim_matches(['[', ']']).split(',').map(|key| match key.split_once('=') {
                Some((key, default)) => (key.to_owned(), Some(json!(default))),
                None => (key.to_owned(), None),
            });
            Type::Keyed(keys.collect(), Box::new(named()))
        }
    }
}

impl Type {
    /// The type of a kind that the table has; of any other its metadata is known and the rest deduced.
    pub(crate) fn of_kind(group: &str, version: &str, kind: &str) -> Self {
        let group = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
        let name = format!("api.{group}.{version}.{kind}");
        if TABLE.contains_key(name.as_str()) { Self::Named(name) } else { Self::custom(None) }
    }

    /// The type of a custom kind, by the structural schema of its objects if there is one.
    pub(crate) fn custom(schema: Option<&Value>) -> Self {
        let mut fields = match schema.map(Self::of_schema) {
            Some(Self::Struct(fields)) => fields,
            _ => ["spec", "status"]
                .map(|name| (name.to_owned(), Field { shape: Self::Deduced, always: false }))
                .into_iter()
                .collect(),
        };
        let metadata = Self::Named("apimachinery.pkg.apis.meta.v1.ObjectMeta".to_owned());
        fields.insert("metadata".to_owned(), Field { shape: metadata, always: true });
        Self::Struct(fields)
    }

    fn of_schema(schema: &Value) -> Self {
        let text = |name: &str| schema[name].as_str().unwrap_or_default();
        if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"].is_null() {
            return Self::Deduced;
        }
        match text("type") {
            "object" if text("x-kubernetes-map-type") == "atomic" => Self::Leaf,
            "object" if schema["properties"].is_object() => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                let field = |(name, schema): (&String, &Value)| {
                    (name.clone(), Field { shape: Self::of_schema(schema), always: false })
                };
                Self::Struct(fields.map(field).collect())
            }
            "object" if schema["additionalProperties"].is_object() => {
                Self::Map(Box::new(Self::of_schema(&schema["additionalProperties"])))
            }
            "object" => Self::Deduced,
            "array" => match text("x-kubernetes-list-type") {
                "set" => Self::Set,
                "map" => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                    let properties = &schema["items"]["properties"];
                    let keys = keys.filter_map(Value::as_str).map(|key| {
                        (key.to_owned(), Some(properties[key]["default"].clone()).filter(|value| !value.is_null()))
                    });
                    let mut keys: Vec<_> = keys.collect();
                    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
                    Self::Keyed(keys, Box::new(Self::of_schema(&schema["items"])))
                }
                _ => Self::Leaf,
            },
            _ => Self::Leaf,
        }
    }

    fn resolve(&self) -> &Self {
        match self {
            Self::Named(name) => TABLE.get(name.as_str()).unwrap_or(&NOTHING),
            other => other,
        }
    }

    /// The names of the fields that are there even when nobody writes them.
    pub(super) fn always(&self) -> impl Iterator<Item = (&str, &Self)> {
        let fields = match self.resolve() {
            Self::Struct(fields) => Some(fields),
            _ => None,
        };
        let always = fields.into_iter().flatten().filter(|(_, field)| field.always);
        always.map(|(name, field)| (name.as_str(), &field.shape))
    }

    /// The type of a field of this.
    pub(super) fn field(&self, name: &str) -> &Self {
        match self.resolve() {
            Self::Struct(fields) => fields.get(name).map_or(&LEAF, |field| &field.shape),
            Self::Map(of) => of,
            Self::Deduced => &DEDUCED,
            _ => &LEAF,
        }
    }

    /// The parts a value of this type has; `None` for what is one value.
    pub(super) fn children<'a>(&'a self, value: &'a Value) -> Option<Vec<Child<'a>>> {
        let shape = self.resolve();
        match (shape, value) {
            (Self::Struct(fields), Value::Object(held)) => Some(
                held.iter()
                    .map(|(name, value)| {
                        let shape = fields.get(name).map_or(&LEAF, |field| &field.shape);
                        Child { element: Element::field(name), value, shape, declared: true }
                    })
                    .collect(),
            ),
            (Self::Map(_) | Self::Deduced, Value::Object(held)) => {
                let of = if let Self::Map(of) = shape { of } else { &DEDUCED };
                let child = |(name, value): (&String, &'a Value)| Child {
                    element: Element::field(name),
                    value,
                    shape: of,
                    declared: false,
                };
                Some(held.iter().map(child).collect())
            }
            (Self::Set, Value::Array(items)) => Some(
                items
                    .iter()
                    .map(|value| Child { element: Element::value(value), value, shape: &LEAF, declared: false })
                    .collect(),
            ),
            (Self::Keyed(keys, of), Value::Array(items)) => {
                let child = |value: &'a Value| Child {
                    element: Element::keyed(&keys_of(keys, value)),
                    value,
                    shape: of,
                    declared: false,
                };
                Some(items.iter().map(child).collect())
            }
            _ => None,
        }
    }

    /// The type of a list's items.
    pub(super) fn item(&self) -> &Self {
        if let Self::Keyed(_, of) = self.resolve() { of } else { &LEAF }
    }

    /// Whether an element is a field of a struct, as opposed to a key of a map or an item.
    pub(super) fn declares(&self, element: &Element) -> bool {
        matches!(self.resolve(), Self::Struct(_)) && element.is_field()
    }

    /// Whether values of this type are lists.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.resolve(), Self::Set | Self::Keyed(..))
    }
}

fn keys_of(keys: &[(String, Option<Value>)], item: &Value) -> Map<String, Value> {
    let held = keys.iter().filter_map(|(key, default)| {
        let value = Some(&item[key]).filter(|value| !value.is_null()).or(default.as_ref())?;
        Some((key.clone(), value.clone()))
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_a_field_names_is_in_the_table_or_has_only_leaves() {
        let pod = Type::of_kind("", "v1", "Pod");
        assert_eq!(pod, Type::Named("api.core.v1.Pod".into()));
        let Type::Keyed(keys, of) = pod.field("spec").field("containers") else { panic!("containers are keyed") };
        assert_eq!((keys.len(), of.field("env").is_list()), (1, true));
        assert_eq!(Type::of_kind("", "v1", "Pod").field("spec").field("nodeSelector").resolve(), &Type::Leaf);
        assert_eq!(Type::Named("apimachinery.pkg.apis.meta.v1.LabelSelector".into()).resolve(), &Type::Leaf);
    }

    #[test]
    fn a_custom_schema_says_how_its_lists_merge() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                      "items": {"type": "object", "properties": {"port": {"type": "integer"}}}},
            "args": {"type": "array", "items": {"type": "string"}},
        }}}});
        let spec = Type::custom(Some(&schema));
        let spec = spec.field("spec");
        assert!(spec.field("ports").is_list() && !spec.field("args").is_list());
    }
}
