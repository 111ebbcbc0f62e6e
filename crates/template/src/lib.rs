//! ARM templates: parameters, variables, expressions, and the resources they come to.
//!
//! Pure: what a template asks of the world around it (the group it is deployed to, the state of a
//! resource) comes through [`World`]. Nothing a template says is ever ignored: a function, a version
//! or a shape nobody here knows is a [`Problem`], which becomes Azure's `InvalidTemplate`.
//!
//! Everything is bounded: nesting, loops, the number of resources and the work an evaluation does.
//!
//! Source: "Understand the structure and syntax of ARM templates" and "ARM template functions".

mod arguments;
mod check;
mod collections;
mod dates;
mod evaluate;
mod hash;
mod inputs;
mod lenient;
mod logic;
mod numbers;
mod outputs;
mod plan;
mod references;
mod syntax;
#[cfg(test)]
mod tests;
mod texts;

use azure::{ArmError, ResourceId};
use serde_json::Value;

pub use evaluate::Scope;
pub use inputs::{Budget, Inputs, declared_parameters, read_inputs};
pub use lenient::lenient;
pub use outputs::outputs;
pub use plan::{Planned, plan};

/// Most resources of one template, copies counted; Azure's limit.
pub const RESOURCES_MAX: usize = 800;
/// Most parameters, variables and outputs, each; Azure's limits are 256, 256 and 64.
const NAMES_MAX: usize = 256;

/// Why a template cannot be evaluated: one sentence, without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The sentence.
    pub message: String,
}

impl Problem {
    /// The problem that `message` says.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// Azure's refusal of a template before anything is deployed.
    pub fn invalid(self) -> ArmError {
        let message = format!("Deployment template validation failed: '{}'.", self.message.trim_end_matches('.'));
        ArmError::bad_request("InvalidTemplate", message)
    }

    /// Azure's refusal of an expression of the resource `id`.
    pub fn of_resource(&self, id: &ResourceId) -> ArmError {
        ArmError::bad_request(
            "InvalidTemplate",
            format!(
                "Unable to process template language expressions for resource '{id}'. '{}'",
                self.message.trim_end_matches('.')
            ),
        )
    }

    /// Azure's refusal of an expression of an output.
    pub fn of_outputs(self) -> ArmError {
        ArmError::bad_request(
            "DeploymentOutputEvaluationFailed",
            format!("Unable to evaluate template outputs: '{}'.", self.message.trim_end_matches('.')),
        )
    }
}

/// What a template can ask of the world it is deployed into.
pub trait World {
    /// Where it is deployed: a resource group or a subscription.
    fn scope(&self) -> &ResourceId;

    /// `resourceGroup()`; a problem where there is none.
    fn resource_group(&self) -> Result<Value, Problem>;

    /// `subscription()`.
    fn subscription(&self) -> Value;

    /// `tenant()`.
    fn tenant(&self) -> Value;

    /// `environment()`.
    fn environment(&self) -> Value;

    /// `deployment()`.
    fn deployment(&self) -> Value;

    /// The state of a resource: its properties, or with `full` the whole document.
    fn reference(&self, id: &ResourceId, full: bool) -> Result<Value, Problem>;

    /// `list…(id)`: what the action `action` of a resource answers to `body`.
    fn list(&self, id: &ResourceId, action: &str, body: Value) -> Result<Value, Problem>;

    /// `utcNow()`.
    fn now(&self) -> jiff::Timestamp;

    /// `newGuid()`.
    fn new_guid(&self) -> String;
}
