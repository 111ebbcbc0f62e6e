//! The doctor, standing in the lab's namespaces: every way in which a private cluster goes wrong is staged with
//! real packets, and exactly that cause must be named there; in healthy places none.

use serde_json::{Value, json};

use crate::bench::{Background, Lab, client, said};

/// Verdicts that were not the expected ones, all told at the end.
struct Table<'a> {
    lab: &'a Lab,
    wrong: Vec<String>,
    seen: usize,
}

impl<'a> Table<'a> {
    fn new(lab: &'a Lab) -> Self {
        Self { lab, wrong: Vec::new(), seen: 0 }
    }

    /// What the doctor says at `vantage` of a kubeconfig, behind which options may stand, must be `expected`.
    fn row(&mut self, case: &str, vantage: &str, kubeconfig: &str, expected: &str) -> Value {
        self.row_with(case, (vantage, "", kubeconfig), expected)
    }

    /// The same with variables.
    fn row_with(&mut self, case: &str, (vantage, variables, kubeconfig): (&str, &str, &str), expected: &str) -> Value {
        let file = self.lab.path(kubeconfig);
        let said = self.lab.doctor(vantage, variables, &format!("--kubeconfig {}", file.display()));
        let verdict = said["cause"]["code"].as_str().unwrap_or("healthy");
        self.seen += 1;
        if verdict != expected {
            let why = serde_json::to_string_pretty(&said).unwrap();
            self.wrong.push(format!("{case}, at {vantage}: {verdict} instead of {expected}\n{why}"));
        }
        said
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.wrong.is_empty(),
            "{} of {} verdicts are wrong:\n{}",
            self.wrong.len(),
            self.seen,
            self.wrong.join("\n")
        );
    }
}

/// A network and its one machine, `vm-<name>`; the network's id.
fn network(lab: &Lab, name: &str, prefix: &str) -> String {
    let made = lab.az(&format!(
        "network vnet create -g rg -n {name} --address-prefixes {prefix}.0.0/16 --subnet-name s --subnet-prefixes \
         {prefix}.0.0/24"
    ));
    lab.az(&format!("network nic create -g rg -n vm-{name} --vnet-name {name} --subnet s"));
    made["newVNet"]["id"].as_str().unwrap().to_owned()
}

/// A private cluster `name` in the network `vnet`.
fn cluster(lab: &Lab, name: &str, vnet: &str) -> Value {
    let create = "aks create -g rg --no-ssh-key --yes --enable-private-cluster";
    lab.az(&format!("{create} -n {name} --vnet-subnet-id {vnet}/subnets/s"))
}

/// Writes a kubeconfig.
fn kubeconfig(lab: &Lab, cluster: &str, file: &str, options: &str) -> String {
    let path = lab.path(file);
    let get = format!("aks get-credentials -g rg -n {cluster} -f {} --overwrite-existing {options}", path.display());
    said(&mut lab.az_command(get.trim_end()));
    fs_err::read_to_string(path).unwrap()
}

fn put(lab: &Lab, path: &str, properties: &Value) {
    let url = format!("/subscriptions/{{subscriptionId}}/resourceGroups/rg/providers/{path}?api-version=2024-05-01");
    let body = json!({"location": "global", "properties": properties});
    lab.az(&format!("rest --method put --url '{url}' --body '{body}'"));
}

fn peer(lab: &Lab, near: &str, far: &str) {
    for (near, far) in [(near, far), (far, near)] {
        let peering = format!("network vnet peering create -g rg -n {far} --vnet-name {near} --remote-vnet {far}");
        lab.az(&format!("{peering} --allow-vnet-access --allow-forwarded-traffic"));
    }
}

/// Links the cluster's own zone to a network.
fn link(lab: &Lab, private: &str, vnet: &str) {
    let (_, zone) = private.split_once('.').unwrap();
    let group = lab.az("aks show -g rg -n a")["nodeResourceGroup"].as_str().unwrap().to_owned();
    let link = "network private-dns link vnet create --registration-enabled false -n far";
    lab.az(&format!("{link} -g {group} -z {zone} -v {vnet}"));
}

