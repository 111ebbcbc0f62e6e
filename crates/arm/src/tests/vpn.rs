//! Point-to-site gateways, sites and connections, as clients see them.

use std::{
    io::Read as _,
    sync::{Arc, atomic::AtomicI64},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use pki::{Authority, ClientCertificate, Identity, UnixTime};
use serde_json::{Value, json};
use store::Store;

use super::{Answer, Hand, Lab};
use crate::{
    Pace,
    providers::network::vpn::{PointToSite, openvpn, point_to_site},
};

pub(super) const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";

/// A lab with a hub (custom DNS server 10.0.0.4), a spoke, and an address for a gateway.
pub(super) struct Office {
    pub(super) lab: Lab,
    pub(super) root: Authority,
}

impl Office {
    pub(super) async fn new() -> Self {
        // Of today, for programs that look at their own clock.
        let now = jiff::Timestamp::now().as_second();
        let clock = Hand(Arc::new(AtomicI64::new(now)));
        let lab = Lab::on(Store::in_memory().unwrap(), clock, Pace::Instant).await;
        lab.group("rg").await;
        let office = Self { root: Authority::generate("root", UnixTime(now), 10).unwrap(), lab };
        for (name, space, subnet, servers) in [
            ("hub", "10.0.0.0/16", ("GatewaySubnet", "10.0.255.0/27"), json!(["10.0.0.4"])),
            ("spoke", "10.1.0.0/16", ("default", "10.1.0.0/24"), json!([])),
        ] {
            let body = json!({"location": "westeurope", "properties": {
                "addressSpace": {"addressPrefixes": [space]},
                "dhcpOptions": {"dnsServers": servers},
                "subnets": [{"name": subnet.0, "properties": {"addressPrefix": subnet.1}}],
            }});
            office.made(&format!("virtualNetworks/{name}"), body).await;
        }
        let address = json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {}});
        office.made("publicIPAddresses/ip", address).await;
        office
    }

    /// The spoke uses the hub's gateway, which is there.
    pub(super) async fn peer(&self) {
        for (from, to, options) in [
            ("hub", "spoke", json!({"allowGatewayTransit": true})),
            ("spoke", "hub", json!({"useRemoteGateways": true})),
        ] {
            let mut options = options;
            options["remoteVirtualNetwork"] = json!({"id": self.id(&format!("virtualNetworks/{to}"))});
            let body = json!({"properties": options});
            self.made(&format!("virtualNetworks/{from}/virtualNetworkPeerings/to-{to}"), body).await;
        }
    }

    pub(super) fn id(&self, name: &str) -> String {
        format!("/subscriptions/{}{NETWORK}/{name}", self.lab.plane.lab().subscription)
    }

    pub(super) async fn put(&self, name: &str, body: Value) -> Answer {
        self.lab.put(&format!("{NETWORK}/{name}"), body).await
    }

    async fn made(&self, name: &str, body: Value) {
        let answer = self.put(name, body).await;
        assert!(matches!(answer.status, 200 | 201), "{name}: {answer:?}");
    }

    /// What `az network vnet-gateway create` sends, with one root certificate.
    pub(super) fn gateway(&self) -> Value {
        json!({"location": "westeurope", "properties": {
            "activeActive": false,
            "gatewayType": "Vpn",
            "vpnType": "RouteBased",
            "sku": {"name": "VpnGw1", "tier": "VpnGw1"},
            "ipConfigurations": [{"name": "vnetGatewayConfig0", "properties": {
                "privateIPAllocationMethod": "Dynamic",
                "publicIPAddress": {"id": self.id("publicIPAddresses/ip")},
                "subnet": {"id": self.id("virtualNetworks/hub/subnets/GatewaySubnet")},
            }}],
            "customRoutes": {"addressPrefixes": ["192.0.2.0/24"]},
            "vpnClientConfiguration": {
                "vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]},
                "vpnClientProtocols": ["OpenVPN"],
                "vpnClientRootCertificates": [{"name": "root", "properties": {
                    "publicCertData": STANDARD.encode(self.root.certificate_der()),
                }}],
            },
        }})
    }

    pub(super) fn server(&self) -> PointToSite {
        let id = self.id("virtualNetworkGateways/gw").parse().unwrap();
        point_to_site(&self.lab.plane.estate(), &id).unwrap()
    }

    /// A download: no token, only the link.
    async fn download(&self, url: &str) -> Response<Bytes> {
        let path = url.strip_prefix("https://localhost:1").unwrap();
        self.lab.plane.handle(Request::get(path).body(Bytes::new()).unwrap()).await
    }

    /// The file of the client package.
    pub(super) async fn unpacked(&self, name: &str) -> Option<String> {
        let gateway = format!("{NETWORK}/virtualNetworkGateways/gw");
        let link = self.lab.send("POST", &format!("{gateway}/generatevpnprofile"), json!({}), &[]).await;
        assert_eq!(link.status, 200, "{link:?}");
        let zip = self.download(link.body.as_str().unwrap()).await;
        assert_eq!(zip.headers()["content-type"], "application/zip");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip.into_body())).unwrap();
        let mut text = Vec::new();
        zip.by_name(name).ok()?.read_to_end(&mut text).unwrap();
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// A client certificate signed by `root`.
pub(super) fn client(root: &Authority, name: &str) -> Identity {
    let now = UnixTime(jiff::Timestamp::now().as_second());
    root.issue_client(&ClientCertificate { common_name: name, organizations: &[], now, lifetime_days: 5 }).unwrap()
}

