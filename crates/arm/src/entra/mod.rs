//! The lab's Entra ID: tokens that are really issued and really checked.
//!
//! Every token is an RS256 JWT signed with the lab's own key, so that tokens of an earlier run of
//! the same lab stay valid and those of another lab do not. Nothing is issued without a secret, although
//! the listener is on loopback only: other processes and other people may share the machine.
//!
//! # How clients find it
//!
//! `/metadata/endpoints` advertises `loginEndpoint = <base>/adfs`. With an authority of that form MSAL asks no
//! public instance whether the authority may exist, so that the official commands work as they are:
//!
//! ```text
//! export REQUESTS_CA_BUNDLE=<lab CA>
//! az cloud register --name Noren --endpoint-resource-manager <base>
//! az cloud set --name Noren
//! az login --service-principal --username <client id> --password <secret> --tenant <tenant>
//! ```
//!
//! A plain `<base>` would need `az config set core.instance_discovery=false` on top. It costs nothing elsewhere:
//! Terraform and the Go SDK put `/<tenant>/oauth2/v2.0/token` behind the advertised endpoint, which is served
//! below `/adfs` too, and SDKs that are given `<base>` as their authority host use the paths of Entra ID. All of
//! them lead to the same tenant and the same tokens, and the discovery document of `/adfs` names the tenant's own
//! endpoints. `identityProvider` stays `AAD` and `tenant` stays `common`: Terraform refuses anything else.
//!
//! # Decisions
//!
//! - Access tokens are version 1.0 whichever endpoint issued them: in Entra ID the version belongs to the
//!   resource, and ARM, Graph and the AKS server all take 1.0.
//! - The device code flow is approved on a page that asks for the user's password (`device`), and both shapes
//!   of managed identity ask for the lab's identity secret (`managed_identity`).
//! - There is no sign-in in the browser (authorization code) and no client certificate.
//! - Refresh tokens are signed by the same key with an audience that no service takes, so that there is nothing
//!   to store and nothing to lose in a restart.
//!
//! Must never: log or repeat a secret or a token; call out; touch the store.

mod bearer;
mod device;
mod directory;
mod discovery;
mod endpoint;
mod form;
mod graph;
mod managed_identity;
mod metadata;
mod oauth;
mod reply;
mod service;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;

use std::sync::{Mutex, MutexGuard, PoisonError};

use azure::Estate;
use bytes::Bytes;
use http::{Method, Response, request::Parts};
use jiff::Timestamp;
use pki::{Redacted, TokenIssuer};

use self::{
    device::DeviceCodes, endpoint::Endpoint, form::Form, managed_identity::Shape, reply::OAuthError, token::Tokens,
};
pub(crate) use self::{directory::stable_guid, metadata::cloud};
pub use self::{
    directory::{Principal, PrincipalKind, TENANT_DOMAIN, TENANT_NAME, USER_NAME, USER_PRINCIPAL_NAME},
    metadata::CLOUD_NAME,
};

use crate::provider::{Entropy, Lab};

/// The lab's identity platform. Immutable but for codes and caches, all of them bounded.
pub struct Entra {
    lab: Lab,
    tokens: Tokens,
    service_principals: Vec<ServicePrincipal>,
    managed_identity_secret: Redacted<String>,
    devices: Mutex<DeviceCodes>,
}

/// What the lab's identity platform is made of.
pub struct EntraOptions {
    /// The lab it is for. `lab.principal` is the object id of one of the service principals.
    pub lab: Lab,
    /// The lab's signing key.
    pub issuer: TokenIssuer,
    /// The applications that can sign in. There is at least the one that owns the subscription.
    pub service_principals: Vec<ServicePrincipal>,
    /// What a client of the managed identity endpoints must know (`IDENTITY_HEADER`).
    pub managed_identity_secret: Redacted<String>,
}

/// An application of the tenant that signs in with a secret.
#[derive(Debug, Clone)]
pub struct ServicePrincipal {
    /// Application (client) id, a GUID.
    pub client_id: String,
    /// Object id of the service principal, a GUID.
    pub object_id: String,
    /// For people.
    pub display_name: String,
    /// The client secret.
    pub secret: Redacted<String>,
}

/// Why there is no identity platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidEntra {
    /// `lab.principal` is the object id of no service principal.
    #[error("no service principal has the object id '{0}' of the subscription's owner")]
    NoOwner(String),
    /// An empty secret would let everybody in.
    #[error("the secret of '{0}' is empty")]
    EmptySecret(String),
}

