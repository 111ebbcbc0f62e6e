//! The lab that the tests of this module speak to.

use azure::Estate;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use pki::{IssuerPem, Redacted, TokenIssuer};
use serde_json::Value;

use super::{Entra, EntraOptions, ServicePrincipal};
use crate::provider::Lab;

pub(crate) const BASE: &str = "https://localhost:8443";
pub(crate) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
pub(crate) const OWNER: &str = "33333333-3333-3333-3333-333333333333";
pub(crate) const SECRET: &str = "the lab's secret";
pub(crate) const IDENTITY_SECRET: &str = "the identity secret";
/// The public client id of `az`.
pub(crate) const AZ: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// 2026-01-02T03:04:05Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_323_045, 0);

pub(crate) fn lab() -> Lab {
    Lab {
        subscription: "44444444-4444-4444-4444-444444444444".into(),
        tenant: TENANT.into(),
        principal: OWNER.into(),
        base_url: BASE.into(),
    }
}

/// The identity platform of [`lab`] with the signing key `key`, as a run of the lab has it.
pub(crate) fn entra_with(key: &IssuerPem) -> Entra {
    Entra::new(EntraOptions {
        lab: lab(),
        issuer: TokenIssuer::from_pem(key).unwrap(),
        service_principals: vec![ServicePrincipal {
            client_id: CLIENT.into(),
            object_id: OWNER.into(),
            display_name: "noren".into(),
            secret: Redacted::new(SECRET.into()),
        }],
        managed_identity_secret: Redacted::new(IDENTITY_SECRET.into()),
    })
    .unwrap()
}

pub(crate) fn key() -> IssuerPem {
    TokenIssuer::generate().unwrap().to_pem()
}

pub(crate) fn entra() -> Entra {
    entra_with(&key())
}

/// A conversation with the identity platform over an estate.
pub(crate) struct Client<'a> {
    pub(crate) entra: &'a Entra,
    pub(crate) estate: Estate,
    pub(crate) now: Timestamp,
}

impl<'a> Client<'a> {
    pub(crate) fn new(entra: &'a Entra) -> Self {
        Self { entra, estate: Estate::default(), now: NOW }
    }

    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Response<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        self.entra.route(&parts, body.as_bytes(), &self.estate, self.now)
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        shown(&self.send(Method::GET, path, headers, "").unwrap())
    }

    /// Posts a form.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        shown(&self.send(Method::POST, path, &[], &body).unwrap())
    }
}

pub(crate) fn shown(response: &Response<Bytes>) -> (u16, Value) {
    (response.status().as_u16(), body_of(response))
}

/// The JSON body; `null` when it is none.
pub(crate) fn body_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

/// The claims of a token, unchecked.
pub(crate) fn claims_of(token: &Value) -> Value {
    let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
