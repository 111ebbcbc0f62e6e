//! What a client says of a deployment.

use azure::ArmError;
use serde_json::Value;

/// What happens to what a template does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It stays.
    Incremental,
    /// It is deleted.
    Complete,
}

/// The body of a deployment.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) template: Value,
    pub(super) parameters: Value,
    pub(super) mode: Mode,
    /// Whether a nested template has parameters and variables of its own.
    pub(super) inner: bool,
}

impl Body {
    /// Reads `{"properties": {"template", "parameters", "mode"}}`.
    ///
    /// # Errors
    /// 400 for a link (nothing is fetched), for no template and for a mode nobody knows.
    pub(super) fn read(body: &Value) -> Result<Self, ArmError> {
        let properties = &body["properties"];
        for link in ["templateLink", "parametersLink"] {
            if !properties[link].is_null() {
                return Err(ArmError::bad_request(
                    "NotSupported",
                    format!(
                        "The '{link}' of a deployment is not supported by this lab, which fetches nothing: give the content itself."
                    ),
                ));
            }
        }
        if !properties["template"].is_object() {
            return Err(ArmError::bad_request(
                "InvalidTemplate",
                "Deployment template validation failed: 'The template is not specified, or is not an object'.",
            ));
        }
        let mode = match properties["mode"].as_str().unwrap_or("Incremental") {
            mode if mode.eq_ignore_ascii_case("incremental") => Mode::Incremental,
            mode if mode.eq_ignore_ascii_case("complete") => Mode::Complete,
            mode => {
                return Err(ArmError::bad_request(
                    "InvalidDeploymentMode",
                    format!("The deployment mode '{mode}' is not valid. It must be 'Incremental' or 'Complete'."),
                ));
            }
        };
        let scope = properties["expressionEvaluationOptions"]["scope"].as_str().unwrap_or_default();
        Ok(Self {
            template: properties["template"].clone(),
            parameters: properties["parameters"].clone(),
            mode,
            inner: scope.eq_ignore_ascii_case("inner"),
        })
    }
}

impl Mode {
    /// As documents spell it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "Incremental",
            Self::Complete => "Complete",
        }
    }
}
