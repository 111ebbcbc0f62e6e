//! The kernel plane: programs that know nothing of the lab run in its machines' namespaces, and Linux decides
//! what they reach.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::bench::{Background, Lab, User, client, refused, said, says, told_by};

const CLUSTER: &str = "aks create -g rg --no-ssh-key --yes --enable-private-cluster";

/// A lab on the kernel plane with the network `v`, 10.1.0.0/16, and the machine `vm` in it.
fn lab(user: User) -> Option<Lab> {
    let lab = Lab::in_kernel(user)?;
    network(&lab, "v", "10.1");
    machine(&lab, "vm", "v");
    Some(lab)
}

pub(crate) fn network(lab: &Lab, name: &str, prefix: &str) {
    lab.az(&format!(
        "network vnet create -g rg -n {name} --address-prefixes {prefix}.0.0/16 --subnet-name s --subnet-prefixes \
         {prefix}.0.0/24"
    ));
}

pub(crate) fn machine(lab: &Lab, name: &str, network: &str) {
    lab.az(&format!("network nic create -g rg -n {name} --vnet-name {network} --subnet s"));
}

/// A private cluster in subnet `s` of `v`; its private FQDN. The kubeconfig is the default one.
pub(crate) fn cluster(lab: &Lab) -> String {
    let subnet = lab.az("network vnet subnet show -g rg --vnet-name v -n s")["id"].clone();
    let cluster = lab.az(&format!("{CLUSTER} -n a --vnet-subnet-id {}", subnet.as_str().unwrap()));
    credentials(lab);
    cluster["privateFqdn"].as_str().unwrap().to_owned()
}

/// Writes the default kubeconfig.
fn credentials(lab: &Lab) {
    said(&mut lab.az_command("aks get-credentials -g rg -n a"));
    // `az` may have run as another user.
    lab.user.owns(Path::new(lab.variable("KUBECONFIG")));
}

/// The variable by which [`web_server`] learns what its one page says.
const PAGE: &str = "NOREN_TEST_PAGE";

/// A web server at a machine, whose one page is the machine's name. It tells who asks.
pub(crate) fn serve(lab: &Lab, machine: &str) -> Background {
    let this = std::env::current_exe().unwrap();
    let line = format!("{} --exact packets::web_server --ignored --nocapture", this.display());
    let mut server = Background::start(lab.at(machine, &line).env(PAGE, machine));
    assert!(server.says("serving"), "{}", server.said);
    server
}

#[test]
#[ignore = "no story: `serve` runs it, as a program that every user may run"]
fn web_server() {
    let Ok(page) = std::env::var(PAGE) else { return };
    let mut told = std::io::stdout();
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).unwrap();
    writeln!(told, "serving").unwrap();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        writeln!(told, "asked from {}", stream.peer_addr().unwrap().ip()).unwrap();
        let request = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        if request.count() > 0 {
            // Who does not wait for the page needs none.
            let _ = write!(&stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        }
    }
}

/// Which machine answers there.
pub(crate) fn who(lab: &Lab, from: &str, address: &str) -> String {
    said(&mut lab.at(from, &format!("curl -sS --max-time 5 http://{address}/name")))
}

/// Asserts that nobody does.
#[track_caller]
pub(crate) fn nobody_answers(lab: &Lab, from: &str, address: &str) {
    let (status, text) = refused(&mut lab.at(from, &format!("curl -sS --max-time 1 http://{address}/name")));
    assert_eq!(status, 28, "silence, as in Azure: {text}");
}

#[test]
fn any_program_runs_at_a_machine_with_its_resolver_and_its_addresses() {
    any_program(User::Own);
}

