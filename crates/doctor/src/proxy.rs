//! Which proxy `kubectl` would take: the kubeconfig's, else the environment's unless `NO_PROXY` excepts the host.
//!
//! Source: Go's `golang.org/x/net/http/httpproxy`, which client-go uses.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::Serialize;

/// A proxy and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// Its URL, without user and password.
    pub url: String,
    /// `proxy-url` or the variable that names it.
    pub because: String,
    /// `http`, `https`, `socks5` or another scheme.
    #[serde(skip)]
    pub scheme: String,
    /// Its host.
    #[serde(skip)]
    pub host: String,
    /// Its port.
    #[serde(skip)]
    pub port: u16,
    /// Whether the URL has a user and password, which are not kept.
    pub has_credentials: bool,
}

/// The variables that are looked at.
pub const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

/// The proxy for connections to `host`, or `None` for straight ones.
pub fn choose(
    proxy_url: Option<&str>,
    variables: &BTreeMap<String, String>,
    (tls, host, port): (bool, &str, u16),
) -> Option<Proxy> {
    if let Some(url) = proxy_url {
        return parse(url, "proxy-url in the kubeconfig");
    }
    let set = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| Some((name, variables.get(name).filter(|text| !text.is_empty())?)))
    };
    let (name, url) = set(if tls { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] })?;
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return None;
    }
    let except = set(["NO_PROXY", "no_proxy"]).map_or("", |(_, text)| text);
    if is_excepted(except, host, address, port) { None } else { parse(url, name) }
}

/// Whether `NO_PROXY` excepts a host.
fn is_excepted(list: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Ok(net) = entry.parse::<IpNet>() {
            return address.is_some_and(|address| net.contains(&address));
        }
        let (name, wanted) = match entry.rsplit_once(':') {
            Some((name, digits)) if digits.parse::<u16>().is_ok() && !name.contains(':') => (name, digits.parse().ok()),
            _ => (entry.as_str(), None),
        };
        if wanted.is_some_and(|wanted: u16| wanted != port) {
            return false;
        }
        if let Ok(wanted) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return address == Some(wanted);
        }
        let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        match name.strip_prefix('.') {
            Some(_) => host.ends_with(name),
            None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

fn parse(url: &str, because: &str) -> Option<Proxy> {
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: http::Uri = full.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    });
    let has_credentials = uri.authority()?.as_str().contains('@');
    let url = format!("{scheme}://{}:{port}", uri.host()?);
    Some(Proxy { url, because: because.to_owned(), scheme, host, port, has_credentials })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], host: &str) -> Option<String> {
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        choose(None, &variables, (true, host, 443)).map(|proxy| proxy.url)
    }

    #[test]
    fn a_private_name_goes_to_the_proxy_unless_it_is_excepted() {
        let host = "a.privatelink.japaneast.azmk8s.io";
        let with = |except: &str| chosen(&[("https_proxy", "proxy.corp:3128"), ("NO_PROXY", except)], host);
        assert_eq!(with("").as_deref(), Some("http://proxy.corp:3128"));
        for except in ["*", "azmk8s.io", ".azmk8s.io", "*.azmk8s.io", "x, AZMK8S.io:443", host] {
            assert_eq!(with(except), None, "{except}");
        }
        for except in ["10.0.0.0/8", "mk8s.io", "azmk8s.io:80", "japaneast"] {
            assert!(with(except).is_some(), "{except}");
        }
        assert_eq!(chosen(&[("HTTP_PROXY", "p")], host), None, "it is for plain HTTP");
    }

    #[test]
    fn addresses_are_excepted_by_range_and_this_machine_always() {
        let with = |except: &str, host: &str| chosen(&[("HTTPS_PROXY", "p"), ("no_proxy", except)], host);
        assert_eq!(with("10.0.0.0/8", "10.224.0.4"), None);
        assert_eq!(with("10.224.0.4", "10.224.0.4"), None);
        assert!(with("10.224.0.5", "10.224.0.4").is_some());
        assert_eq!(with("", "127.0.0.1"), None);
        assert_eq!(with("", "localhost"), None);
    }

    #[test]
    fn a_proxys_password_is_not_kept() {
        let proxy = choose(Some("http://me:s3cret@proxy:3128"), &BTreeMap::new(), (true, "a", 443)).unwrap();
        assert_eq!((proxy.url.as_str(), proxy.because.as_str()), ("http://proxy:3128", "proxy-url in the kubeconfig"));
        assert!(!format!("{proxy:?}").contains("s3cret"));
    }
}
