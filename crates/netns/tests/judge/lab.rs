//! A network realised in the kernel, with all that answers in it: API servers, DNS views, and at
//! every machine a server that says who it is and a DNS server that forwards to Azure's.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    process::Command,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use dns::{CurrentNetwork, ServedView};
use netns::{Applied, Fabric};
use network::{
    AZURE_DNS, EffectiveRoute, Network, NextHop, ResourceId,
    plan::{self, Listener, PUBLIC_DNS, Place, Plan, Step},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{MACHINE_PORT, NAME_PORT};

/// A fabric with a network in it.
pub(crate) struct Lab {
    fabric: Fabric,
    current: CurrentNetwork,
    planned: Arc<Mutex<plan::Fabric>>,
    dns: dns::Server,
    views: BTreeMap<(Place, SocketAddrV4), ServedView>,
    staff: BTreeMap<Place, Staff>,
    /// What machines do to the sources of what they send.
    translations: BTreeMap<Place, String>,
    servers: BTreeMap<(Place, SocketAddrV4), Staff>,
}

/// What runs at a place; ends when dropped.
struct Staff(Vec<JoinHandle<()>>);

impl Drop for Staff {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Lab {
    /// An empty one.
    pub(crate) async fn start() -> Self {
        let fabric = Fabric::start(crate::common::helper()).await.expect("the fabric stands");
        let current: CurrentNetwork = Arc::new(ArcSwap::from_pointee(Network::default()));
        let dns = dns::Server::new(Arc::clone(&current), CancellationToken::new());
        Self {
            fabric,
            current,
            planned: Arc::default(),
            dns,
            views: BTreeMap::new(),
            staff: BTreeMap::new(),
            translations: BTreeMap::new(),
            servers: BTreeMap::new(),
        }
    }

    /// The network that stands, as it is published.
    pub(crate) fn current(&self) -> CurrentNetwork {
        Arc::clone(&self.current)
    }

    pub(crate) fn planned(&self) -> plan::Fabric {
        self.planned.lock().expect("no panic").clone()
    }

    /// Goes from what stands to `network` by the steps between them.
    pub(crate) async fn realise(&mut self, network: &Network) {
        let before = self.planned();
        let after = before.advance(network);
        let plan = Plan::between(&before, &after);
        for step in &plan.steps {
            match step {
                Step::Close(place, at) => {
                    let key = (place.clone(), *at);
                    self.views.remove(&key);
                    self.servers.remove(&key);
                }
                Step::RemoveNamespace(place) => {
                    self.staff.remove(place);
                    self.translations.remove(place);
                }
                _ => {}
            }
        }
        // What was served notices only when its task is looked at.
        tokio::task::yield_now().await;
        self.current.store(Arc::new(network.clone()));
        let Applied { opened, failed } = self.fabric.apply(&plan).await.expect("the fabric stands");
        let said: Vec<_> = failed.iter().map(|failed| (plan.steps[failed.step].to_string(), &failed.reason)).collect();
        assert!(said.is_empty(), "steps that cannot be carried out: {said:#?}");
        *self.planned.lock().expect("no panic") = after.clone();
        for opened in opened {
            match opened.listener {
                Listener::Dns(view) => {
                    let bound = dns::Server::adopt(view, opened.udp.expect("UDP"), opened.tcp).expect("a view");
                    self.views.insert((opened.place, opened.at), self.dns.serve(bound));
                }
                Listener::Metadata => {}
                Listener::ApiServers => {
                    let listener = TcpListener::from_std(opened.tcp).expect("a listener");
                    let serving = tokio::spawn(api_servers(listener, Arc::clone(&self.planned)));
                    self.servers.insert((opened.place, opened.at), Staff(vec![serving]));
                }
            }
        }
        for place in after.namespaces.keys() {
            let at_site =
                |id| network.client(id).is_some_and(|client| client.site.is_some() && client.gateway.is_none());
            let (who, asks) = match place {
                Place::Machine(id) => (id, AZURE_DNS),
                Place::Client(id) if at_site(id) => (id, PUBLIC_DNS),
                _ => continue,
            };
            if let Some(rules) = masquerade(network, who) {
                self.translate(place, rules).await;
            }
            if !self.staff.contains_key(place) {
                let staff = self.man(place, who.name(), asks).await;
                self.staff.insert(place.clone(), staff);
            }
        }
    }

    /// Does something at a place.
    pub(crate) async fn at<R: Send>(&self, place: &Place, act: impl FnOnce() -> R + Send) -> R {
        crate::common::at(&self.fabric, place, act).await
    }

    /// Has a machine translate what leaves for the Internet from there.
    async fn translate(&mut self, place: &Place, rules: String) {
        if self.translations.get(place) != Some(&rules) {
            let set = self.at(place, || Command::new("nft").arg(&rules).status().expect("nft")).await;
            assert!(set.success(), "nft {rules}");
            self.translations.insert(place.clone(), rules);
        }
    }

    /// Puts servers at a machine.
    async fn man(&self, place: &Place, who: &str, asks: Ipv4Addr) -> Staff {
        let sockets = self.at(place, move || {
            let any = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
            let words = socket(Type::STREAM, any(MACHINE_PORT));
            let names = socket(Type::STREAM, any(NAME_PORT));
            for listener in [&words, &names] {
                listener.listen(1024).expect("a listener");
            }
            let questions = socket(Type::DGRAM, any(NAME_PORT));
            let further = socket(Type::DGRAM, any(0));
            (words, names, questions, further)
        });
        let (words, names, questions, further) = sockets.await;
        let listener = |socket: Socket| TcpListener::from_std(socket.into()).expect("a listener");
        let datagrams = |socket: Socket| UdpSocket::from_std(socket.into()).expect("a socket");
        Staff(vec![
            tokio::spawn(say(listener(words), who.to_owned())),
            tokio::spawn(say(listener(names), String::new())),
            tokio::spawn(forward(datagrams(questions), datagrams(further), SocketAddrV4::new(asks, NAME_PORT))),
        ])
    }
}

/// A non-blocking socket in the calling thread's namespace.
fn socket(kind: Type, at: SocketAddrV4) -> Socket {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::IPV4, kind.nonblocking(), Some(protocol)).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.bind(&at.into()).expect("the address is free");
    socket
}

/// Says `who` to whoever comes.
async fn say(listener: TcpListener, who: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.write_all(who.as_bytes()).await;
    }
}

