//! What `noren explain` tells people to type is typed: each fix's `az` commands as they stand, by a shell, with the
//! real `az`. Then explain must say that the client connects, and `kubectl` must get through.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    bench::{client, said},
    stage::Stage,
};

/// `docs/explain.md`, whose table has every kind of command that a fix may consist of.
const DOCUMENTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/explain.md");

/// The story's memory: kinds of commands that explain said, and those that were typed.
struct Story<'a> {
    stage: &'a Stage,
    offered: BTreeMap<String, String>,
    typed: BTreeSet<String>,
}

impl Story<'_> {
    fn explain(&mut self, vantage: &str, cluster: &str) -> Value {
        let explain = ["explain", "--from", vantage, cluster, "--output", "json"];
        let output = self.stage.lab.noren(&explain).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let commands = said["fixes"].as_array().unwrap().iter().flat_map(|fix| fix["commands"].as_array().unwrap());
        for command in commands.chain([&said["meanwhile"]]).filter(|command| command["tool"] == "az") {
            let text = command["text"].as_str().unwrap();
            self.offered.extend(explain::edit::az_kinds(text).into_iter().map(|kind| (kind, text.to_owned())));
        }
        said
    }

    /// Types it into a shell where `noren env` was evaluated.
    fn types(&mut self, text: &str) {
        let mut shell = self.stage.lab.program(client("sh").expect("a shell"));
        let az = client("az").expect("the story asked for it");
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", az.path().parent().unwrap().display()));
        shell.env("KUBECONFIG", self.stage.lab.path("from-az"));
        said(shell.args(["-ec", text]));
        self.typed.extend(explain::edit::az_kinds(text));
    }

    /// A client that does not connect for this cause carries out the fix of this title, and connects.
    fn cure(&mut self, vantage: &str, cluster: &str, cause: &str, fix: &str) {
        let before = self.explain(vantage, cluster);
        assert_eq!(before["cause"]["code"], cause, "{before:#}");
        let fixes = before["fixes"].as_array().unwrap();
        let titles: Vec<&str> = fixes.iter().map(|fix| fix["title"].as_str().unwrap()).collect();
        let Some(at) = titles.iter().position(|title| *title == fix) else {
            panic!("{vantage} to {cluster}: no fix {fix:?} among {titles:#?}");
        };
        let (mut here, mut public) = (String::new(), false);
        for command in fixes[at]["commands"].as_array().unwrap() {
            let text = command["text"].as_str().unwrap();
            match command["tool"].as_str().unwrap() {
                "az" => {
                    public |= text.contains("--public-fqdn ");
                    self.types(text);
                }
                "shell" => here += &format!("{text}; "),
                "note" => self.follow(text),
                _ => {}
            }
        }
        let after = self.explain(vantage, cluster);
        if here.is_empty() {
            let expected = if public { "connectsByPublicFqdn" } else { "connects" };
            assert_eq!(after["verdict"], expected, "{fix}: {after:#}");
        }
        let file = if public { "from-az".to_owned() } else { format!("{cluster}-private") };
        let kubectl = client("kubectl").expect("the story asked for it");
        let (kubectl, file) = (kubectl.path().display().to_string(), self.stage.lab.path(&file));
        // Whoever stands there is root.
        let line = format!("sudo() {{ \"$@\"; }}; {here}exec {kubectl} --kubeconfig {} get nodes", file.display());
        let nodes = said(&mut self.stage.lab.at(vantage, &format!("sh -ec {}", shlex::try_quote(&line).unwrap())));
        assert!(nodes.contains(" Ready "), "{fix}: {nodes}");
    }

    /// What a note asks for is done to the lab's own client.
    fn follow(&self, note: &str) {
        if let Some((client, server)) = note
            .strip_prefix("on ")
            .and_then(|rest| rest.split_once(", or on"))
            .map(|(client, rest)| (client, rest.rsplit(' ').next().unwrap()))
        {
            let mut properties = self.stage.arm.get(&format!("Noren.Lab/clients/{client}"))["properties"].clone();
            properties["dnsServers"] = json!([server]);
            self.stage.lab_client(client, &properties);
        }
    }
}

