//! Servers on loopback: DNS that answers what it is told, API servers with certificates, proxies.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use doctor::{
    Access, Depth, Diagnosis, Lookup, Observations, Surroundings,
    observation::SystemReply,
    resolvers::{Configuration, Server, hosts_entries},
};
use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use jiff::Timestamp;
use pki::{Authority, ClientAuthority, ClientCertificate, Identity, ServerCertificate, UnixTime};
use rustls::server::WebPkiClientVerifier;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tokio_rustls::TlsAcceptor;

/// The private FQDN of the staged cluster.
pub(crate) const PRIVATE: &str = "a-rg-06jie3fz.243ace23-5b14-4f0f-a8a0-6a33b3f3e0e1.privatelink.japaneast.azmk8s.io";
/// Its public FQDN.
pub(crate) const PUBLIC: &str = "a-rg-06jie3fz.hcp.japaneast.azmk8s.io";
/// Its zone.
pub(crate) const ZONE: &str = "243ace23-5b14-4f0f-a8a0-6a33b3f3e0e1.privatelink.japaneast.azmk8s.io";
/// The token that the API server takes.
pub(crate) const TOKEN: &str = "a-very-secret-token";

/// What a DNS server says of a name.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// This address.
    A([u8; 4]),
    /// `::1`, and no address of the other family.
    Six,
    /// NXDOMAIN from this zone.
    Nothing(&'static str),
    /// SERVFAIL.
    Failure,
    /// Nothing at all.
    Silence,
    /// One and the other in turn.
    InTurn(Box<[Says; 2]>),
    /// That it is a zone of Azure's private DNS.
    PrivateZone,
}

/// A DNS server on loopback; of names it is not told about it says NXDOMAIN, from `azmk8s.io`.
pub(crate) async fn dns(records: &[(&str, Says)]) -> SocketAddr {
    let records: BTreeMap<String, Says> =
        records.iter().map(|(name, says)| ((*name).to_owned(), says.clone())).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut turn = 0;
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let name = query.queries[0].name().to_string();
            let mut says = records.get(name.trim_end_matches('.')).cloned().unwrap_or(Says::Nothing("azmk8s.io"));
            if let Says::InTurn(both) = says {
                says = both[turn % 2].clone();
                turn += 1;
            }
            if let Some(reply) = reply(&query, &says) {
                socket.send_to(&reply, client).await.unwrap();
            }
        }
    });
    address
}

fn reply(query: &Message, says: &Says) -> Option<Vec<u8>> {
    let question = query.queries[0].clone();
    let owner = question.name().clone();
    let name = |text: &str| Name::from_ascii(format!("{text}.")).unwrap();
    let soa = |host: &str| RData::SOA(rdata::SOA::new(name(host), name("host.example"), 1, 60, 60, 60, 60));
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    match says {
        Says::A(address) if question.query_type() == RecordType::A => {
            let address = RData::A(rdata::A(std::net::Ipv4Addr::from(*address)));
            reply.add_answer(Record::from_rdata(owner, 60, address));
        }
        Says::PrivateZone if question.query_type() == RecordType::SOA => {
            reply.add_answer(Record::from_rdata(owner, 60, soa("azureprivatedns.net")));
        }
        Says::Six if question.query_type() == RecordType::AAAA => {
            let address = RData::AAAA(rdata::AAAA(std::net::Ipv6Addr::LOCALHOST));
            reply.add_answer(Record::from_rdata(owner, 60, address));
        }
        Says::A(_) | Says::Six | Says::PrivateZone => {}
        Says::Nothing(zone) => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            let host = if zone.contains("privatelink") { "azureprivatedns.net" } else { "ns1-01.azure-dns.com" };
            reply.add_authority(Record::from_rdata(name(zone), 60, soa(host)));
        }
        Says::Failure => reply.metadata.response_code = ResponseCode::ServFail,
        Says::Silence | Says::InTurn(_) => return None,
    }
    reply.add_query(question);
    Some(reply.to_vec().unwrap())
}

/// The time now.
pub(crate) fn now() -> UnixTime {
    UnixTime(Timestamp::now().as_second())
}

/// A cluster's authority and the API servers it has.
pub(crate) struct Cluster {
    pub(crate) authority: Authority,
    heard: Arc<Mutex<Vec<String>>>,
}

