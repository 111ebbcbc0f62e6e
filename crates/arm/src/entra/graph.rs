//! The part of Microsoft Graph that `az role assignment` and the like read: service principals, the
//! user, the organization. Read-only; everything else is refused in Graph's words.
//!
//! Asks for a token whose audience is Graph: a token for ARM opens nothing here, as in Azure.

use std::sync::Arc;

use azure::Estate;
use bytes::Bytes;
use http::{Method, Response, StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Entra,
    directory::{Principal, PrincipalKind, TENANT_DOMAIN, TENANT_NAME, USER_PRINCIPAL_NAME, managed_identities},
    form::Form,
    reply::{correlation_id, guid, json_reply},
    service::Service,
    token::{Claims, Rejected},
};

/// The most ids of one `getByIds` (Graph's own limit).
const IDS_MAX: usize = 1_000;

/// Answers a request below `/graph/`. `path` is what follows.
pub(super) fn reply(
    entra: &Entra,
    path: &str,
    parts: &Parts,
    body: &[u8],
    estate: &Estate,
    now: Timestamp,
) -> Response<Bytes> {
    match answer(entra, path, parts, body, estate, now) {
        Ok(body) => json_reply(StatusCode::OK, &body),
        Err(refusal) => json_reply(
            refusal.status,
            &json!({
                "error": {
                    "code": refusal.code,
                    "message": refusal.message,
                    "innerError": {
                        "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                        "request-id": guid(),
                        "client-request-id": correlation_id(&parts.headers),
                    }
                }
            }),
        ),
    }
}

/// Why Graph does not answer.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    fn not_found(id: &str) -> Self {
        let id: String = id.chars().take(128).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present."),
        )
    }

    fn unsupported_query() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Request_UnsupportedQuery",
            "Unsupported or invalid query filter clause specified.",
        )
    }
}

fn answer(
    entra: &Entra,
    path: &str,
    parts: &Parts,
    body: &[u8],
    estate: &Estate,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let caller = caller(entra, parts, now)?;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(5).collect();
    let Some((&("v1.0" | "beta"), segments)) = segments.split_first() else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", "Invalid version."));
    };
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let query = Form::of_query(parts).map_err(|_| Refusal::unsupported_query())?;
    let filter =
        query.get("$filter").map(|text| Filter::parse(text).ok_or_else(Refusal::unsupported_query)).transpose()?;
    let list = |of_users: bool| {
        let kept = everybody(entra, estate)
            .filter(|principal| (principal.kind == PrincipalKind::User) == of_users)
            .filter(|principal| filter.as_ref().is_none_or(|filter| filter.matches(principal)));
        let kind = if of_users { "users" } else { "servicePrincipals" };
        json!({ "@odata.context": context(entra, kind), "value": kept.map(|one| object(entra, &one)).collect::<Vec<_>>() })
    };
    let one = |id: &str, of_users: bool| {
        // `servicePrincipals(appId='…')` names one by its application id.
        everybody(entra, estate)
            .filter(|principal| (principal.kind == PrincipalKind::User) == of_users)
            .find(|principal| {
                principal.object_id.eq_ignore_ascii_case(id)
                    || (of_users && id.eq_ignore_ascii_case(USER_PRINCIPAL_NAME))
            })
            .map(|principal| object(entra, &principal))
            .ok_or_else(|| Refusal::not_found(id))
    };
    match (&parts.method, lower.as_slice()) {
        (&Method::GET, ["serviceprincipals"]) => Ok(list(false)),
        (&Method::GET, ["serviceprincipals", id]) => one(id, false),
        (&Method::GET, [call]) if call.starts_with("serviceprincipals(appid='") => {
            let id = call.trim_start_matches("serviceprincipals(appid='").trim_end_matches("')");
            everybody(entra, estate)
                .find(|principal| !principal.client_id.is_empty() && principal.client_id.eq_ignore_ascii_case(id))
                .map(|principal| object(entra, &principal))
                .ok_or_else(|| Refusal::not_found(id))
        }
        (&Method::GET, ["users"]) => Ok(list(true)),
        (&Method::GET, ["users", id]) => one(id, true),
        (&Method::GET, ["me"]) => {
            if caller.object_id == entra.user().object_id {
                Ok(object(entra, &entra.user()))
            } else {
                Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "BadRequest",
                    "/me request is only valid with delegated authentication flow.",
                ))
            }
        }
        (&Method::GET, ["organization"]) => Ok(json!({
            "@odata.context": context(entra, "organization"),
            "value": [{
                "id": entra.lab.tenant,
                "displayName": TENANT_NAME,
                "verifiedDomains": [{ "name": TENANT_DOMAIN, "isDefault": true, "isInitial": true, "type": "Managed" }],
            }]
        })),
        (&Method::GET, ["groups" | "applications"]) => {
            Ok(json!({ "@odata.context": context(entra, segments[0]), "value": [] }))
        }
        (&Method::POST, ["directoryobjects", "getbyids"]) => by_ids(entra, body, estate),
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "This lab's Microsoft Graph reads servicePrincipals, users, me, organization and \
             directoryObjects/getByIds, and writes nothing.",
        )),
    }
}