/// What the owner of a machine that may be an appliance sets up there: Azure translates for nobody what is not the
/// machine's own, so that the machine does where its routes lead to the Internet, and passes on as it
/// is what they lead to another machine. Rules stand in the order in which routes are looked up.
fn masquerade(network: &Network, interface: &ResourceId) -> Option<String> {
    let mut interfaces = network.virtual_networks().values().flat_map(|held| held.interfaces.values());
    let subnet = &interfaces.find(|held| held.id == *interface)?.subnet;
    let rule = |route: &EffectiveRoute| {
        let leaves = route.next_hop == NextHop::Internet;
        format!(
            "add rule ip appliance out ip daddr {} {}; ",
            route.prefix,
            if leaves { "masquerade" } else { "return" }
        )
    };
    let rules: String = network.effective_routes(subnet).iter().map(rule).collect();
    Some(format!(
        "add table ip appliance; add chain ip appliance out {{ type nat hook postrouting priority 100; }}; \
         flush chain ip appliance out; {rules}"
    ))
}

/// Says which cluster was come to.
async fn api_servers(listener: TcpListener, planned: Arc<Mutex<plan::Fabric>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Ok(SocketAddr::V4(at)) = stream.local_addr() else { continue };
        let cluster = planned.lock().expect("no panic").cluster_at(*at.ip()).map(|id| id.name().to_owned());
        let who = cluster.unwrap_or_else(|| format!("nobody's API server {at}"));
        let _ = stream.write_all(who.as_bytes()).await;
    }
}

/// A DNS server that knows nothing itself: every question is asked further under a number of its
/// own, so that one that nobody answers holds up no other.
async fn forward(questions: UdpSocket, further: UdpSocket, server: SocketAddrV4) {
    let (mut question, mut answer) = ([0; 1500], [0; 1500]);
    let mut asked: BTreeMap<u16, (SocketAddr, [u8; 2])> = BTreeMap::new();
    let mut last: u16 = 0;
    loop {
        tokio::select! {
            Ok((length @ 2.., from)) = questions.recv_from(&mut question) => {
                last = last.wrapping_add(1);
                asked.insert(last, (from, [question[0], question[1]]));
                question[..2].copy_from_slice(&last.to_be_bytes());
                let _ = further.send_to(&question[..length], server).await;
            }
            Ok(length @ 2..) = further.recv(&mut answer) => {
                if let Some((from, id)) = asked.remove(&u16::from_be_bytes([answer[0], answer[1]])) {
                    answer[..2].copy_from_slice(&id);
                    let _ = questions.send_to(&answer[..length], from).await;
                }
            }
            // A datagram that could not be delivered: whoever asked asks again.
            else => tokio::task::yield_now().await,
        }
    }
}
