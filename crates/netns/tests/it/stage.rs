//! A small world to tell stories in: two peered networks with machines, a gateway with a client,
//! the backbone with API servers, a machine on the Internet.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use netns::{Applied, Fabric};
use network::{
    ResourceId, ViewId,
    plan::{
        self, BACKBONE_HOP, BackboneFilter, Endpoint, FABRIC_MAC, Filter, GatewayFilter, InterfaceFilter, LinkEnd,
        LinkName, Listener, MAIN_TABLE, Namespace, PeerFilter, Place, Plan, Route, RouteTarget, RouterFilter, Veth,
        mac_of,
    },
};

pub(crate) use crate::common::{helper, skip};

pub(crate) const AZURE_DNS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// How long silence lasts before it is taken for silence.
const SILENCE: Duration = Duration::from_millis(250);

pub(crate) fn id(kind: &str, name: &str) -> ResourceId {
    let text = format!("/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/{kind}/{name}");
    ResourceId::parse(&text).expect("an id")
}

pub(crate) fn network(name: &str) -> Place {
    Place::Network(id("virtualNetworks", name))
}

pub(crate) fn machine(name: &str) -> Place {
    Place::Machine(id("networkInterfaces", name))
}

pub(crate) fn gateway() -> Place {
    Place::Gateway(id("virtualNetworkGateways", "gateway"))
}

pub(crate) fn client() -> Place {
    Place::VpnClient(id("virtualNetworkGateways", "gateway"))
}

pub(crate) fn link(name: &str) -> LinkName {
    LinkName::new(name)
}

pub(crate) fn at(text: &str) -> SocketAddrV4 {
    text.parse().expect("an address and a port")
}

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

pub(crate) fn route(to: &str, target: RouteTarget) -> Route {
    Route { table: MAIN_TABLE, to: to.parse().expect("a prefix"), target }
}

/// What is to be, before it becomes a [`plan::Fabric`].
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) spaces: BTreeMap<Place, Namespace>,
    pub(crate) veths: BTreeSet<Veth>,
}

impl World {
    pub(crate) fn fabric(&self) -> plan::Fabric {
        let mut fabric = plan::Fabric::default();
        let spaces = self.spaces.iter().map(|(place, space)| (place.clone(), Arc::new(space.clone())));
        fabric.namespaces = spaces.collect();
        fabric.veths = self.veths.iter().cloned().collect();
        fabric
    }

    pub(crate) fn space(&mut self, place: &Place) -> &mut Namespace {
        self.spaces.entry(place.clone()).or_default()
    }

    pub(crate) fn router(&mut self, place: &Place) -> &mut RouterFilter {
        let space = self.space(place);
        if !matches!(space.filter, Filter::Router(_)) {
            space.filter = Filter::Router(Box::default());
            space.forwarding = true;
        }
        let Filter::Router(filter) = &mut space.filter else { unreachable!() };
        filter
    }

    pub(crate) fn backbone(&mut self) -> &mut BackboneFilter {
        let space = self.space(&Place::Backbone);
        if !matches!(space.filter, Filter::Backbone(_)) {
            space.filter = Filter::Backbone(BackboneFilter::default());
            space.forwarding = true;
        }
        let Filter::Backbone(filter) = &mut space.filter else { unreachable!() };
        filter
    }

    pub(crate) fn route(&mut self, place: &Place, to: &str, target: RouteTarget) {
        self.space(place).routes.insert(route(to, target));
    }

    pub(crate) fn pair(&mut self, one: LinkEnd, other: LinkEnd) {
        let (near, far) = if one < other { (one, other) } else { (other, one) };
        self.veths.insert(Veth { near, far });
    }

    /// A machine behind a router, by its link there.
    pub(crate) fn machine(&mut self, router: &Place, name: &str, address: Ipv4Addr) {
        let place = machine(name);
        let hop = Ipv4Addr::new(address.octets()[0], address.octets()[1], 0, 1);
        self.pair(
            end(&place, "eth0", mac_of(address), &[address], &[hop]),
            end(router, name, FABRIC_MAC, &[], &[address]),
        );
        self.route(&place, "0.0.0.0/0", RouteTarget::Via(link("eth0"), hop));
        let interface = InterfaceFilter { addresses: vec![address], ..InterfaceFilter::default() };
        self.router(router).interfaces.insert(link(name), interface);
    }

    /// Somebody's link to the backbone, where he is known by an address.
    pub(crate) fn join_backbone(&mut self, place: &Place, name: &str, address: Ipv4Addr) {
        let own: &[Ipv4Addr] = if matches!(place, Place::Network(_)) { &[] } else { &[address] };
        self.pair(
            end(place, "backbone", mac_of(address), own, &[BACKBONE_HOP]),
            end(&Place::Backbone, name, FABRIC_MAC, &[BACKBONE_HOP], &[address]),
        );
        self.route(place, "0.0.0.0/0", RouteTarget::Via(link("backbone"), BACKBONE_HOP));
    }
}

