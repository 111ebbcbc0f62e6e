//! Signing in with a device code (RFC 8628): a small table of codes, and the page that approves them.
//!
//! A device code is handed to whoever asks, so approving it must prove something: the page asks for
//! the lab user's password. Approving without one would give any process on the machine the lab.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use jiff::{SignedDuration, Timestamp};

use super::{
    Entra,
    directory::USER_NAME,
    form::Form,
    reply::{method_not_allowed, text_reply},
    service::Target,
};
use crate::provider::Entropy;

/// How long a code can be approved and redeemed, in seconds (Entra ID's 15 minutes).
pub(super) const CODE_LIFETIME_S: i64 = 900;
/// How long a client waits between two polls, in seconds. Entra ID says 5; nothing is far away here.
pub(super) const POLL_INTERVAL_S: i64 = 1;

/// The most codes at a time; a further one pushes the oldest out.
const CODES_MAX: usize = 64;
/// Wrong passwords after which a code is void.
const WRONG_PASSWORDS_MAX: u8 = 10;
/// No vowels and no digits that look like letters: easy to type, spells nothing.
const USER_CODE_ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ2346789";
const DEVICE_CODE_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The codes that are under way.
pub(super) struct DeviceCodes {
    entropy: Entropy,
    flows: VecDeque<Flow>,
}

/// One sign-in.
struct Flow {
    codes: Codes,
    client_id: String,
    target: Target,
    expires: Timestamp,
    approved: bool,
    wrong_passwords: u8,
}

/// The two codes of a sign-in.
#[derive(Clone)]
pub(super) struct Codes {
    /// For the client: it redeems it. A secret.
    pub(super) device_code: String,
    /// For the user: he types it.
    pub(super) user_code: String,
}

/// What a poll finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// Approved, and used up by this poll.
    Approved(Target),
    /// Not approved yet.
    Pending,
    /// Too late.
    Expired,
    /// No such code, of another application, or used.
    Unknown,
}

/// What became of an approval.
#[derive(Debug, PartialEq, Eq)]
enum Approval {
    Approved,
    WrongPassword,
    UnknownCode,
}

impl DeviceCodes {
    /// An empty table.
    pub(super) fn new(entropy: Entropy) -> Self {
        Self { entropy, flows: VecDeque::new() }
    }

    /// Begins a sign-in.
    pub(super) fn begin(&mut self, client_id: String, target: Target, now: Timestamp) -> Codes {
        self.flows.retain(|flow| flow.expires > now);
        if self.flows.len() == CODES_MAX {
            self.flows.pop_front();
        }
        let codes = Codes {
            device_code: self.entropy.text(DEVICE_CODE_ALPHABET, 64),
            user_code: self.entropy.text(USER_CODE_ALPHABET, 9),
        };
        self.flows.push_back(Flow {
            codes: codes.clone(),
            client_id,
            target,
            expires: now + SignedDuration::from_secs(CODE_LIFETIME_S),
            approved: false,
            wrong_passwords: 0,
        });
        codes
    }

    /// Asks for the outcome; an approved code is good for one answer.
    pub(super) fn poll(&mut self, device_code: &str, client_id: &str, now: Timestamp) -> Poll {
        let found = self
            .flows
            .iter()
            .position(|flow| flow.codes.device_code == device_code && flow.client_id.eq_ignore_ascii_case(client_id));
        let Some(index) = found else { return Poll::Unknown };
        let flow = &self.flows[index];
        if flow.expires <= now {
            return Poll::Expired;
        }
        if !flow.approved {
            return Poll::Pending;
        }
        self.flows.remove(index).map_or(Poll::Unknown, |flow| Poll::Approved(flow.target))
    }

    /// Approves a code if the user proved who he is.
    fn approve(&mut self, user_code: &str, password_is_right: bool, now: Timestamp) -> Approval {
        let wanted = normal_user_code(user_code);
        let found =
            self.flows.iter().position(|flow| flow.expires > now && !flow.approved && flow.codes.user_code == wanted);
        let Some(index) = found else { return Approval::UnknownCode };
        if password_is_right {
            self.flows[index].approved = true;
            return Approval::Approved;
        }
        self.flows[index].wrong_passwords += 1;
        if self.flows[index].wrong_passwords == WRONG_PASSWORDS_MAX {
            self.flows.remove(index);
        }
        Approval::WrongPassword
    }
}