#[test]
fn what_explain_says_to_type_is_typed_and_cures() {
    let (Some(_), Some(stage)) = (client("az"), Stage::new()) else { return };
    let mut story = Story { stage: &stage, offered: BTreeMap::new(), typed: BTreeSet::new() };
    let zone = estate(&stage);
    names(&mut story, &zone);
    ways(&mut story);
    places(&mut story);
    visitors(&mut story, &zone);
    let mut invoked = story.explain("internet", "a");
    story.types(invoked["meanwhile"]["text"].take().as_str().unwrap());
    let untyped: Vec<&String> = story.offered.keys().filter(|kind| !story.typed.contains(*kind)).collect();
    assert!(untyped.is_empty(), "said, and never typed: {untyped:#?}");
    let text = fs_err::read_to_string(DOCUMENTED).unwrap();
    let documented: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `az ")?.split_once('`')).map(|(kind, _)| kind).collect();
    let typed: BTreeSet<&str> = story.typed.iter().filter_map(|kind| kind.strip_prefix("az ")).collect();
    assert_eq!(typed, documented, "docs/explain.md lists what may be said");
}

/// The clusters `a` (with both names), `n` (without a private DNS zone) and `x` (whose zone will go), and networks around
/// them; the name of the zone of `a`.
fn estate(stage: &Stage) -> String {
    for (number, name) in ["v", "w", "x"].iter().enumerate() {
        stage.network(name, &format!("10.{}", number + 1));
    }
    let (_, zone) = stage.cluster("a", "v");
    stage.cluster("x", "x");
    stage.cluster_of("n", "w", &json!({"privateDNSZone": "none"}));
    for (number, (name, peer, linked)) in [
        ("spoke", "v", false),
        ("silent", "v", true),
        ("shadowed", "w", false),
        ("alone", "w", false),
        ("linked", "", true),
        ("half", "", true),
        ("cut", "v", true),
        ("closed", "v", true),
        ("island", "", true),
        ("pending", "", false),
        ("hub", "v", false),
        ("behind", "v", true),
        ("beyond", "", true),
    ]
    .into_iter()
    .enumerate()
    {
        stage.network(name, &format!("10.{}", number + 10));
        if !peer.is_empty() {
            stage.peer(peer, name);
        }
        if linked {
            stage.link(&zone, name);
        }
    }
    zone
}