#[tokio::test]
async fn a_gateway_comes_back_complete_and_is_kept_whole_by_get_and_put() {
    let office = Office::new().await;
    let made = office.put("virtualNetworkGateways/gw", office.gateway()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let properties = &made.body["properties"];
    let root = &properties["vpnClientConfiguration"]["vpnClientRootCertificates"][0];
    assert_eq!(root["properties"]["provisioningState"], "Succeeded");
    assert_eq!(root["id"], office.id("virtualNetworkGateways/gw/vpnClientRootCertificates/root"));
    assert_eq!(properties["bgpSettings"], json!({"asn": 65515, "peerWeight": 0, "bgpPeeringAddress": "10.0.255.30"}));
    assert_eq!(properties["sku"], json!({"name": "VpnGw1", "tier": "VpnGw1", "capacity": 2}));

    // `az network vnet-gateway root-cert create`: GET, add, PUT; the data is a whole PEM file in base64.
    let mut body = made.body.clone();
    let pem = STANDARD.encode(office.root.certificate_pem());
    let second = json!({"name": "second", "properties": {"publicCertData": pem}});
    let roots = &mut body["properties"]["vpnClientConfiguration"]["vpnClientRootCertificates"];
    roots.as_array_mut().unwrap().push(second);
    let before = office.server();
    let updated = office.put("virtualNetworkGateways/gw", body).await;
    assert_eq!(updated.status, 200, "{updated:?}");
    let after = office.server();
    assert_eq!(after.client_roots.len(), 2);
    assert_eq!((&after.server, &after.tls_auth), (&before.server, &before.tls_auth), "keys are made once");
    let address = office.lab.get(&format!("{NETWORK}/publicIPAddresses/ip")).await;
    let user = office.id("virtualNetworkGateways/gw/ipConfigurations/vnetGatewayConfig0");
    assert_eq!(address.body["properties"]["ipConfiguration"]["id"], user);
    assert!(!updated.body.to_string().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn clients_get_the_networks_dns_servers_and_the_spaces_behind_the_gateway() {
    let office = Office::new().await;
    office.put("virtualNetworkGateways/gw", office.gateway()).await;
    office.peer().await;
    let server = office.server();
    let routes: Vec<String> = server.routes.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["10.0.0.0/16", "192.0.2.0/24", "10.1.0.0/16"]);
    assert_eq!(server.dns_servers, ["10.0.0.4".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(server.public_address, Some("198.19.0.1".parse().unwrap()));

    let half = "virtualNetworks/spoke/virtualNetworkPeerings/to-hub";
    office.lab.delete(&format!("{NETWORK}/{half}")).await;
    office
        .lab
        .send(
            "PATCH",
            &format!("{NETWORK}/virtualNetworks/hub"),
            json!({"properties": {"dhcpOptions": {"dnsServers": []}}}),
            &[],
        )
        .await;
    let server = office.server();
    assert_eq!((server.routes.len(), server.dns_servers.len()), (2, 0), "no transit; Azure-provided DNS is none");
}

#[tokio::test]
async fn a_gateway_is_refused_as_azure_refuses_it() {
    let office = Office::new().await;
    let code = async |at: &str, value: Value| {
        let mut body = office.gateway();
        *body.pointer_mut(at).unwrap() = value;
        let refused = office.put("virtualNetworkGateways/gw", body).await;
        refused.code().1.to_owned()
    };
    let clients = "/properties/vpnClientConfiguration";
    let data = format!("{clients}/vpnClientRootCertificates/0/properties/publicCertData");
    let long_ago = UnixTime(1_500_000_000);
    let expired = STANDARD.encode(Authority::generate("old", long_ago, 1).unwrap().certificate_der());
    for (at, value, wanted) in [
        (data.as_str(), json!("AAAA"), "VpnClientRootCertificateDataInvalid"),
        (&data, json!(office.root.certificate_pem()), "VpnClientRootCertificateDataInvalid"),
        (&data, json!(expired), "VpnClientRootCertificateExpired"),
        (&format!("{clients}/vpnClientAddressPool/addressPrefixes"), json!([]), "VpnClientAddressPoolNotSpecified"),
        (
            &format!("{clients}/vpnClientAddressPool/addressPrefixes"),
            json!(["10.0.9.0/24"]),
            "VpnClientAddressPoolOverlapsWithVirtualNetworkAddressSpace",
        ),
        ("/properties/sku/name", json!("Basic"), "VpnClientProtocolNotSupportedForBasicSkuGateway"),
        ("/properties/sku/name", json!("Big"), "InvalidGatewaySkuSpecifiedForGatewayDeploymentType"),
        (
            "/properties/ipConfigurations/0/properties/subnet/id",
            json!(office.id("virtualNetworks/spoke/subnets/default")),
            "VirtualNetworkGatewaySubnetMustBeGatewaySubnet",
        ),
        (
            "/properties/ipConfigurations/0/properties/publicIPAddress/id",
            json!(office.id("publicIPAddresses/none")),
            "InvalidResourceReference",
        ),
        ("/properties/ipConfigurations", json!([]), "IpConfigurationIsRequired"),
    ] {
        assert_eq!(code(at, value).await, wanted, "{at}");
    }
    let mut body = office.gateway();
    body["properties"]["enableBgp"] = json!(true);
    body["properties"]["sku"]["name"] = json!("Basic");
    let bgp = office.put("virtualNetworkGateways/gw", body).await;
    assert_eq!(bgp.code().1, "BasicSkuVirtualNetworkGatewayDoesNotSupportBgp");
    assert_eq!(office.put("virtualNetworkGateways/gw", office.gateway()).await.status, 201);
    let second = office.put("virtualNetworkGateways/other", office.gateway()).await;
    assert_eq!(second.code().1, "PublicIPAddressInUse");
    office.made("publicIPAddresses/ip2", json!({"location": "westeurope", "properties": {}})).await;
    let mut body = office.gateway();
    body["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"]["id"] =
        json!(office.id("publicIPAddresses/ip2"));
    assert_eq!(office.put("virtualNetworkGateways/other", body).await.code().1, "VirtualNetworkAlreadyHasGateway");
    let nic = json!({"location": "westeurope", "properties": {"ipConfigurations": [{"name": "c", "properties": {
        "subnet": {"id": office.id("virtualNetworks/hub/subnets/GatewaySubnet")},
    }}]}});
    assert_eq!(office.put("networkInterfaces/nic", nic).await.code().1, "GatewaySubnet", "gateways stand there alone");
}

#[tokio::test]
async fn the_client_package_is_azures_and_its_link_expires() {
    let office = Office::new().await;
    office.put("virtualNetworkGateways/gw", office.gateway()).await;
    office.peer().await;
    let profile = office.unpacked("OpenVPN/vpnconfig.ovpn").await.unwrap();
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "<guid>"),
        (r"(?s)(-----BEGIN [^-]*-----).*?(-----END)", "$1…$2"),
    ]}, { insta::assert_snapshot!(profile) });
    let settings = office.unpacked("Generic/VpnSettings.xml").await.unwrap();
    assert!(settings.contains("<VpnServer>198.19.0.1</VpnServer>"), "{settings}");
    assert!(settings.contains("<Routes>10.0.0.0/16,192.0.2.0/24,10.1.0.0/16</Routes>"), "{settings}");
    assert!(office.unpacked("Generic/VpnServerRoot.cer").await.is_some());

    let gateway = format!("{NETWORK}/virtualNetworkGateways/gw");
    let link = office.lab.send("POST", &format!("{gateway}/generatevpnclientpackage"), json!({}), &[]).await;
    let link = link.body.as_str().unwrap();
    assert_eq!(office.download(link).await.status(), 200);
    let forged = link.replace("&se=", "&se=9");
    assert_eq!(office.download(&forged).await.status(), 403);
    office.lab.pass(3601).await;
    assert_eq!(office.download(link).await.status(), 403);
}

