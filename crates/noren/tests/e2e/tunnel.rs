//! A real `openvpn` client dials in with the profile that `az` downloads: what it reaches, by which names,
//! and when it is refused. The machine it runs on stands on the Internet of the lab.

use std::{
    io::Read as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    bench::{Background, Lab, User, client, refused, said, says, told_by},
    packets::{machine, serve, who},
};

/// How keys are made.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A lab with the network `hub` and its gateway `gw`, whose root certificate is `root.pem`.
fn lab_with_gateway(user: User) -> Option<Lab> {
    for needed in ["openvpn", "openssl", "curl"] {
        client(needed)?;
    }
    let lab = Lab::in_kernel(user)?;
    lab.az("network vnet create -g rg -n hub --address-prefixes 10.0.0.0/16 --subnet-name GatewaySubnet \
         --subnet-prefixes 10.0.255.0/27");
    lab.az("network public-ip create -g rg -n ip --sku Standard");
    openssl(&lab, &format!("req -x509 {KEY} -keyout root.key -out root.pem -subj /CN=P2SRoot -days 10"));
    let root = lab.path("root.pem");
    lab.az(&format!(
        "network vnet-gateway create -g rg -n gw --vnet hub --public-ip-addresses ip --gateway-type Vpn --sku VpnGw1 \
         --client-protocol OpenVPN --address-prefixes 172.16.201.0/24 --root-cert-name root --root-cert-data {}",
        root.display()
    ));
    Some(lab)
}

