//! Who may come in. The page listens on loopback, where every program and every page of any browser
//! on the machine can knock: so a request must name this host (a name of somebody else's that leads
//! here is DNS rebinding), show the cookie of a session, and to change anything also the session's
//! own token and an origin that is this page's.
//!
//! A session begins with a link that works once, which the lab prints for its owner.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, header};

/// Links that may wait at one time; a further one makes the oldest void.
const LINKS_MAX: usize = 64;
/// Sessions at one time; a further one ends the oldest.
const SESSIONS_MAX: usize = 64;
/// The path that a link leads to.
pub const ENTRANCE: &str = "/enter";

/// Somebody who came in.
#[derive(Clone)]
pub struct Session {
    cookie: String,
    /// What a form must bring back (OWASP's synchronizer token).
    pub csrf: String,
}

/// The door of a page that listens at a port of loopback.
pub struct Door {
    port: u16,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    links: VecDeque<String>,
    sessions: VecDeque<Session>,
}

impl Door {
    /// A door at `port`, through which nobody has come yet.
    pub fn new(port: u16) -> Self {
        Self { port, inside: Mutex::default() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link that lets one browser in, once. `secret` is a word that nobody can guess.
    pub fn link(&self, secret: String) -> String {
        let mut inside = self.inside();
        if inside.links.len() == LINKS_MAX {
            inside.links.pop_front();
        }
        let url = format!("http://127.0.0.1:{}{ENTRANCE}?once={secret}", self.port);
        inside.links.push_back(secret);
        url
    }

    /// Lets somebody in who brings the secret of a link, which is void from then on: the value of
    /// `Set-Cookie`. `cookie` and `csrf` are words that nobody can guess.
    pub fn enter(&self, shown: &str, cookie: String, csrf: String) -> Option<String> {
        let mut inside = self.inside();
        let held = inside.links.iter().position(|held| is_same(held, shown))?;
        inside.links.remove(held);
        if inside.sessions.len() == SESSIONS_MAX {
            inside.sessions.pop_front();
        }
        let header = format!("{}={cookie}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name());
        inside.sessions.push_back(Session { cookie, csrf });
        Some(header)
    }

    /// Cookies do not know ports: the name keeps two labs on one machine apart.
    fn cookie_name(&self) -> String {
        format!("noren-{}", self.port)
    }

    /// Whether a request was meant for this page.
    pub fn is_meant(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| self.hosts().iter().any(|own| host.eq_ignore_ascii_case(own)))
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.port))
    }

    /// The session whose cookie a request has.
    pub fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let name = self.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, shown) = pairs.find(|(held, _)| *held == name)?;
        self.inside().sessions.iter().find(|session| is_same(&session.cookie, shown)).cloned()
    }

    /// Whether a form with `csrf` was sent by this session's own page.
    pub fn may_change(&self, session: &Session, headers: &HeaderMap, csrf: &str) -> bool {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let (origin, host) = (text(header::ORIGIN), text(header::HOST));
        let own = origin.and_then(|origin| origin.strip_prefix("http://")).zip(host);
        let from_here = own.is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host)) && self.is_meant(headers);
        let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
        from_here && site && is_same(&session.csrf, csrf)
    }
}

/// Compares without telling by the time it takes how much was right.
fn is_same(held: &str, shown: &str) -> bool {
    verify_slices_are_equal(held.as_bytes(), shown.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_link_lets_in_once_and_the_oldest_of_too_many_is_void() {
        let door = Door::new(7000);
        assert_eq!(door.link("one".to_owned()), "http://127.0.0.1:7000/enter?once=one");
        let cookie = door.enter("one", "c".to_owned(), "t".to_owned()).unwrap();
        assert_eq!(cookie, "noren-7000=c; Path=/; HttpOnly; SameSite=Strict");
        assert!(door.enter("one", "d".to_owned(), "u".to_owned()).is_none());
        door.link("old".to_owned());
        for index in 0..LINKS_MAX {
            door.link(index.to_string());
        }
        assert!(door.enter("old", "e".to_owned(), "v".to_owned()).is_none());
    }

    #[test]
    fn only_this_host_is_meant() {
        let door = Door::new(7000);
        let meant = |host: &str| door.is_meant(&headers(&[("host", host)]));
        assert!(meant("127.0.0.1:7000") && meant("LocalHost:7000"));
        assert!(!meant("127.0.0.1:7001") && !meant("evil.example:7000") && !meant("127.0.0.1"));
        assert!(!door.is_meant(&headers(&[])));
    }

    #[test]
    fn a_change_takes_the_sessions_token_and_the_pages_own_origin() {
        let door = Door::new(7000);
        door.link("l".to_owned());
        door.enter("l", "c".to_owned(), "t".to_owned()).unwrap();
        let session = door.session(&headers(&[("cookie", "other=1; noren-7000=c")])).unwrap();
        assert!(door.session(&headers(&[("cookie", "noren-7001=c")])).is_none());
        let may = |origin: &str, csrf: &str, site: &str| {
            let sent = [("host", "127.0.0.1:7000"), ("origin", origin), ("sec-fetch-site", site)];
            door.may_change(&session, &headers(&sent), csrf)
        };
        assert!(may("http://127.0.0.1:7000", "t", "same-origin"));
        assert!(!may("http://127.0.0.1:7000", "x", "same-origin"));
        assert!(!may("http://localhost:7000", "t", "same-origin"), "another origin, though it is this machine");
        assert!(!may("null", "t", "same-origin") && !may("http://evil.example", "t", "cross-site"));
        assert!(!may("http://127.0.0.1:7000", "t", "cross-site"));
        assert!(!door.may_change(&session, &headers(&[("host", "127.0.0.1:7000")]), "t"), "no origin at all");
    }
}
