//! What a gateway keeps to itself: its keys, made once and kept in its hidden document.
//!
//! Like a cluster's keys they are drawn by `pki` from the system and never from
//! [`crate::provider::Entropy`].

use azure::{ArmError, Resource};
use pki::{Authority, AuthorityPem, Identity, PkiError, Redacted, ServerCertificate, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::provider::{Entropy, Request};

/// How long the gateway's certificates are valid: nobody renews them in a lab.
const LIFETIME_DAYS: u32 = 30 * 365;
/// Bytes of an `OpenVPN` static key.
const STATIC_KEY_LEN: usize = 256;
/// Hexadecimal digits of a line of it.
const STATIC_KEY_LINE: usize = 32;
/// Bytes of the secret behind download links.
const LINK_KEY_LEN: usize = 32;

/// The hidden document of a gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayState {
    /// Unique for this incarnation: a gateway deleted and made again has another.
    pub(super) uid: String,
    /// The end of the gateway's DNS name.
    pub(super) suffix: String,
    /// The authority behind the server's certificate.
    pub(super) authority: AuthorityPem,
    /// The server's certificate and key.
    pub(super) server: Identity,
    /// The static key that clients and server share (`tls-auth`).
    pub(super) tls_auth: Redacted<String>,
    /// Signs download links of the client package.
    pub(super) link_key: Redacted<String>,
}

impl GatewayState {
    /// The state of a gateway that this provider made.
    pub(super) fn of(gateway: &Resource) -> Option<Self> {
        serde_json::from_str(gateway.hidden().text()).ok()
    }

    /// A new gateway's state.
    ///
    /// # Errors
    /// 500 when the system gives no keys.
    pub(super) fn new(request: &mut Request<'_>) -> Result<Self, ArmError> {
        Self::issue(request.entropy, UnixTime(request.now.as_second()))
            .map_err(|error| ArmError::new(500, "InternalServerError", format!("The gateway's keys: {error}.")))
    }

    fn issue(entropy: &mut Entropy, now: UnixTime) -> Result<Self, PkiError> {
        let uid = entropy.guid();
        let authority = Authority::generate("VPN gateway authority", now, LIFETIME_DAYS)?;
        let name = server_name(&uid);
        let server = authority.issue_server(&ServerCertificate {
            common_name: &name,
            names: std::slice::from_ref(&name),
            addresses: &[],
            now,
            lifetime_days: LIFETIME_DAYS,
        })?;
        Ok(Self {
            suffix: entropy.hex(12),
            authority: authority.to_pem(),
            server,
            tls_auth: static_key(&pki::random_hex(STATIC_KEY_LEN)),
            link_key: pki::random_token(LINK_KEY_LEN),
            uid,
        })
    }

    /// The name in the server's certificate.
    pub(super) fn server_name(&self) -> String {
        server_name(&self.uid)
    }

    /// The hidden document.
    pub(super) fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}

/// Azure's form (azure-docs issue 42535): not the name that clients connect to.
fn server_name(uid: &str) -> String {
    format!("{uid}.vpn.azure.com")
}

/// The textual form of an `OpenVPN` static key.
fn static_key(digits: &Redacted<String>) -> Redacted<String> {
    let mut text = String::from("-----BEGIN OpenVPN Static key V1-----\n");
    for (at, digit) in digits.expose().chars().enumerate() {
        text.push(digit);
        if at % STATIC_KEY_LINE == STATIC_KEY_LINE - 1 {
            text.push('\n');
        }
    }
    text.push_str("-----END OpenVPN Static key V1-----\n");
    Redacted::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_keys_are_its_own_and_do_not_show() {
        let issue = || GatewayState::issue(&mut Entropy::seeded(1), UnixTime(1_800_000_000)).unwrap();
        let (one, other) = (issue(), issue());
        assert_ne!((&one.tls_auth, &one.server), (&other.tls_auth, &other.server));
        assert_eq!(one.tls_auth.expose().lines().count(), 18, "16 lines of key between two of armour");
        let shown = format!("{one:?}");
        assert!(!shown.contains("PRIVATE") && !shown.contains("Static key"), "{shown}");
    }
}
