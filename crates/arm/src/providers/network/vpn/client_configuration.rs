//! Who may connect point to site: `vpnClientConfiguration`, checked and completed.
//!
//! Sources of codes and words: Azure/azure-libraries-for-java issue 1287
//! (`VpnClientRootCertificateDataInvalid`), MicrosoftDocs/azure-docs issues 72838 and 27351,
//! Azure/azure-cli issue 26753 (`VpnClientRootCertificateExpired`), pulumi/pulumi-azure-native issue
//! 4735 (`VpnClientAddressPoolNotSpecified`), MicrosoftDocs/azure-docs issue 20985 (Basic SKU).

use std::collections::BTreeSet;

use azure::{ArmError, Json, ResourceId, addressing};
use ipnet::Ipv4Net;
use pki::{PublicCertificate, UnixTime};
use serde_json::{Value, json};

use super::super::virtual_networks::exact_prefix;
use crate::provider::{Draft, Request};

/// Most root certificates of a gateway (documentation "About point-to-site VPN").
const ROOT_CERTIFICATES_MAX: usize = 20;
/// Most revoked certificates of a gateway.
const REVOKED_CERTIFICATES_MAX: usize = 300;
/// Longest mask of a client address pool (documentation "About point-to-site VPN").
const POOL_MASK_MAX: u8 = 29;
/// Hexadecimal digits of a SHA-1.
const THUMBPRINT_LEN: usize = 40;

/// Checks and completes `vpnClientConfiguration` and `customRoutes`.
///
/// # Errors
/// Azure's refusal.
pub(super) fn complete(
    draft: &mut Draft,
    request: &Request<'_>,
    gateway: &ResourceId,
    network: &ResourceId,
    etag: &str,
) -> Result<(), ArmError> {
    let properties = Value::Object(draft.properties().clone());
    for prefix in Json::new(&properties).at("customRoutes.addressPrefixes").items().filter_map(Json::text) {
        exact_prefix(prefix)?;
    }
    let basic = Json::new(&properties).at("sku.name").text().is_some_and(|name| name.eq_ignore_ascii_case("Basic"));
    let given = draft.properties().remove("vpnClientConfiguration").filter(Value::is_object);
    let Some(mut configuration) = given else { return Ok(()) };
    protocols(&mut configuration, gateway, basic)?;
    let pool = pool(&configuration)?;
    check_pool(request, network, &pool)?;
    let roots = children(&mut configuration, gateway, "vpnClientRootCertificates", etag, ROOT_CERTIFICATES_MAX)?;
    for root in &roots {
        check_root(root, UnixTime(request.now.as_second()))?;
    }
    if pool.is_empty() && !roots.is_empty() {
        return Err(pool_not_specified(gateway));
    }
    let revoked =
        children(&mut configuration, gateway, "vpnClientRevokedCertificates", etag, REVOKED_CERTIFICATES_MAX)?;
    revoked.iter().try_for_each(check_revoked)?;
    for (name, value) in [
        ("vpnAuthenticationTypes", json!(["Certificate"])),
        ("vngClientConnectionConfigurations", json!([])),
        ("radiusServers", json!([])),
        ("vpnClientIpsecPolicies", json!([])),
    ] {
        if configuration[name].is_null() {
            configuration[name] = value;
        }
    }
    draft.set("vpnClientConfiguration", configuration);
    Ok(())
}

/// A gateway without a client address pool serves no clients.
pub(super) fn pool_not_specified(gateway: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "VpnClientAddressPoolNotSpecified",
        format!("Vpn client addresspool is not specified for gateway {gateway}."),
    )
}

fn protocols(configuration: &mut Value, gateway: &ResourceId, basic: bool) -> Result<(), ArmError> {
    let given: Vec<String> = Json::new(configuration).get("vpnClientProtocols").list();
    if given.is_empty() {
        configuration["vpnClientProtocols"] = if basic { json!(["SSTP"]) } else { json!(["OpenVPN", "IkeV2"]) };
        return Ok(());
    }
    for protocol in &given {
        let known = ["IkeV2", "SSTP", "OpenVPN"].into_iter().find(|known| known.eq_ignore_ascii_case(protocol));
        let Some(known) = known else {
            return Err(ArmError::bad_request(
                "InvalidRequestFormat",
                format!("Cannot parse the request: '{protocol}' is no VPN client protocol."),
            ));
        };
        if basic && known != "SSTP" {
            return Err(ArmError::bad_request(
                "VpnClientProtocolNotSupportedForBasicSkuGateway",
                format!("Vpn client protocol {known} is not supported for basic Sku gateway {gateway}."),
            ));
        }
    }
    Ok(())
}

