//! Ways into a network from outside, set up with the real `az`: point to site, site to site, and the
//! DNS private resolver (whose own `az` extension cannot be had offline).

#![expect(clippy::unwrap_used, reason = "a story fails by a panic")]

use std::{io::Read as _, process::Command};

use pki::{Authority, UnixTime};
use serde_json::json;

use crate::bench::{Lab, client, said};

/// A lab with a hub, its gateway `gw` and the gateway's root certificate.
fn hub() -> Lab {
    let lab = Lab::up();
    lab.az("group create -n rg -l westeurope");
    lab.az("network vnet create -g rg -n hub --address-prefixes 10.0.0.0/16 --subnet-name GatewaySubnet \
         --subnet-prefixes 10.0.255.0/27");
    lab.az("network public-ip create -g rg -n ip --sku Standard");
    let now = UnixTime(jiff::Timestamp::now().as_second());
    let root = Authority::generate("P2SRoot", now, 10).unwrap();
    let file = lab.path("root.pem");
    fs_err::write(&file, root.certificate_pem()).unwrap();
    lab.az(&format!(
        "network vnet-gateway create -g rg -n gw --vnet hub --public-ip-addresses ip --gateway-type Vpn --sku VpnGw1 \
         --client-protocol OpenVPN --address-prefixes 172.16.201.0/24 --root-cert-name root --root-cert-data {}",
        file.display()
    ));
    lab
}

#[test]
fn az_sets_up_point_to_site_and_downloads_the_profile() {
    let Some(_) = client("az") else { return };
    let lab = hub();
    let file = lab.path("root.pem");
    let second = lab.az(&format!(
        "network vnet-gateway root-cert create -g rg --gateway-name gw -n second --public-cert-data {}",
        file.display()
    ));
    assert_eq!(second["provisioningState"], "Succeeded");
    lab.az("network vnet-gateway root-cert delete -g rg --gateway-name gw -n second");
    let thumbprint = "A9993E364706816ABA3E25717850C26C9CD0D89D";
    let revoke = "network vnet-gateway revoked-cert create -g rg --gateway-name gw -n lost";
    assert_eq!(lab.az(&format!("{revoke} --thumbprint {thumbprint}"))["thumbprint"], thumbprint);
    lab.az("network vnet-gateway update -g rg -n gw --custom-routes 192.0.2.0/24");
    let gateway = lab.az("network vnet-gateway show -g rg -n gw");
    let clients = &gateway["vpnClientConfiguration"];
    assert_eq!(clients["vpnClientRootCertificates"].as_array().unwrap().len(), 1);
    assert_eq!(gateway["customRoutes"]["addressPrefixes"], json!(["192.0.2.0/24"]));
    assert_eq!(lab.az("network vnet-gateway list -g rg")[0]["name"], "gw");

    let url = lab.az("network vnet-gateway vpn-client generate -g rg -n gw");
    let shown = lab.az("network vnet-gateway vpn-client show-url -g rg -n gw");
    for url in [url, shown] {
        let zip = lab.path("client.zip");
        let authorities = lab.path("lab/ca.pem");
        let mut curl = Command::new("curl");
        said(curl.args(["-sSf", url.as_str().unwrap(), "--cacert"]).arg(authorities).arg("-o").arg(&zip));
        let mut zip = zip::ZipArchive::new(fs_err::File::open(zip).unwrap()).unwrap();
        let mut profile = String::new();
        zip.by_name("OpenVPN/vpnconfig.ovpn").unwrap().read_to_string(&mut profile).unwrap();
        assert!(profile.contains("\nremote 198.19.") && profile.contains("$CLIENTCERTIFICATE"), "{profile}");
        assert!(zip.by_name("Generic/VpnSettings.xml").is_ok());
    }
    lab.az("network vnet-gateway delete -g rg -n gw");
    assert_eq!(lab.az("network vnet-gateway list -g rg"), json!([]));
}

#[test]
fn az_is_refused_gateways_that_azure_refuses() {
    let Some(_) = client("az") else { return };
    let lab = hub();
    let create = "network vnet-gateway create -g rg -n other --vnet hub --public-ip-addresses ip2";
    lab.az("network public-ip create -g rg -n ip2 --sku Standard");
    let second = lab.az_refused(&format!("{create} --sku VpnGw1"));
    assert!(second.contains("can't be associated with more than one gateway"), "{second}");
    lab.az("network vnet create -g rg -n spoke --address-prefixes 10.1.0.0/16");
    let nowhere = lab.az_refused(&create.replace("--vnet hub", "--vnet spoke"));
    assert!(nowhere.contains("InvalidResourceReference"), "it has no GatewaySubnet: {nowhere}");
    let basic = lab.az_refused("network vnet-gateway update -g rg -n gw --set sku.name=Basic");
    assert!(basic.contains("OpenVPN is not supported for basic Sku gateway"), "{basic}");
    let root = "network vnet-gateway root-cert create -g rg --gateway-name gw -n bad --public-cert-data";
    let file = lab.path("bad.pem");
    fs_err::write(&file, "no certificate").unwrap();
    let bad = lab.az_refused(&format!("{root} {}", file.display()));
    assert!(bad.contains("VpnClientRootCertificateDataInvalid"), "{bad}");
}

