//! What clients are warned of when they make something that is kept here without effect.

use serde_json::Value;

use crate::registry::Resource;

/// The warning that comes with a new object, if there is any.
pub(crate) fn of(row: &Resource, object: &Value) -> Option<&'static str> {
    if row.custom().is_some() {
        return None;
    }
    match &*row.kind {
        "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding" => {
            Some("this cluster does not evaluate mutating admission policies: the object is kept without effect")
        }
        "APIService" if object["spec"]["service"].is_object() => {
            Some("this cluster does not aggregate other API servers: the object is kept without effect")
        }
        "CustomResourceDefinition" if object["spec"]["conversion"]["strategy"] == "Webhook" => {
            Some("this cluster does not call conversion webhooks: versions differ by name alone")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry;

    #[test]
    fn only_what_has_no_effect_is_warned_of() {
        let row = |group, plural| registry::find(group, "v1", plural).unwrap();
        assert!(of(row("", "resourcequotas"), &json!({})).is_none());
        assert!(of(row("", "configmaps"), &json!({})).is_none());
        let definition = |strategy: &str| json!({"spec": {"conversion": {"strategy": strategy}}});
        let definitions = row("apiextensions.k8s.io", "customresourcedefinitions");
        assert!(of(definitions, &definition("Webhook")).is_some());
        assert!(of(definitions, &definition("None")).is_none());
    }
}
