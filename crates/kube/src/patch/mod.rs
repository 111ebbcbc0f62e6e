//! Patches: JSON patch (RFC 6902), merge patch (RFC 7396) and Kubernetes' strategic merge patch.

mod strategic;

use serde_json::Value;

use crate::status::Status;

/// The kind of a patch, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchType {
    /// The kind a content type names.
    ///
    /// # Errors
    /// 415 for what is not supported.
    pub(crate) fn of(content_type: &str) -> Result<Self, Status> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            other => Err(Status::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
                 application/apply-patch+yaml \
                 (not {other})"
            ))),
        }
    }
}

/// The object after a patch that is no apply: that one needs to know who owns what.
///
/// # Errors
/// 400 for a malformed patch, 422 for a JSON patch that does not apply.
pub(crate) fn apply(patch_type: PatchType, object: &Value, patch: &Value) -> Result<Value, Status> {
    let mut patched = object.clone();
    match patch_type {
        PatchType::Json => {
            let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut patched, &operations).map_err(|error| {
                Status::invalid("", "", "", &[crate::status::Cause::invalid("patch", &Value::Null, &error.to_string())])
            })?;
        }
        PatchType::Apply => return Err(Status::internal("an apply is no patch")),
        PatchType::Merge => json_patch::merge(&mut patched, patch),
        PatchType::Strategic => strategic::merge(&mut patched, patch)?,
    }
    Ok(patched)
}
