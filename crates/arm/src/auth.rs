//! Who calls: what the HTTPS edge asks of whoever checks bearer tokens.

use azure::ArmError;
use jiff::Timestamp;

/// A client whose token was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Object id of the principal (`oid`).
    pub object_id: String,
}

/// Why a request has no caller: always 401.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request was not authenticated")]
pub struct Unauthenticated {
    /// The body's code and message.
    pub error: ArmError,
    /// The `WWW-Authenticate` header.
    pub challenge: String,
}

/// Checks bearer tokens.
pub trait Authenticator: Send + Sync {
    /// The caller behind an `Authorization` header.
    ///
    /// # Errors
    /// [`Unauthenticated`] when the header is missing, malformed, expired or for somebody else.
    #[expect(clippy::result_large_err, reason = "a refusal is moved once, into the reply")]
    fn authenticate(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Unauthenticated>;
}
