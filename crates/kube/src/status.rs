//! Kubernetes' refusals: the `Status` object with its reason, code and wording.
//!
//! Source: k8s.io/apimachinery `api/errors`; wording as clients print it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::registry::Resource;

/// A refusal in Kubernetes' terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    reason: Cow<'static, str>,
    message: String,
    details: Option<Box<Value>>,
    /// Where a list may go on.
    continue_token: Option<String>,
    /// What the client is warned of all the same.
    pub(crate) warnings: Vec<String>,
}

/// What a resource is called in refusals: `pods`, `deployments.apps`.
pub(crate) fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: None,
            continue_token: None,
            warnings: Vec::new(),
        }
    }

    fn about(mut self, name: &str, group: &str, kind: &str, causes: &[Cause]) -> Self {
        let mut details = json!({"name": name, "kind": kind});
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        if !causes.is_empty() {
            details["causes"] = causes.iter().map(Cause::to_value).collect();
        }
        self.details = Some(details.into());
        self
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same with warnings.
    pub(crate) fn warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn no_such_path() -> Self {
        let mut status = Self::new(404, "NotFound", "the server could not find the requested resource");
        status.details = Some(json!({}).into());
        status
    }

    pub(crate) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(plural, group));
        Self::new(404, "NotFound", message).about(name, group, plural, &[])
    }

    pub(crate) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(plural, group));
        Self::new(409, "AlreadyExists", message).about(name, group, plural, &[])
    }

    pub(crate) fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    pub(crate) fn conflict(group: &str, plural: &str, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to \
             the latest version and try again",
            qualified(plural, group)
        );
        Self::new(409, "Conflict", message).about(name, group, plural, &[])
    }

    /// 409: the object is not the one, or not in the state, that the client means; what, wanted, held.
    pub(crate) fn precondition_failed(
        group: &str,
        plural: &str,
        name: &str,
        (what, wanted, held): (&str, &str, &str),
    ) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": Precondition failed: {what} in precondition: {wanted}, \
             {what} in object meta: {held}",
            qualified(plural, group)
        );
        Self::new(409, "Conflict", message).about(name, group, plural, &[])
    }

    /// 403: nothing can be made in a namespace that is being deleted.
    pub(crate) fn namespace_ends(group: &str, plural: &str, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being \
             terminated",
            qualified(plural, group)
        );
        let cause = Cause {
            reason: "NamespaceTerminating",
            field: "metadata.namespace".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
        };
        Self::new(403, "Forbidden", message).about(name, group, plural, &[cause])
    }

    /// 504: what the client has seen has not happened here.
    pub(crate) fn too_large_version(wanted: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let mut status = Self::new(504, "Timeout", message);
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        status.details = Some(json!({"retryAfterSeconds": 1, "causes": [cause]}).into());
        status
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// 403: admission refuses an object; why.
    pub(crate) fn denied(row: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(&row.plural, &row.group));
        Self::new(403, "Forbidden", message).about(name, &row.group, &row.plural, &[])
    }

    /// 422, or what a policy gives as its reason: a policy refuses an object; why.
    pub(crate) fn denied_for(row: &Resource, name: &str, why: &str, reason: Option<&str>) -> Self {
        let (code, reason) = match reason {
            Some("Forbidden") => (403, "Forbidden"),
            Some("Unauthorized") => (401, "Unauthorized"),
            Some("RequestEntityTooLarge") => (413, "RequestEntityTooLarge"),
            _ => (422, "Invalid"),
        };
        let mut status = Self { code, reason: reason.into(), ..Self::denied(row, name, why) };
        if let Some(details) = &mut status.details {
            details["causes"] = json!([{"message": why}]);
        }
        status
    }

    /// What a webhook refuses, with the code that it says.
    pub(crate) fn webhook_denied(name: &str, said: &Value) -> Self {
        let code = said["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code < 600);
        let text = |field: &str| said[field].as_str().filter(|text| !text.is_empty());
        let start = format!("admission webhook {name:?} denied the request");
        let message = match text("message").or(text("reason")) {
            Some(why) => format!("{start}: {why}"),
            None => format!("{start} without explanation"),
        };
        let mut status = Self::new(code.unwrap_or(400).max(400), "", message);
        status.reason = text("reason").unwrap_or_default().to_owned().into();
        if said["details"].is_object() {
            status.details = Some(said["details"].clone().into());
        }
        status
    }

    /// 500: a webhook could not be asked.
    pub(crate) fn webhook_failed(problem: &str) -> Self {
        let mut status = Self::internal(format!("Internal error occurred: {problem}"));
        status.details = Some(json!({"causes": [{"message": problem}]}).into());
        status
    }

    /// 501: what only a running container could answer.
    pub(crate) fn no_containers(what: &str) -> Self {
        let message =
            format!("{what} is not available: no containers run in this cluster, its pods are only marked as running");
        Self::new(501, "NotImplemented", message)
    }

    /// 503: what stands behind the server is not there.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// 429: a disruption budget does not allow it now.
    pub(crate) fn disruption(why: &str) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut status = Self::new(429, "TooManyRequests", message);
        status.details = Some(json!({"causes": [{"reason": "DisruptionBudget", "message": why}]}).into());
        status
    }

    /// 429: a priority level has no seat left.
    pub(crate) fn too_many_requests() -> Self {
        let mut status = Self::new(429, "TooManyRequests", "Too many requests, please try again later.");
        status.details = Some(json!({"retryAfterSeconds": 1}).into());
        status
    }

    /// After how many seconds to try again, if that is said.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.details.as_ref()?["retryAfterSeconds"].as_u64()
    }

    /// 409: it is so already.
    pub(crate) fn already(row: &Resource, name: &str, problem: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {problem}", qualified(&row.plural, &row.group));
        Self::new(409, "Conflict", message).about(name, &row.group, &row.plural, &[])
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The same with a token for the rest of a list.
    pub(crate) fn continued_by(mut self, token: &str) -> Self {
        self.continue_token = Some(token.to_owned());
        self
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity is too large: limit is {limit}");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let sentences: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let list = match sentences.as_slice() {
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {list}", qualified(kind, group));
        Self::new(422, "Invalid", message).about(name, group, kind, causes)
    }

    /// 409: others own what an apply would change.
    pub(crate) fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        let mut status = Self::new(409, "Conflict", message);
        let causes = causes.iter().map(Cause::to_value);
        status.details = Some(json!({"causes": causes.collect::<Vec<_>>()}).into());
        status
    }

    /// 500 without a reason, as the real server answers what it did not foresee.
    pub(crate) fn unexplained(message: String) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// The object on the wire.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if let Some(token) = &self.continue_token {
            status["metadata"] = json!({"continue": token});
        }
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = Value::clone(details);
        }
        status["code"] = json!(self.code);
        status
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Cause {
    fn to_value(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }

    pub(crate) fn required(field: &str, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", field: field.to_owned(), message }
    }

    pub(crate) fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {value}: {detail}");
        Self { reason: "FieldValueInvalid", field: field.to_owned(), message }
    }
}

impl From<store::StoreError> for Status {
    fn from(error: store::StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::internal("the object store is not available")
    }
}

/// The answer to a deletion that left nothing behind.
pub(crate) fn success(group: &str, plural: &str, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": plural, "uid": uid});
    if !group.is_empty() {
        details["group"] = json!(group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
