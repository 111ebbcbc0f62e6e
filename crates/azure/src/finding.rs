//! Findings: what is broken, dangling or not modelled in an estate, said instead of guessed.

use serde::Serialize;

use crate::ResourceId;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Something will not work as it is declared.
    Warning,
}

/// One observation about one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The resource it is about.
    pub resource: ResourceId,
    /// How much it matters.
    pub severity: Severity,
    /// A stable code for scripts, e.g. `DanglingReference`.
    pub code: &'static str,
    /// One sentence for people.
    pub message: String,
}

impl Finding {
    /// The document lacks what its type cannot do without.
    pub fn unreadable(resource: &ResourceId) -> Self {
        Self {
            resource: resource.clone(),
            severity: Severity::Warning,
            code: "UnreadableResource",
            message: "a required property is missing or malformed, so the resource has no effect".to_owned(),
        }
    }

    /// `resource` refers to `target`, which does not exist.
    pub fn dangling(resource: &ResourceId, target: &ResourceId) -> Self {
        Self {
            resource: resource.clone(),
            severity: Severity::Warning,
            code: "DanglingReference",
            message: format!("it refers to `{target}`, which does not exist"),
        }
    }

    /// `resource` asks for something the model does not act on.
    pub fn unmodelled(resource: &ResourceId, what: &str) -> Self {
        Self {
            resource: resource.clone(),
            severity: Severity::Note,
            code: "NotModelled",
            message: format!("{what} is kept but not acted on"),
        }
    }
}