fn pool(configuration: &Value) -> Result<Vec<Ipv4Net>, ArmError> {
    let texts = Json::new(configuration).at("vpnClientAddressPool.addressPrefixes");
    texts.items().filter_map(Json::text).map(exact_prefix).collect()
}

fn check_pool(request: &Request<'_>, network: &ResourceId, pool: &[Ipv4Net]) -> Result<(), ArmError> {
    if let Some(small) = pool.iter().find(|prefix| prefix.prefix_len() > POOL_MASK_MAX) {
        return Err(ArmError::bad_request(
            "VpnClientAddressPoolTooSmall",
            format!("The VPN client address pool {small} is too small: the longest mask is /{POOL_MASK_MAX}."),
        ));
    }
    let space = request.estate.virtual_network(network).map(|network| network.address_space.clone());
    match addressing::overlap(&space.unwrap_or_default(), pool) {
        Some((of_network, of_pool)) => Err(ArmError::bad_request(
            "VpnClientAddressPoolOverlapsWithVirtualNetworkAddressSpace",
            format!(
                "The virtual network gateway's VPN client address pool overlaps with the virtual network's address \
                 space. The overlapping address space prefixes are {of_network} and {of_pool}."
            ),
        )),
        None => Ok(()),
    }
}

/// Gives each certificate of a list its id and state; refuses lists that are too long and names
/// that are missing or repeated.
fn children(
    configuration: &mut Value,
    gateway: &ResourceId,
    list: &str,
    etag: &str,
    max: usize,
) -> Result<Vec<Value>, ArmError> {
    let mut children = configuration[list].as_array().cloned().unwrap_or_default();
    if children.len() > max {
        return Err(ArmError::bad_request(
            "VpnClientCertificateLimitReached",
            format!("Virtual network gateway {gateway} cannot have more than {max} {list}."),
        ));
    }
    let mut names = BTreeSet::new();
    for child in &mut children {
        let name = child["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || name.contains('/') || !names.insert(name.to_lowercase()) {
            return Err(ArmError::bad_request(
                "InvalidRequestFormat",
                format!("Cannot parse the request: the {list} of {gateway} need names of their own, not '{name}'."),
            ));
        }
        child["id"] = json!(format!("{gateway}/{list}/{name}"));
        child["etag"] = json!(etag);
        child["type"] = json!(format!("Microsoft.Network/virtualNetworkGateways/{list}"));
        if !child["properties"].is_object() {
            child["properties"] = json!({});
        }
        child["properties"]["provisioningState"] = json!("Succeeded");
    }
    configuration[list] = Value::Array(children.clone());
    Ok(children)
}

/// The certificate in an entry of `vpnClientRootCertificates`.
pub(super) fn root_certificate(root: Json<'_>) -> Option<PublicCertificate> {
    PublicCertificate::from_base64(root.at("properties.publicCertData").text()?).ok()
}

fn check_root(root: &Value, now: UnixTime) -> Result<(), ArmError> {
    let id = root["id"].as_str().unwrap_or_default();
    let Some(certificate) = root_certificate(Json::new(root)) else {
        return Err(ArmError::bad_request(
            "VpnClientRootCertificateDataInvalid",
            format!("Data for certificate {id} is invalid."),
        ));
    };
    if certificate.not_after() < now {
        return Err(ArmError::bad_request(
            "VpnClientRootCertificateExpired",
            format!("Root certificate {id} is expired. Please remove this certificate and retry."),
        ));
    }
    Ok(())
}

fn check_revoked(revoked: &Value) -> Result<(), ArmError> {
    let thumbprint = revoked["properties"]["thumbprint"].as_str().unwrap_or_default();
    if thumbprint.len() == THUMBPRINT_LEN && thumbprint.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    let id = revoked["id"].as_str().unwrap_or_default();
    Err(ArmError::bad_request(
        "VpnClientRevokedCertificateThumbprintInvalid",
        format!("Thumbprint '{thumbprint}' of the revoked certificate {id} is invalid."),
    ))
}