fn any_program(user: User) {
    let (Some(_), Some(_), Some(lab)) = (client("kubectl"), client("dig"), Lab::in_kernel(user)) else { return };
    network(&lab, "v", "10.1");
    let create = "vm create -g rg -n vm --vnet-name v --subnet s --image Ubuntu2204 --admin-username me";
    lab.az(&format!("{create} --public-ip-address= --nsg= --generate-ssh-keys --only-show-errors"));
    let private = cluster(&lab);
    assert_eq!(said(&mut lab.at("vm", &format!("dig +short {private}"))).trim(), "10.1.0.5");
    says(&lab.kubectl("vm", "get nodes"), &["Ready"]);
    let nobody = said(&mut lab.at("vm", &format!("curl -sSk https://{private}/version")));
    says(&nobody, &["Unauthorized"]);
    says(&said(&mut lab.at("vm", "bash -c 'cat /etc/resolv.conf'")), &["nameserver 168.63.129.16\n"]);
    assert_eq!(said(&mut lab.at("vm", "bash -c 'cat /etc/hosts'")), "127.0.0.1 localhost\n");
    says(&said(&mut lab.at("vm", "ip -br -4 addr")), &["eth0", "10.1.0.4/32"]);
    assert_eq!(refused(&mut lab.at("vm", "bash -c 'exit 3'")).0, 3, "the program's own exit status");
    let (_, outside) = refused(&mut lab.at("internet", "kubectl get --raw /version --request-timeout 2s"));
    says(&outside, &["no such host"]);
    let shell = lab.noren(&["shell", "--from", "vm"]).env("SHELL", "/bin/sh").output().unwrap();
    assert!(shell.status.success(), "a shell without input ends: {}", String::from_utf8_lossy(&shell.stderr));
}

/// Stories told once more by an ordinary user, whose fabric lives in a user namespace.
mod by_an_ordinary_user {
    use super::*;

    #[test]
    fn any_program_runs_at_a_machine() {
        told_by(User::ORDINARY, any_program);
    }

    #[test]
    fn an_endpoint_leads_to_the_cluster_while_it_is_approved() {
        told_by(User::ORDINARY, an_endpoint_made_by_hand);
    }

    #[test]
    fn peering_joins_two_networks() {
        told_by(User::ORDINARY, networks_side_by_side);
    }

    #[test]
    fn a_dns_server_of_ones_own_serves_its_network() {
        told_by(User::ORDINARY, a_dns_server_of_ones_own);
    }

    #[test]
    fn packets_are_captured_and_what_was_broken_by_hand_is_repaired() {
        told_by(User::ORDINARY, |user| {
            let Some(lab) = lab(user) else { return };
            captures(&lab);
            repairs(&lab);
        });
    }

    #[test]
    fn nothing_is_left_on_the_host() {
        told_by(User::ORDINARY, nothing_is_left);
    }
}

#[test]
fn networks_with_the_same_addresses_stand_side_by_side_and_peering_joins_two() {
    networks_side_by_side(User::Own);
}

fn networks_side_by_side(user: User) {
    let Some(lab) = lab(user) else { return };
    for (name, prefix) in [("twin", "10.1"), ("other", "10.2")] {
        network(&lab, name, prefix);
        machine(&lab, &format!("vm-{name}"), name);
    }
    // Every first machine of a network has the fourth address.
    let _servers = ["vm", "vm-twin", "vm-other"].map(|name| serve(&lab, name));
    assert_eq!([who(&lab, "vm", "10.1.0.4"), who(&lab, "vm-twin", "10.1.0.4")], ["vm", "vm-twin"]);
    nobody_answers(&lab, "vm-other", "10.1.0.4");
    for (near, far) in [("v", "other"), ("other", "v")] {
        lab.az(&format!(
            "network vnet peering create -g rg -n p --vnet-name {near} --remote-vnet {far} --allow-vnet-access"
        ));
    }
    assert_eq!(who(&lab, "vm-other", "10.1.0.4"), "vm");
    assert_eq!(who(&lab, "vm", "10.2.0.4"), "vm-other");
    nobody_answers(&lab, "vm-twin", "10.2.0.4");
    lab.az("network nsg create -g rg -n guard");
    let rule = "network nsg rule create -g rg --nsg-name guard -n no-web --priority 100 --access Deny --protocol Tcp";
    lab.az(&format!("{rule} --destination-port-ranges 80"));
    lab.az("network vnet subnet update -g rg --vnet-name v -n s --nsg guard");
    nobody_answers(&lab, "vm-other", "10.1.0.4");
    lab.az("network nsg rule delete -g rg --nsg-name guard -n no-web");
    assert_eq!(who(&lab, "vm-other", "10.1.0.4"), "vm");
    lab.az("network vnet peering delete -g rg -n p --vnet-name v");
    nobody_answers(&lab, "vm-other", "10.1.0.4");
}

