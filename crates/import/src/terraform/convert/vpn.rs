//! Virtual network gateways, sites and connections.

use azure::Kind;
use serde_json::{Value, json};

use super::super::reader::Reader;
use crate::draft::Draft;

pub(super) fn gateway(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let configurations: Vec<Value> = (0..reader.blocks("ip_configuration"))
        .map(|at| {
            let path = |name: &str| format!("ip_configuration.{at}.{name}");
            let subnet = reader.reference(draft, &path("subnet_id"), &[Kind::Subnet]);
            let public = reader.reference(draft, &path("public_ip_address_id"), &[Kind::PublicIpAddress]);
            json!({"name": reader.value(&path("name")), "properties": {"subnet": subnet, "publicIPAddress": public}})
        })
        .collect();
    let clients = "vpn_client_configuration.0";
    let certificates = |block: &str, attribute: &str, property: &str| -> Vec<Value> {
        let path = |at: usize, name: &str| format!("{clients}.{block}.{at}.{name}");
        let one = |at| {
            json!({
                "name": reader.value(&path(at, "name")),
                "properties": {property: reader.value(&path(at, attribute))},
            })
        };
        (0..reader.blocks(&format!("{clients}.{block}"))).map(one).collect()
    };
    let mut properties = json!({
        "gatewayType": reader.value("type"),
        "vpnType": reader.value("vpn_type"),
        "ipConfigurations": configurations,
        "customRoutes": {"addressPrefixes": reader.value("custom_route.0.address_prefixes")},
    });
    if reader.blocks("vpn_client_configuration") > 0 {
        properties["vpnClientConfiguration"] = json!({
            "vpnClientAddressPool": {"addressPrefixes": reader.value(&format!("{clients}.address_space"))},
            "vpnClientRootCertificates": certificates("root_certificate", "public_cert_data", "publicCertData"),
            "vpnClientRevokedCertificates": certificates("revoked_certificate", "thumbprint", "thumbprint"),
        });
    }
    properties
}

pub(super) fn site(reader: Reader<'_>) -> Value {
    json!({
        "gatewayIpAddress": reader.value("gateway_address"),
        "fqdn": reader.value("gateway_fqdn"),
        "localNetworkAddressSpace": {"addressPrefixes": reader.value("address_space")},
    })
}

pub(super) fn connection(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let gateway = &[Kind::VirtualNetworkGateway];
    json!({
        "connectionType": reader.value("type"),
        "virtualNetworkGateway1": reader.reference(draft, "virtual_network_gateway_id", gateway),
        "virtualNetworkGateway2": reader.reference(draft, "peer_virtual_network_gateway_id", gateway),
        "localNetworkGateway2": reader.reference(draft, "local_network_gateway_id", &[Kind::LocalNetworkGateway]),
    })
}
