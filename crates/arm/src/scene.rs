//! What a request finds: the estate, the operations under way, the lab, the time. Pure lookups and
//! the checks that ARM itself makes before any provider is asked.

use std::sync::Arc;

use azure::{ArmError, Estate, Kind, Resource, ResourceId};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    operations::{Act, Operation, Operations},
    plane::Pace,
    provider::{Entropy, Lab, Request, wire_type},
    providers::{self, groups::group_not_found, resources},
};

/// What there is when a request comes.
pub(crate) struct Scene<'a> {
    pub(crate) estate: &'a Estate,
    pub(crate) operations: &'a Operations,
    pub(crate) lab: &'a Lab,
    pub(crate) pace: Pace,
    pub(crate) now: Timestamp,
}

impl<'a> Scene<'a> {
    /// The request a provider sees.
    pub(crate) fn request<'b>(
        &'b self,
        id: &'b ResourceId,
        query: Vec<(String, String)>,
        body: Value,
        entropy: &'b mut Entropy,
    ) -> Request<'b> {
        Request { estate: self.estate, id, body, query, lab: self.lab, now: self.now, entropy }
    }

    /// The id with the spelling of what is there already and of known types.
    pub(crate) fn canonical(&self, id: &ResourceId) -> ResourceId {
        if let Some(resource) = self.estate.get(id) {
            return resource.id().clone();
        }
        match Kind::of(id) {
            Kind::Subscription => return ResourceId::subscription_scope(&self.lab.subscription),
            Kind::ResourceGroup => return ResourceId::group(&self.lab.subscription, id.name()),
            _ => {}
        }
        let Some(parent) = id.parent() else { return id.clone() };
        let parent = self.canonical(&parent);
        let resource_type = wire_type(id);
        match resource_type.match_indices('/').nth(1) {
            None => parent.resource(&resource_type, id.name()),
            Some(_) => parent.child(resource_type.rsplit('/').next().unwrap_or_default(), id.name()),
        }
    }

    /// The nearest stored resource at or above `id`, and what is left of the path below it, in
    /// lower case. Groups and subscriptions do not count.
    pub(crate) fn nearest(&self, id: &ResourceId) -> Option<(&'a Arc<Resource>, String)> {
        let mut here = id.clone();
        loop {
            if matches!(Kind::of(&here), Kind::ResourceGroup | Kind::Subscription) {
                return None;
            }
            if let Some(resource) = self.estate.get(&here) {
                let rest = id.key().get(here.key().len()..).unwrap_or_default().trim_start_matches('/');
                return Some((resource, rest.to_owned()));
            }
            here = here.parent()?;
        }
    }

    /// The group that `id` lies in is there.
    pub(crate) fn check_group(&self, id: &ResourceId) -> Result<(), ArmError> {
        match (id.group_id(), id.group_name()) {
            (Some(group), Some(name)) if group != *id && !self.estate.contains(&group) => Err(group_not_found(name)),
            _ => Ok(()),
        }
    }

    /// The resource that `id` lies below is there, so that `id` can be written.
    pub(crate) fn check_parent(&self, id: &ResourceId) -> Result<(), ArmError> {
        let Some(parent) = id.parent() else { return Ok(()) };
        if matches!(Kind::of(&parent), Kind::Subscription | Kind::ResourceGroup) || self.estate.contains(&parent) {
            return Ok(());
        }
        let resource_type = wire_type(id);
        let types = resource_type.split_once('/').map_or(resource_type.as_str(), |(_, types)| types);
        Err(ArmError::not_found(
            "ParentResourceNotFound",
            format!(
                "Failed to perform 'write' on resource(s) of type '{types}', because the parent resource '{parent}' \
                 could not be found."
            ),
        ))
    }

    /// Nothing else is being done with `id`, and nothing above it is being deleted.
    pub(crate) fn check_free(&self, id: &ResourceId) -> Result<(), ArmError> {
        // What is gone (with its group) is held by nobody, even if its operation has not ended.
        if let Some(operation) = self.operations.holder(id).filter(|_| self.estate.contains(id)) {
            return Err(self.busy(operation));
        }
        let mut here = id.parent();
        while let Some(above) = here {
            if let Some(operation) = self.operations.holder(&above)
                && operation.act == Act::Delete
            {
                return Err(self.busy(operation));
            }
            here = above.parent();
        }
        Ok(())
    }

    /// The refusal of a change while `operation` is under way, as the service concerned words it.
    fn busy(&self, operation: &Operation) -> ArmError {
        let id = &operation.resource;
        match (Kind::of(id), operation.act) {
            (Kind::ResourceGroup, Act::Delete) => ArmError::conflict(
                "ResourceGroupBeingDeleted",
                format!(
                    "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
                    id.name()
                ),
            ),
            (Kind::Deployment, Act::Write) => ArmError::conflict(
                "DeploymentActive",
                format!(
                    "Unable to edit or replace deployment '{}': previous deployment from '{}' is still active. Please \
                     see https://aka.ms/arm-deploy for usage details.",
                    id.name(),
                    operation.started
                ),
            ),
            (Kind::ManagedCluster | Kind::AgentPool, _) => ArmError::conflict(
                "OperationNotAllowed",
                format!(
                    "Operation is not allowed because there's an in progress operation on '{id}', started on {}. \
                     Please wait for it to finish before starting a new operation.",
                    operation.started
                ),
            ),
            (_, Act::Delete) => ArmError::conflict(
                "ResourceBeingDeleted",
                format!("The resource '{id}' is being deleted and cannot perform this operation."),
            ),
            _ => ArmError::conflict(
                "AnotherOperationInProgress",
                format!(
                    "Another operation on this or dependent resource is in progress. To retrieve status of the \
                     operation use uri: {}{}.",
                    self.lab.base_url,
                    operation.status_path()
                ),
            ),
        }
    }

    /// What ARM itself checks of a `PUT`.
    pub(crate) fn check_put(&self, id: &ResourceId, body: &Value, existing: Option<&Resource>) -> Result<(), ArmError> {
        self.check_group(id)?;
        if !body.is_object() {
            return Err(ArmError::bad_request(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'the body is not a JSON object'.",
            ));
        }
        self.check_parent(id)?;
        if Kind::of(id) != Kind::ResourceGroup {
            // Groups have refusals of their own.
            resources::check_location(id, body, existing)?;
        }
        self.check_free(id)
    }

    /// The resource as a client reads it.
    pub(crate) fn render(&self, resource: &Resource) -> Value {
        providers::of(resource.kind()).render(self.estate, resource)
    }
}
