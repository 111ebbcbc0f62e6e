//! A real `openvpn` is the judge: the profile that a gateway hands out, completed with a client's
//! certificate, connects to the server that the gateway configures.
//!
//! Server and client stand in two network namespaces of their own, joined by a veth. The namespaces
//! belong to processes that end with the test, however it ends. Where there is no `openvpn`, no
//! `/dev/net/tun` or no user namespace there is nothing to judge with: the test says so aloud.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use pki::{Authority, Identity, PublicCertificate, UnixTime};
use serde_json::json;

use super::vpn::{Office, client};
use crate::providers::network::vpn::{PORT, openvpn};

/// A process that is ended with the test.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} is needed here: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, said: String::new() }
    }

    /// Reads until a line contains one of `words`; gives its place among them, `None` at the end.
    fn until(&mut self, words: &[&str]) -> Option<usize> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            self.said.push_str(&line);
            if let Some(found) = words.iter().position(|word| line.contains(word)) {
                return Some(found);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A network namespace that lives as long as this.
struct Namespace {
    holder: Running,
    _open: ChildStdin,
}

impl Namespace {
    /// A new one, made from inside `outer` if there is one (of whose user namespace it then is).
    fn new(outer: Option<&Self>) -> Self {
        let mut command = match outer {
            None => {
                let mut unshare = Command::new("unshare");
                unshare.args(["--user", "--map-root-user", "--net"]);
                unshare
            }
            Some(outer) => {
                let mut enter = outer.enter("unshare");
                enter.arg("--net");
                enter
            }
        };
        // `cat` ends when its standard input does: with this process at the latest.
        command.args(["sh", "-c", "echo ready; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("`unshare` (util-linux) is needed here");
        let (open, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut holder = Running { child, output, said: String::new() };
        assert_eq!(holder.until(&["ready"]), Some(0), "user and network namespaces are needed here");
        Self { holder, _open: open }
    }

    /// `program`, to be run inside.
    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.holder.child.id().to_string();
        command.args(["--target", &target, "--user", "--net", "--preserve-credentials", "--", program]);
        command
    }

    fn run(&self, line: &str) -> String {
        let (program, arguments) = line.split_once(' ').unwrap();
        let output = self.enter(program).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The Internet between a gateway and a client: 198.19.0.1 and 198.19.0.2.
fn internet() -> (Namespace, Namespace) {
    let gateway = Namespace::new(None);
    let laptop = Namespace::new(Some(&gateway));
    let pid = laptop.holder.child.id();
    gateway.run(&format!("ip link add wan type veth peer name wan netns {pid}"));
    for (namespace, address) in [(&gateway, "198.19.0.1"), (&laptop, "198.19.0.2")] {
        namespace.run(&format!("ip address add {address}/24 dev wan"));
        namespace.run("ip link set wan up");
        namespace.run("ip link set lo up");
    }
    (gateway, laptop)
}

fn serve(office: &Office, directory: &Path, gateway: &Namespace) -> Running {
    let address = office.server().public_address.unwrap();
    let (tunnel, first, last) = ("172.16.201.1", "172.16.201.128", "172.16.201.254");
    let clients = first.parse().unwrap()..=last.parse().unwrap();
    let place = openvpn::Place { address, port: PORT, device: "tun-p2s", tunnel: tunnel.parse().unwrap(), clients };
    let files = openvpn::server(&office.server(), &place).unwrap();
    for file in &files {
        std::fs::write(directory.join(file.name), &file.text).unwrap();
    }
    let mut server = gateway.enter("openvpn");
    let mut server = Running::start(server.arg("--cd").arg(directory).args(["--config", files[0].name]));
    assert_eq!(server.until(&["Initialization Sequence Completed"]), Some(0), "{}", server.said);
    server
}

/// The profile with its two blanks filled in, connecting until it is connected or refused.
fn connect(profile: &str, identity: &Identity, directory: &Path, laptop: &Namespace) -> (Running, Option<usize>) {
    let completed = profile
        .replace("$CLIENTCERTIFICATE", identity.certificate_pem.trim_end())
        .replace("$PRIVATEKEY", identity.key_pem.expose().trim_end());
    let path = directory.join("client.ovpn");
    std::fs::write(&path, completed).unwrap();
    let mut command = laptop.enter("openvpn");
    command.arg("--config").arg(&path).args(["--tls-exit", "--connect-retry-max", "1"]);
    let mut client = Running::start(&mut command);
    let ended = client.until(&["Initialization Sequence Completed", "SIGUSR1", "SIGTERM"]);
    (client, ended)
}

/// What is missing to run a real `openvpn` in namespaces.
fn missing() -> Option<&'static str> {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let namespace = ["--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"];
    if Command::new("openvpn").arg("--version").stdout(Stdio::null()).status().is_err() {
        Some("openvpn")
    } else if std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
        Some("/dev/net/tun, or the right to use it")
    } else if runs("unshare", &namespace) {
        None
    } else {
        Some("iproute2, or user and network namespaces")
    }
}

#[tokio::test]
async fn openvpn_connects_with_the_profile_and_revoked_and_strange_clients_are_refused() {
    if let Some(missing) = missing() {
        // Not `eprintln!`, which nobody sees when the test passes.
        writeln!(std::io::stderr(), "SKIPPED: no real VPN was tried, for want of {missing}").unwrap();
        return;
    }
    let office = Office::new().await;
    assert_eq!(office.put("virtualNetworkGateways/gw", office.gateway()).await.status, 201);
    office.peer().await;
    let profile = office.unpacked("OpenVPN/vpnconfig.ovpn").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (gateway, laptop) = internet();
    let mut server = serve(&office, directory.path(), &gateway);

    let friend = client(&office.root, "laptop");
    let (connected, ended) = connect(&profile, &friend, directory.path(), &laptop);
    assert_eq!(ended, Some(0), "{}\n{}", connected.said, server.said);
    let addresses = laptop.run("ip -4 -o address show dev tun0");
    assert!(addresses.contains(" 172.16.201.128/24 "), "an address of the pool: {addresses}");
    let routes = laptop.run("ip -4 route show dev tun0");
    for route in ["10.0.0.0/16 ", "10.1.0.0/16 ", "192.0.2.0/24 "] {
        assert!(routes.contains(route), "{route} in {routes}");
    }
    assert!(connected.said.contains("dhcp-option DNS 10.0.0.4"), "{}", connected.said);
    // Nobody listens there: the refusal itself came through the tunnel.
    let probe = ["-c", "exec 3<>/dev/tcp/172.16.201.1/9"];
    let probe = laptop.enter("bash").args(probe).output().unwrap();
    let answer = String::from_utf8_lossy(&probe.stderr).into_owned();
    assert!(answer.contains("Connection refused"), "{answer}");
    drop(connected);

    let stranger = Authority::generate("another root", UnixTime(jiff::Timestamp::now().as_second()), 10).unwrap();
    let (refused, ended) = connect(&profile, &client(&stranger, "laptop"), directory.path(), &laptop);
    assert_ne!(ended, Some(0), "{}", refused.said);
    assert!(server.until(&["VERIFY ERROR"]).is_some(), "{}", server.said);
    drop((refused, server));

    let mut body = office.gateway();
    let thumbprint = PublicCertificate::from_pem(&friend.certificate_pem).unwrap().thumbprint();
    body["properties"]["vpnClientConfiguration"]["vpnClientRevokedCertificates"] =
        json!([{"name": "lost", "properties": {"thumbprint": thumbprint}}]);
    assert_eq!(office.put("virtualNetworkGateways/gw", body).await.status, 200);
    let mut server = serve(&office, directory.path(), &gateway);
    let (refused, ended) = connect(&profile, &friend, directory.path(), &laptop);
    assert_ne!(ended, Some(0), "{}", refused.said);
    assert!(server.until(&["VERIFY SCRIPT ERROR"]).is_some(), "{}", server.said);
    drop(refused);
    let (another, ended) = connect(&profile, &client(&office.root, "phone"), directory.path(), &laptop);
    assert_eq!(ended, Some(0), "others of the root still get in: {}", another.said);
}
