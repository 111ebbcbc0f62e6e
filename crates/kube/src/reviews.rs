//! Questions that are asked by creating them: who am I, whose token is this, who may do what.
//!
//! Nothing is stored; the answer is the created object. Source: k8s.io/api `authentication/v1`, `authorization/v1`.

use serde_json::{Value, json};

use crate::{objects::ObjectStore, rbac::Request, request::Objects, status::Status, tokens::AccountTokens};

/// Every known user is in this group.
const AUTHENTICATED: &str = "system:authenticated";

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// Puts a user whom somebody has proved to be into the group of all that are known.
    pub(crate) fn authenticated(mut self) -> Self {
        if !self.groups.iter().any(|group| group == AUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether it may do everything, whatever the roles are.
    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    /// As reviews show it.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            info["uid"] = json!(self.uid);
        }
        info
    }
}

/// Answers a review of any kind.
///
/// # Errors
/// 400 when it is no review of its kind or asks after nothing.
pub(crate) fn answer(
    store: &ObjectStore,
    user: &User,
    tokens: &AccountTokens,
    kind: &Objects<'_>,
    mut review: Value,
) -> Result<Value, Status> {
    let row = &kind.resource;
    let given = review["kind"].as_str().unwrap_or_default();
    if !given.is_empty() && given != row.kind {
        return Err(Status::bad_request(format!("{given} is no {}", row.kind)));
    }
    let status = match &*row.kind {
        "SelfSubjectReview" => json!({"userInfo": user.info()}),
        "SelfSubjectAccessReview" => access(store, user, &review["spec"])?,
        "SelfSubjectRulesReview" => rules(store, user, &review["spec"])?,
        "TokenReview" => token(store, tokens, &review["spec"])?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let spec = &review["spec"];
            let of = spec["resourceAttributes"]["namespace"].as_str().unwrap_or_default();
            if kind.namespace.is_some_and(|namespace| namespace != of) {
                let message = "spec.resourceAttributes.namespace must match metadata.namespace";
                return Err(Status::bad_request(message));
            }
            access(store, &subject(spec)?, spec)?
        }
        _ => return Err(Status::method_not_allowed()),
    };
    review["kind"] = json!(row.kind);
    review["apiVersion"] = json!(row.api_version());
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    review["status"] = status;
    Ok(review)
}

fn subject(spec: &Value) -> Result<User, Status> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups: Vec<String> = spec["groups"].as_array().into_iter().flatten().map(text).collect();
    let user = User { name: text(&spec["user"]), uid: text(&spec["uid"]), groups };
    if user.name.is_empty() && user.groups.is_empty() {
        return Err(Status::bad_request("at least one of user or group must be specified"));
    }
    Ok(user)
}

fn access(store: &ObjectStore, user: &User, spec: &Value) -> Result<Value, Status> {
    let (of_resource, of_path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if of_resource.is_null() == of_path.is_null() {
        return Err(Status::bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ));
    }
    let attributes = if of_path.is_null() { of_resource } else { of_path };
    let text = |field: &str| attributes[field].as_str().unwrap_or_default();
    let request = if of_path.is_null() {
        Request::Resource {
            verb: text("verb"),
            group: text("group"),
            resource: text("resource"),
            subresource: text("subresource"),
            namespace: Some(text("namespace")).filter(|namespace| !namespace.is_empty()),
            name: text("name"),
        }
    } else {
        Request::Path { verb: text("verb"), path: text("path") }
    };
    Ok(match store.allows(user, &request)? {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn rules(store: &ObjectStore, user: &User, spec: &Value) -> Result<Value, Status> {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let rules = store.rules_of(user, namespace)?;
    let (of_paths, of_resources): (Vec<Value>, Vec<Value>) =
        rules.into_iter().partition(|rule| rule["nonResourceURLs"].is_array());
    Ok(json!({"resourceRules": of_resources, "nonResourceRules": of_paths, "incomplete": false}))
}

fn token(store: &ObjectStore, tokens: &AccountTokens, spec: &Value) -> Result<Value, Status> {
    let shown = spec["token"].as_str().unwrap_or_default();
    let audiences: Vec<String> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect();
    Ok(match tokens.verify(store, shown, &audiences)? {
        Some((user, audiences)) => {
            json!({"authenticated": true, "user": user.authenticated().info(), "audiences": audiences})
        }
        None => json!({"user": {}, "error": "[invalid bearer token, unknown]"}),
    })
}
