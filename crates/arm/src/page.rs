//! Listings in pages: `$top`, `$skiptoken`, `nextLink`.
//!
//! Where a listing is made it is cut; where the request's address is known the link to the next page is written
//! ([`linked`]). A token names the resource behind which the listing goes on, so that however much comes and goes between
//! two pages, what stays is shown once.
//!
//! Source: the ARM resource provider contract, "collections"; sizes as the operations' descriptions in the REST
//! specification have them.

use azure::{ArmError, Json, Resource, ResourceId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Uri;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::provider::Request;

/// Resources on a page of an ordinary listing: ARM's own number.
pub(crate) const ORDINARY: usize = 1_000;
/// Record sets on a page, unless `$top` says otherwise.
pub(crate) const RECORD_SETS: usize = 100;

/// Which part of a listing is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    size: usize,
    after: Option<ResourceId>,
}

/// A part of a listing.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// What stands on the page.
    pub(crate) resources: Vec<&'a Arc<Resource>>,
    /// The `$skiptoken` of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl Page {
    /// The page that a request asks for, of `size` resources unless it says otherwise; never more than [`ORDINARY`].
    ///
    /// # Errors
    /// 400 for a `$top` that is no number, and for a token that is none of ours.
    pub(crate) fn of(request: &Request<'_>, size: usize) -> Result<Self, ArmError> {
        let refused = |name: &str, text: &str, why: &str| {
            ArmError::bad_request(
                "InvalidQueryParameterValue",
                format!("The value '{text}' of the query parameter '{name}' is not {why}."),
            )
        };
        let top = request.query("$top").map(|text| text.parse().map_err(|_| refused("$top", text, "a valid number")));
        let after = request.query("$skiptoken").map(|text| {
            let id = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let id = id.and_then(|id| ResourceId::parse(&id).ok());
            id.ok_or_else(|| refused("$skiptoken", text, "valid: use the nextLink of the page before as it is"))
        });
        Ok(Self { size: top.transpose()?.unwrap_or(size).min(ORDINARY), after: after.transpose()? })
    }

    /// Cuts this page out of resources in id order.
    pub(crate) fn cut<'a>(&self, resources: impl Iterator<Item = &'a Arc<Resource>>) -> Part<'a> {
        let behind = |resource: &&Arc<Resource>| self.after.as_ref().is_none_or(|after| resource.id() > after);
        let mut rest = resources.filter(behind);
        let resources: Vec<_> = rest.by_ref().take(self.size).collect();
        let last = resources.last().filter(|_| rest.next().is_some());
        let next = last.map(|last| URL_SAFE_NO_PAD.encode(last.id().as_str()));
        Part { resources, next }
    }
}

/// `{"value": […]}`, with the token of the next page as `nextLink` until [`linked`] makes an address of it.
pub(crate) fn listed(values: Vec<Value>, next: Option<String>) -> Value {
    let mut body = json!({});
    body["value"] = Value::Array(values);
    if let Some(next) = next {
        body["nextLink"] = json!(next);
    }
    body
}

/// The body of a listing that was asked for at `uri`, with the address of the next page.
pub(crate) fn linked(mut body: Value, base_url: &str, uri: &Uri) -> Value {
    if let Some(token) = Json::new(&body).get("nextLink").text() {
        body["nextLink"] = json!(link(base_url, uri, token));
    }
    body
}

/// The address of the page behind `token`: the request's own with another token.
pub(crate) fn link(base_url: &str, uri: &Uri, token: &str) -> String {
    let is_token = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        name == "$skiptoken" || name == "%24skiptoken"
    };
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| !is_token(pair)).collect();
    format!("{base_url}{}?{}&%24skiptoken={token}", uri.path(), kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_requests_own_address_with_another_token() {
        let uri: Uri =
            "/subscriptions/s/resources?api-version=1&%24skiptoken=old&$filter=a%20eq%20'b'".parse().unwrap();
        assert_eq!(
            link("https://localhost:1", &uri, "new"),
            "https://localhost:1/subscriptions/s/resources?api-version=1&$filter=a%20eq%20'b'&%24skiptoken=new"
        );
    }
}