/// How an API server differs from a sound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Sound,
    /// It shows a certificate that ended.
    Expired,
    /// It answers 503 to all.
    Ill,
    /// Its clock is a day ahead.
    Ahead,
    /// It ends the handshake with clients whose certificates it does not know.
    Strict,
}

impl Cluster {
    /// A cluster whose authority has the name that all of AKS's have.
    pub(crate) fn new() -> Self {
        let authority = Authority::generate("ca", now(), 3650).unwrap();
        Self { authority, heard: Arc::default() }
    }

    /// An API server at 127.0.0.1 with a certificate for `names` and the `kubernetes` service.
    pub(crate) async fn api(&self, names: &[&str], api: Api) -> u16 {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.extend(["kubernetes".to_owned(), "kubernetes.default.svc".to_owned()]);
        self.serve(&names, api).await
    }

    /// A TLS server with a certificate for `names`.
    pub(crate) async fn serve(&self, names: &[String], api: Api) -> u16 {
        let made = if api == Api::Expired { now().plus_seconds(-90 * 86_400) } else { now() };
        let wanted =
            ServerCertificate { common_name: "apiserver", names, addresses: &[], now: made, lifetime_days: 30 };
        let identity = self.authority.issue_server(&wanted).unwrap();
        let clients = ClientAuthority::from_pem(self.authority.certificate_pem()).unwrap();
        let config = if api == Api::Strict {
            self.strict(&identity)
        } else {
            pki::server_config(&identity, Some(&clients), &[]).unwrap()
        };
        let (acceptor, heard, clients) = (TlsAcceptor::from(config), Arc::clone(&self.heard), Arc::new(clients));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heard, clients) = (acceptor.clone(), Arc::clone(&heard), Arc::clone(&clients));
                tokio::spawn(async move {
                    // A client may end the handshake.
                    let Ok(mut session) = acceptor.accept(stream).await else { return };
                    let shown = session.get_ref().1.peer_certificates().unwrap_or_default();
                    let certified = clients.subject(shown, now()).is_some();
                    let Some(request) = head(&mut session).await else { return };
                    let known = certified || request.contains(&format!("Bearer {TOKEN}"));
                    heard.lock().unwrap().push(request);
                    let _ = session.write_all(answer(api, known).as_bytes()).await;
                    let _ = session.shutdown().await;
                });
            }
        });
        port
    }

    /// A server that ends the handshake with a client whose certificate another authority signed.
    fn strict(&self, identity: &Identity) -> Arc<rustls::ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (chain, key) = identity.to_rustls().unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap());
        Arc::new(config.with_single_cert(chain, key).unwrap())
    }

    /// All request heads that its servers heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// A client certificate and its key, in base64, that ends `days` from now.
    pub(crate) fn client(&self, days: i64) -> (String, String) {
        let made = now().plus_seconds((days - 30) * 86_400);
        let wanted =
            ClientCertificate { common_name: "masterclient", organizations: &[], now: made, lifetime_days: 30 };
        let identity = self.authority.issue_client(&wanted).unwrap();
        (STANDARD.encode(identity.certificate_pem), STANDARD.encode(identity.key_pem.expose()))
    }

    /// A kubeconfig for `server`, with more lines for the cluster and the user (`user`: YAML flow).
    pub(crate) fn kubeconfig(&self, server: &str, more: &str, user: &str) -> String {
        let authority = STANDARD.encode(self.authority.certificate_pem());
        format!(
            "clusters:\n- name: a\n  cluster:\n    server: {server}\n    certificate-authority-data: {authority}\n{more}\
             contexts:\n- name: a\n  context: {{cluster: a, user: clusterUser_rg_a}}\ncurrent-context: a\n\
             users:\n- name: clusterUser_rg_a\n  user: {user}\n"
        )
    }
}

async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn answer(api: Api, known: bool) -> String {
    let (status, body) = match (api, known) {
        (Api::Ill, _) => ("503 Service Unavailable", r#"{"kind":"Status","message":"etcd is not there"}"#),
        (_, true) => ("200 OK", r#"{"gitVersion":"v1.33.2"}"#),
        (_, false) => ("401 Unauthorized", r#"{"kind":"Status","message":"Unauthorized"}"#),
    };
    let ahead = if api == Api::Ahead { 86_400 } else { 0 };
    let date = Timestamp::from_second(now().0 + ahead).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT");
    format!("HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A server that answers every connection with `text`, whatever it is asked.
pub(crate) async fn says(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut some = [0; 1024];
                let _ = stream.read(&mut some).await;
                let _ = stream.write_all(text.as_bytes()).await;
            });
        }
    });
    port
}