/// Names that do not resolve.
fn names(story: &mut Story<'_>, zone: &str) {
    let (stage, arm) = (story.stage, &story.stage.arm);
    let zone_name = zone.rsplit('/').next().unwrap();
    let unlinked = "ZONE_NOT_LINKED_TO_CLIENT_VNET";
    story.cure("vm-spoke", "a", unlinked, "use the public FQDN in the kubeconfig");
    story.cure("vm-spoke", "a", unlinked, &format!("link zone {zone_name} to spoke"));

    arm.change("virtualNetworks/silent", "dhcpOptions", &json!({"dnsServers": ["10.11.0.99"]}));
    story.cure("vm-silent", "a", "DNS_SERVER_UNREACHABLE", "let silent use Azure-provided DNS");

    // A zone that has none of the names it covers, linked to two networks.
    let covers = "japaneast.azmk8s.io";
    let shadow = arm.put(&format!("privateDnsZones/{covers}"), &json!({}));
    for network in ["shadowed", "alone"] {
        stage.link(&shadow, network);
    }
    let missing = "ZONE_LINKED_RECORD_MISSING";
    story.cure("vm-shadowed", "n", missing, &format!("remove link shadowed from zone {covers}"));
    let public = arm.get("Microsoft.ContainerService/managedClusters/n")["properties"]["fqdn"].clone();
    let (public, address) = (public.as_str().unwrap(), stage.address("vm-w", public.as_str().unwrap()));
    story.cure("vm-alone", "n", missing, &format!("make zone {covers} say {address} for {public}"));

    let private = arm.get("Microsoft.ContainerService/managedClusters/a")["properties"]["privateFQDN"].clone();
    let (private, address) = (private.as_str().unwrap(), stage.address("vm-v", private.as_str().unwrap()));
    let record = format!("{zone}/A/{}", private.split_once('.').unwrap().0);
    arm.put(&record, &json!({"ttl": 300, "aRecords": [{"ipv4Address": "10.1.0.99"}]}));
    let written = format!("make zone {zone_name} say {address} for {private}");
    story.cure("vm-v", "a", "STALE_RECORD_AFTER_STOP_START", &written);

    let links = format!("{zone}/virtualNetworkLinks");
    let own = arm.get(&links)["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|link| link["properties"]["virtualNetwork"]["id"].as_str().unwrap().ends_with("/v"))
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    arm.delete(&own);
    story.cure("vm-v", "a", "AUTO_LINK_CONFLICT", &format!("link zone {zone_name} to v"));

    let private = arm.get("Microsoft.ContainerService/managedClusters/x")["properties"]["privateFQDN"].clone();
    let (private, address) = (private.as_str().unwrap(), stage.address("vm-x", private.as_str().unwrap()));
    let gone = private.split_once('.').unwrap().1;
    let group = arm.get("Microsoft.ContainerService/managedClusters/x")["properties"]["nodeResourceGroup"].clone();
    let id = format!("{}/providers/Microsoft.Network/privateDnsZones/{gone}", arm.group(group.as_str().unwrap()));
    for link in arm.get(&format!("{id}/virtualNetworkLinks"))["value"].as_array().unwrap() {
        arm.delete(link["id"].as_str().unwrap());
    }
    arm.delete(&id);
    let made = format!(
        "make private DNS zone {gone}, then link zone {gone} to x, then make zone {gone} say {address} for {private}"
    );
    story.cure("vm-x", "x", "AUTO_LINK_CONFLICT", &made);
}

/// Packets that do not arrive.
fn ways(story: &mut Story<'_>) {
    let (stage, arm) = (story.stage, &story.stage.arm);
    let peer = |name: &str| format!("peer {name} with v, both halves");
    story.cure("vm-linked", "a", "LINKED_BUT_NOT_PEERED", &peer("linked"));
    stage.half("half", "v");
    story.cure("vm-half", "a", "PEERING_INCOMPLETE", &peer("half"));
    arm.delete("virtualNetworks/v/virtualNetworkPeerings/cut");
    story.cure("vm-cut", "a", "PEERING_INCOMPLETE", &peer("cut"));
    arm.change("virtualNetworks/closed/virtualNetworkPeerings/v", "allowVirtualNetworkAccess", &json!(false));
    story.cure("vm-closed", "a", "PEERING_DENIES_ACCESS", &peer("closed"));

    let private = arm.get("Microsoft.ContainerService/managedClusters/a")["properties"]["privateFQDN"].clone();
    let address = stage.address("vm-v", private.as_str().unwrap());
    let route = |name: &str, hop: &Value| {
        let mut route = hop.clone();
        route["addressPrefix"] = json!(format!("{address}/32"));
        let table = json!({"routes": [{"name": "to-api", "properties": route}]});
        arm.put(&format!("routeTables/{name}"), &table)
    };
    let over = |address: &str| json!({"nextHopType": "VirtualAppliance", "nextHopIpAddress": address});
    let dropped = route("dropped", &json!({"nextHopType": "None"}));
    stage.subnet("v", "dropped", "10.1.1.0/24", &json!({"routeTable": {"id": dropped}}));
    stage.machine("vm-dropped", "v/subnets/dropped", &json!({}));
    story.cure("vm-dropped", "a", "UDR_DROPS", "remove route to-api from table dropped");

    // vm-hub is no appliance yet.
    let led = route("led", &over("10.20.0.4"));
    for (name, prefix) in [("behind", "10.21"), ("beyond", "10.22")] {
        stage.peer("hub", name);
        stage.subnet(name, "led", &format!("{prefix}.1.0/24"), &json!({"routeTable": {"id": led}}));
        stage.machine(&format!("vm-{name}-led"), &format!("{name}/subnets/led"), &json!({}));
    }
    let forwarding = "enable IP forwarding at interface vm-hub";
    story.cure("vm-behind-led", "a", "UDR_NVA_UNREACHABLE", forwarding);
    story.cure("vm-beyond-led", "a", "UDR_NVA_ASYMMETRIC", &peer("beyond"));
    arm.change("virtualNetworks/v/virtualNetworkPeerings/hub", "allowForwardedTraffic", &json!(false));
    let forwarded = "allow forwarded traffic at peering hub of v";
    story.cure("vm-behind-led", "a", "PEERING_REFUSES_FORWARDED_TRAFFIC", forwarded);

    let rule = json!({
        "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "Tcp", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
    });
    let group = arm.put("networkSecurityGroups/guard", &json!({}));
    arm.put("networkSecurityGroups/guard/securityRules/no-api", &rule);
    stage.machine("vm-guarded", "v/subnets/s", &json!({"networkSecurityGroup": {"id": group}}));
    let guarded = stage.own_address("networkInterfaces/vm-guarded");
    let allow = format!("allow {guarded} to {address}, TCP 443, outbound in network security group guard");
    story.cure("vm-guarded", "a", "NSG_OR_FIREWALL_BLOCKS_443", &allow);
}

/// Clusters, machines and endpoints that are not what they should be.
fn places(story: &mut Story<'_>) {
    let (stage, arm) = (story.stage, &story.stage.arm);
    let mut machine = json!({
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "networkProfile": {"networkInterfaces": [{"id": arm.id("networkInterfaces/vm-spoke")}]},
        "osProfile": {"computerName": "m", "adminUsername": "me", "adminPassword": "Geheim-Geheim-1"},
        "storageProfile": {"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}},
    });
    arm.put("Microsoft.Compute/virtualMachines/m", &machine.take());
    arm.post("Microsoft.Compute/virtualMachines/m/deallocate");
    story.cure("vm-spoke", "a", "CLIENT_STOPPED", "start virtual machine m");

    let private = arm.get("Microsoft.ContainerService/managedClusters/a")["properties"]["privateFQDN"].clone();
    let (host, zone) = private.as_str().unwrap().split_once('.').unwrap();
    let (address, _) = stage.endpoint("pe", "a", "pending");
    let mine = arm.put(&format!("privateDnsZones/{zone}"), &json!({}));
    stage.link(&mine, "pending");
    arm.put(&format!("{mine}/A/{host}"), &json!({"ttl": 300, "aRecords": [{"ipv4Address": address}]}));
    story.cure("vm-pending", "a", "PE_CONNECTION_PENDING", "approve the connection of private endpoint pe");

    story.cure(
        "vm-island",
        "a",
        "LINKED_BUT_NOT_PEERED",
        "make a private endpoint to a in island/s, then put 10.18.0.5 into the client's hosts file",
    );

    arm.act("a", "stop");
    story.cure("vm-v", "a", "CLUSTER_STOPPED", "start cluster a");

    arm.put_cluster("p", None);
    stage.write("p-private", &arm.kubeconfig("p", ""));
    arm.set_access("p", "authorizedIPRanges", &json!(["20.1.0.0/16"]));
    stage.lab_client("cafe", &json!({"publicIPAddress": "20.2.0.4"}));
    story.cure("cafe", "p", "AUTHORIZED_IP_RANGES", "authorize 20.2.0.4 at p");
}

/// Clients of a VPN gateway in a network of its own.
fn visitors(story: &mut Story<'_>, zone: &str) {
    let (stage, arm) = (story.stage, &story.stage.arm);
    let zone_name = zone.rsplit('/').next().unwrap();
    stage.network("g", "10.9");
    let gateway = stage.gateway("g", "10.9");
    let gateway = json!({"virtualNetworkGateway": {"id": gateway}});
    stage.lab_client("laptop", &gateway);
    for network in ["v", "w"] {
        stage.peer("g", network);
    }
    story.cure("laptop", "n", "NOT_GATEWAY_TRANSIT", "let w use the VPN gateway of g");
    for (peering, flag) in
        [("g/virtualNetworkPeerings/v", "allowGatewayTransit"), ("v/virtualNetworkPeerings/g", "useRemoteGateways")]
    {
        arm.change(&format!("virtualNetworks/{peering}"), flag, &json!(true));
    }
    arm.set_access("a", "enablePrivateClusterPublicFQDN", &json!(false));
    let public = "enable the public FQDN of a, then use the public FQDN in the kubeconfig";
    story.cure("laptop", "a", "PUBLIC_FQDN_DISABLED", public);
    let only_public = "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES";
    let resolver =
        format!("make a DNS private resolver in g, then let laptop ask 10.9.1.4, then link zone {zone_name} to g");
    story.cure("laptop", "a", only_public, &resolver);
    stage.lab_client("tablet", &gateway);
    story.cure("tablet", "a", only_public, "let g ask 10.9.1.4");
}