/// Whose Graph token it is.
fn caller(entra: &Entra, parts: &Parts, now: Timestamp) -> Result<Arc<Claims>, Refusal> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Refusal::unauthorized("Access token is empty."))?;
    entra.tokens.check(token, Service::Graph, now).map_err(|rejected| {
        Refusal::unauthorized(match rejected {
            Rejected::Expired { .. } => "Lifetime validation failed, the token is expired.",
            Rejected::Audience { .. } => "Access token validation failure. Invalid audience.",
            Rejected::Tenant { .. } => "Access token validation failure. Invalid issuer.",
            Rejected::Invalid => "Access token validation failure.",
        })
    })
}

fn by_ids(entra: &Entra, body: &[u8], estate: &Estate) -> Result<Value, Refusal> {
    #[derive(serde::Deserialize)]
    struct Wanted {
        ids: Vec<String>,
    }
    let invalid =
        || Refusal::new(StatusCode::BAD_REQUEST, "Request_BadRequest", "Invalid request body: 'ids' must be a list.");
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| invalid())?;
    if wanted.ids.len() > IDS_MAX {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            format!("Too many ids: at most {IDS_MAX} may be given."),
        ));
    }
    let ids: std::collections::HashSet<String> = wanted.ids.iter().map(|id| id.to_ascii_lowercase()).collect();
    let found = everybody(entra, estate)
        .filter(|principal| ids.contains(&principal.object_id.to_ascii_lowercase()))
        .map(|principal| object(entra, &principal));
    Ok(json!({ "@odata.context": context(entra, "directoryObjects"), "value": found.collect::<Vec<_>>() }))
}

/// Every principal of the tenant.
fn everybody(entra: &Entra, estate: &Estate) -> impl Iterator<Item = Principal> {
    let own = entra.service_principals.iter().map(super::ServicePrincipal::principal);
    own.chain([entra.user()]).chain(managed_identities(estate))
}

/// A principal as Graph shows it.
fn object(entra: &Entra, principal: &Principal) -> Value {
    if principal.kind == PrincipalKind::User {
        return json!({
            "@odata.type": "#microsoft.graph.user",
            "id": principal.object_id,
            "displayName": principal.display_name,
            "userPrincipalName": USER_PRINCIPAL_NAME,
            "mail": null,
        });
    }
    json!({
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": principal.object_id,
        "accountEnabled": true,
        "alternativeNames": match &principal.kind {
            PrincipalKind::ManagedIdentity(of) => vec!["isExplicit=True", of.as_str()],
            PrincipalKind::Application | PrincipalKind::User => Vec::new(),
        },
        "appDisplayName": principal.display_name,
        "appId": principal.client_id,
        "appOwnerOrganizationId": entra.lab.tenant,
        "displayName": principal.display_name,
        "servicePrincipalNames": [principal.client_id],
        "servicePrincipalType": match principal.kind {
            PrincipalKind::ManagedIdentity(_) => "ManagedIdentity",
            PrincipalKind::Application | PrincipalKind::User => "Application",
        },
    })
}