/// A proxy that connects everybody to a port of this machine.
pub(crate) async fn proxy(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let request = head(&mut stream).await?;
                assert!(request.starts_with("CONNECT "), "{request}");
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                let mut there = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                tokio::io::copy_bidirectional(&mut stream, &mut there).await.ok()
            });
        }
    });
    own
}

/// A way to `port` that swallows all that comes in one piece larger than `octets`, and whatever comes after it, as a link
/// with a smaller MTU and no ICMP does.
pub(crate) async fn narrow(port: u16, octets: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut back) = near.into_split();
                let (mut answers, mut to) = TcpStream::connect(("127.0.0.1", port)).await.ok()?.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
                let mut piece = vec![0; 16 * 1024];
                loop {
                    let length = from.read(&mut piece).await.ok().filter(|length| *length > 0)?;
                    if length > octets {
                        // Open, and nothing passes.
                        std::future::pending::<()>().await;
                    }
                    to.write_all(&piece[..length]).await.ok()?;
                }
                #[expect(unreachable_code, reason = "tells what the block gives")]
                Some(())
            });
        }
    });
    own
}

/// A listening port that answers nothing: its backlog is taken, so that nobody else gets through.
pub(crate) async fn deaf() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

/// A port that nobody listens at.
pub(crate) async fn nobody() -> u16 {
    deaf().await.0
}

/// A machine to diagnose on.
#[derive(Clone, Default)]
pub(crate) struct Machine {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) hosts: String,
    /// What its programs are told; a name that is not there is not found. The hosts file goes first.
    pub(crate) told: Vec<(String, IpAddr)>,
    pub(crate) servers: Vec<SocketAddr>,
    /// A server that is asked about one domain only.
    pub(crate) routed: Option<(SocketAddr, String)>,
    pub(crate) public: Vec<SocketAddr>,
    pub(crate) azure: Option<SocketAddr>,
}

impl Machine {
    /// One whose programs are told that `name` is this machine.
    pub(crate) fn told(name: &str) -> Self {
        Self { told: vec![(name.to_owned(), IpAddr::from([127, 0, 0, 1]))], ..Self::default() }
    }

    fn surroundings(&self) -> Surroundings {
        let server = |address: SocketAddr, source: &str, domains| Server { address, source: source.into(), domains };
        let mut servers: Vec<Server> =
            self.servers.iter().map(|address| server(*address, "resolv.conf", Vec::new())).collect();
        servers.extend(self.routed.iter().map(|(address, domain)| server(*address, "tun0", vec![domain.clone()])));
        let machine = self.clone();
        let lookup: Lookup = Arc::new(move |name| {
            let mut addresses = hosts_entries(&machine.hosts, &name);
            if addresses.is_empty() {
                addresses.extend(machine.told.iter().filter(|(known, _)| *known == name).map(|(_, address)| *address));
            }
            let reply = if addresses.is_empty() {
                SystemReply::Failed { error: "Name or service not known".to_owned() }
            } else {
                SystemReply::Addresses { addresses }
            };
            Box::pin(async move { reply })
        });
        Surroundings {
            variables: self.variables.iter().cloned().collect(),
            hosts: self.hosts.clone(),
            dns: Configuration { servers, search: Vec::new() },
            lookup,
            public_resolvers: self.public.clone(),
            azure_resolver: self.azure,
            clock: Timestamp::now,
        }
    }

    /// What the doctor sees and says here of a kubeconfig.
    pub(crate) async fn diagnose(&self, kubeconfig: &str, depth: Depth) -> (Observations, Diagnosis) {
        let seen = doctor::observe(&access(kubeconfig), &self.surroundings(), depth, &|_| ()).await;
        let diagnosis = doctor::diagnose(&seen);
        (seen, diagnosis)
    }

    /// The code of the cause, or `healthy`.
    pub(crate) async fn verdict(&self, kubeconfig: &str) -> &'static str {
        let (_, diagnosis) = self.diagnose(kubeconfig, Depth::Plain).await;
        diagnosis.cause.map_or("healthy", |cause| cause.code.name())
    }
}

/// A kubeconfig as it is read from a file.
pub(crate) fn access(kubeconfig: &str) -> Access {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), kubeconfig).unwrap();
    doctor::load(&[file.path().to_owned()], None).unwrap()
}
