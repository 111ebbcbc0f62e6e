//! Addresses, ranges of them, and URLs in expressions.
//!
//! Source: k8s.io/apiserver `pkg/cel/library/{ip,cidr,urls}.go`.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::{
        types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString},
        value::Val,
    },
};
use http::Uri;

use super::own_type;

#[derive(Debug, Clone, PartialEq)]
struct Ip(IpAddr);

own_type!(Ip, IP, "net.IP");

/// An address and how many of its bits are those of the range.
#[derive(Debug, Clone, PartialEq)]
struct Cidr(IpAddr, u8);

own_type!(Cidr, CIDR, "net.CIDR");

/// A URL, and whether it says no path at all.
#[derive(Debug, Clone, PartialEq)]
struct Url(Uri, bool);

own_type!(Url, URL, "kubernetes.URL");

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string")?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(env, fn cidr_ip: (Cidr) -> Ip, name = "ip")?;
    add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)?;
    add_overload!(env, fn url: (CelString) -> Result<Url>)?;
    add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    add_member_overload!(env, fn get_scheme: (Url) -> CelString)?;
    add_member_overload!(env, fn get_host: (Url) -> CelString)?;
    add_member_overload!(env, fn get_hostname: (Url) -> CelString)?;
    add_member_overload!(env, fn get_port: (Url) -> CelString)?;
    add_member_overload!(env, fn get_escaped_path: (Url) -> CelString)?;
    add_member_overload!(env, fn get_query: (Url) -> CelMap)
}

/// An address that is no IPv4 address in IPv6's clothes, which Kubernetes does not take.
fn read_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    (!mapped).then_some(address)
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    let problem = || {
        let problem = format!("IP Address {:?} parse error during conversion from string", text.inner());
        ExecutionError::function_error("ip", problem)
    };
    read_ip(text.inner()).map(Ip).ok_or_else(problem)
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    read_ip(text.inner()).is_some().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok((ip(text)?.0.to_string() == text.inner()).into())
}

fn ip_text(ip: &Ip) -> CelString<'static> {
    ip.0.to_string().into()
}

fn family(ip: &Ip) -> CelInt {
    if ip.0.is_ipv4() { 4.into() } else { 6.into() }
}

fn is_unspecified(ip: &Ip) -> CelBool {
    ip.0.is_unspecified().into()
}

fn is_loopback(ip: &Ip) -> CelBool {
    ip.0.is_loopback().into()
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    match ip.0 {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
    .into()
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    link_local(ip.0).into()
}

fn is_global_unicast(Ip(address): &Ip) -> CelBool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let other = address.is_unspecified() || address.is_loopback() || address.is_multicast() || link_local(*address);
    (!broadcast && !other).into()
}

fn read_cidr(text: &str) -> Option<Cidr> {
    let (address, length) = text.split_once('/')?;
    let address = read_ip(address)?;
    let plain = length == "0" || (!length.starts_with(['0', '+']) && !length.is_empty());
    let length: u8 = length.parse().ok().filter(|length| plain && *length <= bits(address))?;
    Some(Cidr(address, length))
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    let problem = || {
        let problem = format!("network address parse error during conversion from string: {:?}", text.inner());
        ExecutionError::function_error("cidr", problem)
    };
    read_cidr(text.inner()).ok_or_else(problem)
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    read_cidr(text.inner()).is_some().into()
}

fn cidr_text(Cidr(address, length): &Cidr) -> CelString<'static> {
    format!("{address}/{length}").into()
}

impl Cidr {
    fn masked(&self) -> Self {
        let address = match self.0 {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.1)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.1)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
            }
        };
        Self(address, self.1)
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.0.is_ipv4() && Self(address, self.1).masked() == self.masked()
    }
}

fn contains_ip(range: &Cidr, Ip(address): &Ip) -> CelBool {
    range.contains(*address).into()
}

fn contains_ip_text(range: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(range, &ip(text)?))
}

fn contains_cidr(range: &Cidr, other: &Cidr) -> CelBool {
    (range.1 <= other.1 && range.contains(other.masked().0)).into()
}

