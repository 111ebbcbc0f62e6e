//! What can be asked of a deployment that has been made. Deploying is `crate::deployments`.

use azure::{ArmError, Resource};
use serde_json::{Value, json};

use crate::provider::{Effect, Listing, Provider, Request, unknown_action};

/// Template deployments.
pub struct Deployments;

impl Provider for Deployments {
    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        match action {
            "exporttemplate" => Ok(Effect::read(json!({"template": existing.hidden().value()["template"]}))),
            "cancel" => Err(ArmError::conflict(
                "DeploymentCannotBeCancelled",
                format!("The deployment '{}' is not running and cannot be cancelled.", existing.id().name()),
            )),
            _ => Err(unknown_action(request.id, action)),
        }
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        let mut hidden = existing.hidden().value();
        let operations = hidden["operations"].take();
        if view == "operations" {
            return Ok(json!({"value": operations}));
        }
        let wanted = view.strip_prefix("operations/").unwrap_or_default();
        let mut operations = operations.as_array().into_iter().flatten();
        let found =
            operations.find(|one| one["operationId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(wanted)));
        found.cloned().ok_or_else(|| {
            ArmError::not_found(
                "DeploymentOperationNotFound",
                format!("The deployment '{}' has no '{view}'.", request.id),
            )
        })
    }

    fn list(&self, request: &mut Request<'_>) -> Result<Listing, ArmError> {
        // Those of the scope itself: a subscription's are not those of its groups.
        let deployments = request.estate.children(request.id, azure::Kind::Deployment);
        Ok(Listing::These(deployments.map(|deployment| deployment.document().value()).collect()))
    }

    fn not_found(&self, id: &azure::ResourceId) -> ArmError {
        ArmError::not_found("DeploymentNotFound", format!("Deployment '{}' could not be found.", id.name()))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}
