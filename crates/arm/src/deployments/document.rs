//! The documents of deployments and of their operations.

use std::collections::BTreeMap;

use azure::{ArmError, Kind, Resource, ResourceId};
use http::StatusCode;
use serde_json::{Value, json};

use super::run::Deployment;
use crate::{provider::Entropy, provider::wire_type, scene::Scene, wire};

/// A deployment's document in the making.
pub(super) struct Document {
    value: Value,
    operations: Vec<Value>,
}

impl Document {
    /// The envelope and what is known before anything is deployed.
    pub(super) fn new(
        id: &ResourceId,
        deployment: &Deployment,
        scene: &Scene<'_>,
        body: &Value,
        entropy: &mut Entropy,
    ) -> Self {
        let mut value = json!({
            "id": id,
            "name": id.name(),
            "type": Kind::Deployment.arm_type(),
            "properties": {
                "templateHash": template_hash(&deployment.body.template),
                "parameters": template::declared_parameters(&deployment.body.template, &deployment.inputs),
                "mode": deployment.body.mode.as_str(),
                "provisioningState": "Running",
                "timestamp": scene.now.to_string(),
                "duration": "PT0S",
                "correlationId": entropy.guid(),
                "providers": namespaces(deployment),
                "dependencies": dependencies(deployment),
            },
        });
        for key in ["location", "tags"] {
            if !body[key].is_null() {
                value[key] = body[key].clone();
            }
        }
        Self { value, operations: Vec::new() }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.value["properties"][name] = value;
    }

    /// Notes what became of one resource.
    pub(super) fn note(
        &mut self,
        scene: &Scene<'_>,
        target: Option<&ResourceId>,
        outcome: Result<StatusCode, &ArmError>,
        entropy: &mut Entropy,
    ) {
        let operation = entropy.hex(16).to_uppercase();
        let (state, status, message) = match outcome {
            Ok(status) => ("Succeeded", status, None),
            Err(error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
                ("Failed", status, Some(json!({"error": wire::envelope(error)})))
            }
        };
        let mut properties = json!({
            "provisioningOperation": if target.is_some() { "Create" } else { "EvaluateDeploymentOutput" },
            "provisioningState": state,
            "timestamp": scene.now.to_string(),
            "duration": "PT0S",
            "trackingId": entropy.guid(),
            "serviceRequestId": entropy.guid(),
            "statusCode": status.canonical_reason().unwrap_or_default().replace(' ', ""),
        });
        if let Some(target) = target {
            properties["targetResource"] = described(target);
        }
        if let Some(message) = message {
            properties["statusMessage"] = message;
        }
        let id = self.value["id"].as_str().unwrap_or_default();
        self.operations.push(json!({
            "id": format!("{id}/operations/{operation}"),
            "operationId": operation,
            "properties": properties,
        }));
    }

    pub(super) fn into_value(self) -> Value {
        self.value
    }

    /// The resource that is stored; its template and its operations are asked for by other paths.
    pub(super) fn into_resource(self, id: &ResourceId, template: &Value) -> Resource {
        let hidden = json!({"template": template, "operations": self.operations});
        Resource::with_hidden(id.clone(), &self.value, &hidden)
    }
}

fn described(id: &ResourceId) -> Value {
    json!({"id": id, "resourceType": wire_type(id), "resourceName": id.name()})
}

/// A number that is the same for the same template, as Azure shows one.
fn template_hash(template: &Value) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    hasher.finish().to_string()
}

/// Each namespace with the types and places the template's resources are of.
fn namespaces(deployment: &Deployment) -> Value {
    let mut found: BTreeMap<String, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    for planned in &deployment.plan {
        let full = wire_type(&planned.id);
        let Some((namespace, resource_type)) = full.split_once('/') else { continue };
        let places = found.entry(namespace.to_owned()).or_default().entry(resource_type.to_owned()).or_default();
        // A place that is an expression is only known once it is evaluated.
        let place = planned.declared["location"].as_str().filter(|place| !place.starts_with('['));
        let place = place.map_or(Value::Null, |place| json!(place));
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let types = |types: BTreeMap<String, Vec<Value>>| -> Value {
        types.into_iter().map(|(name, places)| json!({"resourceType": name, "locations": places})).collect()
    };
    found.into_iter().map(|(namespace, found)| json!({"namespace": namespace, "resourceTypes": types(found)})).collect()
}

fn dependencies(deployment: &Deployment) -> Value {
    let dependent = deployment.plan.iter().filter(|planned| !planned.depends_on.is_empty());
    dependent
        .map(|planned| {
            let mut entry = described(&planned.id);
            entry["dependsOn"] = planned.depends_on.iter().map(described).collect();
            entry
        })
        .collect()
}
