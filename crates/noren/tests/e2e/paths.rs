//! The ways that packets take as `az` sets them up: appliances, the flags of peerings, sites behind a gateway and
//! their DNS servers. Linux decides who answers.

use serde_json::{Value, json};

use crate::{
    bench::{Background, Lab, User, client, said, says},
    packets::{cluster, machine, network, nobody_answers, serve, who},
};

fn peer(lab: &Lab, near: &str, far: &str) {
    let peering = format!("network vnet peering create -g rg -n to-{far} --vnet-name {near} --remote-vnet {far}");
    lab.az(&format!("{peering} --allow-vnet-access"));
}

#[test]
fn an_appliance_joins_two_spokes_as_far_as_it_and_their_peerings_let_it() {
    let Some(lab) = Lab::in_kernel(User::Own) else { return };
    for (name, prefix) in [("hub", "10.0"), ("left", "10.1"), ("right", "10.2")] {
        network(&lab, name, prefix);
        machine(&lab, &format!("vm-{name}"), name);
    }
    let _servers = ["vm-hub", "vm-right"].map(|name| serve(&lab, name));
    let (spokes, set) = (["left", "right"], |spoke: &str, flag: &str| {
        lab.az(&format!("network vnet peering update -g rg -n to-hub --vnet-name {spoke} --set {flag}"))
    });
    for (spoke, other) in [("left", "10.2.0.0/16"), ("right", "10.1.0.0/16")] {
        peer(&lab, "hub", spoke);
        peer(&lab, spoke, "hub");
        lab.az(&format!("network route-table create -g rg -n {spoke}"));
        let route = format!("network route-table route create -g rg --route-table-name {spoke} -n over-the-hub");
        let hop = "--next-hop-type VirtualAppliance --next-hop-ip-address 10.0.0.4";
        lab.az(&format!("{route} --address-prefix {other} {hop}"));
    }
    assert_eq!(who(&lab, "vm-left", "10.0.0.4"), "vm-hub");
    nobody_answers(&lab, "vm-left", "10.2.0.4");
    for spoke in spokes {
        lab.az(&format!("network vnet subnet update -g rg --vnet-name {spoke} -n s --route-table {spoke}"));
        set(spoke, "allowForwardedTraffic=true");
    }
    nobody_answers(&lab, "vm-left", "10.2.0.4");
    lab.az("network nic update -g rg -n vm-hub --ip-forwarding true");
    assert_eq!(who(&lab, "vm-left", "10.2.0.4"), "vm-right");
    set("left", "allowForwardedTraffic=false");
    nobody_answers(&lab, "vm-left", "10.2.0.4");
    assert_eq!(who(&lab, "vm-left", "10.0.0.4"), "vm-hub", "its own packets are not forwarded ones");
    set("left", "allowForwardedTraffic=true");
    assert_eq!(who(&lab, "vm-left", "10.2.0.4"), "vm-right");
    let route = "network route-table route update -g rg --route-table-name left -n over-the-hub";
    lab.az(&format!("{route} --next-hop-type None --remove nextHopIpAddress"));
    nobody_answers(&lab, "vm-left", "10.2.0.4");
    set("left", "allowVirtualNetworkAccess=false");
    nobody_answers(&lab, "vm-left", "10.0.0.4");
}