#[test]
fn at_every_vantage_the_doctor_names_the_cause_and_raises_no_false_alarm() {
    let Some(lab) = Lab::in_kernel(None) else { return };
    let home = network(&lab, "v", "10.1");
    network(&lab, "spoke", "10.2");
    let far = network(&lab, "far", "10.3");
    peer(&lab, "v", "spoke");
    let shown = cluster(&lab, "a", &home);
    let private = shown["privateFqdn"].as_str().unwrap();
    let own = kubeconfig(&lab, "a", "private", "");
    kubeconfig(&lab, "a", "public", "--public-fqdn");
    link(&lab, private, &far);
    let table = &mut Table::new(&lab);

    table.row("in the cluster's network", "vm-v", "private", "healthy");
    table.row("in the cluster's network", "vm-v", "public", "healthy");
    table.row("looking further", "vm-v", "private --deep", "healthy");
    table.row("peered, no link", "vm-spoke", "private", "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES");
    let peered = table.row("peered, public name", "vm-spoke", "public", "healthy");
    assert_eq!(peered["notes"][0]["code"], "PUBLIC_FQDN_RESOLVES_PRIVATE_IP", "{peered}");
    table.row("linked, not peered", "vm-far", "private", "NO_ROUTE_FROM_HERE");
    table.row("no network at all", "internet", "private", "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES");
    let outside = table.row("no network at all", "internet", "public", "NO_ROUTE_FROM_HERE");
    assert_eq!(outside["notes"][0]["code"], "PUBLIC_FQDN_RESOLVES_PRIVATE_IP", "{outside}");
    let hosted = "RUNNER_ENVIRONMENT=github-hosted";
    table.row_with("a hosted agent", ("internet", hosted, "private"), "HOSTED_CI_AGENT");
    table.row_with("an agent of one's own", ("vm-v", "RUNNER_ENVIRONMENT=self-hosted", "private"), "healthy");

    let dead = "HTTPS_PROXY=http://127.0.0.1:9";
    table.row_with("a proxy for a private name", ("vm-v", dead, "private"), "PROXY_IN_THE_WAY");
    table.row_with("the name is excepted", ("vm-v", &format!("{dead} NO_PROXY=azmk8s.io"), "private"), "healthy");

    let write = |name: &str, text: String| fs_err::write(lab.path(name), text).unwrap();
    write("tunnel", own.replace(private, "127.0.0.1"));
    table.row("no tunnel", "vm-v", "tunnel", "TUNNEL_KUBECONFIG");
    let secret = |line: &&str| ["token:", "client-"].iter().any(|key| line.trim().starts_with(key));
    let without: Vec<&str> = own.lines().filter(|line| !secret(line)).collect();
    write("nobody", (without.join("\n") + "\n").replace("  user:\n", "  user:\n    token: wrong\n"));
    table.row("a wrong token", "vm-v", "nobody", "AUTH_NOT_NETWORK");

    let other = cluster(&lab, "b", &far);
    let other_private = other["privateFqdn"].as_str().unwrap();
    let others = kubeconfig(&lab, "b", "other", "");
    table.row("the other cluster", "vm-far", "other", "healthy");
    write("authority", others.replace(other_private, private));
    table.row("another cluster's authority", "vm-v", "authority", "CLUSTER_DELETED_OR_RECREATED");

    stage_endpoint(&lab, table, &own, private);
    stage_security(&lab, table);
    stage_overlap(&lab, table);
    stage_stop(&lab, table);
    lab.az("aks update -g rg -n a --disable-public-fqdn");
    table.row("public name is off", "internet", "private", "PRIVATE_NAME_NOT_RESOLVABLE");
    table.row("public name is off", "internet", "public", "PUBLIC_FQDN_DISABLED");
    table.row("public name is off", "vm-v", "private", "healthy");
}