#[test]
fn an_endpoint_made_by_hand_leads_to_the_cluster_while_it_is_approved() {
    an_endpoint_made_by_hand(User::Own);
}

fn an_endpoint_made_by_hand(user: User) {
    let (Some(_), Some(lab)) = (client("kubectl"), lab(user)) else { return };
    network(&lab, "far", "10.2");
    machine(&lab, "vm-far", "far");
    let private = cluster(&lab);
    let id = lab.az("aks show -g rg -n a")["id"].clone();
    let endpoint = "network private-endpoint create -g rg -n pe --vnet-name far --subnet s --group-id management";
    let manual = format!("{endpoint} --connection-name c --manual-request true");
    lab.az(&format!("{manual} --private-connection-resource-id {}", id.as_str().unwrap()));
    // 10.2.0.4 is the machine's.
    let get = format!("curl -sSk --max-time 2 --resolve {private}:443:10.2.0.5 https://{private}/version");
    assert_eq!(refused(&mut lab.at("vm-far", &get)).0, 28, "pending: nobody is there");
    let connections = format!("{}/privateEndpointConnections", id.as_str().unwrap());
    let list = lab.az(&format!("rest --url {connections}?api-version=2025-07-01"));
    let name = list["value"][0]["name"].as_str().unwrap();
    let set = |status: &str| {
        let body = json!({"properties": {"privateLinkServiceConnectionState": {"status": status}}});
        let url = format!("{connections}/{name}?api-version=2025-07-01");
        lab.az(&format!("rest --method put --url {url} --body '{body}'"));
    };
    set("Approved");
    says(&said(&mut lab.at("vm-far", &get)), &["Unauthorized"]);

    // An open connection: the watch is answered at once and then waits for what never comes.
    let watch = format!("kubectl get namespaces --watch --server https://10.2.0.5 --tls-server-name {private}");
    let mut watching = Background::start(&mut lab.at("vm-far", &watch));
    assert!(watching.says("kube-system"), "{}", watching.said);
    let rejected = Instant::now();
    set("Rejected");
    watching.ended();
    // client-go would find out by itself after 45 s.
    assert!(rejected.elapsed() < Duration::from_secs(20), "an open connection is reset at once");
    refused(&mut lab.at("vm-far", &get));
    says(&lab.kubectl("vm", "get nodes"), &["Ready"]);
}

#[test]
fn a_stopped_cluster_is_not_reached_and_comes_back_at_another_address() {
    let (Some(_), Some(lab)) = (client("kubectl"), lab(User::Own)) else { return };
    let private = cluster(&lab);
    let address = || said(&mut lab.at("vm", &format!("dig +short {private}"))).trim().to_owned();
    let before = address();
    lab.az("aks stop -g rg -n a");
    assert_eq!(address(), "");
    refused(&mut lab.at("vm", "kubectl get --raw /version --request-timeout 2s"));
    lab.az("aks start -g rg -n a");
    assert_ne!(address(), before);
    says(&lab.kubectl("vm", "get nodes"), &["Ready"]);
}

#[test]
fn a_public_cluster_takes_connections_from_authorized_sources_only() {
    let (Some(_), Some(lab)) = (client("kubectl"), Lab::in_kernel(User::Own)) else { return };
    lab.az("aks create -g rg -n a --no-ssh-key --yes");
    credentials(&lab);
    for (name, address) in [("office", "20.1.0.4"), ("cafe", "20.2.0.4")] {
        let url = format!("/subscriptions/{{subscriptionId}}/resourceGroups/rg/providers/Noren.Lab/clients/{name}");
        let body = json!({"location": "global", "properties": {"publicIPAddress": address}});
        lab.az(&format!("rest --method put --url '{url}?api-version=2024-01-01' --body '{body}'"));
    }
    says(&lab.kubectl("cafe", "get nodes"), &["Ready"]);
    lab.az("aks update -g rg -n a --api-server-authorized-ip-ranges 20.1.0.0/16");
    says(&lab.kubectl("office", "get nodes"), &["Ready"]);
    refused(&mut lab.at("cafe", "kubectl get --raw /version --request-timeout 2s"));
    lab.az("aks update -g rg -n a --api-server-authorized-ip-ranges ''");
    says(&lab.kubectl("cafe", "get nodes"), &["Ready"]);
}

