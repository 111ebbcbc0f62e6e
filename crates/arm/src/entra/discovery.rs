//! What identity clients look up before they ask for a token: the `OpenID` Connect configuration and
//! the instance metadata. Open to everybody, holds no secret.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{
    Entra,
    endpoint::{Authority, Version},
    reply::json_reply,
};

/// The `OpenID` Connect configuration of the lab's tenant (`OpenID` Connect Discovery 1.0, section 3).
///
/// Whatever name of the tenant and whatever authority was asked, issuer and endpoints are those of
/// the tenant's GUID: MSAL takes the tenant from `token_endpoint`, and so knows the GUID even when it
/// signs in with a domain name or at `/adfs`.
pub(super) fn configuration(entra: &Entra, authority: Authority<'_>) -> Response<Bytes> {
    let tenant = format!("{}/{}", entra.lab.base_url, entra.lab.tenant);
    let (issuer, path) = match authority.version {
        Version::V1 => (entra.tokens.issuer_v1(), "oauth2"),
        Version::V2 => (entra.tokens.issuer_v2(), "oauth2/v2.0"),
    };
    json_reply(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{tenant}/{path}/authorize"),
            "token_endpoint": format!("{tenant}/{path}/token"),
            "device_authorization_endpoint": format!("{tenant}/{path}/devicecode"),
            "jwks_uri": format!("{tenant}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": [
                "client_credentials",
                "password",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code"
            ],
            "response_types_supported": [],
            "response_modes_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "oid", "tid", "name", "preferred_username", "upn", "ver"],
            "request_uri_parameter_supported": false
        }),
    )
}

/// The instance metadata: the lab is its own cloud instance.
pub(super) fn instance(entra: &Entra) -> Response<Bytes> {
    let base = &entra.lab.base_url;
    let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
    json_reply(
        StatusCode::OK,
        &json!({
            "tenant_discovery_endpoint": format!("{base}/{}/v2.0/.well-known/openid-configuration", entra.lab.tenant),
            "api-version": "1.1",
            "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }]
        }),
    )
}

/// The keys that tokens are signed with (RFC 7517).
pub(super) fn keys(entra: &Entra) -> Response<Bytes> {
    json_reply(StatusCode::OK, &entra.tokens.keys())
}
