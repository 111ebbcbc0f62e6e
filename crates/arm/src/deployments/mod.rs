//! `Microsoft.Resources/deployments`: a template is evaluated and its resources are written, each by
//! the very path that a `PUT` of it takes, in one transaction with the record of the deployment.
//!
//! As in Azure, what was written before a resource is refused stays, what depends on the refused one
//! is not tried, and the deployment has failed. A template that makes no sense changes nothing.

mod body;
mod document;
mod run;
mod what_if;
mod world;

use azure::{ArmError, Kind, Resource, ResourceId};
use serde_json::{Value, json};

pub(crate) use run::put;

use self::{body::Body, document::Document, run::Deployment};
use crate::{
    provider::{Effect, Entropy},
    scene::Scene,
};

/// Longest name of a deployment, in characters.
const NAME_LEN_MAX: usize = 64;
/// Deployments that a scope remembers; Azure's limit.
const HISTORY_MAX: usize = 800;

/// What can be asked of a deployment that need not exist: `validate` and `whatif`, in lower case.
/// `None` for any other action.
pub(crate) fn ask(
    scene: &Scene<'_>,
    id: &ResourceId,
    body: &Value,
    action: &str,
    entropy: &mut Entropy,
) -> Option<Result<Effect, ArmError>> {
    match action {
        "validate" => Some(validate(scene, id, body, entropy).map(Effect::read)),
        "whatif" => Some(what_if::answer(scene, id, body, entropy).map(Effect::read)),
        _ => None,
    }
}

fn validate(scene: &Scene<'_>, id: &ResourceId, body: &Value, entropy: &mut Entropy) -> Result<Value, ArmError> {
    check(scene, id, body)?;
    let deployment = Deployment::read(scene, id, Body::read(body)?, None)?;
    deployment.preflight(scene)?;
    let mut document = Document::new(id, &deployment, scene, body, entropy);
    let resources: Vec<Value> = deployment.plan.iter().map(|planned| json!({"id": planned.id})).collect();
    document.set("provisioningState", json!("Succeeded"));
    document.set("validatedResources", json!(resources));
    Ok(document.into_value())
}

/// The group is there, the name is one, and a deployment to a subscription says where it is kept.
fn check(scene: &Scene<'_>, id: &ResourceId, body: &Value) -> Result<(), ArmError> {
    scene.check_group(id)?;
    let name = id.name();
    let allowed = |letter: char| letter.is_alphanumeric() || "-_.()".contains(letter);
    if name.chars().count() > NAME_LEN_MAX || !name.chars().all(allowed) {
        return Err(ArmError::bad_request(
            "InvalidDeploymentName",
            format!(
                "The provided deployment name '{name}' is not valid: it has at most {NAME_LEN_MAX} letters, digits, '-', '_', '.', '(' and ')'."
            ),
        ));
    }
    let subscription = id.parent().is_some_and(|scope| Kind::of(&scope) == Kind::Subscription);
    match (subscription, body["location"].as_str().filter(|location| !location.is_empty())) {
        (true, None) => Err(ArmError::bad_request(
            "LocationRequired",
            format!("The 'location' property must be specified for '{name}'."),
        )),
        (false, Some(_)) => Err(ArmError::bad_request(
            "InvalidDeployment",
            "The 'location' property is not allowed for deployments at resource group scope. Please see https://aka.ms/deploy-to-subscription for usage details.",
        )),
        _ => Ok(()),
    }
}

/// The oldest deployments of a scope, when it remembers more than it may once one is added.
fn forgotten(scene: &Scene<'_>, id: &ResourceId) -> Vec<ResourceId> {
    let Some(scope) = id.parent() else { return Vec::new() };
    let mut kept: Vec<(String, ResourceId)> = scene
        .estate
        .children(&scope, Kind::Deployment)
        .filter(|other| other.id() != id)
        .map(|other| (timestamp(other), other.id().clone()))
        .collect();
    kept.sort();
    let spare = (kept.len() + 1).saturating_sub(HISTORY_MAX);
    kept.into_iter().take(spare).map(|(_, id)| id).collect()
}

fn timestamp(deployment: &Resource) -> String {
    deployment.document().value()["properties"]["timestamp"].as_str().unwrap_or_default().to_owned()
}
