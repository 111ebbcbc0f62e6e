//! A point-to-site server said in `OpenVPN`'s words: pure text, for a real `openvpn` of 2.5 or later.
//!
//! Everything stands in the configuration itself but the script that refuses revoked certificates:
//! Azure names those by thumbprint, which `OpenVPN`'s own revocation lists do not know. A change of
//! the gateway makes a new configuration; the server is started again with it.

use std::{fmt::Write as _, net::Ipv4Addr, ops::RangeInclusive};

use super::PointToSite;

/// Clients at one time (`VpnGw1`; documentation "About gateway SKUs").
const CLIENTS_MAX: u32 = 250;

/// The script that refuses revoked certificates.
const VERIFY: &str = "verify.sh";

/// Where a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The address it listens on.
    pub address: Ipv4Addr,
    /// The TCP port it listens on.
    pub port: u16,
    /// The name of its tunnel device, at most 15 characters.
    pub device: &'a str,
    /// Its own address in the tunnel, of the pool's first prefix.
    pub tunnel: Ipv4Addr,
    /// The addresses it gives to clients, of the pool's first prefix.
    pub clients: RangeInclusive<Ipv4Addr>,
}

/// One file that a server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the server's directory.
    pub name: &'static str,
    /// Its text. It may hold keys: nobody but the server's user may read it.
    pub text: String,
}

/// The files of a server, its configuration first: `openvpn --cd <directory> --config <name>`. `None`
/// when no certificate could get in, so that there is nothing to run.
pub fn server(gateway: &PointToSite, place: &Place<'_>) -> Option<[File; 2]> {
    if gateway.client_roots.is_empty() {
        return None;
    }
    let verify = verify_script(gateway.revoked_thumbprints.iter().map(String::as_str));
    let config = File { name: "server.conf", text: config(gateway, place)? };
    Some([config, File { name: VERIFY, text: verify }])
}

/// Azure spreads clients over all prefixes of the pool; one server takes the first.
fn config(gateway: &PointToSite, place: &Place<'_>) -> Option<String> {
    let pool = gateway.pool.first()?;
    let mut text = format!(
        "mode server
tls-server
proto tcp4-server
local {address}
port {port}
dev {device}
dev-type tun
topology subnet
ifconfig {tunnel} {mask}
ifconfig-pool {first} {last} {mask}
push \"topology subnet\"
push \"route-gateway {tunnel}\"
duplicate-cn
max-clients {CLIENTS_MAX}
keepalive 10 60
persist-key
persist-tun
auth SHA256
data-ciphers AES-256-GCM:AES-128-GCM
tls-version-min 1.2
dh none
key-direction 0
verify-client-cert require
script-security 2
tls-verify \"/bin/sh {VERIFY}\"
verb 3
",
        address = place.address,
        port = place.port,
        device = place.device,
        tunnel = place.tunnel,
        mask = pool.netmask(),
        first = place.clients.start(),
        last = place.clients.end(),
    );
    // Writing to a string cannot fail.
    for route in &gateway.routes {
        let _ = writeln!(text, "push \"route {} {}\"", route.network(), route.netmask());
    }
    for server in &gateway.dns_servers {
        let _ = writeln!(text, "push \"dhcp-option DNS {server}\"");
    }
    for (name, content) in [
        ("ca", gateway.client_roots.concat().as_str()),
        ("cert", &gateway.server.certificate_pem),
        ("key", gateway.server.key_pem.expose()),
        ("tls-auth", gateway.tls_auth.expose()),
    ] {
        let _ = write!(text, "<{name}>\n{content}</{name}>\n");
    }
    Some(text)
}

/// `openvpn` runs it with depth and subject of each certificate of a client's chain; at depth 0,
/// the client's own, `tls_digest_0` is its SHA-1 as `aa:bb:…`.
fn verify_script<'a>(revoked: impl Iterator<Item = &'a str>) -> String {
    let patterns: Vec<String> = revoked.map(digest_pattern).collect();
    let refuse = match patterns.as_slice() {
        [] => String::new(),
        patterns => format!("case \"$tls_digest_0\" in\n{}) exit 1 ;;\nesac\n", patterns.join("|")),
    };
    format!("#!/bin/sh\n# Refuses revoked client certificates.\n[ \"$1\" = 0 ] || exit 0\n{refuse}exit 0\n")
}

/// `AB01` → `ab:01`.
fn digest_pattern(thumbprint: &str) -> String {
    let digits: Vec<char> = thumbprint.chars().filter(char::is_ascii_hexdigit).collect();
    let pairs: Vec<String> =
        digits.chunks(2).map(|pair| pair.iter().collect::<String>().to_ascii_lowercase()).collect();
    pairs.join(":")
}
