//! Questions about oneself: `kubectl auth can-i`.
//!
//! Clients of a cluster are of `system:masters`, whom the real server lets do everything, too.
//!
//! Source: k8s.io/api `authorization/v1`, `SelfSubjectAccessReview`.

use serde_json::{Value, json};

use crate::status::Status;

/// Where access is asked after: nothing is stored there, so that it is no kind of the registry.
pub(crate) const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Answers whether whoever asks may do what `review` names.
///
/// # Errors
/// 400 when it is no review or asks after nothing.
pub(crate) fn access(mut review: Value) -> Result<Value, Status> {
    let kind = review["kind"].as_str().unwrap_or_default();
    if !kind.is_empty() && kind != "SelfSubjectAccessReview" {
        return Err(Status::bad_request(format!("{kind} is no SelfSubjectAccessReview")));
    }
    if review["spec"]["resourceAttributes"].is_null() == review["spec"]["nonResourceAttributes"].is_null() {
        return Err(Status::bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ));
    }
    review["kind"] = json!("SelfSubjectAccessReview");
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    review["status"] = json!({"allowed": true});
    Ok(review)
}
