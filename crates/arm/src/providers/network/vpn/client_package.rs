//! What a point-to-site client downloads: a zip with the profiles of the gateway.
//!
//! Layout and profile are Azure's (documentation "Configure `OpenVPN` Connect client"; xstof and
//! others publish unpacked ones): `OpenVPN/vpnconfig.ovpn`, to be completed with the client's own
//! certificate and key, and `Generic/` for clients set up by hand. The link expires, and who has it
//! needs no other credential, as with Azure's signed URLs.

use std::io::{Cursor, Write as _};

use azure::{ArmError, Estate, Json, Kind, Resource};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use pki::{PublicCertificate, authentication_code, constant_time_equal};
use zip::{ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{
    client_configuration::pool_not_specified,
    keys::GatewayState,
    point_to_site::{self, PointToSite, point_to_site},
};
use crate::{
    provider::Request,
    target::parse_query,
    wire::{self, Response},
};

/// Where packages lie, below the lab's base URL.
const PATH: &str = "/vpnprofileimmutable/";
const FILE: &str = "vpnclientconfiguration.zip";
/// How long a link is good for.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The link to the package of a gateway.
///
/// # Errors
/// Azure's refusal when the gateway serves no clients.
pub(super) fn link(request: &Request<'_>, gateway: &Resource) -> Result<String, ArmError> {
    let state = GatewayState::of(gateway).filter(|_| serves_clients(gateway));
    let state = state.ok_or_else(|| pool_not_specified(gateway.id()))?;
    let expiry = request.now.saturating_add(LINK_LIFETIME).unwrap_or(Timestamp::MAX).as_second();
    let code = code(&state, expiry);
    Ok(format!("{}{PATH}{}/{FILE}?sp=r&se={expiry}&sig={code}", request.lab.base_url, state.uid))
}

fn serves_clients(gateway: &Resource) -> bool {
    matches!(gateway.model(), azure::model::Model::VirtualNetworkGateway(model) if !model.client_address_pool.is_empty())
}

fn code(state: &GatewayState, expiry: i64) -> String {
    authentication_code(&state.link_key, format!("{}\n{expiry}", state.uid).as_bytes())
}

/// Answers the download of a package; `None` when the path is another.
pub(crate) fn download(parts: &Parts, estate: &Estate, now: Timestamp) -> Option<Response> {
    let uid = parts.uri.path().strip_prefix(PATH)?.strip_suffix(FILE)?.strip_suffix('/')?;
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Some(wire::empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let query = parse_query(parts.uri.query().unwrap_or_default());
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let expiry: i64 = value("se").parse().unwrap_or(i64::MIN);
    let gateway = estate.of_kind(Kind::VirtualNetworkGateway).find_map(|gateway| {
        let state = GatewayState::of(gateway).filter(|state| state.uid == uid)?;
        let signed = constant_time_equal(code(&state, expiry).as_bytes(), value("sig").as_bytes());
        signed.then_some((gateway, state))
    });
    let Some((gateway, state)) = gateway.filter(|_| now.as_second() <= expiry) else {
        return Some(wire::refusal(&ArmError::new(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request. The link is expired or was not given out by this lab.",
        )));
    };
    let packed = point_to_site(estate, gateway.id()).map(|server| package(&server, &state, gateway));
    Some(match packed {
        Some(Ok(zip)) => {
            let mut response = http::Response::new(Bytes::from(zip));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
            let disposition = HeaderValue::from_static("attachment; filename=\"vpnclientconfiguration.zip\"");
            headers.insert(header::CONTENT_DISPOSITION, disposition);
            response
        }
        Some(Err(_)) => wire::refusal(&wire::internal_error()),
        None => wire::refusal(&pool_not_specified(gateway.id())),
    })
}

fn package(server: &PointToSite, state: &GatewayState, gateway: &Resource) -> Result<Vec<u8>, ZipError> {
    let authority = PublicCertificate::from_pem(&state.authority.certificate);
    let authority = authority.map(|certificate| certificate.der().to_vec()).unwrap_or_default();
    let document = gateway.document().value();
    let protocols: Vec<String> = Json::new(&document).at("properties.vpnClientConfiguration.vpnClientProtocols").list();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Everybody may read what was unpacked; nothing in it is to be run.
    let options = SimpleFileOptions::default().unix_permissions(0o644);
    let mut add = |name: &str, content: &[u8]| {
        zip.start_file(name, options)?;
        zip.write_all(content).map_err(ZipError::from)
    };
    add("Generic/VpnSettings.xml", settings(server, state, &protocols, &authority).as_bytes())?;
    add("Generic/VpnServerRoot.cer", &authority)?;
    if protocols.iter().any(|protocol| protocol.eq_ignore_ascii_case("OpenVPN")) {
        add("OpenVPN/vpnconfig.ovpn", profile(server, state).as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

/// What a client connects to: the gateway's public address. Azure's DNS name for it has no record
/// in the lab.
fn remote(server: &PointToSite, state: &GatewayState) -> String {
    match server.public_address {
        Some(address) => address.to_string(),
        None => format!("azuregateway-{}-{}.vpn.azure.com", state.uid, state.suffix),
    }
}

fn profile(server: &PointToSite, state: &GatewayState) -> String {
    format!(
        "client
remote {remote} {port}
verify-x509-name '{name}' name
remote-cert-tls server

dev tun
proto tcp
resolv-retry infinite
nobind

auth SHA256
cipher AES-256-GCM
persist-key
persist-tun

tls-timeout 30
tls-version-min 1.2
key-direction 1

#log openvpn.log
#inactive 0
verb 3

# P2S CA root certificate
<ca>
{authority}</ca>

# Pre Shared Key
<tls-auth>
{tls_auth}</tls-auth>

# P2S client certificate
# Please fill this field with a PEM formatted client certificate
# Alternatively, configure 'cert PATH_TO_CLIENT_CERT' to use input from a PEM certificate file.
<cert>
$CLIENTCERTIFICATE
</cert>

# P2S client certificate private key
# Please fill this field with a PEM formatted private key of the client certificate.
# Alternatively, configure 'key PATH_TO_CLIENT_KEY' to use input from a PEM key file.
<key>
$PRIVATEKEY
</key>
",
        remote = remote(server, state),
        port = point_to_site::PORT,
        name = state.server_name(),
        authority = state.authority.certificate,
        tls_auth = state.tls_auth.expose(),
    )
}

/// `VpnSettings.xml`. No value needs escaping: addresses, base64 and words of our own.
fn settings(server: &PointToSite, state: &GatewayState, protocols: &[String], authority: &[u8]) -> String {
    let list = |items: Vec<String>| items.join(",");
    let routes = list(server.routes.iter().map(ToString::to_string).collect());
    let dns = list(server.dns_servers.iter().map(ToString::to_string).collect());
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<VpnProfile xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <VpnServer>{remote}</VpnServer>
  <VpnType>{types}</VpnType>
  <CaCert>{authority}</CaCert>
  <Routes>{routes}</Routes>
  <Auth>EAPTLS</Auth>
  <CustomDnsServers>{dns}</CustomDnsServers>
</VpnProfile>
"#,
        remote = remote(server, state),
        types = protocols.join(","),
        authority = STANDARD.encode(authority),
    )
}
