//! The tokens themselves: which claims they carry, and what of a token that comes back is believed.
//!
//! Claims are those of Entra ID's version 1.0 access tokens, so that whoever reads them finds what
//! he is used to (Terraform and the Go SDK read `tid`, `oid`, `appid`, `exp`, `idtyp`; `az` reads `tid`).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use pki::{Expectation, Redacted, TokenError, TokenIssuer, UnixTime, VerifiedTokens, constant_time_equal};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    directory::{Principal, PrincipalKind, USER_PRINCIPAL_NAME},
    endpoint::Version,
    service::Service,
};
use crate::provider::Lab;

/// Lifetime of access tokens, in seconds: 24 hours less one, as Entra ID gives long-lived ones.
pub(super) const LIFETIME_S: i64 = 86_399;
/// Lifetime of identity tokens, in seconds.
const IDENTITY_LIFETIME_S: i64 = 3_600;
/// Lifetime of refresh tokens, in seconds: Entra ID's 90 days.
const REFRESH_LIFETIME_S: i64 = 90 * 86_400;
/// Tokens are valid a little before they were issued, as Entra ID's are, for clocks that are behind.
const BACKDATED_S: i64 = 300;
/// Audience of refresh tokens: nobody's but the token endpoint's.
const REFRESH_AUDIENCE: &str = "urn:noren:refresh-token";
/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Whom a token is about.
pub(super) enum Subject<'a> {
    /// An application or a managed identity, for itself.
    Application(&'a Principal),
    /// A user, by way of an application.
    User {
        /// The user.
        user: &'a Principal,
        /// The application.
        client_id: &'a str,
    },
}

/// What a checked token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// `oid`.
    pub(super) object_id: String,
    /// What it is for.
    pub(super) service: Service,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rejected {
    /// Malformed, forged, of another lab, or not valid yet.
    Invalid,
    /// No longer valid.
    Expired {
        /// Since when.
        expiry: Timestamp,
    },
    /// The lab's own, for another service.
    Audience {
        /// For which.
        audience: String,
    },
    /// Signed by the lab's key, of another tenant.
    Tenant {
        /// Its issuer.
        issuer: String,
    },
}

/// The claims that are read back.
#[derive(Deserialize)]
struct Wire {
    exp: i64,
    tid: String,
    oid: String,
    #[serde(default)]
    appid: String,
}

/// Issues and checks the lab's tokens.
pub(super) struct Tokens {
    issuer: TokenIssuer,
    verified: VerifiedTokens<Arc<Claims>>,
    base: String,
    tenant: String,
    issuers: [String; 2],
    refresh_audience: [String; 1],
}

impl Tokens {
    /// The tokens of a lab.
    pub(super) fn new(issuer: TokenIssuer, lab: &Lab) -> Self {
        let (base, tenant) = (&lab.base_url, &lab.tenant);
        Self {
            issuer,
            verified: VerifiedTokens::new(),
            issuers: [format!("{base}/{tenant}/"), format!("{base}/{tenant}/v2.0")],
            refresh_audience: [REFRESH_AUDIENCE.to_owned()],
            base: base.clone(),
            tenant: tenant.clone(),
        }
    }

    /// The issuer of access tokens (`https://sts.windows.net/<tenant>/` in Azure).
    pub(super) fn issuer_v1(&self) -> &str {
        &self.issuers[0]
    }

    /// The issuer of version 2.0 identity tokens.
    pub(super) fn issuer_v2(&self) -> &str {
        &self.issuers[1]
    }

    /// The public key, as a JSON web key set.
    pub(super) fn keys(&self) -> Value {
        self.issuer.jwks()
    }

    /// An access token for `audience`.
    pub(super) fn access(&self, subject: &Subject<'_>, audience: &str, now: Timestamp) -> String {
        let mut claims = self.frame(audience, self.issuer_v1(), LIFETIME_S, now);
        let mut set = |name: &str, value: Value| claims.insert(name.into(), value);
        match subject {
            Subject::Application(principal) => {
                // How the application proved itself: 1 a secret, 2 a certificate (Azure's own, for managed identities).
                let proof = match &principal.kind {
                    PrincipalKind::ManagedIdentity(of) => {
                        set("xms_mirid", json!(of.as_str()));
                        "2"
                    }
                    PrincipalKind::Application | PrincipalKind::User => "1",
                };
                set("appid", json!(principal.client_id));
                set("appidacr", json!(proof));
                set("app_displayname", json!(principal.display_name));
                set("idp", json!(self.issuer_v1()));
                set("idtyp", json!("app"));
                set("oid", json!(principal.object_id));
                set("sub", json!(principal.object_id));
            }
            Subject::User { user, client_id } => {
                set("acr", json!("1"));
                set("amr", json!(["pwd"]));
                set("appid", json!(client_id));
                set("appidacr", json!("0"));
                set("idtyp", json!("user"));
                set("name", json!(user.display_name));
                set("oid", json!(user.object_id));
                set("scp", json!("user_impersonation"));
                set("sub", json!(user.object_id));
                set("unique_name", json!(USER_PRINCIPAL_NAME));
                set("upn", json!(USER_PRINCIPAL_NAME));
            }
        }
        set("ver", json!("1.0"));
        self.sign(claims)
    }

