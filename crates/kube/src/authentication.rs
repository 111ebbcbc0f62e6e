//! Who asks: a certificate of the cluster's authority, or one of the cluster's tokens.
//!
//! Either is enough, as with the union of authenticators of k8s.io/apiserver (`authentication/request/union`): a certificate
//! that is not to be believed does no harm beside a good token. Nobody is anonymous, as in AKS (`--anonymous-auth=false`).

use http::{HeaderMap, header};
use pki::Subject;

use crate::{reviews::User, spec::TokenUser};

/// Who a request is from: `subject` is what the connection's certificate proved, if anything. `None` is 401.
pub(crate) fn user(subject: Option<&Subject>, headers: &HeaderMap, tokens: &[TokenUser]) -> Option<User> {
    if let Some(Subject { common_name, organizations }) = subject {
        return Some(User { name: common_name.clone(), groups: organizations.clone() });
    }
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = shown.split_once(' ')?;
    let shown = shown.trim().as_bytes();
    // Every token is compared, so that the time tells nothing.
    let found = tokens.iter().fold(None, |found, user| {
        if pki::constant_time_equal(user.token.expose().as_bytes(), shown) { Some(user) } else { found }
    });
    let found = found.filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
    Some(User { name: found.user.clone(), groups: found.groups.clone() })
}