#[test]
fn a_site_behind_a_gateway_reaches_the_cluster_by_a_resolver_and_is_asked_for_its_own_names() {
    let (Some(_), Some(_)) = (client("kubectl"), client("dnsmasq")) else { return };
    let Some(lab) = Lab::in_kernel(User::Own) else { return };
    network(&lab, "v", "10.1");
    machine(&lab, "vm", "v");
    let private = cluster(&lab);
    lab.az("network vnet subnet create -g rg --vnet-name v -n GatewaySubnet --address-prefixes 10.1.255.0/27");
    lab.az("network public-ip create -g rg -n ip --sku Standard");
    let gateway = "network vnet-gateway create -g rg -n gw --vnet v --public-ip-addresses ip --gateway-type Vpn";
    lab.az(&format!("{gateway} --sku VpnGw1"));
    let office = "network local-gateway create -g rg -n office --gateway-ip-address 203.0.113.9";
    let office = lab.az(&format!("{office} --local-address-prefixes 192.168.0.0/24"))["id"].clone();
    lab.az("network vpn-connection create -g rg -n c --vnet-gateway1 gw --local-gateway2 office --shared-key s3cret");
    let put = |path: &str, properties: Value| {
        let url = format!("/subscriptions/{{subscriptionId}}/resourceGroups/rg/providers/{path}");
        let body = json!({"location": "japaneast", "properties": properties});
        lab.az(&format!("rest --method put --url '{url}?api-version=2022-07-01' --body '{body}'"))["id"].clone()
    };
    let there = |name: &str, servers: Value| {
        put(&format!("Noren.Lab/clients/{name}"), json!({"localNetworkGateway": {"id": office}, "dnsServers": servers}))
    };
    there("desk", json!(["10.1.2.4"]));
    there("names", json!([]));

    let subnet = |name: &str, prefix: &str| {
        let create = format!("network vnet subnet create -g rg --vnet-name v -n {name} --address-prefixes {prefix}");
        lab.az(&format!("{create} --delegations Microsoft.Network/dnsResolvers"))["id"].clone()
    };
    let (inbound, outbound) = (subnet("in", "10.1.2.0/28"), subnet("out", "10.1.3.0/28"));
    let v = json!({"id": inbound.as_str().unwrap().trim_end_matches("/subnets/in")});
    put("Microsoft.Network/dnsResolvers/r", json!({"virtualNetwork": v}));
    let configuration = json!([{"subnet": {"id": inbound}}]);
    put("Microsoft.Network/dnsResolvers/r/inboundEndpoints/i", json!({"ipConfigurations": configuration}));
    assert_eq!(said(&mut lab.at("desk", &format!("dig +short {private}"))).trim(), "10.1.0.5");
    says(&lab.kubectl("desk", "get nodes"), &["Ready"]);

    let options = "--no-daemon --conf-file=/dev/null --no-hosts --no-resolv --address=/corp.example/192.168.0.2";
    let mut server =
        Background::start(&mut lab.at("names", &format!("sh -c 'exec dnsmasq {options} --log-queries 2>&1'")));
    assert!(server.says("started"), "{}", server.said);
    let endpoint = put("Microsoft.Network/dnsResolvers/r/outboundEndpoints/o", json!({"subnet": {"id": outbound}}));
    put("Microsoft.Network/dnsForwardingRulesets/s", json!({"dnsResolverOutboundEndpoints": [{"id": endpoint}]}));
    let target = json!([{"ipAddress": "192.168.0.3", "port": 53}]);
    let rule = json!({"domainName": "corp.example.", "targetDnsServers": target});
    put("Microsoft.Network/dnsForwardingRulesets/s/forwardingRules/corp", rule);
    put("Microsoft.Network/dnsForwardingRulesets/s/virtualNetworkLinks/v", json!({"virtualNetwork": v}));
    assert_eq!(said(&mut lab.at("vm", "dig +short desk.corp.example")).trim(), "192.168.0.2");
    assert!(server.says("desk.corp.example from 10.1.3.14"), "from the endpoint's subnet: {}", server.said);
    let _desk = serve(&lab, "desk");
    assert_eq!(who(&lab, "vm", "desk.corp.example"), "desk");
    lab.az("network vpn-connection delete -g rg -n c");
    nobody_answers(&lab, "vm", "192.168.0.2");
}

#[test]
fn a_machine_without_a_public_address_is_known_on_the_internet_by_the_shared_one() {
    let Some(lab) = Lab::in_kernel(User::Own) else { return };
    network(&lab, "v", "10.1");
    machine(&lab, "vm", "v");
    let url = "/subscriptions/{subscriptionId}/resourceGroups/rg/providers/Noren.Lab/clients/cafe";
    let body = json!({"location": "global", "properties": {"publicIPAddress": "20.2.0.4"}});
    lab.az(&format!("rest --method put --url '{url}?api-version=2024-01-01' --body '{body}'"));
    let mut cafe = serve(&lab, "cafe");
    let get = |from: &str| said(&mut lab.at(from, "curl -sS -o /dev/null --max-time 5 http://20.2.0.4/"));
    get("vm");
    assert!(cafe.says("asked from 198.19.255.254"), "{}", cafe.said);
    get("internet");
    assert!(cafe.says("asked from 198.19.255.253"), "{}", cafe.said);
    nobody_answers(&lab, "vm", "1.1.1.1");
}
