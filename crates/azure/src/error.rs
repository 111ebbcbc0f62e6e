//! Azure's refusals: an HTTP status, a `code` and a `message`, as its services word them.

use std::borrow::Cow;

/// A refusal in Azure's terms. `status` is always 4xx or 5xx.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("({code}) {message}")]
pub struct ArmError {
    /// HTTP status.
    pub status: u16,
    /// Azure's machine-readable code, e.g. `ResourceNotFound`.
    pub code: Cow<'static, str>,
    /// Azure's sentence for people.
    pub message: String,
    /// The property or resource the error is about, where Azure names one.
    pub target: Option<String>,
    /// Finer-grained causes.
    pub details: Vec<ArmError>,
}

impl ArmError {
    /// A refusal with this status, code and message.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        debug_assert!((400..600).contains(&status), "{status} is no error status");
        Self { status, code: code.into(), message: message.into(), target: None, details: Vec::new() }
    }

    /// 400.
    pub fn bad_request(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// 404.
    pub fn not_found(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(404, code, message)
    }

    /// 409.
    pub fn conflict(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// The same refusal with the property or resource it is about.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}
