//! Who asks: a certificate of the cluster's authority, one of the cluster's tokens, or one of a service account.
//!
//! Any is enough, as with the union of authenticators of k8s.io/apiserver (`authentication/request/union`): a certificate
//! that is not to be believed does no harm beside a good token. Nobody is anonymous, as in AKS (`--anonymous-auth=false`).

use http::{HeaderMap, header};
use pki::Subject;

use crate::{reviews::User, spec::TokenUser};

/// Who a request is from: `subject` is what the connection's certificate proved, if anything.
pub(crate) fn user(subject: Option<&Subject>, headers: &HeaderMap, tokens: &[TokenUser]) -> Option<User> {
    if let Some(Subject { common_name, organizations }) = subject {
        let user = User { name: common_name.clone(), groups: organizations.clone(), ..User::default() };
        return Some(user.authenticated());
    }
    let shown = bearer(headers)?.as_bytes();
    // Every token is compared, so that the time tells nothing.
    let found = tokens.iter().fold(None, |found, user| {
        if pki::constant_time_equal(user.token.expose().as_bytes(), shown) { Some(user) } else { found }
    });
    let found = found?;
    Some(User { name: found.user.clone(), groups: found.groups.clone(), ..User::default() }.authenticated())
}

/// The bearer token that a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, shown) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

/// The token that a request shows if it has the form of a service account's: three parts.
pub(crate) fn web_token(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).filter(|token| token.split('.').count() == 3)
}
