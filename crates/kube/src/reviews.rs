//! Questions about oneself: `kubectl auth can-i`, `kubectl auth whoami`.
//!
//! Clients of a cluster are of `system:masters`, whom the real server lets do everything, too.
//!
//! Source: k8s.io/api `authorization/v1`, `SelfSubjectAccessReview`; `authentication/v1`, `SelfSubjectReview`.

use serde_json::{Value, json};

use crate::status::Status;

/// Where access is asked after: nothing is stored there, so that it is no kind of the registry.
pub(crate) const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Where a client asks who it is.
pub(crate) const SUBJECT: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// Answers who asks.
    ///
    /// # Errors
    /// 400 when it is no review.
    pub(crate) fn review(&self, review: &Value) -> Result<Value, Status> {
        check_kind(review, "SelfSubjectReview")?;
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).chain(["system:authenticated"]).collect();
        Ok(json!({
            "kind": "SelfSubjectReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {},
            "status": {"userInfo": {"username": self.name, "groups": groups}},
        }))
    }
}

/// Answers whether whoever asks may do what `review` names.
///
/// # Errors
/// 400 when it is no review or asks after nothing.
pub(crate) fn access(mut review: Value) -> Result<Value, Status> {
    check_kind(&review, "SelfSubjectAccessReview")?;
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

fn check_kind(review: &Value, wanted: &str) -> Result<(), Status> {
    let kind = review["kind"].as_str().unwrap_or_default();
    if kind.is_empty() || kind == wanted {
        return Ok(());
    }
    Err(Status::bad_request(format!("{kind} is no {wanted}")))
}
