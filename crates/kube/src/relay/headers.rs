//! Which headers go on, and which come back.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Caller;
use crate::status::Status;

/// Headers of one connection (RFC 9110 §7.6.1), which say nothing to the next.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const IMPERSONATE: &str = "impersonate-";
const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");

/// The protocol that a request wants its connection to change to.
pub(super) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade")).then_some(())?;
    headers.get(header::UPGRADE).cloned()
}

/// The headers of a request as they go on.
///
/// # Errors
/// 403 when somebody without all rights wants to act as another: whether they may, nobody here can tell. 400 when a
/// name cannot stand in a header.
pub(super) fn onward(headers: &HeaderMap, caller: &Caller, upgrade: Option<&HeaderValue>) -> Result<HeaderMap, Status> {
    let mut onward = without_hop_by_hop(headers, upgrade);
    onward.remove(header::HOST);
    let acts = headers.keys().any(|name| name.as_str().starts_with(IMPERSONATE));
    let Caller::Known(user) = caller else { return Ok(onward) };
    onward.remove(header::AUTHORIZATION);
    match (acts, user.is_master()) {
        // Who may do everything may act as anybody; the upstream is told as whom.
        (true, true) => return Ok(onward),
        (true, false) => {
            let refusal = format!("User \"{}\" cannot act as others: only system:masters may here", user.name);
            return Err(Status::forbidden(refusal));
        }
        (false, _) => {}
    }
    let text = |text: &str| {
        HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Status::bad_request("a name that no header can hold"))
    };
    onward.insert(USER, text(&user.name)?);
    for group in &user.groups {
        onward.append(GROUP, text(group)?);
    }
    if !user.uid.is_empty() {
        onward.insert(UID, text(&user.uid)?);
    }
    Ok(onward)
}

/// The headers of an answer as they come back.
pub(super) fn back(headers: &HeaderMap, switched: bool) -> HeaderMap {
    without_hop_by_hop(headers, headers.get(header::UPGRADE).filter(|_| switched))
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn without_hop_by_hop(headers: &HeaderMap, upgrade: Option<&HeaderValue>) -> HeaderMap {
    let mut kept = headers.clone();
    for name in connection_options(headers).chain(HOP_BY_HOP) {
        kept.remove(name);
    }
    if let Some(upgrade) = upgrade {
        kept.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        kept.insert(header::UPGRADE, upgrade.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reviews::User;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    fn user(group: &str) -> Caller {
        Caller::Known(User { name: "jane".into(), groups: vec![group.into()], ..User::default() })
    }

    #[test]
    fn a_request_goes_on_in_the_name_of_who_was_proved_and_without_what_proved_it() {
        let sent = headers(&[("authorization", "Bearer s3cret"), ("accept", "*/*"), ("te", "x"), ("host", "a")]);
        let onward = onward(&sent, &user("devs"), None).unwrap();
        assert_eq!(onward, headers(&[("accept", "*/*"), ("impersonate-user", "jane"), ("impersonate-group", "devs")]));
    }

    #[test]
    fn a_stranger_keeps_his_token_and_nobody_but_masters_acts_as_another() {
        let sent = headers(&[("authorization", "Bearer a.b.c")]);
        assert_eq!(onward(&sent, &Caller::Stranger, None).unwrap(), sent);
        let acting = headers(&[("impersonate-user", "joe")]);
        assert_eq!(onward(&acting, &user("devs"), None).unwrap_err().code, 403);
        assert_eq!(onward(&acting, &user("system:masters"), None).unwrap(), acting);
    }

    #[test]
    fn only_a_wanted_change_of_protocol_stays_in_the_head() {
        let sent = headers(&[("connection", "keep-alive, Upgrade, x-hop"), ("upgrade", "SPDY/3.1"), ("x-hop", "1")]);
        let upgrade = upgrade_of(&sent);
        let wanted = headers(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")]);
        assert_eq!(onward(&sent, &Caller::Stranger, upgrade.as_ref()).unwrap(), wanted);
        assert_eq!(upgrade_of(&headers(&[("upgrade", "h2c")])), None);
        assert_eq!(back(&sent, false), HeaderMap::new());
    }
}