#[tokio::test]
async fn a_server_is_configured_by_the_gateway_alone() {
    let office = Office::new().await;
    let mut body = office.gateway();
    body["properties"]["vpnClientConfiguration"]["vpnClientRevokedCertificates"] =
        json!([{"name": "lost", "properties": {"thumbprint": "a9993e364706816aba3e25717850c26c9cd0d89d"}}]);
    assert_eq!(office.put("virtualNetworkGateways/gw", body).await.status, 201);
    office.peer().await;
    let server = office.server();
    let place = openvpn::Place {
        address: "198.19.0.1".parse().unwrap(),
        port: 443,
        device: "tun0",
        tunnel: "172.16.201.1".parse().unwrap(),
        clients: "172.16.201.128".parse().unwrap()..="172.16.201.254".parse().unwrap(),
    };
    let [config, verify] = openvpn::server(&server, &place).unwrap();
    insta::with_settings!({filters => vec![(r"(?s)(-----BEGIN [^-]*-----).*?(-----END)", "$1…$2")]}, {
        insta::assert_snapshot!(format!("{}\n--- {}\n{}", config.text, verify.name, verify.text));
    });
    let nobody = PointToSite { client_roots: Vec::new(), ..server };
    assert_eq!(openvpn::server(&nobody, &place), None, "without a root certificate nobody can get in");
}

