//! Managed identity: tokens without a sign-in, as App Service and virtual machines hand them out.
//!
//! Azure trusts whoever reaches the endpoint, because only one machine does. Here every process of
//! every user of the machine does, so both shapes ask for the lab's identity secret:
//!
//! - App Service (`IDENTITY_ENDPOINT=<base>/msi/token`, `IDENTITY_HEADER=<secret>`): the header that this
//!   shape has anyway; also as `secret` (`MSI_ENDPOINT`, `MSI_SECRET`).
//! - Virtual machine (`AZURE_POD_IDENTITY_AUTHORITY_HOST=https://noren:<secret>@localhost:<port>`): this shape sends
//!   nothing but what is in the URL; HTTP clients send its user part as basic authentication.

use azure::{Estate, ResourceId};
use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Entra,
    directory::{Principal, PrincipalKind, managed_identities},
    form::Form,
    oauth::{basic_credentials, unknown_resource},
    reply::{json_reply, method_not_allowed},
    service::{InvalidScope, Target},
    token::{LIFETIME_S, Subject},
};

/// Which shape the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `/msi/token`.
    AppService,
    /// `/metadata/identity/oauth2/token`.
    VirtualMachine,
}

/// `GET` of a token.
pub(super) fn token(entra: &Entra, shape: Shape, parts: &Parts, estate: &Estate, now: Timestamp) -> Response<Bytes> {
    if parts.method != http::Method::GET {
        return method_not_allowed("GET", parts, now);
    }
    issue(entra, shape, parts, estate, now).unwrap_or_else(|refusal| shape.refuse(&refusal))
}

/// Why there is no token.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into() }
    }

    fn bad_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }
}

fn issue(
    entra: &Entra,
    shape: Shape,
    parts: &Parts,
    estate: &Estate,
    now: Timestamp,
) -> Result<Response<Bytes>, Refusal> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if shape == Shape::VirtualMachine && !header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Refusal::bad_request("Required metadata header not specified"));
    }
    let secret = header("x-identity-header")
        .or_else(|| header("secret"))
        .map(str::to_owned)
        .or_else(|| basic_credentials(&parts.headers).map(|(_, password)| password));
    if !secret.is_some_and(|secret| entra.is_identity_secret(&secret)) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized_client",
            match shape {
                Shape::AppService => "The X-IDENTITY-HEADER is missing or is not this lab's.",
                Shape::VirtualMachine => {
                    "This lab asks for its identity secret: as the password in the URL of \
                     AZURE_POD_IDENTITY_AUTHORITY_HOST, or through IDENTITY_ENDPOINT and IDENTITY_HEADER."
                }
            },
        ));
    }
    let query = Form::of_query(parts).map_err(|invalid| Refusal::bad_request(invalid.to_string()))?;
    let resource = query.get("resource").ok_or_else(|| Refusal::bad_request("The 'resource' parameter is missing"))?;
    let target = Target::of_resource(&entra.lab.base_url, resource).map_err(|invalid| match invalid {
        InvalidScope::Unknown(name) => {
            Refusal::new(StatusCode::BAD_REQUEST, "invalid_resource", unknown_resource(&name).sentence())
        }
        _ => Refusal::bad_request("The 'resource' parameter is not valid"),
    })?;
    let principal = chosen(entra, &query, estate)?;
    let access_token = entra.tokens.access(&Subject::Application(&principal), &target.audience, now);
    let mut reply = json!({
        "access_token": access_token,
        "expires_on": (now.as_second() + LIFETIME_S).to_string(),
        "resource": target.audience,
        "token_type": "Bearer",
        "client_id": principal.client_id,
    });
    if shape == Shape::VirtualMachine {
        reply["expires_in"] = json!(LIFETIME_S.to_string());
        reply["ext_expires_in"] = json!(LIFETIME_S.to_string());
        reply["not_before"] = json!(now.as_second().to_string());
    }
    Ok(json_reply(StatusCode::OK, &reply))
}

/// The identity that the query chooses: a user-assigned one by one of its three names, else the
/// system-assigned identity of this machine, which is the lab's service principal.
fn chosen(entra: &Entra, query: &Form, estate: &Estate) -> Result<Principal, Refusal> {
    let by = |names: [&str; 2]| names.into_iter().find_map(|name| query.get(name));
    let client_id = by(["client_id", "clientid"]);
    let object_id = by(["object_id", "principal_id"]);
    let resource_id = by(["mi_res_id", "msi_res_id"]);
    if [client_id, object_id, resource_id].iter().flatten().count() > 1 {
        return Err(Refusal::bad_request("Only one of client_id, object_id and mi_res_id may be given"));
    }
    let Some(wanted) = client_id.or(object_id).or(resource_id) else {
        return Ok(entra.owner().principal());
    };
    let resource: Option<ResourceId> = resource_id.and_then(|id| ResourceId::parse(id).ok());
    managed_identities(estate)
        .find(|principal| {
            client_id.is_some_and(|id| id.eq_ignore_ascii_case(&principal.client_id))
                || object_id.is_some_and(|id| id.eq_ignore_ascii_case(&principal.object_id))
                || resource
                    .as_ref()
                    .is_some_and(|id| matches!(&principal.kind, PrincipalKind::ManagedIdentity(of) if of == id))
        })
        .ok_or_else(|| {
            let wanted: String = wanted.chars().take(512).collect();
            Refusal::bad_request(format!("Identity not found: no managed identity of this lab is '{wanted}'"))
        })
}

impl Shape {
    /// A refusal in this shape's words.
    fn refuse(self, refusal: &Refusal) -> Response<Bytes> {
        let body: Value = match self {
            Self::AppService => json!({ "statusCode": refusal.status.as_u16(), "message": refusal.description }),
            Self::VirtualMachine => json!({ "error": refusal.error, "error_description": refusal.description }),
        };
        json_reply(refusal.status, &body)
    }
}
