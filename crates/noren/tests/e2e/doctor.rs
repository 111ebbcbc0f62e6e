//! The doctor, standing in the lab's namespaces: every way in which a private cluster goes wrong is staged with
//! real packets. Exactly that cause must be named there, in healthy places none; `kubectl` must fare as the doctor
//! says, and `noren explain` must have predicted it from the estate.

use serde_json::{Value, json};

use crate::{
    bench::{Background, client, refused, said, says},
    stage::Stage,
    verdicts::{HEALTHY, Row, UNSEEN, row},
};

/// What a kubeconfig with the private name comes to where only the public one resolves.
const ONLY_PUBLIC: &str = "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES";

#[test]
fn at_every_vantage_explain_doctor_and_kubectl_agree() {
    let Some(stage) = Stage::new() else { return };
    let arm = &stage.arm;
    for (name, prefix) in [
        ("v", "10.1"),
        ("spoke", "10.2"),
        ("far", "10.3"),
        ("leaf", "10.4"),
        ("half", "10.5"),
        ("shadowed", "10.6"),
        ("own-dns", "10.7"),
        ("hub", "10.8"),
        ("beyond", "10.9"),
        ("given-up", "10.10"),
    ] {
        stage.network(name, prefix);
    }
    let (private, zone) = stage.cluster("a", "v");
    stage.cluster("b", "far");
    stage.cluster("c", "spoke");
    for spoke in ["spoke", "shadowed", "own-dns"] {
        stage.peer("v", spoke);
    }
    stage.peer("spoke", "leaf");
    stage.half("half", "v");
    for linked in ["far", "leaf", "half"] {
        stage.link(&zone, linked);
    }
    // An empty zone above the cluster's own.
    let shadow = arm.put("privateDnsZones/privatelink.japaneast.azmk8s.io", &json!({}));
    stage.link(&shadow, "shadowed");
    // The second network with the cluster's addresses.
    arm.put("virtualNetworks/twin", &json!({"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}));
    stage.subnet("twin", "s", "10.1.9.0/24", &json!({}));
    stage.machine("vm-twin", "twin/subnets/s", &json!({}));
    stage.link(&zone, "twin");
    // A DNS server of its own, in a network that the zone is not linked to.
    arm.put(
        "virtualNetworks/own-dns",
        &json!({
            "addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}, "dhcpOptions": {"dnsServers": ["10.7.0.4"]},
            "subnets": arm.get("virtualNetworks/own-dns")["properties"]["subnets"],
            "virtualNetworkPeerings": arm.get("virtualNetworks/own-dns")["properties"]["virtualNetworkPeerings"],
        }),
    );
    stage.machine("vm-asks", "own-dns/subnets/s", &json!({}));
    let address = stage.address("vm-v", &private);
    guard(&stage, &address);
    past_the_appliance(&stage, &zone, &address);
    let given_up = without_zone(&stage);
    unlink_own(&stage);
    let portal = shadow_portal(&stage);
    visitors(&stage, &private, &address);
    local_files(&stage, &private);
    let endpoint = extra_endpoint(&stage, &private);

    let no_route = "NO_ROUTE_FROM_HERE";
    let blocked = "NSG_OR_FIREWALL_BLOCKS_443";
    let found = stage.judge(&[
        row("in the cluster's network", "vm-v", "a-private", HEALTHY, HEALTHY),
        row("in the cluster's network", "vm-v", "a-public", HEALTHY, HEALTHY),
        row("looking further", "vm-v", "a-private --deep", HEALTHY, HEALTHY),
        row("peered, public name", "vm-spoke", "a-public", HEALTHY, HEALTHY),
        row("no network at all", "internet", "a-public", no_route, no_route),
        row("peered, no link", "vm-spoke", "a-private", ONLY_PUBLIC, "ZONE_NOT_LINKED_TO_CLIENT_VNET"),
        row("linked, not peered", "vm-far", "a-private", no_route, "LINKED_BUT_NOT_PEERED"),
        row("no network at all", "internet", "a-private", ONLY_PUBLIC, no_route),
        row("the other cluster", "vm-far", "b-private", HEALTHY, HEALTHY),
        row("peered with a peer", "vm-leaf", "a-private", no_route, "PEERING_NOT_TRANSITIVE"),
        row("one half of a peering", "vm-half", "a-private", no_route, "PEERING_INCOMPLETE"),
        row(
            "another zone shadows",
            "vm-shadowed",
            "a-private",
            "ZONE_LINKED_RECORD_MISSING",
            "ZONE_LINKED_RECORD_MISSING",
        ),
        row("two networks, one address", "vm-twin", "a-private", no_route, "ADDRESS_SPACE_OVERLAP"),
        row("a DNS server without the zone", "vm-asks", "a-private", ONLY_PUBLIC, "CUSTOM_DNS_BYPASSES_ZONE"),
        row("a security group", "vm-guarded", "a-private", blocked, blocked),
        row("a route that drops", "vm-dropped", "a-private", no_route, "UDR_DROPS"),
        row("the reply takes another way", "vm-beyond-led", "a-private", no_route, "UDR_NVA_ASYMMETRIC"),
        row("AKS's own link undone", "vm-spoke", "c-private", ONLY_PUBLIC, "AUTO_LINK_CONFLICT"),
        row("the zone given up, old kubeconfig", "vm-given-up", "g-private", ONLY_PUBLIC, UNSEEN),
        row("the zone given up, new kubeconfig", "vm-given-up", "g-public", HEALTHY, HEALTHY),
        row("VPN, public name", "laptop", "a-public", HEALTHY, HEALTHY),
        row("VPN, private name", "laptop", "a-private", ONLY_PUBLIC, ONLY_PUBLIC),
        row("VPN, hosts file", "pinned", "a-private", HEALTHY, HEALTHY),
        row("VPN, no transit", "laptop", "c-public", no_route, "NOT_GATEWAY_TRANSIT"),
        row("VPN, asks Azure's resolver", "misled", "a-private", "DNS_SERVERS_SILENT", "ON_PREM_FORWARD_TO_168"),
        row(
            "an old hosts file",
            "outdated",
            "a-private",
            "STALE_RECORD_AFTER_STOP_START",
            "STALE_RECORD_AFTER_STOP_START",
        ),
        row("a pending endpoint", "vm-far", "endpoint", blocked, UNSEEN),
        row("no tunnel", "vm-v", "tunnel", "TUNNEL_KUBECONFIG", UNSEEN),
        row("a wrong token", "vm-v", "nobody", "AUTH_NOT_NETWORK", UNSEEN),
        row("another cluster's authority", "vm-v", "authority", "CLUSTER_DELETED_OR_RECREATED", UNSEEN),
        with(
            "RUNNER_ENVIRONMENT=github-hosted",
            row("a hosted agent", "internet", "a-private", "HOSTED_CI_AGENT", UNSEEN),
        ),
        with("RUNNER_ENVIRONMENT=self-hosted", row("one's own agent", "vm-v", "a-private", HEALTHY, HEALTHY)),
        with("HTTPS_PROXY=http://127.0.0.1:9", row("a proxy", "vm-v", "a-private", "PROXY_IN_THE_WAY", UNSEEN)),
        with(
            "HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=azmk8s.io",
            row("the name is excepted", "vm-v", "a-private", HEALTHY, HEALTHY),
        ),
    ]);
    for public in &found[3..5] {
        assert_eq!(public["notes"][0]["code"], "PUBLIC_FQDN_RESOLVES_PRIVATE_IP", "{public}");
    }
    candidates_are_codes(&found);
    told_of_the_old_name(&stage, &given_up, &found);
    told_of_the_portal(&stage, &portal);

    approve(&stage, &endpoint);
    arm.delete("networkSecurityGroups/guard/securityRules/no-api");
    overlap_at_home(&stage);
    stage.judge(&[
        row("an approved endpoint", "vm-far", "endpoint", HEALTHY, UNSEEN),
        row("an address for a name", "vm-far", "address", "IP_USED", UNSEEN),
        row("an endpoint of one's own", "vm-far", "a-private", no_route, "RECORD_NOT_MANAGED_FOR_EXTRA_PE"),
        row("the rule is gone", "vm-guarded", "a-private", HEALTHY, HEALTHY),
    ]);

    arm.act("a", "stop");
    stage.judge(&[
        row("stopped", "vm-v", "a-private", "ZONE_LINKED_RECORD_MISSING", "CLUSTER_STOPPED"),
        row("stopped", "laptop", "a-public", "PUBLIC_FQDN_DISABLED", "CLUSTER_STOPPED"),
        row("stopped", "internet", "a-private", "PRIVATE_NAME_NOT_RESOLVABLE", "CLUSTER_STOPPED"),
    ]);
    arm.act("a", "start");
    let old = "STALE_RECORD_AFTER_STOP_START";
    let moved = stage.judge(&[
        row("moved, hosts file is old", "pinned", "a-private", old, old),
        row("moved", "vm-v", "a-private", HEALTHY, HEALTHY),
    ]);
    let line = format!("echo '{} {private}' | sudo tee -a /etc/hosts", stage.address("vm-v", &private));
    assert_eq!(moved[0]["cause"]["fixes"][1]["command"], line, "{}", moved[0]);

    arm.set_access("a", "enablePrivateClusterPublicFQDN", &json!(false));
    let unknown = "PRIVATE_NAME_NOT_RESOLVABLE";
    stage.judge(&[
        row("public name is off", "internet", "a-private", unknown, unknown),
        row("public name is off", "internet", "a-public", "PUBLIC_FQDN_DISABLED", "PUBLIC_FQDN_DISABLED"),
        row("public name is off", "laptop", "a-private", unknown, "PUBLIC_FQDN_DISABLED"),
        row("public name is off", "vm-spoke", "a-private", unknown, "ZONE_NOT_LINKED_TO_CLIENT_VNET"),
        row("public name is off", "vm-v", "a-private", HEALTHY, HEALTHY),
    ]);
}

fn with<'a>(variables: &'a str, row: Row<'a>) -> Row<'a> {
    Row { variables, ..row }
}

/// What the doctor sends people to explain for is what explain says.
fn candidates_are_codes(found: &[Value]) {
    let known: Vec<&str> = explain::Code::ALL.iter().map(|code| code.as_str()).collect();
    for candidate in found.iter().filter_map(|said| said["cause"]["candidates"].as_array()).flatten() {
        assert!(known.contains(&candidate.as_str().unwrap()), "explain has no {candidate}");
    }
}

/// A machine behind a security group and one whose route drops, both in the cluster's network.
fn guard(stage: &Stage, address: &str) {
    let rule = json!({
        "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "Tcp", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
    });
    let group = stage.arm.put("networkSecurityGroups/guard", &json!({}));
    stage.arm.put("networkSecurityGroups/guard/securityRules/no-api", &rule);
    stage.machine("vm-guarded", "v/subnets/s", &json!({"networkSecurityGroup": {"id": group}}));
    // An endpoint has a route of its own, /32: a shorter one would not count.
    let route = json!({"addressPrefix": format!("{address}/32"), "nextHopType": "None"});
    let table = stage.arm.put("routeTables/drops", &json!({"routes": [{"name": "no", "properties": route}]}));
    stage.subnet("v", "dropped", "10.1.1.0/24", &json!({"routeTable": {"id": table}}));
    stage.machine("vm-dropped", "v/subnets/dropped", &json!({}));
}

/// A machine whose way to the cluster is an appliance in a network between, while the endpoint's replies go straight.
fn past_the_appliance(stage: &Stage, zone: &str, address: &str) {
    stage.peer("v", "hub");
    stage.peer("hub", "beyond");
    stage.link(zone, "beyond");
    stage.arm.change("networkInterfaces/vm-hub", "enableIPForwarding", &json!(true));
    let hop = json!({
        "addressPrefix": format!("{address}/32"), "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.8.0.4",
    });
    let table = stage.arm.put("routeTables/led", &json!({"routes": [{"name": "over-the-hub", "properties": hop}]}));
    stage.subnet("beyond", "led", "10.9.1.0/24", &json!({"routeTable": {"id": table}}));
    stage.machine("vm-beyond-led", "beyond/subnets/led", &json!({}));
}

/// The cluster `g`, which gives its private DNS zone up after its kubeconfigs were written; its old private FQDN.
fn without_zone(stage: &Stage) -> String {
    let (private, _) = stage.cluster("g", "given-up");
    stage.arm.set_access("g", "privateDNSZone", &json!("none"));
    private
}

/// Takes away the link that AKS made of the zone of `c` to the network of `c`.
fn unlink_own(stage: &Stage) {
    let cluster = stage.arm.get("Microsoft.ContainerService/managedClusters/c")["properties"].take();
    let (private, group) = (cluster["privateFQDN"].as_str().unwrap(), cluster["nodeResourceGroup"].as_str().unwrap());
    let zone = private.split_once('.').unwrap().1;
    let links =
        format!("{}/providers/Microsoft.Network/privateDnsZones/{zone}/virtualNetworkLinks", stage.arm.group(group));
    stage.arm.delete(stage.arm.get(&links)["value"][0]["id"].as_str().unwrap());
}

/// An empty zone over the names that the Azure portal calls, linked to the cluster's network; that of `a`.
fn shadow_portal(stage: &Stage) -> String {
    let zone = stage.arm.put("privateDnsZones/portal.hcp.japaneast.azmk8s.io", &json!({}));
    stage.link(&zone, "v");
    let cluster = stage.arm.get("Microsoft.ContainerService/managedClusters/a")["properties"].take();
    cluster["azurePortalFQDN"].as_str().unwrap().to_owned()
}

/// Asked for a name that the cluster had before it gave its zone up, explain says so, as the doctor supposed.
fn told_of_the_old_name(stage: &Stage, name: &str, found: &[Value]) {
    let code = "PRIVATE_DNS_ZONE_NONE_BUT_NAME_CACHED";
    let (status, text) = refused(&mut stage.lab.noren(&["explain", "--from", "vm-given-up", name]));
    assert_eq!(status, 3);
    says(&text, &[code, "cluster g ", "--overwrite-existing"]);
    let supposed = |said: &&Value| {
        said["observations"]["target"]["host"] == name
            && said["cause"]["candidates"].as_array().unwrap().contains(&json!(code))
    };
    assert!(found.iter().any(|said| supposed(&said)), "the doctor does not suppose it");
}

/// The portal's own name does not resolve where its zone is shadowed, and does elsewhere; explain notes it there.
fn told_of_the_portal(stage: &Stage, name: &str) {
    for (vantage, resolves) in [("vm-v", false), ("vm-spoke", true)] {
        let line = format!("sh -c 'getent ahostsv4 {name}'");
        assert_eq!(stage.lab.at(vantage, &line).output().unwrap().status.success(), resolves, "{vantage}");
        let explain = stage.lab.noren(&["explain", "--from", vantage, "a", "--output", "json"]).output().unwrap();
        let explained: Value = serde_json::from_slice(&explain.stdout).unwrap();
        let noted =
            explained["notes"].as_array().unwrap().iter().any(|note| note["code"] == "PORTAL_FQDN_NOT_RESOLVABLE");
        assert_eq!(noted, !resolves, "{vantage}: {}", explained["notes"]);
    }
}

/// VPN clients of the cluster's network: as they come, and with a hosts file, a wrong one, a wrong DNS server.
fn visitors(stage: &Stage, private: &str, address: &str) {
    let gateway = json!({"id": stage.gateway("v", "10.1")});
    let hosts = |address: &str| json!([{"ipAddress": address, "names": [private]}]);
    stage.lab_client("laptop", &json!({"virtualNetworkGateway": gateway}));
    stage.lab_client("pinned", &json!({"virtualNetworkGateway": gateway, "hosts": hosts(address)}));
    stage.lab_client("outdated", &json!({"virtualNetworkGateway": gateway, "hosts": hosts("10.1.0.77")}));
    stage.lab_client("misled", &json!({"virtualNetworkGateway": gateway, "dnsServers": ["168.63.129.16"]}));
}

/// Kubeconfigs that somebody edited.
fn local_files(stage: &Stage, private: &str) {
    let own = stage.read("a-private");
    stage.write("tunnel", &own.replace(private, "127.0.0.1"));
    let secret = |line: &&str| ["token:", "client-"].iter().any(|key| line.trim().starts_with(key));
    let without: Vec<&str> = own.lines().filter(|line| !secret(line)).collect();
    stage.write("nobody", &(without.join("\n") + "\n").replace("  user:\n", "  user:\n    token: wrong\n"));
    let other = stage.arm.get("Microsoft.ContainerService/managedClusters/b")["properties"]["privateFQDN"].clone();
    stage.write("authority", &stage.read("b-private").replace(other.as_str().unwrap(), private));
}

/// An endpoint made by hand in `far`, not yet approved, and the kubeconfigs that name its address; the cluster's id.
fn extra_endpoint(stage: &Stage, private: &str) -> String {
    let (address, cluster) = stage.endpoint("pe", "a", "far");
    let own = stage.read("a-private");
    let named = |line: &str| own.replace(private, &address).replace("    server:", &format!("{line}    server:"));
    stage.write("endpoint", &named(&format!("    tls-server-name: {private}\n")));
    stage.write("address", &named(""));
    cluster
}

fn approve(stage: &Stage, cluster: &str) {
    let connections = format!("{cluster}/privateEndpointConnections");
    let name = stage.arm.get(&connections)["value"][0]["name"].as_str().unwrap().to_owned();
    let approved = json!({"privateLinkServiceConnectionState": {"status": "Approved"}});
    stage.arm.put(&format!("{connections}/{name}"), &approved);
}

/// A home network with the endpoint's addresses.
fn overlap_at_home(stage: &Stage) {
    if !nix::unistd::geteuid().is_root() || client("ip").is_none() {
        return;
    }
    stage.lab_client("home", &json!({}));
    let link = "ip link add lan0 type veth peer name lan1; ip link set lan1 up; ip addr add 10.1.0.200/24 dev lan0; ip \
                link set lan0 up";
    said(&mut stage.lab.at("home", &format!("sh -c '{link}'")));
    stage.judge(&[row("the same addresses at home", "home", "a-public", "ADDRESS_SPACE_OVERLAP", UNSEEN)]);
}

#[test]
fn the_doctor_tells_what_a_dns_server_of_ones_own_does_wrong() {
    let (Some(_), Some(stage)) = (client("dnsmasq"), Stage::new()) else { return };
    let Stage { lab, arm } = &stage;
    stage.network("v", "10.1");
    stage.machine("client", "v/subnets/s", &json!({}));
    let (private, _) = stage.cluster("a", "v");
    let asks = |server: &str| {
        let mut network = arm.get("virtualNetworks/v")["properties"].clone();
        network["dhcpOptions"] = json!({"dnsServers": [server]});
        arm.put("virtualNetworks/v", &network);
    };
    asks("10.1.0.4");
    let with = |options: &str, rows: &[(&str, &str, &str)]| {
        let always = "--keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv --user=root --log-facility=-";
        let mut server = lab.at("vm-v", &format!("sh -c 'exec dnsmasq {always} {options} 2>&1'"));
        let mut server = Background::start(&mut server);
        assert!(server.says("started"), "{}", server.said);
        let rows: Vec<Row<'_>> =
            rows.iter().map(|(case, file, expected)| row(case, "client", file, expected, UNSEEN)).collect();
        stage.judge(&rows);
    };
    with(
        "--server=168.63.129.16",
        &[("forwards to Azure", "a-private", HEALTHY), ("forwards to Azure", "a-public", HEALTHY)],
    );
    with(
        "--server=8.8.8.8",
        &[
            ("forwards to public DNS", "a-private", "CUSTOM_DNS_BYPASSES_ZONE"),
            ("forwards to public DNS", "a-public", HEALTHY),
        ],
    );
    with("--server=8.8.8.8 --stop-dns-rebind", &[("guards against rebinding", "a-public", "REBIND_PROTECTION")]);
    // 10.1.0.99 is nobody.
    let zone = private.split_once('.').unwrap().1;
    with(
        &format!("--server=8.8.8.8 --server=/{zone}/10.1.0.99"),
        &[("forwards into the void", "a-private", "ON_PREM_FORWARD_TO_168")],
    );
    stage.judge(&[row("a stand-in answers where no program does", "client", "a-private", HEALTHY, HEALTHY)]);
    asks("10.1.0.99");
    stage.judge(&[row(
        "nobody is the DNS server",
        "client",
        "a-private",
        "DNS_SERVERS_SILENT",
        "DNS_SERVER_UNREACHABLE",
    )]);
}

#[test]
fn authorized_ranges_are_told_from_a_cluster_that_is_open() {
    let Some(stage) = Stage::new() else { return };
    stage.arm.put_cluster("a", None);
    stage.write("a-public", &stage.arm.kubeconfig("a", ""));
    for (name, address) in [("office", "20.1.0.4"), ("cafe", "20.2.0.4")] {
        stage.lab_client(name, &json!({"publicIPAddress": address}));
    }
    stage.judge(&[row("open to all", "cafe", "a-public", HEALTHY, HEALTHY)]);
    stage.arm.set_access("a", "authorizedIPRanges", &json!(["20.1.0.0/16"]));
    stage.judge(&[
        row("in the ranges", "office", "a-public", HEALTHY, HEALTHY),
        row("out of the ranges", "cafe", "a-public", "AUTHORIZED_IP_RANGES", "AUTHORIZED_IP_RANGES"),
    ]);
}