/// `dnsmasq` at the machine `vm`; it answers `corp.example` itself and asks 168.63.129.16 for the rest.
fn dnsmasq(lab: &Lab) -> Background {
    // It stays the user that it is: there may be no other one.
    let options = "--no-daemon --conf-file=/dev/null --no-hosts --no-resolv";
    let long = format!("--txt-record=long.corp.example{}", ",0123456789".repeat(150));
    let answers = format!("--server=168.63.129.16 --address=/corp.example/10.1.0.9 {long} --log-queries");
    let mut server = Background::start(&mut lab.at("vm", &format!("sh -c 'exec dnsmasq {options} {answers} 2>&1'")));
    assert!(server.says("started"), "{}", server.said);
    server
}

#[test]
fn a_dns_server_of_ones_own_in_a_machine_serves_its_network() {
    a_dns_server_of_ones_own(User::Own);
}

fn a_dns_server_of_ones_own(user: User) {
    let (Some(_), Some(_), Some(lab)) = (client("dnsmasq"), client("dig"), lab(user)) else { return };
    machine(&lab, "client", "v");
    let private = cluster(&lab);
    lab.az("network vnet update -g rg -n v --dns-servers 10.1.0.4");
    says(&said(&mut lab.at("client", "bash -c 'cat /etc/resolv.conf'")), &["nameserver 10.1.0.4\n"]);
    let ask = |name: &str| said(&mut lab.at("client", &format!("dig +short {name}"))).trim().to_owned();
    assert_eq!(
        (ask("corp.example"), ask(&private)),
        (String::new(), "10.1.0.6".to_owned()),
        "the lab stands in for it"
    );
    let mut server = dnsmasq(&lab);
    assert_eq!(ask("corp.example"), "10.1.0.9");
    assert_eq!(ask(&format!("+tcp {private}")), "10.1.0.6");
    assert_eq!(ask(&private), "10.1.0.6");
    assert!(server.says(&format!("{private} from 10.1.0.5")), "{}", server.said);
    drop(server);
    assert_eq!((ask("corp.example"), ask(&private)), (String::new(), "10.1.0.6".to_owned()), "and again when it ends");
}

#[test]
fn a_forwarding_rule_leads_to_a_dns_server_of_ones_own() {
    let (Some(_), Some(_), Some(lab)) = (client("dnsmasq"), client("dig"), lab(User::Own)) else { return };
    machine(&lab, "client", "v");
    let put = |path: &str, properties: serde_json::Value| {
        let path = format!("/subscriptions/{{subscriptionId}}/resourceGroups/rg/providers/Microsoft.Network/{path}");
        let body = json!({"location": "japaneast", "properties": properties});
        lab.az(&format!("rest --method put --url '{path}?api-version=2022-07-01' --body '{body}'"))["id"].clone()
    };
    let network = lab.az("network vnet show -g rg -n v")["id"].clone();
    let subnet = "network vnet subnet create -g rg --vnet-name v -n out --address-prefixes 10.1.1.0/28";
    let subnet = lab.az(&format!("{subnet} --delegations Microsoft.Network/dnsResolvers"))["id"].clone();
    put("dnsResolvers/r", json!({"virtualNetwork": {"id": network}}));
    let endpoint = put("dnsResolvers/r/outboundEndpoints/o", json!({"subnet": {"id": subnet}}));
    put("dnsForwardingRulesets/s", json!({"dnsResolverOutboundEndpoints": [{"id": endpoint}]}));
    let servers = json!([{"ipAddress": "10.1.0.4", "port": 53}]);
    put(
        "dnsForwardingRulesets/s/forwardingRules/corp",
        json!({"domainName": "corp.example.", "targetDnsServers": servers}),
    );
    put("dnsForwardingRulesets/s/virtualNetworkLinks/v", json!({"virtualNetwork": {"id": network}}));
    let ask = |question: &str| said(&mut lab.at("client", &format!("dig +tries=1 {question}")));
    // What the lab's stand-in there does not know goes to 168.63.129.16 and by the rule back to it.
    says(&ask("www.corp.example"), &["status: SERVFAIL"]);
    let mut server = dnsmasq(&lab);
    assert_eq!(ask("+short www.corp.example"), "10.1.0.9\n");
    assert!(server.says("www.corp.example from 10.1.1.14"), "it leaves the endpoint's subnet: {}", server.said);
    assert_eq!(ask("+short +tcp www.corp.example"), "10.1.0.9\n");
    let long = ask("+short txt long.corp.example");
    assert_eq!(long.matches("0123456789").count(), 150, "by TCP, as it does not fit: {long}");
    says(&ask("+notcp +ignore txt long.corp.example"), &["flags: qr tc rd"]);
    lab.az("network nsg create -g rg -n guard");
    let rule = "network nsg rule create -g rg --nsg-name guard -n no-names --priority 100 --access Deny --protocol '*'";
    lab.az(&format!("{rule} --source-address-prefixes 10.1.1.0/28 --destination-port-ranges 53"));
    lab.az("network vnet subnet update -g rg --vnet-name v -n s --nsg guard");
    says(&ask("other.corp.example"), &["status: SERVFAIL"]);
}

