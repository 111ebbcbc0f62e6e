//! The token endpoints: who proves what gets which tokens.
//!
//! Grants: client credentials (a secret), password (the lab's user), device code (approved at
//! [`super::device`] with the user's password) and refresh token. There is none without a secret:
//! the listener is on loopback, and other people's processes run on the same machine.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Entra, ServicePrincipal,
    device::{CODE_LIFETIME_S, POLL_INTERVAL_S, Poll},
    directory::{Principal, TENANT_DOMAIN, TENANT_NAME, USER_NAME, USER_PRINCIPAL_NAME},
    endpoint::{Authority, Version},
    form::Form,
    reply::{OAuthError, json_reply},
    service::{InvalidScope, Target},
    token::{LIFETIME_S, Subject},
};

/// A token or device code request, read and attributed to the lab's tenant.
struct Exchange<'a> {
    entra: &'a Entra,
    authority: Authority<'a>,
    headers: &'a HeaderMap,
    form: Form,
    now: Timestamp,
}

/// `POST …/oauth2/token`.
pub(super) fn token(
    entra: &Entra,
    authority: Authority<'_>,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Response<Bytes>, OAuthError> {
    let exchange = Exchange::read(entra, authority, headers, body, now)?;
    match exchange.require("grant_type")? {
        "client_credentials" => exchange.client_credentials(),
        "password" => exchange.password(),
        "refresh_token" => exchange.refresh_token(),
        // The second spelling is that of the v1 endpoint.
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => exchange.device_code(),
        other => Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{}'.", other.chars().take(64).collect::<String>()),
        )),
    }
}

/// `POST …/oauth2/devicecode`: a code that the user approves at `/devicelogin`.
pub(super) fn device_authorization(
    entra: &Entra,
    authority: Authority<'_>,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Response<Bytes>, OAuthError> {
    let exchange = Exchange::read(entra, authority, headers, body, now)?;
    let client_id = exchange.public_client()?;
    let target = exchange.target()?.unwrap_or_else(|| Target::graph(&entra.lab.base_url));
    let codes = entra.devices().begin(client_id.to_owned(), target, now);
    let page = format!("{}/devicelogin", entra.lab.base_url);
    Ok(json_reply(
        StatusCode::OK,
        &json!({
            "user_code": codes.user_code,
            "device_code": codes.device_code,
            "verification_uri": page,
            "verification_url": page,
            "verification_uri_complete": format!("{page}?code={}", codes.user_code),
            "expires_in": CODE_LIFETIME_S,
            "interval": POLL_INTERVAL_S,
            "message": format!(
                "To sign in, use a web browser to open the page {page} and enter the code {} to authenticate.",
                codes.user_code
            ),
        }),
    ))
}

impl<'a> Exchange<'a> {
    fn read(
        entra: &'a Entra,
        authority: Authority<'a>,
        headers: &'a HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Self, OAuthError> {
        require_tenant(entra, authority)?;
        let form = Form::parse(body).map_err(|invalid| OAuthError::invalid_request(90_014, format!("{invalid}.")))?;
        Ok(Self { entra, authority, headers, form, now })
    }

    fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.form.get(name).ok_or_else(|| OAuthError::missing(name))
    }

    /// What the token shall be for, if the client says so.
    fn target(&self) -> Result<Option<Target>, OAuthError> {
        let base = &self.entra.lab.base_url;
        let target = match (self.form.get("resource"), self.form.get("scope")) {
            (Some(resource), _) => Target::of_resource(base, resource),
            (None, Some(scope)) => match Target::of_scope(base, scope) {
                Err(InvalidScope::NoResource) => return Ok(None),
                target => target,
            },
            (None, None) => return Ok(None),
        };
        target.map(Some).map_err(refused_scope)
    }

    /// The application that uses a flow of users. Every application of the public cloud may: `az` has the
    /// id 04b07795-8ddb-461a-bbee-02f9e1bf7b46, and there is no list of all.
    fn public_client(&self) -> Result<&str, OAuthError> {
        let id = self.require("client_id")?;
        if id.parse::<uuid::Uuid>().is_ok() { Ok(id) } else { Err(unknown_application(id)) }
    }

    fn client_credentials(&self) -> Result<Response<Bytes>, OAuthError> {
        let (client_id, secret) = self.client()?;
        let service_principal =
            self.entra.service_principal(&client_id).ok_or_else(|| unknown_application(&client_id))?;
        self.check_secret(service_principal, secret.as_deref())?;
        if let (None, Some(scope)) = (self.form.get("resource"), self.form.get("scope"))
            && !scope.split_ascii_whitespace().all(|scope| scope.ends_with("/.default"))
        {
            return Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                1_002_012,
                "The provided value for scope is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI).",
            ));
        }
        let target = self.target()?.ok_or_else(|| {
            OAuthError::missing(match self.authority.version {
                Version::V1 => "resource",
                Version::V2 => "scope",
            })
        })?;
        let principal = service_principal.principal();
        let token = self.entra.tokens.access(&Subject::Application(&principal), &target.audience, self.now);
        Ok(json_reply(StatusCode::OK, &Value::Object(self.envelope(&target, &token))))
    }

    /// Client id and secret: in the form, or as HTTP basic authentication (RFC 6749, section 2.3.1).
    fn client(&self) -> Result<(String, Option<String>), OAuthError> {
        if let Some(id) = self.form.get("client_id") {
            return Ok((id.to_owned(), self.form.get("client_secret").map(str::to_owned)));
        }
        let (id, secret) = basic_credentials(self.headers).ok_or_else(|| OAuthError::missing("client_id"))?;
        // Both are form-encoded before they are put together.
        let decoded = |text: &str| Form::parse(format!("x={text}").as_bytes()).ok()?.get("x").map(str::to_owned);
        Ok((decoded(&id).ok_or_else(|| OAuthError::missing("client_id"))?, decoded(&secret)))
    }

    fn check_secret(&self, client: &ServicePrincipal, secret: Option<&str>) -> Result<(), OAuthError> {
        match secret {
            Some(secret) if client.has_secret(secret) => Ok(()),
            Some(_) => Err(OAuthError::invalid_client(
                7_000_215,
                format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                     value, not the client secret ID, for a secret added to app '{}'.",
                    client.client_id
                ),
            )),
            None if self.form.get("client_assertion").is_some() => Err(OAuthError::invalid_client(
                700_027,
                format!(
                    "The certificate with identifier used to sign the client assertion is not registered on \
                     application. [Reason - app '{}' has a client secret only.]",
                    client.client_id
                ),
            )),
            None => Err(OAuthError::invalid_client(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )),
        }
    }

    fn password(&self) -> Result<Response<Bytes>, OAuthError> {
        let client_id = self.public_client()?;
        let (name, password) = (self.require("username")?, self.require("password")?);
        if !self.entra.is_user(name, password) {
            return Err(OAuthError::invalid_grant(
                50_126,
                "Error validating credentials due to invalid username or password.",
            ));
        }
        let target = self.target()?.unwrap_or_else(|| Target::graph(&self.entra.lab.base_url));
        Ok(self.signed_in(client_id, &target))
    }

    fn device_code(&self) -> Result<Response<Bytes>, OAuthError> {
        let client_id = self.public_client()?;
        // v1 calls it `code`.
        let code = self.form.get("device_code").or_else(|| self.form.get("code"));
        let code = code.ok_or_else(|| OAuthError::missing("device_code"))?;
        match self.entra.devices().poll(code, client_id, self.now) {
            Poll::Approved(target) => Ok(self.signed_in(client_id, &target)),
            Poll::Pending => Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "authorization_pending",
                70_016,
                "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
            )),
            Poll::Expired => Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "expired_token",
                70_020,
                "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
            )),
            Poll::Unknown => Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "bad_verification_code",
                70_018,
                "The provided value for the input parameter 'device_code' is not valid.",
            )),
        }
    }

    fn refresh_token(&self) -> Result<Response<Bytes>, OAuthError> {
        let client_id = self.public_client()?;
        let token = self.require("refresh_token")?;
        let user = self.entra.user();
        if !self.entra.tokens.is_refresh_token_of(token, client_id, &user, self.now) {
            return Err(OAuthError::invalid_grant(
                9_002_313,
                "Invalid request. Request is malformed or invalid. The refresh token is not one of this tenant for \
                 this application, or it has expired.",
            ));
        }
        let target = self.target()?.unwrap_or_else(|| Target::graph(&self.entra.lab.base_url));
        Ok(self.signed_in(client_id, &target))
    }

    /// What a user gets: access, identity and refresh token.
    fn signed_in(&self, client_id: &str, target: &Target) -> Response<Bytes> {
        let user = self.entra.user();
        let subject = Subject::User { user: &user, client_id };
        let tokens = &self.entra.tokens;
        let mut reply = self.envelope(target, &tokens.access(&subject, &target.audience, self.now));
        // What was asked for comes back spelt the same: MSAL looks its cache up by it.
        let scopes = target.scopes.iter().cloned();
        let granted: Vec<String> = scopes.chain([format!("{}/user_impersonation", target.audience)]).collect();
        reply.insert("scope".into(), json!(granted.join(" ")));
        reply.insert("id_token".into(), json!(tokens.identity(&user, client_id, self.authority.version, self.now)));
        reply.insert("refresh_token".into(), json!(tokens.refresh(&user, client_id, self.now)));
        reply.insert(
            "client_info".into(),
            json!(URL_SAFE_NO_PAD.encode(json!({ "uid": user.object_id, "utid": self.entra.lab.tenant }).to_string())),
        );
        json_reply(StatusCode::OK, &Value::Object(reply))
    }

    /// The part of a reply that every grant has. v1 writes numbers as text.
    fn envelope(&self, target: &Target, access_token: &str) -> serde_json::Map<String, Value> {
        let mut reply = serde_json::Map::new();
        reply.insert("token_type".into(), json!("Bearer"));
        match self.authority.version {
            Version::V1 => {
                let now = self.now.as_second();
                for (name, number) in [
                    ("expires_in", LIFETIME_S),
                    ("ext_expires_in", LIFETIME_S),
                    ("expires_on", now + LIFETIME_S),
                    ("not_before", now),
                ] {
                    reply.insert(name.into(), json!(number.to_string()));
                }
                reply.insert("resource".into(), json!(target.audience));
            }
            Version::V2 => {
                reply.insert("expires_in".into(), json!(LIFETIME_S));
                reply.insert("ext_expires_in".into(), json!(LIFETIME_S));
            }
        }
        reply.insert("access_token".into(), json!(access_token));
        reply
    }
}