pub(crate) fn end(place: &Place, name: &str, mac: [u8; 6], addresses: &[Ipv4Addr], neighbours: &[Ipv4Addr]) -> LinkEnd {
    LinkEnd {
        place: place.clone(),
        name: link(name),
        mac,
        addresses: addresses.to_vec(),
        neighbours: neighbours.to_vec(),
    }
}

/// The world of most stories: `one` (10.0.0.0/16: vm-1, vm-2, an endpoint at 10.0.0.9) and `two`
/// (10.1.0.0/16: vm-3), peered; a gateway of `one` with a client (172.16.0.2); the Internet.
pub(crate) fn world() -> World {
    let mut world = World::default();
    let (one, two) = (network("one"), network("two"));
    world.backbone();
    world.space(&Place::Backbone).listeners.insert(at("0.0.0.0:443"), Listener::ApiServers);
    for (place, name, outbound) in [(&one, "one", "248.0.0.1"), (&two, "two", "248.0.0.2")] {
        world.join_backbone(place, name, ip(outbound));
        world.route(place, "168.63.129.16/32", RouteTarget::Local);
        world.route(place, "240.0.0.0/5", RouteTarget::Local);
        let view = ViewId::VirtualNetwork(id("virtualNetworks", name));
        let dns = SocketAddrV4::new(AZURE_DNS, 53);
        world.space(place).listeners.insert(dns, Listener::Dns(view));
        let router = world.router(place);
        router.backbone = Some(link("backbone"));
        router.outbound = Some(ip(outbound));
        router.dns.insert(AZURE_DNS);
    }
    world.join_backbone(&Place::Internet, "internet", ip("198.51.1.1"));
    world.machine(&one, "vm-1", ip("10.0.0.4"));
    world.machine(&one, "vm-2", ip("10.0.0.5"));
    world.machine(&two, "vm-3", ip("10.1.0.4"));
    let endpoint = Endpoint { port: 443, server: at("240.0.0.1:443"), inbound: Vec::new() };
    world.router(&one).endpoints.insert(ip("10.0.0.9"), endpoint);
    world.space(&one).listeners.insert(at("0.0.0.0:443"), Listener::ApiServers);

    world.pair(end(&one, "to-two", FABRIC_MAC, &[], &[]), end(&two, "to-one", FABRIC_MAC, &[], &[]));
    world.route(&one, "10.1.0.0/16", RouteTarget::Link(link("to-two")));
    world.route(&two, "10.0.0.0/16", RouteTarget::Link(link("to-one")));
    let peer = |net: &str| PeerFilter { sources: vec![net.parse().expect("a net")], ..PeerFilter::default() };
    world.router(&one).peers.insert(link("to-two"), peer("10.1.0.0/16"));
    world.router(&two).peers.insert(link("to-one"), peer("10.0.0.0/16"));

    world.pair(end(&one, "gateway", FABRIC_MAC, &[], &[]), end(&gateway(), "network", FABRIC_MAC, &[], &[]));
    world.router(&one).gateway = Some(link("gateway"));
    world.route(&one, "172.16.0.0/24", RouteTarget::Link(link("gateway")));
    let address = ip("172.16.0.2");
    world.pair(
        end(&client(), "tun0", mac_of(address), &[address], &[ip("172.16.0.1")]),
        end(&gateway(), "client", FABRIC_MAC, &[], &[address]),
    );
    world.route(&client(), "10.0.0.0/8", RouteTarget::Via(link("tun0"), ip("172.16.0.1")));
    world.route(&gateway(), "10.0.0.0/8", RouteTarget::Link(link("network")));
    let sources = BTreeMap::from([(link("client"), vec!["172.16.0.0/24".parse().expect("a net")])]);
    let space = world.space(&gateway());
    space.forwarding = true;
    space.filter = Filter::Gateway(GatewayFilter { network: Some(link("network")), sources });
    world
}

/// What a client sees of a connection that it asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It stands; the server knows the client by the first address and took it at the second.
    Connected(String, String),
    /// Somebody said no.
    Refused,
    /// Nobody said anything.
    Silence,
}

impl Seen {
    pub(crate) fn stands(&self) -> bool {
        matches!(self, Self::Connected(..))
    }
}

/// A running fabric with a world in it.
pub(crate) struct Stage {
    pub(crate) fabric: Fabric,
    pub(crate) world: World,
}