#[test]
fn arm_and_the_metadata_service_are_reached_from_a_machine() {
    let (Some(_), Some(lab)) = (client("curl"), lab(User::Own)) else { return };
    assert!(said(&mut lab.at("vm", "az group list --query [].name -o tsv")).contains("rg"));
    let url = format!("{}/metadata/endpoints?api-version=2022-09-01", lab.variable("NOREN_ARM"));
    says(&said(&mut lab.at("internet", &format!("curl -sSf {url}"))), &["loginEndpoint"]);
    let token = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
    let token = format!("curl -sS {token}&resource={}/ --max-time 2", lab.variable("NOREN_ARM"));
    says(&said(&mut lab.at("vm", &format!("{token} -H Metadata:true"))), &["access_token"]);
    says(&said(&mut lab.at("vm", &token)), &["Required metadata header not specified"]);
    refused(&mut lab.at("internet", &format!("{token} -H Metadata:true")));
    let mut login = lab.at("vm", "az login --identity --query [].state -o tsv");
    let login = login.env_remove("IDENTITY_ENDPOINT").env_remove("IDENTITY_HEADER");
    assert_eq!(said(login).trim(), "Enabled");
}

#[test]
fn somebody_in_a_subnet_stands_at_an_address_that_nobody_has() {
    let Some(lab) = lab(User::Own) else { return };
    let _server = serve(&lab, "vm");
    says(&said(&mut lab.at("v/s", "ip -br -4 addr")), &["eth0", "10.1.0.254/32"]);
    says(&said(&mut lab.at("v/s", "bash -c 'cat /etc/resolv.conf'")), &["nameserver 168.63.129.16\n"]);
    assert_eq!(who(&lab, "v/s", "10.1.0.4"), "vm");
    lab.az("network nic create -g rg -n last --vnet-name v --subnet s --private-ip-address 10.1.0.254");
    says(&said(&mut lab.at("v/s", "ip -br -4 addr")), &["10.1.0.253/32"]);
}

#[test]
fn the_packets_at_a_machine_are_captured_for_tcpdump() {
    let Some(lab) = lab(User::Own) else { return };
    captures(&lab);
}

fn captures(lab: &Lab) {
    let Some(_) = client("tcpdump") else { return };
    machine(lab, "other", "v");
    let _server = serve(lab, "other");
    let seen = captured(lab, "vm", || assert_eq!(who(lab, "vm", "10.1.0.5"), "other"));
    says(&seen, &["10.1.0.4.", "10.1.0.5.80: Flags [S]", "HTTP: GET /name"]);
}