/// The page at `/devicelogin`: `GET` shows the form, `POST` (`code`, `password`) approves.
pub(super) fn page(entra: &Entra, parts: &Parts, body: &[u8], now: Timestamp) -> Response<Bytes> {
    match parts.method {
        http::Method::GET => {
            let code = Form::of_query(parts).ok().and_then(|query| query.get("code").map(normal_user_code));
            html(StatusCode::OK, &form_page(&code.unwrap_or_default(), ""))
        }
        http::Method::POST => {
            let Ok(form) = Form::parse(body) else {
                return html(StatusCode::BAD_REQUEST, &form_page("", "The form could not be read."));
            };
            let (code, password) = (form.get("code").unwrap_or_default(), form.get("password").unwrap_or_default());
            let right = entra.is_user(USER_NAME, password);
            match entra.devices().approve(code, right, now) {
                Approval::Approved => {
                    html(StatusCode::OK, "<p>You are signed in. You can close this page and return to your device.</p>")
                }
                Approval::WrongPassword => html(
                    StatusCode::UNAUTHORIZED,
                    &form_page(&normal_user_code(code), "That is not the password of the user 'lab'."),
                ),
                Approval::UnknownCode => {
                    html(StatusCode::BAD_REQUEST, &form_page("", "That code did not work. Check it and try again."))
                }
            }
        }
        _ => method_not_allowed("GET, POST", parts, now),
    }
}

/// `…/oauth2/authorize`: there is no sign-in in the browser. Says what there is instead.
pub(super) fn no_browser_sign_in() -> Response<Bytes> {
    html(
        StatusCode::NOT_IMPLEMENTED,
        "<p>This lab has no sign-in in the browser. Use <code>az login --service-principal</code>, \
         <code>az login --use-device-code</code> or <code>az login --identity</code>.</p>",
    )
}

/// A user code as it is compared: upper case, without what people put between. Holds nothing that
/// means something to HTML.
fn normal_user_code(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(16).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// `code` is a [`normal_user_code`].
fn form_page(code: &str, message: &str) -> String {
    format!(
        "<p>{message}</p><form method=\"post\" action=\"/devicelogin\">\
         <p><label>Code <input name=\"code\" value=\"{code}\" autocomplete=\"off\" required></label></p>\
         <p><label>Password of the user 'lab' (the service principal's secret) \
         <input name=\"password\" type=\"password\" autocomplete=\"off\" required></label></p>\
         <p><button>Sign in</button></p></form>"
    )
}

fn html(status: StatusCode, content: &str) -> Response<Bytes> {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sign in to the lab</title></head>\
         <body><h1>Sign in to the lab</h1>{content}</body></html>"
    );
    let mut response = text_reply(status, "text/html; charset=utf-8", page);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::testing::{BASE, NOW};

    fn table() -> DeviceCodes {
        DeviceCodes::new(Entropy::seeded(7))
    }

    fn later(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_code_is_pending_until_approved_and_good_for_one_answer() {
        let mut table = table();
        let codes = table.begin("app".into(), Target::graph(BASE), NOW);
        assert_eq!(table.poll(&codes.device_code, "app", NOW), Poll::Pending);
        assert_eq!(table.approve(&codes.user_code.to_lowercase(), true, NOW), Approval::Approved);
        assert_eq!(table.poll(&codes.device_code, "other", NOW), Poll::Unknown);
        assert_eq!(table.poll(&codes.device_code, "app", NOW), Poll::Approved(Target::graph(BASE)));
        assert_eq!(table.poll(&codes.device_code, "app", NOW), Poll::Unknown);
    }

    #[test]
    fn a_wrong_password_approves_nothing_and_ten_void_the_code() {
        let mut table = table();
        let codes = table.begin("app".into(), Target::graph(BASE), NOW);
        for _ in 0..WRONG_PASSWORDS_MAX {
            assert_eq!(table.approve(&codes.user_code, false, NOW), Approval::WrongPassword);
        }
        assert_eq!(table.approve(&codes.user_code, true, NOW), Approval::UnknownCode);
        assert_eq!(table.poll(&codes.device_code, "app", NOW), Poll::Unknown);
    }

    #[test]
    fn an_expired_code_can_neither_be_approved_nor_redeemed() {
        let mut table = table();
        let codes = table.begin("app".into(), Target::graph(BASE), NOW);
        assert_eq!(table.approve(&codes.user_code, true, later(CODE_LIFETIME_S)), Approval::UnknownCode);
        assert_eq!(table.poll(&codes.device_code, "app", later(CODE_LIFETIME_S)), Poll::Expired);
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_bound() {
        let mut table = table();
        let first = table.begin("app".into(), Target::graph(BASE), NOW);
        for _ in 0..CODES_MAX {
            table.begin("app".into(), Target::graph(BASE), NOW);
        }
        assert_eq!(table.flows.len(), CODES_MAX);
        assert_eq!(table.poll(&first.device_code, "app", NOW), Poll::Unknown);
    }

    #[test]
    fn the_page_repeats_nothing_that_html_could_take_for_markup() {
        assert_eq!(normal_user_code("\"><script>alert(1)</script>"), "SCRIPTALERT1SCRI");
    }
}
