//! One management request, read from HTTP: its target, query, preconditions and body.

use azure::ArmError;
use http::{
    HeaderMap, HeaderName, Method, Uri,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use serde_json::{Map, Value};

use crate::target::{Target, parse_query};

/// A management request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What it wants done.
    pub(crate) verb: Verb,
    /// With what.
    pub(crate) target: Target,
    /// Where it was sent.
    pub(crate) uri: Uri,
    /// The query without `api-version`; names in lower case.
    pub(crate) query: Vec<(String, String)>,
    /// The api-version, not checked: one resource is read with several (az-wire §2.1).
    pub(crate) api_version: String,
    /// The body; an empty object when there is none.
    pub(crate) body: Value,
    /// What must hold for a change to be made.
    pub(crate) preconditions: Preconditions,
}

/// A method that ARM knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Head,
    Put,
    Patch,
    Post,
    Delete,
}

/// `If-Match` and `If-None-Match` (RFC 9110 §13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::POST => Self::Post,
            Method::DELETE => Self::Delete,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// The refusal of this method on a target.
    pub(crate) fn not_allowed(self) -> ArmError {
        method_not_allowed(self.as_str())
    }

    /// Whether it changes nothing, whatever its target.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

impl Call {
    /// Reads a request.
    ///
    /// # Errors
    /// ARM's refusal of a path, a method, a missing api-version or a body that is no JSON.
    pub(crate) fn parse(parts: &Parts, body: &[u8]) -> Result<Self, ArmError> {
        let target = Target::parse(parts.uri.path())?;
        let verb = Verb::of(&parts.method).ok_or_else(|| method_not_allowed(parts.method.as_str()))?;
        let mut query = parse_query(parts.uri.query().unwrap_or_default());
        let api_version = query.iter().position(|(name, _)| name == "api-version").map(|at| query.remove(at).1);
        let Some(api_version) = api_version.filter(|version| is_api_version(version)) else {
            return Err(ArmError::bad_request(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        let body = match verb {
            Verb::Put | Verb::Patch | Verb::Post if target.is_deployment() => parse_lenient(body)?,
            Verb::Put | Verb::Patch | Verb::Post => parse_body(body)?,
            Verb::Get | Verb::Head | Verb::Delete => Value::Object(Map::new()),
        };
        let preconditions = Preconditions::of(&parts.headers);
        Ok(Self { verb, target, uri: parts.uri.clone(), query, api_version, body, preconditions })
    }
}

/// Something that can be repeated in a URL of ours.
fn is_api_version(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn method_not_allowed(method: &str) -> ArmError {
    ArmError::new(405, "MethodNotAllowed", format!("The requested resource does not support http method '{method}'."))
}

/// A deployment's body: az puts a template's text into it as it stands in the user's file, under a
/// name without quotes, with its comments (az-wire §6).
fn parse_lenient(body: &[u8]) -> Result<Value, ArmError> {
    let strict = parse_body(body);
    let Ok(text) = std::str::from_utf8(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)) else { return strict };
    if strict.is_ok() {
        return strict;
    }
    template::lenient(text).map_err(|problem| {
        ArmError::bad_request(
            "InvalidRequestContent",
            format!("The request content was invalid and could not be deserialized: '{}'.", problem.message),
        )
    })
}

fn parse_body(body: &[u8]) -> Result<Value, ArmError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| {
        ArmError::bad_request(
            "InvalidRequestContent",
            format!("The request content was invalid and could not be deserialized: '{error}'."),
        )
    })
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| {
            let value = headers.get(name)?.to_str().ok()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self { if_match: text(&IF_MATCH), if_none_match: text(&IF_NONE_MATCH) }
    }

    /// Whether there is anything to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Checks against the resource as a client would read it; `None` when it is not there. `called`
    /// is what its service calls it where it words these refusals in its own way.
    ///
    /// # Errors
    /// 412 `PreconditionFailed`.
    pub(crate) fn check(&self, current: Option<&Value>, called: Option<&str>) -> Result<(), ArmError> {
        let etag = current.map(|document| etag(document).unwrap_or_default());
        let refused = |header: &str, condition: &str| {
            let current = etag.map_or_else(|| "the resource does not exist".to_owned(), |etag| format!("'{etag}'"));
            let message = match called {
                Some(called) if condition == "*" && etag.is_some() => {
                    format!("The {called} exists already and hence cannot be created again.")
                }
                Some(called) => format!("The {called} has been modified (etag mismatch)."),
                None => format!(
                    "The condition '{condition}' in the {header} header was not satisfied. The current was {current}."
                ),
            };
            Err(ArmError::new(412, "PreconditionFailed", message))
        };
        if let Some(condition) = &self.if_none_match
            && etag.is_some_and(|etag| condition == "*" || is_one_of(etag, condition))
        {
            return refused("If-None-Match", condition);
        }
        if let Some(condition) = &self.if_match
            && !etag.is_some_and(|etag| condition == "*" || is_one_of(etag, condition))
        {
            return refused("If-Match", condition);
        }
        Ok(())
    }
}

/// The resource's entity tag: Network says `etag`, AKS `eTag`.
fn etag(document: &Value) -> Option<&str> {
    ["etag", "eTag"].into_iter().find_map(|name| document.get(name)).and_then(Value::as_str)
}

/// Whether `etag` is in a list of entity tags. Quotes and `W/` do not count: Azure's services put
/// them differently into documents and headers.
fn is_one_of(etag: &str, list: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    list.split(',').any(|one| bare(one) == bare(etag))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(method: &str, uri: &str, body: &[u8]) -> Result<Call, ArmError> {
        let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
        Call::parse(&request.into_parts().0, body)
    }

    #[test]
    fn a_request_is_refused_as_arm_refuses_it() {
        let code = |method, uri, body: &str| parse(method, uri, body.as_bytes()).unwrap_err().code;
        assert_eq!(code("GET", "/subscriptions", ""), "MissingApiVersionParameter");
        assert_eq!(code("GET", "/subscriptions?api-version=", ""), "MissingApiVersionParameter");
        assert_eq!(code("GET", "/subscriptions?api-version=a%0d%0ab", ""), "MissingApiVersionParameter");
        assert_eq!(code("BREW", "/subscriptions?api-version=1", ""), "MethodNotAllowed");
        assert_eq!(code("PUT", "/subscriptions/s/resourceGroups/rg?api-version=1", "{"), "InvalidRequestContent");
        assert_eq!(
            code("PUT", "/subscriptions/s/resourceGroups/rg?api-version=1", &"[".repeat(999)),
            "InvalidRequestContent"
        );
    }

    #[test]
    fn a_body_may_start_with_a_byte_order_mark_or_be_missing() {
        let body = |bytes: &[u8]| parse("PUT", "/subscriptions/s/resourceGroups/rg?API-version=1", bytes).unwrap().body;
        assert_eq!(body(b"\xef\xbb\xbf{\"a\":1}"), json!({"a": 1}));
        assert_eq!(body(b" \n"), json!({}));
    }

    #[test]
    fn the_body_of_a_deployment_is_read_as_az_writes_it() {
        let uri =
            "/subscriptions/s/resourcegroups/rg/providers/Microsoft.Resources/deployments/d/validate?api-version=1";
        let body = "{\"properties\": {\"mode\": \"Incremental\", template:{ // a comment\n\"a\": [1, -2, 1.5, 'x',], \"b\": \"[f('c')]\" /* b */ }}}";
        let read = parse("POST", uri, body.as_bytes()).unwrap().body;
        assert_eq!(read["properties"]["template"], json!({"a": [1, -2, 1.5, "x"], "b": "[f('c')]"}));
        let deep = format!("{{template: {}}}", "[".repeat(100_000));
        assert_eq!(parse("POST", uri, deep.as_bytes()).unwrap_err().code, "InvalidRequestContent");
        let other = "/subscriptions/s/resourceGroups/rg?api-version=1";
        assert!(parse("PUT", other, b"{location: 1}").is_err(), "nobody else may write so");
    }

    #[test]
    fn preconditions_compare_entity_tags() {
        let check = |name: &str, value: &str, current: Option<Value>| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            Preconditions::of(&headers).check(current.as_ref(), None).is_ok()
        };
        let there = || Some(json!({"etag": "W/\"1\""}));
        assert!(check("if-none-match", "*", None) && !check("if-none-match", "*", there()));
        assert!(check("if-match", "\"1\"", there()) && check("if-match", "*", there()));
        assert!(!check("if-match", "\"2\"", there()) && !check("if-match", "*", None));
        assert!(Preconditions::of(&HeaderMap::new()).check(None, None).is_ok());
    }
}
