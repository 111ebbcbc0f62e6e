//! Label and field selectors, as clients write them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{registry::Resource, status::Status};

/// A label selector; all requirements must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
    Above(String, i64),
    Below(String, i64),
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    ///
    /// # Errors
    /// 400 when a requirement cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        split_outside_parentheses(text).map(parse_requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object's labels satisfy it.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|requirement| {
            let value = |key: &str| labels[key].as_str();
            let number = |key: &str| value(key)?.parse::<i64>().ok();
            match requirement {
                Requirement::In(key, values) => value(key).is_some_and(|value| values.contains(value)),
                Requirement::NotIn(key, values) => value(key).is_none_or(|value| !values.contains(value)),
                Requirement::Exists(key) => value(key).is_some(),
                Requirement::DoesNotExist(key) => value(key).is_none(),
                Requirement::Above(key, bound) => number(key).is_some_and(|number| number > *bound),
                Requirement::Below(key, bound) => number(key).is_some_and(|number| number < *bound),
            }
        })
    }
}

fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let split = text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    split.map(str::trim).filter(|part| !part.is_empty())
}

fn parse_requirement(text: &str) -> Result<Requirement, Status> {
    let unreadable = || Status::bad_request(format!("unable to parse requirement: {text:?}"));
    let one = |value: &str| BTreeSet::from([value.trim().to_owned()]);
    let set = |list: &str| -> Result<BTreeSet<String>, Status> {
        let list = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')')).ok_or_else(unreadable)?;
        Ok(list.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key.trim().to_owned(), one(value)));
    }
    if let Some((key, list)) = text.split_once(" notin ") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), set(list)?));
    }
    if let Some((key, list)) = text.split_once(" in ") {
        return Ok(Requirement::In(key.trim().to_owned(), set(list)?));
    }
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement::DoesNotExist(key.trim().to_owned()));
    }
    let bound = |bound: &str| bound.trim().parse().map_err(|_| unreadable());
    if let Some((key, number)) = text.split_once('>') {
        return Ok(Requirement::Above(key.trim().to_owned(), bound(number)?));
    }
    if let Some((key, number)) = text.split_once('<') {
        return Ok(Requirement::Below(key.trim().to_owned(), bound(number)?));
    }
    if text.contains([' ', '(', ')']) {
        return Err(unreadable());
    }
    Ok(Requirement::Exists(text.to_owned()))
}

/// The fields that can be selected by beside name and namespace, of each kind.
///
/// Source: the field label conversions of kubernetes/kubernetes `pkg/apis/*/v1/conversion.go`.
const FIELDS: &[(&str, &[&str])] = &[
    ("Namespace", &["status.phase"]),
    ("Node", &["spec.unschedulable"]),
    ("Secret", &["type"]),
    ("Service", &["spec.clusterIP", "spec.type"]),
    ("ReplicationController", &["status.replicas"]),
    ("ReplicaSet", &["status.replicas"]),
    ("Job", &["status.successful"]),
    (
        "Pod",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
    ),
    (
        "Event",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
];

/// A field selector: paths and the values they must or must not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads `metadata.name=a,spec.nodeName!=b`.
    ///
    /// # Errors
    /// 400 when a part is no comparison.
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let comparisons = parts.map(|part| {
            let (path, equal, value) = match part.split_once("!=") {
                Some((path, value)) => (path, false, value),
                None => part
                    .split_once("==")
                    .or_else(|| part.split_once('='))
                    .map(|(path, value)| (path, true, value))
                    .ok_or_else(|| Status::bad_request(format!("invalid selector: {part:?}; can't understand")))?,
            };
            Ok((path.trim().to_owned(), equal, value.trim().to_owned()))
        });
        comparisons.collect::<Result<_, _>>().map(Self)
    }

    /// Whether objects of a kind can be selected so.
    ///
    /// # Errors
    /// 400 for a field that the real server does not select by.
    pub(crate) fn check(&self, row: &Resource) -> Result<(), Status> {
        let known = FIELDS
            .iter()
            .find(|(kind, _)| row.custom().is_none() && *kind == row.kind)
            .map_or(&[][..], |(_, fields)| fields);
        let wrong = self.0.iter().find(|(path, ..)| {
            !matches!(path.as_str(), "metadata.name" | "metadata.namespace") && !known.contains(&path.as_str())
        });
        match wrong {
            Some((path, ..)) => Err(Status::bad_request(format!("field label not supported: {path}"))),
            None => Ok(()),
        }
    }

    /// Whether an object satisfies it; a field that is not there counts as false, zero or empty.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(path, equal, wanted)| {
            let path_in_object = match path.as_str() {
                "status.successful" => "status.succeeded",
                "source" => "source.component",
                path => path,
            };
            let found = path_in_object.split('.').fold(object, |value, part| &value[part]);
            let found = match found {
                Value::Null if matches!(path.as_str(), "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
                Value::Null if matches!(path.as_str(), "status.replicas" | "status.successful") => "0".to_owned(),
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (found == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_select() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "age": "7"}}});
        let selects = |text: &str| LabelSelector::parse(text).unwrap().matches(&object);
        for text in
            ["", "app=web", "app==web,tier", "app in (web, db)", "tier notin (back)", "!gone", "gone!=x", "age>6"]
        {
            assert!(selects(text), "{text}");
        }
        for text in ["app=db", "!app", "gone", "app notin (web)", "app!=web", "tier in (back,middle)", "age<7", "app>1"]
        {
            assert!(!selects(text), "{text}");
        }
        assert!(LabelSelector::parse("a in b").is_err());
    }

    #[test]
    fn field_selectors_select() {
        let object = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}});
        let selects = |text: &str| FieldSelector::parse(text).unwrap().matches(&object);
        assert!(selects("metadata.name=p,spec.nodeName!=m,status.phase="));
        assert!(!selects("metadata.name==q"));
        assert!(FieldSelector::parse("what").is_err());
        assert!(selects("spec.unschedulable=false"));
    }
}
