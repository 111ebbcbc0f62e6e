//! Documents of virtual network gateways, local network gateways and connections.

use super::Json;
use crate::model::{Connection, LocalNetworkGateway, VirtualNetworkGateway};

pub(super) fn gateway(properties: Json<'_>, hidden: Json<'_>) -> VirtualNetworkGateway {
    let configurations = || properties.get("ipConfigurations").items().map(|item| item.get("properties"));
    let clients = properties.get("vpnClientConfiguration");
    VirtualNetworkGateway {
        uid: hidden.get("uid").text().map(str::to_owned),
        subnet: configurations().find_map(|item| item.get("subnet").id()),
        public_address: configurations().find_map(|item| item.get("publicIPAddress").id()),
        client_address_pool: clients.at("vpnClientAddressPool.addressPrefixes").prefixes(),
        root_certificates: clients
            .get("vpnClientRootCertificates")
            .items()
            .filter_map(|root| root.get("name").text().map(str::to_owned))
            .collect(),
        revoked_thumbprints: clients
            .get("vpnClientRevokedCertificates")
            .items()
            .filter_map(|revoked| revoked.at("properties.thumbprint").text().map(str::to_ascii_uppercase))
            .collect(),
        custom_routes: properties.at("customRoutes.addressPrefixes").prefixes(),
    }
}

pub(super) fn local_gateway(properties: Json<'_>) -> LocalNetworkGateway {
    LocalNetworkGateway {
        address_space: properties.at("localNetworkAddressSpace.addressPrefixes").prefixes(),
        public_address: properties.get("gatewayIpAddress").parsed(),
    }
}

/// Whether a connection joins a gateway and a site; the others join two gateways or a circuit.
pub(super) fn is_site_to_site(properties: Json<'_>) -> bool {
    properties.get("connectionType").text().is_some_and(|kind| kind.eq_ignore_ascii_case("IPsec"))
}

pub(super) fn connection(properties: Json<'_>) -> Option<Connection> {
    Some(Connection {
        gateway: properties.get("virtualNetworkGateway1").id()?,
        local: properties.get("localNetworkGateway2").id()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Kind, Resource,
        model::{Connection, LocalNetworkGateway, Model, VirtualNetworkGateway},
        sketch::Sketch,
    };

    #[test]
    fn a_gateway_says_where_it_stands_and_whom_it_lets_in() {
        let sketch = Sketch::new();
        let subnet = sketch.id(Kind::VirtualNetwork, "hub").child("subnets", "GatewaySubnet");
        let address = sketch.id(Kind::PublicIpAddress, "ip");
        let document = json!({"properties": {
            "ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": subnet}, "publicIPAddress": {"id": address}}}],
            "customRoutes": {"addressPrefixes": ["10.9.0.0/16"]},
            "vpnClientConfiguration": {
                "vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]},
                "vpnClientRootCertificates": [{"name": "root", "properties": {"publicCertData": "…"}}],
                "vpnClientRevokedCertificates": [{"name": "lost", "properties": {"thumbprint": "ab01"}}],
            },
        }});
        let gateway =
            Resource::with_hidden(sketch.id(Kind::VirtualNetworkGateway, "gw"), &document, &json!({"uid": "u"}));
        let expected = VirtualNetworkGateway {
            uid: Some("u".into()),
            subnet: Some(subnet.clone()),
            public_address: Some(address.clone()),
            client_address_pool: vec!["172.16.201.0/24".parse().unwrap()],
            root_certificates: vec!["root".into()],
            revoked_thumbprints: vec!["AB01".into()],
            custom_routes: vec!["10.9.0.0/16".parse().unwrap()],
        };
        assert_eq!(gateway.model(), &Model::VirtualNetworkGateway(expected));
        assert_eq!(gateway.references(), [&subnet, &address]);
    }

    #[test]
    fn a_site_is_address_space_behind_a_gateway() {
        let sketch = Sketch::new().site("office", "gw", "192.168.0.0/16");
        let estate = sketch.estate();
        let (site, gateway) =
            (sketch.id(Kind::LocalNetworkGateway, "office"), sketch.id(Kind::VirtualNetworkGateway, "gw"));
        let expected = LocalNetworkGateway {
            address_space: vec!["192.168.0.0/16".parse().unwrap()],
            public_address: Some("198.19.255.1".parse().unwrap()),
        };
        assert_eq!(estate.local_network_gateway(&site), Some(&expected));
        let connection = sketch.id(Kind::Connection, "to-office");
        assert_eq!(estate.connection(&connection), Some(&Connection { gateway: gateway.clone(), local: site.clone() }));
        for target in [&site, &gateway] {
            assert!(estate.referrers(target).any(|referrer| referrer.id() == &connection));
        }
    }

    #[test]
    fn a_connection_of_another_type_is_kept_and_said_to_do_nothing() {
        let id = Sketch::new().id(Kind::Connection, "c");
        let document = json!({"properties": {"connectionType": "Vnet2Vnet"}});
        let connection = Resource::new(id.clone(), &document);
        assert_eq!(connection.model(), &Model::Unmodelled);
        assert_eq!(connection.findings()[0].code, "NotModelled");
        let torn = Resource::new(id, &json!({"properties": {"connectionType": "IPsec"}}));
        assert_eq!(torn.findings()[0].code, "UnreadableResource");
    }
}
