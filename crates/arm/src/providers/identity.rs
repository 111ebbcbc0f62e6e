//! User-assigned managed identities.

use azure::{ArmError, Resource};
use serde_json::{Value, json};

use crate::provider::{Draft, Effect, Provider, Request};

/// The provider of user-assigned identities.
pub struct UserAssignedIdentities;

impl Provider for UserAssignedIdentities {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        draft.properties().remove("provisioningState");
        let before = existing.map(|resource| resource.document().value());
        for name in ["principalId", "clientId"] {
            let kept = before.as_ref().and_then(|document| document["properties"][name].as_str()).map(str::to_owned);
            let value = kept.unwrap_or_else(|| request.entropy.guid());
            draft.set(name, json!(value));
        }
        draft.set("tenantId", json!(request.lab.tenant));
        Ok(draft.finish(request, existing))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The document of an identity that a service makes.
pub(crate) fn identity_document(
    id: &azure::ResourceId,
    location: &str,
    tenant: &str,
    principal: &str,
    client: &str,
) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": azure::Kind::UserAssignedIdentity.arm_type(),
        "location": location,
        "tags": {},
        "properties": {"principalId": principal, "clientId": client, "tenantId": tenant},
    })
}