fn contains_cidr_text(range: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(range, &cidr(text)?))
}

fn cidr_ip(range: &Cidr) -> Ip {
    Ip(range.0)
}

fn masked(range: &Cidr) -> Cidr {
    range.masked()
}

fn prefix_length(range: &Cidr) -> CelInt {
    i64::from(range.1).into()
}

/// An absolute URL or an absolute path.
fn read_url(text: &str) -> Option<Url> {
    let uri: Uri = text.parse().ok()?;
    let bare = !text.split('?').next().unwrap_or_default().ends_with('/');
    (uri.scheme().is_some() || text.starts_with('/')).then_some(Url(uri, bare))
}

fn url(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    let problem = || {
        let problem = format!("URL parse error during conversion from string: parse {:?}: invalid URI", text.inner());
        ExecutionError::function_error("url", problem)
    };
    read_url(text.inner()).ok_or_else(problem)
}

fn is_url(text: &CelString<'_>) -> CelBool {
    read_url(text.inner()).is_some().into()
}

fn get_scheme(url: &Url) -> CelString<'static> {
    url.0.scheme_str().unwrap_or_default().to_owned().into()
}

fn get_host(url: &Url) -> CelString<'static> {
    let authority = url.0.authority().map_or("", |authority| authority.as_str());
    authority.rsplit('@').next().unwrap_or_default().to_owned().into()
}

fn get_hostname(url: &Url) -> CelString<'static> {
    url.0.host().unwrap_or_default().trim_matches(['[', ']']).to_owned().into()
}

fn get_port(url: &Url) -> CelString<'static> {
    url.0.port().map_or_else(String::new, |port| port.as_str().to_owned()).into()
}

fn get_escaped_path(url: &Url) -> CelString<'static> {
    // What has no path reads as the root.
    let path = url.0.path();
    if path == "/" && url.1 { String::new().into() } else { path.to_owned().into() }
}

fn get_query(url: &Url) -> CelMap<'static> {
    let mut found: HashMap<String, Vec<Box<dyn Val>>> = HashMap::new();
    for pair in url.0.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value: Box<dyn Val> = Box::new(CelString::from(crate::request::percent_decode(value)));
        found.entry(crate::request::percent_decode(name)).or_default().push(value);
    }
    let pairs = found.into_iter().map(|(name, values)| {
        let values: Box<dyn Val> = Box::new(CelList::from(values));
        (CelMapKey::from(name), values)
    });
    CelMap::from(pairs.collect::<HashMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_hold;

    #[test]
    fn addresses_and_ranges_are_read_and_compared() {
        all_hold(&[
            "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0') && !isIP('::ffff:1.2.3.4')",
            "ip('fe80::1').family() == 6 && ip('fe80::1').isLinkLocalUnicast() && ip('127.0.0.1').isLoopback()",
            "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1') && string(ip('10.0.0.1')) == '10.0.0.1'",
            "ip('8.8.8.8').isGlobalUnicast() && !ip('224.0.0.1').isGlobalUnicast() && ip('224.0.0.1').isLinkLocalMulticast()",
            "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.0'))",
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
            "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('::/0').prefixLength() == 0",
        ]);
    }

    #[test]
    fn urls_come_apart() {
        all_hold(&[
            "url('https://user:p@example.com:80/a%20b?k=1&k=2&l=x%20y').getHost() == 'example.com:80'",
            "url('https://example.com:80/').getHostname() == 'example.com' && url('https://[::1]:80/').getHostname() == '::1'",
            "url('https://example.com:80/a%20b').getEscapedPath() == '/a%20b' && url('https://example.com').getEscapedPath() == ''",
            "url('https://e.com/?k=1&k=2&l=x%20y').getQuery() == {'k': ['1', '2'], 'l': ['x y']}",
            "isURL('/path') && !isURL('../path') && !isURL('https://a:b:c/') && url('https://e.com/').getScheme() == 'https'",
            "url('https://e.com:80').getPort() == '80' && url('/path').getHost() == ''",
        ]);
    }
}