    /// An identity token for the application `client_id`.
    pub(super) fn identity(&self, user: &Principal, client_id: &str, version: Version, now: Timestamp) -> String {
        let (issuer, number) = match version {
            Version::V1 => (self.issuer_v1(), "1.0"),
            Version::V2 => (self.issuer_v2(), "2.0"),
        };
        let mut claims = self.frame(client_id, issuer, IDENTITY_LIFETIME_S, now);
        for (name, value) in [
            ("name", user.display_name.as_str()),
            ("oid", &user.object_id),
            ("preferred_username", USER_PRINCIPAL_NAME),
            ("sub", &user.object_id),
            ("unique_name", USER_PRINCIPAL_NAME),
            ("upn", USER_PRINCIPAL_NAME),
            ("ver", number),
        ] {
            claims.insert(name.into(), json!(value));
        }
        self.sign(claims)
    }

    /// A refresh token for the application `client_id`.
    pub(super) fn refresh(&self, user: &Principal, client_id: &str, now: Timestamp) -> String {
        let mut claims = self.frame(REFRESH_AUDIENCE, self.issuer_v1(), REFRESH_LIFETIME_S, now);
        claims.insert("oid".into(), json!(user.object_id));
        claims.insert("appid".into(), json!(client_id));
        self.sign(claims)
    }

    /// Whether `token` is a valid refresh token that `user` got for the application `client_id`.
    pub(super) fn is_refresh_token_of(&self, token: &str, client_id: &str, user: &Principal, now: Timestamp) -> bool {
        self.verify(token, &self.refresh_audience, now)
            .is_ok_and(|wire| wire.oid == user.object_id && wire.appid.eq_ignore_ascii_case(client_id))
    }

    /// Checks an access token that was sent to `service`. Tokens for ARM are remembered: the next request pays
    /// for no signature.
    pub(super) fn check(&self, token: &str, service: Service, now: Timestamp) -> Result<Arc<Claims>, Rejected> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Rejected::Invalid);
        }
        // Only what was verified for ARM is remembered: a token for another service is refused with its reason.
        let remembers = service == Service::ResourceManager;
        if remembers && let Some(claims) = self.verified.get(token, unix(now)) {
            return Ok(claims);
        }
        let wire = self.verify(token, &service.audiences(&self.base), now)?;
        let claims = Arc::new(Claims { object_id: wire.oid, service });
        if remembers {
            self.verified.remember(token, UnixTime(wire.exp), Arc::clone(&claims));
        }
        Ok(claims)
    }

    fn verify(&self, token: &str, audiences: &[String], now: Timestamp) -> Result<Wire, Rejected> {
        let expected = Expectation { audiences, issuers: &self.issuers, now: unix(now), leeway_s: 0 };
        let wire: Wire = self.issuer.verify(token, &expected).map_err(|error| match error {
            TokenError::WrongIssuer { found } => Rejected::Tenant { issuer: found },
            TokenError::WrongAudience { found } => Rejected::Audience { audience: found },
            TokenError::Expired { at } => {
                Rejected::Expired { expiry: Timestamp::from_second(at.0).unwrap_or(Timestamp::MIN) }
            }
            TokenError::Malformed
            | TokenError::UnknownKey
            | TokenError::BadSignature
            | TokenError::NotYetValid { .. } => Rejected::Invalid,
        })?;
        if wire.tid.eq_ignore_ascii_case(&self.tenant) { Ok(wire) } else { Err(Rejected::Invalid) }
    }

    /// What every token says.
    fn frame(&self, audience: &str, issuer: &str, lifetime_s: i64, now: Timestamp) -> Map<String, Value> {
        let now = now.as_second();
        let mut claims = Map::new();
        claims.insert("aud".into(), json!(audience));
        claims.insert("iss".into(), json!(issuer));
        claims.insert("iat".into(), json!(now - BACKDATED_S));
        claims.insert("nbf".into(), json!(now - BACKDATED_S));
        claims.insert("exp".into(), json!(now + lifetime_s));
        claims.insert("tid".into(), json!(self.tenant));
        claims.insert("uti".into(), json!(URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes())));
        claims
    }

    #[expect(clippy::expect_used, reason = "a JSON object is always written, and the key was used before")]
    fn sign(&self, claims: Map<String, Value>) -> String {
        self.issuer.issue(&Value::Object(claims)).expect("invariant: claims are a JSON object")
    }
}

/// Whether `given` is the secret, in a time that does not tell how much of it is right.
pub(super) fn same_secret(given: &str, secret: &Redacted<String>) -> bool {
    constant_time_equal(given.as_bytes(), secret.expose().as_bytes())
}

fn unix(time: Timestamp) -> UnixTime {
    UnixTime(time.as_second())
}