impl Stage {
    /// Sets the world up; its API servers and DNS servers say who was there.
    pub(crate) async fn set(world: World) -> Self {
        let fabric = Fabric::start(helper()).await.expect("the fabric stands");
        let stage = Self { fabric, world };
        let applied = stage.apply(&plan::Fabric::default(), &stage.world.fabric()).await;
        for opened in applied.opened {
            serve(opened.tcp);
            if let Some(udp) = opened.udp {
                udp.set_nonblocking(false).expect("a socket");
                thread::spawn(move || answer(&udp));
            }
        }
        stage
    }

    /// Changes the world.
    pub(crate) async fn change(&mut self, change: impl FnOnce(&mut World)) {
        let before = self.world.fabric();
        change(&mut self.world);
        self.apply(&before, &self.world.fabric()).await;
    }

    async fn apply(&self, before: &plan::Fabric, after: &plan::Fabric) -> Applied {
        let applied = self.fabric.apply(&Plan::between(before, after)).await.expect("the fabric stands");
        assert_eq!(applied.failed, [], "every step can be carried out");
        applied
    }

    /// The helper's process.
    pub(crate) async fn helper(&self) -> i32 {
        let entrance = serde_json::to_value(self.fabric.enter(&Place::Backbone).await.expect("a place")).expect("JSON");
        let path = entrance["pid"]["path"].as_str().expect("a path").to_owned();
        path.split('/').nth(2).expect("a number").parse().expect("a number")
    }

    /// Does something at a place.
    pub(crate) async fn at<R: Send>(&self, place: &Place, act: impl FnOnce() -> R + Send) -> R {
        crate::common::at(&self.fabric, place, act).await
    }

    /// A server at a place, which says who came.
    pub(crate) async fn serve(&self, place: &Place, address: &str) {
        let address = at(address);
        self.at(place, || serve(TcpListener::bind(address).expect("the address is free"))).await;
    }

    /// A connection.
    pub(crate) async fn connect(&self, place: &Place, to: &str) -> Seen {
        let to = at(to);
        self.at(place, || connect(to).map_or_else(|seen| seen, |(seen, _)| seen)).await
    }

    /// A connection that stays.
    pub(crate) async fn hold(&self, place: &Place, to: &str) -> TcpStream {
        let to = at(to);
        self.at(place, || connect(to).expect("a connection").1).await
    }

    /// What a DNS server answers over UDP: who asked it.
    pub(crate) async fn ask(&self, place: &Place, server: &str) -> Option<String> {
        let server = at(server);
        self.at(place, || {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
            socket.connect(server).expect("a route");
            let _ = socket.send(b"?");
            let mut answer = [0; 64];
            let length = socket.recv(&mut answer).ok()?;
            Some(String::from_utf8_lossy(&answer[..length]).into_owned())
        })
        .await
    }

    /// Whether an ICMP echo request is answered.
    pub(crate) async fn ping(&self, place: &Place, to: &str) -> bool {
        use socket2::{Domain, Protocol, Socket, Type};
        let to = SocketAddrV4::new(ip(to), 0);
        self.at(place, || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).expect("a socket");
            socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
            let request = [8, 0, 0, 0, 0, 0, 0, 1];
            let mut answer = [0; 64];
            socket.send_to(&request, &to.into()).is_ok() && (&socket).read(&mut answer).is_ok()
        })
        .await
    }

    /// The output of a command at a place.
    pub(crate) async fn output(&self, place: &Place, line: &str) -> String {
        self.at(place, || {
            let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
        .await
    }
}

fn connect(to: SocketAddrV4) -> Result<(Seen, TcpStream), Seen> {
    let stream = TcpStream::connect_timeout(&to.into(), SILENCE).map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Seen::Refused,
        std::io::ErrorKind::TimedOut => Seen::Silence,
        _ => panic!("{to}: {error}"),
    })?;
    stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let mut line = String::new();
    BufReader::new(stream.try_clone().expect("a stream")).read_line(&mut line).expect("a word from the server");
    let (from, at) = line.trim().split_once(' ').expect("two addresses");
    Ok((Seen::Connected(from.to_owned(), at.to_owned()), stream))
}

/// Whether a connection still carries what is said.
pub(crate) fn is_alive(stream: &mut TcpStream) -> bool {
    let mut echo = [0; 2];
    stream.write_all(b"hi").is_ok() && stream.read_exact(&mut echo).is_ok()
}

/// Says who came and repeats what he says.
fn serve(listener: TcpListener) {
    listener.set_nonblocking(false).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let (from, at) = (stream.peer_addr().expect("a peer"), stream.local_addr().expect("an address"));
                let _ = writeln!(stream, "{} {at}", from.ip());
                let mut octets = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut octets) {
                    let _ = stream.write_all(&octets[..length]);
                }
            });
        }
    });
}

fn answer(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((_, from)) = socket.recv_from(&mut question) {
        let _ = socket.send_to(from.ip().to_string().as_bytes(), from);
    }
}
