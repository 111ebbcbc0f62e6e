//! Acting as somebody else: the headers `Impersonate-User`, `Impersonate-Group` and `Impersonate-Uid`.
//!
//! Source: k8s.io/apiserver `pkg/endpoints/filters/impersonation.go`.

use http::HeaderMap;

use super::Request;
use crate::{objects::ObjectStore, reviews::User, status::Status};

const ACCOUNT: &str = "system:serviceaccount:";

/// Whom a request is to be taken for: whoever sent it, or somebody that they may act as.
///
/// # Errors
/// 403, 400 when a group is named and no user.
pub(crate) fn effective(store: &ObjectStore, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let all =
        |name: &str| -> Vec<&str> { headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect() };
    let (names, groups, uids) = (all("impersonate-user"), all("impersonate-group"), all("impersonate-uid"));
    let Some(name) = names.first().copied().filter(|name| !name.is_empty()) else {
        if groups.is_empty() && uids.is_empty() {
            return Ok(user);
        }
        return Err(Status::bad_request("requested groups without impersonating a user"));
    };
    let allow = |group: &str, resource: &str, namespace: Option<&str>, name: &str| -> Result<(), Status> {
        let request = Request::Resource { verb: "impersonate", group, resource, subresource: "", namespace, name };
        match store.allows(&user, &request)? {
            Some(_) => Ok(()),
            None => Err(Status::forbidden(request.refusal(&user.name))),
        }
    };
    let account = name.strip_prefix(ACCOUNT).and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => allow("", "serviceaccounts", Some(namespace), account)?,
        None => allow("", "users", None, name)?,
    }
    for group in &groups {
        allow("", "groups", None, group)?;
    }
    for uid in &uids {
        allow("authentication.k8s.io", "uids", None, uid)?;
    }
    let mut next = User {
        name: name.to_owned(),
        uid: uids.first().copied().unwrap_or_default().to_owned(),
        groups: groups.into_iter().map(str::to_owned).collect(),
    };
    if let (Some((namespace, _)), true) = (account, next.groups.is_empty()) {
        next.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    Ok(next.authenticated())
}