#[tokio::test]
async fn a_sites_connection_shows_its_key_only_when_asked() {
    let office = Office::new().await;
    office.put("virtualNetworkGateways/gw", office.gateway()).await;
    let site = json!({"location": "westeurope", "properties": {
        "gatewayIpAddress": "203.0.113.9",
        "localNetworkAddressSpace": {"addressPrefixes": ["192.168.0.0/16"]},
    }});
    assert_eq!(office.put("localNetworkGateways/office", site).await.status, 201);
    let connection = |local: &str| {
        json!({"location": "westeurope", "properties": {
            "connectionType": "IPsec",
            "sharedKey": "s3cret",
            "virtualNetworkGateway1": {"id": office.id("virtualNetworkGateways/gw")},
            "localNetworkGateway2": {"id": office.id(local)},
        }})
    };
    let missing = office.put("connections/c", connection("localNetworkGateways/none")).await;
    assert_eq!(missing.code().1, "InvalidResourceReference");
    let made = office.put("connections/c", connection("localNetworkGateways/office")).await;
    assert_eq!((made.status, &made.body["properties"]["connectionStatus"]), (201, &json!("Connected")));
    assert!(!made.body.to_string().contains("s3cret"));

    let path = format!("{NETWORK}/connections/c");
    assert_eq!(office.lab.get(&format!("{path}/sharedkey")).await.body["value"], "s3cret");
    office.lab.put(&path, made.body).await;
    assert_eq!(office.lab.get(&format!("{path}/sharedkey")).await.body["value"], "s3cret", "a PUT without it keeps it");
    let changed = office.lab.put(&format!("{path}/sharedkey"), json!({"value": "other"})).await;
    assert_eq!((changed.status, &changed.body["value"]), (200, &json!("other")));
    let reset = office.lab.send("POST", &format!("{path}/sharedkey/reset"), json!({"keyLength": 20}), &[]).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    let key = office.lab.get(&format!("{path}/sharedkey")).await.body["value"].as_str().unwrap().to_owned();
    assert!(key.len() == 20 && key != "other", "{key}");

    for held in ["virtualNetworkGateways/gw", "localNetworkGateways/office"] {
        assert_eq!(office.lab.delete(&format!("{NETWORK}/{held}")).await.status, 400, "{held} is in use");
    }
    let listed = office.lab.get(&format!("{NETWORK}/virtualNetworkGateways/gw/connections")).await;
    assert_eq!(listed.names(), ["c"]);
    assert_eq!(office.lab.delete("/resourceGroups/rg").await.status, 200, "a group goes with all that is in it");
}
