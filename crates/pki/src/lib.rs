//! Authorities, leaf certificates, tokens and random secrets.
//!
//! Computation and randomness only: no files, no sockets, no clock — the time is passed in.

mod authority;
mod issuer;
mod redacted;
mod secret;
mod time;
mod tls;

pub use authority::{Authority, AuthorityPem, ClientCertificate, Identity, ServerCertificate, Subject, client_subject};
pub use issuer::{Expectation, IssuerPem, TokenError, TokenIssuer, VerifiedTokens};
pub use redacted::Redacted;
pub use secret::{constant_time_equal, random_hex, random_token};
pub use time::UnixTime;
pub use tls::{install_provider, server_config};

/// Why a key, a certificate or a configuration could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate could not be made.
    #[error("the certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A key or a certificate could not be read.
    #[error("{what} is malformed")]
    Malformed {
        /// What it was to be.
        what: &'static str,
    },
    /// A key could not be generated.
    #[error("the system gave no key")]
    Generation,
    /// A TLS configuration could not be made.
    #[error("the TLS configuration could not be made")]
    Tls(#[from] rustls::Error),
    /// A token could not be signed.
    #[error("the token could not be signed")]
    Token(#[from] jsonwebtoken::errors::Error),
}