/// The same with the machine `laptop` on the Internet and the profiles of two clients, `laptop.ovpn` and
/// `phone.ovpn`. `None`, said aloud, where no VPN server can run.
fn lab(user: User) -> Option<Lab> {
    let lab = lab_with_gateway(user)?;
    laptop(&lab, &json!({}));
    let profile = profile(&lab);
    for name in ["laptop", "phone"] {
        openssl(&lab, &format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let signed = format!("-CA root.pem -CAkey root.key -CAcreateserial -out {name}.pem -days 5");
        openssl(&lab, &format!("x509 -req -in {name}.csr {signed}"));
        let text = |file: String| fs_err::read_to_string(lab.path(&file)).unwrap();
        let filled = profile.replace("$CLIENTCERTIFICATE", &text(format!("{name}.pem")));
        let filled = filled.replace("$PRIVATEKEY", &text(format!("{name}.key")));
        fs_err::write(lab.path(&format!("{name}.ovpn")), filled).unwrap();
    }
    let servers = lab.status()["vpnServers"].clone();
    if !servers[0]["why"].is_null() {
        assert!(std::env::var_os("CI").is_none(), "no VPN server: {servers}");
        eprintln!("SKIPPED: no VPN server can run here: {servers}");
        return None;
    }
    Some(lab)
}

fn openssl(lab: &Lab, line: &str) -> String {
    said(Command::new("openssl").args(line.split(' ')).current_dir(lab.path("")))
}

/// `vpnconfig.ovpn` of the package that `az` has made.
fn profile(lab: &Lab) -> String {
    let (url, zip) = (lab.az("network vnet-gateway vpn-client generate -g rg -n gw"), lab.path("client.zip"));
    let mut curl = Command::new("curl");
    said(curl.args(["-sSf", url.as_str().unwrap(), "--cacert"]).arg(lab.path("lab/ca.pem")).arg("-o").arg(&zip));
    let mut zip = zip::ZipArchive::new(fs_err::File::open(zip).unwrap()).unwrap();
    let mut profile = String::new();
    zip.by_name("OpenVPN/vpnconfig.ovpn").unwrap().read_to_string(&mut profile).unwrap();
    profile
}

fn put(lab: &Lab, path: &str, body: &Value) -> Value {
    let url = format!("/subscriptions/{{subscriptionId}}/resourceGroups/rg/providers/{path}?api-version=2024-05-01");
    lab.az(&format!("rest --method put --url '{url}' --body '{body}'"))
}

/// The machine on the Internet.
fn laptop(lab: &Lab, properties: &Value) {
    put(lab, "Noren.Lab/clients/laptop", &json!({"location": "global", "properties": properties}));
}

/// `openvpn` on the laptop.
fn openvpn(lab: &Lab, name: &str) -> Command {
    let profile = lab.path(&format!("{name}.ovpn"));
    lab.at("laptop", &format!("openvpn --connect-retry 1 --connect-retry-max 3 --config {}", profile.display()))
}

/// Dials until connected.
#[track_caller]
fn connected(lab: &Lab, name: &str) -> Background {
    let mut vpn = Background::start(&mut openvpn(lab, name));
    assert!(vpn.says("Initialization Sequence Completed"), "{}", vpn.said);
    vpn
}

/// A private cluster in a subnet of the hub; gives its public and its private FQDN. The kubeconfig is the
/// laptop's.
fn cluster(lab: &Lab) -> [String; 2] {
    let subnet = lab.az("network vnet subnet create -g rg --vnet-name hub -n nodes --address-prefixes 10.0.1.0/24");
    let subnet = subnet["id"].as_str().unwrap();
    let create = "aks create -g rg -n a --enable-private-cluster --no-ssh-key --yes --service-cidr 10.100.0.0/16 \
                  --dns-service-ip 10.100.0.10";
    let cluster = lab.az(&format!("{create} --vnet-subnet-id {subnet}"));
    ["fqdn", "privateFqdn"].map(|name| cluster[name].as_str().unwrap().to_owned())
}

/// A kubeconfig that names one of the cluster's names.
fn kubeconfig(lab: &Lab, name: &str, options: &str) -> String {
    let file = lab.path(name);
    let get = format!("aks get-credentials -g rg -n a -f {} {options}", file.display());
    said(&mut lab.az_command(get.trim_end()));
    lab.user.owns(&file);
    format!("kubectl --request-timeout 3s --kubeconfig {} get --raw /api/v1/namespaces", file.display())
}

#[test]
fn a_vpn_client_connects_by_the_public_name_and_by_the_private_one_only_if_something_resolves_it() {
    let (Some(_), Some(lab)) = (client("kubectl"), lab(User::Own)) else { return };
    let [public, private] = cluster(&lab);
    let (by_public, by_private) = (kubeconfig(&lab, "public", "--public-fqdn"), kubeconfig(&lab, "private", ""));
    let (_, outside) = refused(&mut lab.at("laptop", &by_public));
    says(&outside, &["Unable to connect to the server"]);

    let vpn = connected(&lab, "laptop");
    assert!(!vpn.said.contains("dhcp-option DNS"), "a network with Azure's DNS has none to push: {}", vpn.said);
    says(&said(&mut lab.at("laptop", "ip -4 addr show dev tun0")), &["172.16.201.128/24"]);
    says(&said(&mut lab.at("laptop", &by_public)), &["kube-system"]);
    let (_, unknown) = refused(&mut lab.at("laptop", &by_private));
    says(&unknown, &[&private, "no such host"]);
    assert_eq!(said(&mut lab.at("laptop", &format!("dig +short {public}"))).trim(), "10.0.1.4");

    laptop(&lab, &json!({"hosts": [{"ipAddress": "10.0.1.4", "names": [private]}]}));
    says(&said(&mut lab.at("laptop", &by_private)), &["kube-system"]);
    laptop(&lab, &json!({"hosts": []}));
    drop(vpn);

    // The cure that Azure recommends: a DNS private resolver's inbound endpoint as the network's DNS server.
    lab.az("network vnet subnet create -g rg --vnet-name hub -n in --address-prefixes 10.0.2.0/28 --delegations \
         Microsoft.Network/dnsResolvers");
    let hub = lab.az("network vnet show -g rg -n hub")["id"].clone();
    let resolver = "Microsoft.Network/dnsResolvers/r";
    put(&lab, resolver, &json!({"location": "japaneast", "properties": {"virtualNetwork": {"id": hub}}}));
    let subnet = json!({"id": format!("{}/subnets/in", hub.as_str().unwrap())});
    let endpoint = json!({"location": "japaneast", "properties": {"ipConfigurations": [{"subnet": subnet}]}});
    put(&lab, &format!("{resolver}/inboundEndpoints/i"), &endpoint);
    lab.az("network vnet update -g rg -n hub --dns-servers 10.0.2.4");
    let vpn = connected(&lab, "laptop");
    says(&vpn.said, &["dhcp-option DNS 10.0.2.4"]);
    let (_, ignored) = refused(&mut lab.at("laptop", &by_private));
    says(&ignored, &["no such host"]);
    assert_eq!(said(&mut lab.at("laptop", &format!("dig +short @10.0.2.4 {private}"))).trim(), "10.0.1.4");
    drop(vpn);

    // `openvpn` on Linux leaves what is pushed to a script of the user's.
    says(&said(&mut with_script(&lab, &by_private)), &["kube-system"]);
}

/// A command on the laptop while `openvpn` is connected, with a script that takes the pushed DNS servers over.
fn with_script(lab: &Lab, line: &str) -> Command {
    const SCRIPT: &str = r#"case "$script_type" in
up) for option in "$foreign_option_1" "$foreign_option_2"; do
      case "$option" in "dhcp-option DNS "*) echo "nameserver ${option##* }" ;; esac
    done >/etc/resolv.conf ;;