impl Entra {
    /// The identity platform of a lab.
    ///
    /// # Errors
    /// [`InvalidEntra`] when the subscription's owner is missing or a secret is empty.
    pub fn new(options: EntraOptions) -> Result<Self, InvalidEntra> {
        let EntraOptions { lab, issuer, service_principals, managed_identity_secret } = options;
        if !service_principals.iter().any(|one| one.object_id.eq_ignore_ascii_case(&lab.principal)) {
            return Err(InvalidEntra::NoOwner(lab.principal));
        }
        if let Some(open) = service_principals.iter().find(|one| one.secret.expose().is_empty()) {
            return Err(InvalidEntra::EmptySecret(open.client_id.clone()));
        }
        if managed_identity_secret.expose().is_empty() {
            return Err(InvalidEntra::EmptySecret("managed identity".to_owned()));
        }
        Ok(Self {
            tokens: Tokens::new(issuer, &lab),
            lab,
            service_principals,
            managed_identity_secret,
            devices: Mutex::new(DeviceCodes::new(Entropy::from_system())),
        })
    }

    /// Answers a request for the identity platform (cloud metadata, tokens, managed identity, Microsoft Graph);
    /// `None` when the path is none of its own. `body` is the whole, already bounded body; `estate` is where the
    /// managed identities are declared.
    pub fn route(&self, parts: &Parts, body: &[u8], estate: &Estate, now: Timestamp) -> Option<Response<Bytes>> {
        let endpoint = Endpoint::parse(parts.uri.path())?;
        let refuse = |error: OAuthError| error.into_response(&parts.headers, now);
        let only = |method: Method, name: &'static str, answer: &dyn Fn() -> Response<Bytes>| {
            if parts.method == method { answer() } else { reply::method_not_allowed(name, parts, now) }
        };
        let get = |answer: &dyn Fn() -> Response<Bytes>| only(Method::GET, "GET", answer);
        let post = |answer: &dyn Fn() -> Response<Bytes>| only(Method::POST, "POST", answer);
        Some(match endpoint {
            Endpoint::CloudMetadata => get(&|| match Form::of_query(parts) {
                Ok(query) => metadata::reply(&self.lab, &query),
                Err(invalid) => refuse(OAuthError::invalid_request(90_014, format!("{invalid}."))),
            }),
            Endpoint::InstanceDiscovery => get(&|| discovery::instance(self)),
            Endpoint::Configuration(authority) => get(&|| match oauth::require_tenant(self, authority) {
                Ok(()) => discovery::configuration(self, authority),
                Err(error) => refuse(error),
            }),
            Endpoint::Keys => get(&|| discovery::keys(self)),
            Endpoint::Token(authority) => {
                post(&|| oauth::token(self, authority, &parts.headers, body, now).unwrap_or_else(refuse))
            }
            Endpoint::DeviceCode(authority) => {
                post(&|| oauth::device_authorization(self, authority, &parts.headers, body, now).unwrap_or_else(refuse))
            }
            Endpoint::Authorize => device::no_browser_sign_in(),
            Endpoint::DeviceLogin => device::page(self, parts, body, now),
            Endpoint::AppServiceIdentity => managed_identity::token(self, Shape::AppService, parts, estate, now),
            Endpoint::VirtualMachineIdentity => {
                managed_identity::token(self, Shape::VirtualMachine, parts, estate, now)
            }
            Endpoint::Graph(path) => graph::reply(self, path, parts, body, estate, now),
        })
    }

    /// The service principal that owns the subscription.
    fn owner(&self) -> &ServicePrincipal {
        // `new` made sure that there is one, and the list never changes.
        self.service_principals
            .iter()
            .find(|one| one.object_id.eq_ignore_ascii_case(&self.lab.principal))
            .unwrap_or(&self.service_principals[0])
    }

    fn service_principal(&self, client_id: &str) -> Option<&ServicePrincipal> {
        self.service_principals.iter().find(|one| one.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The lab's user.
    fn user(&self) -> Principal {
        Principal {
            object_id: stable_guid(&["user", &self.lab.tenant]),
            client_id: String::new(),
            display_name: "Lab User".to_owned(),
            kind: PrincipalKind::User,
        }
    }

    /// Whether these are the user's name and password. His password is the owner's secret: one secret to know.
    fn is_user(&self, name: &str, password: &str) -> bool {
        let right = self.owner().has_secret(password);
        right && oauth::is_user_name(name)
    }

    fn is_identity_secret(&self, secret: &str) -> bool {
        token::same_secret(secret, &self.managed_identity_secret)
    }

    fn devices(&self) -> MutexGuard<'_, DeviceCodes> {
        // The table is whole after every method, even one that panicked.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServicePrincipal {
    /// Whether `secret` is this one's; takes the same time for every wrong one of the same length.
    fn has_secret(&self, secret: &str) -> bool {
        token::same_secret(secret, &self.secret)
    }
}
