//! Authorities, leaf certificates, tokens and random secrets.
//!
//! Must never: read a file, open a socket or look at a clock. Computation and randomness only; the time is
//! passed in. (A TLS configuration made here looks at the clock itself, when it is used.)

mod authority;
mod certificate;
mod client;
mod identity;
mod issuer;
mod pem;
mod public;
mod redacted;
mod secret;
mod subject;
#[cfg(test)]
mod testing;
mod time;
mod tls;
mod verified;

pub use authority::{Authority, AuthorityPem, ClientCertificate, ServerCertificate};
pub use client::ClientAuthority;
pub use identity::Identity;
pub use issuer::{Expectation, IssuerPem, TokenError, TokenIssuer};
pub use public::PublicCertificate;
pub use redacted::Redacted;
pub use secret::{authentication_code, constant_time_equal, random_hex, random_token};
pub use subject::Subject;
pub use time::UnixTime;
pub use tls::{install_provider, server_config};
pub use verified::VerifiedTokens;

/// Why a key, a certificate, a token or a configuration could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A stored or received key or certificate could not be read.
    #[error("{what} is malformed")]
    Malformed {
        /// What it was to be.
        what: &'static str,
    },
    /// The key is not the one that the certificate speaks of.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
    /// A name that a server certificate was to carry.
    #[error("'{0}' is not a DNS name")]
    NotDnsName(String),
    /// A certificate has to say for whom it is.
    #[error("a certificate needs a name")]
    Nameless,
    /// The authority's own certificate is no longer valid.
    #[error("the authority has expired")]
    AuthorityExpired {
        /// The last second of its validity.
        at: UnixTime,
    },
    /// A certificate's validity lies before 1970 or after 9999.
    #[error("the validity is out of range")]
    ValidityOutOfRange,
    /// The certificate could not be written.
    #[error("the certificate could not be written")]
    Encoding(#[from] der::Error),
    /// No key could be generated.
    #[error("no key could be generated")]
    Generation,
    /// Nothing could be signed.
    #[error("the signature could not be made")]
    Signing,
    /// The claims of a token could not be written.
    #[error("the claims are not JSON")]
    Claims(#[source] serde_json::Error),
    /// A TLS configuration could not be made.
    #[error("the TLS configuration could not be made")]
    Tls(#[from] rustls::Error),
}