/// An endpoint made by hand, named by its address.
fn stage_endpoint(lab: &Lab, table: &mut Table<'_>, own: &str, private: &str) {
    let id = lab.az("aks show -g rg -n a")["id"].as_str().unwrap().to_owned();
    let endpoint = "network private-endpoint create -g rg -n pe --vnet-name far --subnet s --group-id management";
    let made =
        lab.az(&format!("{endpoint} --connection-name c --manual-request true --private-connection-resource-id {id}"));
    let nic = made["networkInterfaces"][0]["id"].as_str().unwrap();
    let nic = lab.az(&format!("network nic show --ids {nic}"));
    let configuration = &nic["ipConfigurations"][0];
    let address = configuration["privateIPAddress"].as_str().or(configuration["privateIpAddress"].as_str()).unwrap();
    let named = |line: &str| own.replace(private, address).replace("    server:", &format!("{line}    server:"));
    fs_err::write(lab.path("endpoint"), named(&format!("    tls-server-name: {private}\n"))).unwrap();
    fs_err::write(lab.path("address"), named("")).unwrap();
    let pending = table.row("a pending endpoint", "vm-far", "endpoint", "NSG_OR_FIREWALL_BLOCKS_443");
    assert!(pending["cause"]["candidates"].as_array().unwrap().contains(&json!("PE_CONNECTION_PENDING")), "{pending}");
    let connections = format!("{id}/privateEndpointConnections");
    let list = lab.az(&format!("rest --url {connections}?api-version=2025-07-01"));
    let body = json!({"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}});
    let url = format!("{connections}/{}?api-version=2025-07-01", list["value"][0]["name"].as_str().unwrap());
    lab.az(&format!("rest --method put --url {url} --body '{body}'"));
    table.row("an approved endpoint", "vm-far", "endpoint", "healthy");
    table.row("an address for a name", "vm-far", "address", "IP_USED");
}

/// A security group between the machine and the endpoint.
fn stage_security(lab: &Lab, table: &mut Table<'_>) {
    lab.az("network nsg create -g rg -n guard");
    let rule = "network nsg rule create -g rg --nsg-name guard -n no-api --priority 100 --access Deny --protocol Tcp";
    lab.az(&format!("{rule} --direction Outbound --destination-port-ranges 443"));
    lab.az("network vnet subnet update -g rg --vnet-name v -n s --nsg guard");
    table.row("a security group", "vm-v", "private", "NSG_OR_FIREWALL_BLOCKS_443");
    lab.az("network nsg rule delete -g rg --nsg-name guard -n no-api");
    table.row("the rule is gone", "vm-v", "private", "healthy");
}

/// A home network with the endpoint's addresses.
fn stage_overlap(lab: &Lab, table: &mut Table<'_>) {
    if !nix::unistd::geteuid().is_root() || client("ip").is_none() {
        return;
    }
    put(lab, "Noren.Lab/clients/home", &json!({}));
    let link = "ip link add lan0 type veth peer name lan1; ip link set lan1 up; ip addr add 10.1.0.200/24 dev lan0; ip \
                link set lan0 up";
    said(&mut lab.at("home", &format!("sh -c '{link}'")));
    table.row("the same addresses at home", "home", "public", "ADDRESS_SPACE_OVERLAP");
}

/// A cluster that is stopped and started, seen from its network and by a VPN client with a hosts file.
fn stage_stop(lab: &Lab, table: &mut Table<'_>) {
    let gateway = "network vnet-gateway create -g rg -n gw --vnet v --public-ip-addresses ip --gateway-type Vpn --sku VpnGw1 \
                   --client-protocol OpenVPN --address-prefixes 172.16.201.0/24";
    lab.az("network vnet subnet create -g rg --vnet-name v -n GatewaySubnet --address-prefixes 10.1.255.0/27");
    lab.az("network public-ip create -g rg -n ip --sku Standard");
    lab.az(gateway);
    let id = lab.az("network vnet-gateway show -g rg -n gw")["id"].clone();
    let shown = lab.az("aks show -g rg -n a");
    let private = shown["privateFqdn"].as_str().unwrap();
    let address = said(&mut lab.at("vm-v", &format!("dig +short {private}"))).trim().to_owned();
    put(lab, "Noren.Lab/clients/laptop", &json!({"virtualNetworkGateway": {"id": id}}));
    let hosts = json!([{"ipAddress": address, "names": [private]}]);
    put(lab, "Noren.Lab/clients/pinned", &json!({"virtualNetworkGateway": {"id": id}, "hosts": hosts}));
    table.row("VPN, public name", "laptop", "public", "healthy");
    table.row("VPN, private name", "laptop", "private", "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES");
    table.row("VPN, hosts file", "pinned", "private", "healthy");
    lab.az("aks stop -g rg -n a");
    table.row("stopped", "vm-v", "private", "ZONE_LINKED_RECORD_MISSING");
    table.row("stopped", "laptop", "public", "PUBLIC_FQDN_DISABLED");
    lab.az("aks start -g rg -n a");
    let moved = table.row("moved, hosts file is old", "pinned", "private", "STALE_RECORD_AFTER_STOP_START");
    let now = said(&mut lab.at("vm-v", &format!("dig +short {private}"))).trim().to_owned();
    let line = format!("echo '{now} {private}' | sudo tee -a /etc/hosts");
    assert_eq!(moved["cause"]["fixes"][1]["command"], line, "{moved}");
    table.row("moved", "vm-v", "private", "healthy");
}

#[test]
fn the_doctor_tells_what_a_dns_server_of_ones_own_does_wrong() {
    let (Some(_), Some(_), Some(lab)) = (client("dnsmasq"), client("dig"), Lab::in_kernel(None)) else { return };
    let home = network(&lab, "v", "10.1");
    lab.az("network nic create -g rg -n client --vnet-name v --subnet s");
    let shown = cluster(&lab, "a", &home);
    let private = shown["privateFqdn"].as_str().unwrap().to_owned();
    kubeconfig(&lab, "a", "private", "");
    kubeconfig(&lab, "a", "public", "--public-fqdn");
    lab.az("network vnet update -g rg -n v --dns-servers 10.1.0.4");
    let mut table = Table::new(&lab);
    let mut with = |options: &str, rows: &[(&str, &str, &str)]| {
        let always = "--keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv --user=root --log-facility=-";
        let mut server = lab.at("vm-v", &format!("sh -c 'exec dnsmasq {always} {options} 2>&1'"));
        let mut server = Background::start(&mut server);
        assert!(server.says("started"), "{}", server.said);
        for (case, file, expected) in rows {
            table.row(case, "client", file, expected);
        }
    };
    with(
        "--server=168.63.129.16",
        &[("forwards to Azure", "private", "healthy"), ("forwards to Azure", "public", "healthy")],
    );
    with(
        "--server=8.8.8.8",
        &[
            ("forwards to public DNS", "private", "CUSTOM_DNS_BYPASSES_ZONE"),
            ("forwards to public DNS", "public", "healthy"),
        ],
    );
    with("--server=8.8.8.8 --stop-dns-rebind", &[("guards against rebinding", "public", "REBIND_PROTECTION")]);
    // 10.1.0.99 is nobody.
    let zone = private.split_once('.').unwrap().1;
    with(
        &format!("--server=8.8.8.8 --server=/{zone}/10.1.0.99"),
        &[("forwards into the void", "private", "ON_PREM_FORWARD_TO_168")],
    );
    table.row("a stand-in answers where no program does", "client", "private", "healthy");
    lab.az("network vnet update -g rg -n v --dns-servers 10.1.0.99");
    table.row("nobody is the DNS server", "client", "private", "DNS_SERVERS_SILENT");
}

#[test]
fn the_doctor_knows_authorized_ranges_from_a_cluster_that_is_open() {
    let Some(lab) = Lab::in_kernel(None) else { return };
    lab.az("aks create -g rg -n a --no-ssh-key --yes");
    kubeconfig(&lab, "a", "public", "");
    for (name, address) in [("office", "20.1.0.4"), ("cafe", "20.2.0.4")] {
        put(&lab, &format!("Noren.Lab/clients/{name}"), &json!({"publicIPAddress": address}));
    }
    let table = &mut Table::new(&lab);
    table.row("open to all", "cafe", "public", "healthy");
    lab.az("aks update -g rg -n a --api-server-authorized-ip-ranges 20.1.0.0/16");
    table.row("in the ranges", "office", "public", "healthy");
    table.row("not in the ranges", "cafe", "public", "AUTHORIZED_IP_RANGES");
}