/// What `tcpdump` reads of what was captured somewhere during `happening`.
fn captured(lab: &Lab, at: &str, happening: impl FnOnce()) -> String {
    let file = lab.path("seen.pcap");
    let mut capture = lab.noren(&["capture", "--at", at, "--write", file.to_str().unwrap()]);
    let capture = Background::start(&mut capture);
    // It has begun when the file has its head.
    let begun = Instant::now();
    while fs_err::metadata(&file).map_or(true, |file| file.len() < 24) {
        assert!(begun.elapsed() < Duration::from_secs(10), "no capture begins");
    }
    happening();
    kill(Pid::from_raw(capture.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    capture.ended();
    said(Command::new("tcpdump").args(["-n", "-r"]).arg(&file))
}

#[test]
fn what_comes_to_an_endpoint_is_captured_there_and_nothing_else() {
    let (Some(_), Some(lab)) = (client("tcpdump"), lab(User::Own)) else { return };
    machine(&lab, "other", "v");
    let _server = serve(&lab, "other");
    let private = cluster(&lab);
    let seen = captured(&lab, "rg/a", || {
        said(&mut lab.at("other", &format!("curl -sSk https://{private}/version")));
        assert_eq!(who(&lab, "vm", "10.1.0.5"), "other");
    });
    // 10.1.0.6 is the cluster's.
    says(&seen, &["10.1.0.5.", "> 10.1.0.6.443: Flags [S]", "10.1.0.6.443 > 10.1.0.5."]);
    assert!(seen.lines().all(|line| line.contains(" 10.1.0.6.443")), "{seen}");
    let (_, unknown) = refused(&mut lab.noren(&["capture", "--at", "nowhere"]));
    says(&unknown, &["`nowhere` is neither a vantage nor an endpoint"]);
}

#[test]
fn what_somebody_breaks_at_a_machine_by_hand_is_repaired() {
    let Some(lab) = lab(User::Own) else { return };
    repairs(&lab);
}

fn repairs(lab: &Lab) {
    let Some(_) = client("dig") else { return };
    let answer = || lab.at("vm", "dig +tries=1 +time=1 SOA azmk8s.io").output().unwrap();
    assert!(answer().status.success());
    for damage in ["ip addr flush dev eth0", "ip link delete eth0"] {
        said(&mut lab.at("vm", damage));
        let begun = Instant::now();
        while !answer().status.success() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{damage}: {}", said(&mut lab.at("vm", "ip addr")));
        }
        says(&said(&mut lab.at("vm", "ip -br -4 addr")), &["10.1.0.4/32"]);
    }
}

/// What the host's own network and mounts look like.
fn host() -> String {
    let lines = ["ip link", "ip addr", "ip route", "ip netns", "nft list ruleset"];
    let network = lines.map(|line| {
        let mut words = line.split(' ');
        said(Command::new(words.next().unwrap()).args(words))
    });
    network.concat() + &fs_err::read_to_string("/proc/self/mounts").unwrap()
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let tasks = fs_err::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs_err::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// Waits until a process is gone.
fn gone(pid: u32) {
    let begun = Instant::now();
    let alive = || fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while alive() {
        assert!(begun.elapsed() < Duration::from_secs(10), "process {pid} outlives its lab");
    }
}

#[test]
fn nothing_is_left_on_the_host_whoever_is_killed() {
    if !nix::unistd::geteuid().is_root() || client("nft").is_none() {
        eprintln!("SKIPPED: only root can read the host's rules");
        return;
    }
    nothing_is_left(User::Own);
}

fn nothing_is_left(user: User) {
    let before = host();
    let Some(mut lab) = lab(user) else { return };
    assert_eq!(host(), before, "while it runs");
    let helper = |lab: &Lab| *children(lab.pid()).first().expect("the fabric's helper");
    let first = helper(&lab);
    let mut held = Background::start(&mut lab.at("vm", "sh -c 'echo here; exec sleep 600'"));
    assert!(held.says("here"));
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGKILL).unwrap();
    gone(first);
    held.ended();
    assert_eq!(host(), before, "after the helper was killed");
    while lab.status()["plane"]["why"] == "it is being made" {}
    says(&said(&mut lab.at("vm", "ip -br -4 addr")), &["10.1.0.4/32"]);

    let second = helper(&lab);
    assert_ne!(first, second);
    lab.kill();
    gone(second);
    assert_eq!(host(), before, "after the lab was killed");
    lab.start(&[]);
    says(&said(&mut lab.at("vm", "ip -br -4 addr")), &["10.1.0.4/32"]);
    let third = helper(&lab);
    lab.noren_says(&["down"]);
    gone(third);
    assert_eq!(host(), before, "after `noren down`");
}