#[test]
fn az_connects_a_site_and_keeps_its_key_to_itself() {
    let Some(_) = client("az") else { return };
    let lab = hub();
    lab.az("network local-gateway create -g rg -n office --gateway-ip-address 203.0.113.9 --local-address-prefixes \
         192.168.0.0/24");
    // A template deployment, as az has it.
    let create = "network vpn-connection create -g rg -n c --vnet-gateway1 gw --local-gateway2 office";
    let made = lab.az(&format!("{create} --shared-key s3cret"));
    assert_eq!(made["resource"]["connectionType"], "IPsec", "{made}");
    assert!(!made.to_string().contains("s3cret"), "{made}");
    let connection = lab.az("network vpn-connection show -g rg -n c");
    assert_eq!(connection["connectionStatus"], "Connected");
    let key = "network vpn-connection shared-key";
    assert_eq!(lab.az(&format!("{key} show -g rg --connection-name c"))["value"], "s3cret");
    lab.az(&format!("{key} update -g rg --connection-name c --value other"));
    lab.az("network vpn-connection update -g rg -n c --routing-weight 5");
    assert_eq!(lab.az(&format!("{key} show -g rg --connection-name c"))["value"], "other");
    let site = lab.az("network local-gateway show -g rg -n office");
    let site = site["id"].as_str().unwrap();
    let client = json!({"location": "global", "properties": {"localNetworkGateway": {"id": site}, "dnsServers": ["192.168.0.53"]}});
    let url = site.replace("Microsoft.Network/localNetworkGateways/office", "Noren.Lab/clients/printer");
    let machine = lab.az(&format!("rest --method put --url {url}?api-version=2024-11-01 --body '{client}'"));
    assert_eq!(machine["properties"]["ipAddress"], "192.168.0.2");
    let held = lab.az_refused("network vnet-gateway delete -g rg -n gw");
    assert!(held.contains("/connections/c"), "{held}");
    lab.az("group delete -n rg --yes");
    assert_eq!(lab.az("resource list"), json!([]));
}

#[test]
fn az_makes_a_dns_private_resolver_with_a_ruleset() {
    let Some(_) = client("az") else { return };
    let lab = Lab::up();
    lab.az("group create -n rg -l westeurope");
    let network = lab.az("network vnet create -g rg -n hub --address-prefixes 10.0.0.0/16");
    let network = network["newVNet"]["id"].as_str().unwrap();
    let subnet = "network vnet subnet create -g rg --vnet-name hub --delegations Microsoft.Network/dnsResolvers";
    lab.az(&format!("{subnet} -n in --address-prefixes 10.0.1.0/28"));
    lab.az(&format!("{subnet} -n out --address-prefixes 10.0.2.0/28"));
    let properties = json!({"virtualNetwork": {"id": network}});
    let resolver = lab.az(&format!(
        "resource create -g rg -n r --resource-type Microsoft.Network/dnsResolvers --properties '{properties}'"
    ));
    assert_eq!(resolver["properties"]["dnsResolverState"], "Connected");
    let base = network.trim_end_matches("virtualNetworks/hub");
    let put = |path: &str, body: serde_json::Value| {
        lab.az(&format!("rest --method put --url {base}{path}?api-version=2022-07-01 --body '{body}'"))
    };
    let inbound = put(
        "dnsResolvers/r/inboundEndpoints/i",
        json!({"location": "westeurope", "properties": {
            "ipConfigurations": [{"subnet": {"id": format!("{network}/subnets/in")}}]
        }}),
    );
    assert_eq!(inbound["properties"]["ipConfigurations"][0]["privateIpAddress"], "10.0.1.4");
    put(
        "dnsResolvers/r/outboundEndpoints/o",
        json!({"location": "westeurope", "properties": {"subnet": {"id": format!("{network}/subnets/out")}}}),
    );
    let endpoint = json!({"id": format!("{base}dnsResolvers/r/outboundEndpoints/o")});
    put(
        "dnsForwardingRulesets/s",
        json!({"location": "westeurope", "properties": {"dnsResolverOutboundEndpoints": [endpoint]}}),
    );
    let servers = json!([{"ipAddress": "192.168.0.53"}]);
    let rule = json!({"properties": {"domainName": "corp.example.", "targetDnsServers": servers}});
    assert_eq!(
        put("dnsForwardingRulesets/s/forwardingRules/corp", rule)["properties"]["forwardingRuleState"],
        "Enabled"
    );
    put("dnsForwardingRulesets/s/virtualNetworkLinks/hub", json!({"properties": {"virtualNetwork": {"id": network}}}));

    let held = lab.az_refused("network vnet subnet delete -g rg --vnet-name hub -n in");
    assert!(held.contains("InUseSubnetCannotBeDeleted") && held.contains("inboundEndpoints/i"), "{held}");
    let rules = format!("rest --method get --url {base}dnsForwardingRulesets/s/forwardingRules?api-version=2022-07-01");
    assert_eq!(lab.az(&rules)["value"][0]["name"], "corp");
    lab.az("group delete -n rg --yes");
    assert_eq!(lab.az("resource list"), json!([]));
}