fn context(entra: &Entra, of: &str) -> String {
    format!("{}/graph/v1.0/$metadata#{of}", entra.lab.base_url)
}

/// The `$filter`s that `az` and Terraform send: one property compared with one text.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    property: Property,
    starts_with: bool,
    text: String,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Property {
    Id,
    AppId,
    DisplayName,
    UserPrincipalName,
}

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = strip_call(text, "servicePrincipalNames/any(") {
            // `c:c eq '…'`
            let (variable, condition) = rest.split_once(':')?;
            let (name, value) = condition.trim().split_once(" eq ")?;
            let ours = name.trim() == variable.trim();
            return ours.then_some(()).and_then(|()| literal(value)).map(|text| Self {
                property: Property::AppId,
                starts_with: false,
                text,
            });
        }
        if let Some(rest) = strip_call(text, "startswith(") {
            let (property, value) = rest.split_once(',')?;
            return Some(Self { property: Property::named(property)?, starts_with: true, text: literal(value)? });
        }
        let (property, value) = text.split_once(" eq ")?;
        Some(Self { property: Property::named(property)?, starts_with: false, text: literal(value)? })
    }

    fn matches(&self, principal: &Principal) -> bool {
        let value = match self.property {
            Property::Id => principal.object_id.as_str(),
            Property::AppId => principal.client_id.as_str(),
            Property::DisplayName => principal.display_name.as_str(),
            Property::UserPrincipalName if principal.kind == PrincipalKind::User => USER_PRINCIPAL_NAME,
            Property::UserPrincipalName => return false,
        };
        if self.starts_with {
            value.to_lowercase().starts_with(&self.text.to_lowercase())
        } else {
            value.to_lowercase() == self.text.to_lowercase()
        }
    }
}

impl Property {
    fn named(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "id" => Self::Id,
            "appid" => Self::AppId,
            "displayname" => Self::DisplayName,
            "userprincipalname" => Self::UserPrincipalName,
            _ => return None,
        })
    }
}

/// What stands between `call` and the closing parenthesis.
fn strip_call<'a>(text: &'a str, call: &str) -> Option<&'a str> {
    let head = text.get(..call.len())?;
    head.eq_ignore_ascii_case(call).then(|| text[call.len()..].strip_suffix(')')).flatten()
}

/// An `OData` text: in single quotes, a quote in it doubled.
fn literal(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let lone_quote = inner.split("''").any(|part| part.contains('\''));
    (!lone_quote).then(|| inner.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(property: Property, starts_with: bool, text: &str) -> Filter {
        Filter { property, starts_with, text: text.into() }
    }

    #[test]
    fn the_filters_of_az_and_terraform_are_understood() {
        assert_eq!(
            Filter::parse("servicePrincipalNames/any(c:c eq 'app')"),
            Some(filter(Property::AppId, false, "app"))
        );
        assert_eq!(Filter::parse("appId eq 'app'"), Some(filter(Property::AppId, false, "app")));
        assert_eq!(Filter::parse("startswith(displayName,'it''s')"), Some(filter(Property::DisplayName, true, "it's")));
        assert_eq!(
            Filter::parse("userPrincipalName eq 'lab@noren.test'"),
            Some(filter(Property::UserPrincipalName, false, "lab@noren.test"))
        );
    }

    #[test]
    fn any_other_filter_is_refused_and_never_ignored() {
        for text in ["", "appId eq app", "appId ne 'x'", "appId eq 'a' or appId eq 'b'", "startswith(displayName", "é"]
        {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_filter_makes_the_reader_panic(text in "\\PC{0,60}") {
            let _ = Filter::parse(&text);
            let _ = Filter::parse(&format!("servicePrincipalNames/any({text}"));
        }
    }
}
