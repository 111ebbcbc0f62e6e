//! Which provider answers for which kind of resource, and for what lies at a location.

pub mod deployments;
pub mod filter;
pub mod groups;
pub mod lab;
pub mod locations;
pub mod namespaces;
pub mod resources;

use azure::{ArmError, Kind};
use serde_json::Value;

use crate::provider::{Provider, Request};

/// A resource that is nothing but its document.
struct Plain;

impl Provider for Plain {
    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The provider of `kind`.
pub fn of(kind: Kind) -> &'static dyn Provider {
    match kind {
        Kind::Deployment => &deployments::Deployments,
        Kind::ResourceGroup => &groups::ResourceGroups,
        Kind::LabClient => &lab::LabClients,
        _ => &Plain,
    }
}

/// What a client asks of a namespace at a location:
/// `/subscriptions/S/providers/<namespace>/locations/<location>/<view>`.
pub struct Regional<'a> {
    /// The resource provider namespace, in lower case.
    pub namespace: &'a str,
    /// The location, normalised (`westeurope`).
    pub location: &'a str,
    /// What lies below it, in lower case (`kubernetesversions`).
    pub view: &'a str,
}

/// `GET` (and `POST`, for checks that change nothing) of a [`Regional`] view. `None` when no
/// provider has it; `request.id` is the subscription.
pub fn regional(request: &mut Request<'_>, regional: &Regional<'_>) -> Option<Result<Value, ArmError>> {
    let _ = request;
    match (regional.namespace, regional.view) {
        _ => None,
    }
}
