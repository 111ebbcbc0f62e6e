//! `Microsoft.Resources/deployments`: refused. A template that nobody evaluates must not look as if
//! it had been deployed.

use azure::{ArmError, Resource};

use crate::provider::{Effect, Provider, Request};

/// Template deployments.
pub struct Deployments;

impl Provider for Deployments {
    fn put(&self, request: &mut Request<'_>, _: Option<&Resource>) -> Result<Effect, ArmError> {
        Err(ArmError::bad_request(
            "NotSupported",
            format!(
                "Template deployments are not supported by this lab: '{}' was not started. Create the resources one by one.",
                request.id
            ),
        ))
    }
}