impl ServicePrincipal {
    /// The service principal as the directory shows it.
    pub(super) fn principal(&self) -> Principal {
        Principal {
            object_id: self.object_id.clone(),
            client_id: self.client_id.clone(),
            display_name: self.display_name.clone(),
            kind: super::directory::PrincipalKind::Application,
        }
    }
}

/// Whether `name` is one the lab's user signs in with.
pub(super) fn is_user_name(name: &str) -> bool {
    name.eq_ignore_ascii_case(USER_NAME) || name.eq_ignore_ascii_case(USER_PRINCIPAL_NAME)
}

/// Refuses every tenant but the lab's.
pub(super) fn require_tenant(entra: &Entra, authority: Authority<'_>) -> Result<(), OAuthError> {
    let Some(tenant) = authority.tenant else { return Ok(()) };
    let known = [entra.lab.tenant.as_str(), TENANT_DOMAIN, TENANT_NAME, "common", "organizations"];
    if known.iter().any(|known| known.eq_ignore_ascii_case(tenant)) {
        return Ok(());
    }
    let tenant: String = tenant.chars().take(128).collect();
    Err(OAuthError::invalid_request(
        90_002,
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        ),
    ))
}

/// User and password of HTTP basic authentication.
pub(super) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 4096 {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) =
        String::from_utf8(decoded).ok()?.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    Some((user, password))
}

/// The refusal of a resource that the tenant does not know.
pub(super) fn unknown_resource(name: &str) -> OAuthError {
    OAuthError::new(
        StatusCode::BAD_REQUEST,
        "invalid_resource",
        500_011,
        format!(
            "The resource principal named {name} was not found in the tenant named {TENANT_NAME}. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You might have sent your authentication request to the wrong tenant."
        ),
    )
}

fn refused_scope(invalid: InvalidScope) -> OAuthError {
    let refuse = |number, text: String| OAuthError::new(StatusCode::BAD_REQUEST, "invalid_scope", number, text);
    match invalid {
        InvalidScope::Unknown(name) => unknown_resource(&name),
        InvalidScope::NoResource => OAuthError::missing("scope"),
        InvalidScope::Malformed(scope) => refuse(
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        ),
        InvalidScope::SeveralResources(one, other) => refuse(
            28_000,
            format!(
                "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope {one} and {other} is not valid."
            ),
        ),
    }
}

fn unknown_application(client_id: &str) -> OAuthError {
    let client_id: String = client_id.chars().take(128).collect();
    OAuthError::new(
        StatusCode::BAD_REQUEST,
        "unauthorized_client",
        700_016,
        format!(
            "Application with identifier '{client_id}' was not found in the directory '{TENANT_NAME}'. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant."
        ),
    )
}
