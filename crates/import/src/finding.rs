//! What a source lacks, and what stands in for it.

use azure::{ResourceId, Severity};
use serde::Serialize;

/// One thing that a source does not say, or says in a way nobody here can read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SourceFinding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable code for scripts, e.g. `EndpointAddressMissing`.
    pub code: &'static str,
    /// The resource it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// The file, the subscription or the address in Terraform that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// One sentence for people.
    pub message: String,
}

impl SourceFinding {
    /// Worth knowing: the answers hold.
    pub(crate) fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, code, resource: None, place: None, message: message.into() }
    }

    /// Some answer may differ from the truth for want of this.
    pub(crate) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::note(code, message) }
    }

    pub(crate) fn of(mut self, resource: &ResourceId) -> Self {
        self.resource = Some(resource.clone());
        self
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}
