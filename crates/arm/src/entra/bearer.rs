//! Who calls ARM: checks the bearer token of a management request, and refuses in Azure's words.
//!
//! Source of codes, messages and the `WWW-Authenticate` header: ARM's own replies as clients have
//! reported them.

use azure::ArmError;
use jiff::Timestamp;

use super::{Entra, service::Service, token::Rejected};
use crate::auth::{Authenticator, Caller, Unauthenticated};

impl Authenticator for Entra {
    fn authenticate(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Unauthenticated> {
        let Some(header) = authorization else {
            return Err(self.refuse(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
                "The authentication failed because of missing 'Authorization' header.",
            ));
        };
        let token = match header.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => token.trim(),
            _ => {
                let sentence = "The 'Authorization' header is provided in an invalid format.";
                return Err(self.refuse(
                    "AuthenticationFailedInvalidHeader",
                    &format!("Authentication failed. {sentence}"),
                    sentence,
                ));
            }
        };
        match self.tokens.check(token, Service::ResourceManager, now) {
            Ok(claims) => Ok(Caller { object_id: claims.object_id.clone() }),
            Err(rejected) => Err(self.rejected(&rejected, now)),
        }
    }
}

impl Entra {
    fn rejected(&self, rejected: &Rejected, now: Timestamp) -> Unauthenticated {
        let base = &self.lab.base_url;
        match rejected {
            Rejected::Invalid => {
                let sentence = "The access token is invalid.";
                self.refuse("InvalidAuthenticationToken", sentence, sentence)
            }
            Rejected::Expired { expiry } => {
                let sentence = format!(
                    "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
                    american(*expiry),
                    american(now)
                );
                self.refuse("ExpiredAuthenticationToken", &sentence, &sentence)
            }
            Rejected::Audience { audience } => {
                let allowed: Vec<String> =
                    Service::ResourceManager.audiences(base).iter().map(|audience| format!("'{audience}'")).collect();
                self.refuse(
                    "InvalidAuthenticationTokenAudience",
                    &format!(
                        "The access token has been obtained for wrong audience or resource '{audience}'. It should \
                         exactly match with one of the allowed audiences {}.",
                        allowed.join(",")
                    ),
                    "The access token has been obtained for wrong audience or resource.",
                )
            }
            Rejected::Tenant { issuer } => {
                let authority = format!("{base}/{}", self.lab.tenant);
                self.refuse(
                    "InvalidAuthenticationTokenTenant",
                    &format!(
                        "The access token is from the wrong issuer '{issuer}'. It must match the tenant '{}' associated \
                         with this subscription. Please use the authority (URL) '{authority}' to get the token. Note, if \
                         the subscription is transferred to another tenant there is no impact to the services, but \
                         information about new tenant could take time to propagate (up to an hour). If you just \
                         transferred your subscription and see this error message, please try back later.",
                        self.tokens.issuer_v1()
                    ),
                    "The access token is from the wrong issuer. It must match the tenant associated with this \
                     subscription. Please use correct authority to get the token.",
                )
            }
        }
    }

    /// `challenge` goes into a header: it holds nothing that a client sent.
    fn refuse(&self, code: &'static str, message: &str, challenge: &str) -> Unauthenticated {
        Unauthenticated {
            error: ArmError::new(401, code, message),
            challenge: format!(
                "Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", error_description=\"{challenge}\"",
                self.lab.base_url, self.lab.tenant
            ),
        }
    }
}

/// A time as ARM writes it here: `8/15/2018 5:50:14 PM`.
fn american(time: Timestamp) -> String {
    time.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}