route-up) echo connected >"${0%/*}/ready" ;;
esac"#;
    let script = lab.path("script.sh");
    fs_err::write(&script, SCRIPT).unwrap();
    said(Command::new("mkfifo").arg(lab.path("ready")));
    let run = |option: &str, script: &Path| format!("{option} '/bin/sh {}'", script.display());
    let mut command = lab.at("laptop", "sh");
    command.arg("-c").arg(format!(
        "cd {}; openvpn --config laptop.ovpn --script-security 2 {} {} >script.log & \
         read -r _ <ready; {line}; status=$?; kill $!; wait; exit $status",
        lab.path("").display(),
        run("--up", &script),
        run("--route-up", &script),
    ));
    command
}

#[test]
fn a_revoked_client_is_cut_off_at_once_and_refused_while_others_come_back() {
    let Some(lab) = lab(User::Own) else { return };
    let vpn = connected(&lab, "laptop");
    let thumbprint = openssl(&lab, "x509 -in laptop.pem -noout -fingerprint -sha1");
    let thumbprint = thumbprint.trim().rsplit('=').next().unwrap().replace(':', "");
    let revoke = "network vnet-gateway revoked-cert create -g rg --gateway-name gw -n lost --thumbprint";
    lab.az(&format!("{revoke} {thumbprint}"));
    says(&vpn.ended(), &["connection-reset", "exiting"]);
    assert!(!Background::start(&mut openvpn(&lab, "laptop")).says("Initialization Sequence Completed"));
    drop(connected(&lab, "phone"));
    lab.az("network vnet-gateway revoked-cert delete -g rg --gateway-name gw -n lost");
    drop(connected(&lab, "laptop"));
    lab.az("network vnet-gateway root-cert delete -g rg --gateway-name gw -n root");
    says(&lab.noren_says(&["status"]), &["gw: none runs, it has no root certificate"]);
}

#[test]
fn a_vpn_client_reaches_peers_by_gateway_transit_only() {
    let Some(lab) = lab(User::Own) else { return };
    lab.az("network vnet create -g rg -n spoke --address-prefixes 10.1.0.0/16 --subnet-name s --subnet-prefixes 10.1.0.0/24");
    lab.az("network nic create -g rg -n web --vnet-name spoke --subnet s");
    let _server = serve(&lab, "web");
    let peer = |near: &str, far: &str| {
        let peering = format!("network vnet peering create -g rg -n p --vnet-name {near} --remote-vnet {far}");
        lab.az(&format!("{peering} --allow-vnet-access --allow-forwarded-traffic"));
    };
    peer("hub", "spoke");
    peer("spoke", "hub");
    let get = "curl -sS -o /dev/null -w %{http_code} --max-time 2 http://10.1.0.4/";
    let vpn = connected(&lab, "laptop");
    refused(&mut lab.at("laptop", get));
    drop(vpn);
    lab.az("network vnet peering update -g rg -n p --vnet-name hub --set allowGatewayTransit=true");
    lab.az("network vnet peering update -g rg -n p --vnet-name spoke --set useRemoteGateways=true");
    let vpn = connected(&lab, "laptop");
    says(&said(&mut lab.at("laptop", "ip -4 route show dev tun0")), &["10.0.0.0/16", "10.1.0.0/16"]);
    assert_eq!(said(&mut lab.at("laptop", get)), "200");
    drop(vpn);
}

#[test]
fn an_ordinary_user_who_may_open_the_device_has_vpn_servers_and_clients() {
    told_by(User::Nobody { tun: Some("666") }, |user| {
        let Some(lab) = lab(user) else { return };
        lab.az("network vnet subnet create -g rg --vnet-name hub -n s --address-prefixes 10.0.3.0/24");
        machine(&lab, "web", "hub");
        let mut web = serve(&lab, "web");
        let _vpn = connected(&lab, "laptop");
        assert_eq!(who(&lab, "laptop", "10.0.3.4"), "web");
        assert!(web.says("asked from 172.16.201.128"), "by the tunnel's address: {}", web.said);
    });
}

#[test]
fn an_ordinary_user_who_may_not_is_told_what_to_do() {
    told_by(User::Nobody { tun: Some("600") }, |user| {
        let Some(lab) = lab_with_gateway(user) else { return };
        let why = "/dev/net/tun cannot be opened (Permission denied";
        let cure = "let everybody read and write the device (chmod 666 /dev/net/tun)";
        says(&lab.noren_says(&["status"]), &["not here          real VPN servers and clients: ", why, cure]);
        // Servers follow the gateways, a moment behind.
        let begun = Instant::now();
        while !lab.noren_says(&["status"]).contains("VPN server        gw: none runs, ") {
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing is said of the gateway's server");
        }
    });
}
