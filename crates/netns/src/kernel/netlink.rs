//! Route netlink: links, addresses, neighbours, routes and rules, many in one system call.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Instant,
};

use ipnet::Ipv4Net;
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage as Message,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use network::plan::{MAIN_TABLE, RouteTarget};
use nix::poll::{PollFd, PollFlags, poll};

/// Messages in one system call: their answers fit a socket's buffer.
const BATCH: usize = 64;
/// The table of what is the namespace's own.
pub(crate) const LOCAL_TABLE: u32 = 255;
/// Every namespace's loopback device.
pub(crate) const LOOPBACK: u32 = 1;
/// `RTNLGRP_LINK`.
const LINK_NEWS: u32 = 1;
/// How long a link may take to carry packets; and when to look again if nothing is heard.
const CARRIER_MAX_MS: u16 = 5000;
const LOOK_AGAIN_MS: u16 = 100;
/// Where the rules of marks stand: after the local table, before the main one.
const RULE_PRIORITY: u32 = 1000;
/// `IFLA_GSO_IPV4_MAX_SIZE` and `IFLA_GRO_IPV4_MAX_SIZE`, which Linux knows since 6.3 and passes over
/// before.
const GSO_IPV4_MAX_SIZE: u16 = 63;
const GRO_IPV4_MAX_SIZE: u16 = 64;
/// Octets that travel as one packet ("BIG TCP") and are cut up only where they leave the fabric: what
/// routers do for each packet they then do a third as often. The size that the kernel's own
/// documentation uses.
const PACKET_MAX: u32 = 196_608;
/// Who made a route or a rule: not a number that anybody else uses (`/etc/iproute2/rt_protos`).
const OURS: u8 = 110;

/// A message with what it may do.
pub(crate) struct Change {
    flags: u16,
    message: Message,
    /// The answer to be taken for success as well: what is to be made stands, what is to go is gone.
    done: &'static [i32],
}

/// A netlink socket of the namespace that its thread was in when it was opened.
pub(crate) struct Netlink(Socket);

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        Ok(Self(socket))
    }

    /// Carries out the changes in order, each whether or not others fail.
    pub(crate) fn apply(&self, changes: &[Change]) -> io::Result<Vec<io::Result<()>>> {
        let mut results = Vec::with_capacity(changes.len());
        for some in changes.chunks(BATCH) {
            let mut buffer = Vec::new();
            for (sequence, change) in some.iter().enumerate() {
                let sequence = u32::try_from(sequence).map_err(io::Error::other)?;
                push(&mut buffer, change.message.clone(), NLM_F_REQUEST | NLM_F_ACK | change.flags, sequence);
            }
            self.0.send(&buffer, 0)?;
            let mut answers: BTreeMap<u32, io::Result<()>> = BTreeMap::new();
            while answers.len() < some.len() {
                self.receive(|header, payload| {
                    if let NetlinkPayload::Error(error) = payload {
                        answers.insert(header, if error.code.is_some() { Err(error.to_io()) } else { Ok(()) });
                    }
                })?;
            }
            results.extend(some.iter().zip(answers.into_values()).map(|(change, answer)| match answer {
                Err(error) if error.raw_os_error().is_some_and(|code| change.done.contains(&code)) => Ok(()),
                answer => answer,
            }));
        }
        Ok(results)
    }

    /// Everything of one kind.
    pub(crate) fn dump(&self, request: Message) -> io::Result<Vec<Message>> {
        let mut buffer = Vec::new();
        push(&mut buffer, request, NLM_F_REQUEST | NLM_F_DUMP, 0);
        self.0.send(&buffer, 0)?;
        let (mut found, mut done) = (Vec::new(), Ok(false));
        while matches!(done, Ok(false)) {
            self.receive(|_, payload| match payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Done(_) => done = Ok(true),
                NetlinkPayload::Error(error) => done = Err(error.to_io()),
                _ => {}
            })?;
        }
        done.map(|_| found)
    }

    fn receive(&self, mut each: impl FnMut(u32, NetlinkPayload<Message>)) -> io::Result<()> {
        let (answer, _) = self.0.recv_from_full()?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<Message>::deserialize(rest).map_err(io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4).clamp(16, rest.len());
            rest = &rest[length..];
            each(message.header.sequence_number, message.payload);
        }
        Ok(())
    }
}

fn push(buffer: &mut Vec<u8>, message: Message, flags: u16, sequence: u32) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = buffer.len();
    buffer.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut buffer[start..]);
}

/// Waits until links carry packets: the kernel makes them do so in its own time after they are up.
///
/// # Errors
/// They do not, within [`CARRIER_MAX_MS`].
pub(crate) fn await_carrier(links: &[u32]) -> io::Result<()> {
    let mut news = Socket::new(NETLINK_ROUTE)?;
    news.bind_auto()?;
    news.add_membership(LINK_NEWS)?;
    news.set_non_blocking(true)?;
    let netlink = Netlink::open()?;
    let started = Instant::now();
    loop {
        let carrying: Vec<u32> = netlink
            .dump(Message::GetLink(LinkMessage::default()))?
            .into_iter()
            .filter_map(|message| match message {
                Message::NewLink(link) if link.attributes.contains(&LinkAttribute::OperState(State::Up)) => {
                    Some(link.header.index)
                }
                _ => None,
            })
            .collect();
        if links.iter().all(|link| carrying.contains(link)) {
            return Ok(());
        }
        let elapsed = u16::try_from(started.elapsed().as_millis()).unwrap_or(u16::MAX);
        let Some(left @ 1..) = CARRIER_MAX_MS.checked_sub(elapsed) else {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the link does not come up"));
        };
        // What is new is in the next look; of many messages, those that wait are passed over.
        poll(&mut [PollFd::new(news.as_fd(), PollFlags::POLLIN)], left.min(LOOK_AGAIN_MS))?;
        while news.recv_from_full().is_ok() {}
    }
}

/// One end of a veth pair to be.
pub(crate) struct End<'a> {
    pub(crate) namespace: BorrowedFd<'a>,
    pub(crate) index: u32,
    pub(crate) name: &'a str,
    pub(crate) mac: [u8; 6],
}

/// Makes a pair, both ends where they belong. An end comes up only when the other one stands.
pub(crate) fn create_veth(near: &End<'_>, far: &End<'_>) -> Change {
    let end = |end: &End<'_>| {
        let mut link = LinkMessage::default();
        link.header.index = end.index;
        link.attributes.push(LinkAttribute::IfName(end.name.to_owned()));
        link.attributes.push(LinkAttribute::Address(end.mac.to_vec()));
        link.attributes.push(LinkAttribute::NetNsFd(end.namespace.as_raw_fd()));
        let most = |attribute| LinkAttribute::Other(DefaultNla::new(attribute, PACKET_MAX.to_ne_bytes().to_vec()));
        link.attributes.extend([GSO_IPV4_MAX_SIZE, GRO_IPV4_MAX_SIZE].map(most));
        link
    };
    let mut link = end(near);
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end(far)))),
    ]));
    Change { flags: NLM_F_CREATE | NLM_F_EXCL, message: Message::NewLink(link), done: &[] }
}

/// Removes a link, and with it the other end of its pair.
pub(crate) fn remove_link(name: &str) -> Change {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_owned()));
    Change { flags: 0, message: Message::DelLink(link), done: &[nix::libc::ENODEV] }
}

/// Brings a link up.
pub(crate) fn up(index: u32) -> Change {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    Change { flags: 0, message: Message::SetLink(link), done: &[] }
}

/// Gives a link an address, as a /32.
pub(crate) fn address(index: u32, address: Ipv4Addr) -> Change {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(IpAddr::V4(address)));
    message.attributes.push(AddressAttribute::Address(IpAddr::V4(address)));
    Change { flags: NLM_F_CREATE | NLM_F_REPLACE, message: Message::NewAddress(message), done: &[] }
}

/// A neighbour that is known for good.
pub(crate) fn neighbour(index: u32, address: Ipv4Addr, mac: [u8; 6]) -> Change {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(address)));
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    Change { flags: NLM_F_CREATE | NLM_F_REPLACE, message: Message::NewNeighbour(message), done: &[] }
}

/// A route as the kernel knows it: links by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KernelRoute {
    pub(crate) table: u32,
    pub(crate) to: Ipv4Net,
    pub(crate) via: KernelTarget,
}

/// Where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KernelTarget {
    Link(u32),
    Hop(u32, Ipv4Addr),
    Local,
    Blackhole,
    Throw,
}

impl KernelRoute {
    /// The table that holds a route of the plan: what is the namespace's own stands in the local
    /// one, where the kernel looks for source addresses.
    pub(crate) fn table_of(table: u32, target: &RouteTarget) -> u32 {
        if table == MAIN_TABLE && *target == RouteTarget::Local { LOCAL_TABLE } else { table }
    }

    pub(crate) fn add(&self) -> Change {
        let message = Message::NewRoute(self.message());
        Change { flags: NLM_F_CREATE | NLM_F_REPLACE, message, done: &[] }
    }

    /// Whoever made it.
    pub(crate) fn remove(&self) -> Change {
        let mut message = self.message();
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        // A link that went took its routes along.
        Change {
            flags: 0,
            message: Message::DelRoute(message),
            done: &[nix::libc::ESRCH, nix::libc::ENODEV, nix::libc::ENETDOWN],
        }
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.destination_prefix_length = self.to.prefix_len();
        message.header.protocol = RouteProtocol::Other(OURS);
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(self.to.network())));
        message.attributes.push(RouteAttribute::Table(self.table));
        match self.via {
            KernelTarget::Link(link) => {
                message.header.scope = RouteScope::Link;
                message.attributes.push(RouteAttribute::Oif(link));
            }
            KernelTarget::Hop(link, hop) => {
                // The hop is on the link, whatever the other routes say.
                message.header.flags = RouteFlags::Onlink;
                message.attributes.push(RouteAttribute::Oif(link));
                message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(hop)));
            }
            KernelTarget::Local => {
                message.header.kind = RouteType::Local;
                message.header.scope = RouteScope::Host;
                message.attributes.push(RouteAttribute::Oif(LOOPBACK));
            }
            KernelTarget::Blackhole => message.header.kind = RouteType::BlackHole,
            KernelTarget::Throw => message.header.kind = RouteType::Throw,
        }
        message
    }
}

/// Packets marked with a table's number look there first.
///
/// Such tables come before what is the namespace's own, which Linux would otherwise look at first: a
/// user's route leads elsewhere even what is for a resolver that stands here. A namespace without
/// them keeps Linux's order, in which looking a route up costs half.
pub(crate) fn mark_rules(table: u32) -> [Change; 3] {
    let local = rule(LOCAL_TABLE, RULE_PRIORITY + 1, []);
    let mut linux = rule(LOCAL_TABLE, 0, []);
    linux.attributes.retain(|attribute| !matches!(attribute, RuleAttribute::Protocol(_)));
    let add =
        |rule| Change { flags: NLM_F_CREATE | NLM_F_EXCL, message: Message::NewRule(rule), done: &[nix::libc::EEXIST] };
    let remove = Change { flags: 0, message: Message::DelRule(linux), done: &[nix::libc::ENOENT] };
    [add(local), remove, add(rule_message(table))]
}

/// They do not any more.
pub(crate) fn remove_mark_rule(table: u32) -> Change {
    Change { flags: 0, message: Message::DelRule(rule_message(table)), done: &[nix::libc::ENOENT] }
}

fn rule_message(table: u32) -> RuleMessage {
    rule(table, RULE_PRIORITY, [RuleAttribute::FwMark(table)])
}

fn rule(table: u32, priority: u32, condition: impl IntoIterator<Item = RuleAttribute>) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(priority),
        RuleAttribute::Table(table),
        RuleAttribute::Protocol(RouteProtocol::Other(OURS)),
    ];
    message.attributes.extend(condition);
    message
}

/// What the kernel has in a namespace.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Links by name: number, hardware address, whether it is up.
    pub(crate) links: BTreeMap<String, (u32, Vec<u8>, bool)>,
    /// Addresses by link.
    pub(crate) addresses: Vec<(u32, Ipv4Addr)>,
    /// Permanent neighbours by link.
    pub(crate) neighbours: Vec<(u32, Ipv4Addr, Vec<u8>)>,
    /// Routes of every table.
    pub(crate) routes: Vec<KernelRoute>,
    /// Marks with a rule.
    pub(crate) marks: Vec<u32>,
}

impl Observed {
    /// Reads the calling thread's namespace.
    pub(crate) fn read() -> io::Result<Self> {
        let netlink = Netlink::open()?;
        let mut observed = Self::default();
        for message in netlink.dump(Message::GetLink(LinkMessage::default()))? {
            let Message::NewLink(link) = message else { continue };
            let (mut name, mut mac) = (String::new(), Vec::new());
            for attribute in link.attributes {
                match attribute {
                    LinkAttribute::IfName(text) => name = text,
                    LinkAttribute::Address(octets) => mac = octets,
                    _ => {}
                }
            }
            observed.links.insert(name, (link.header.index, mac, link.header.flags.contains(LinkFlags::Up)));
        }
        let mut addresses = AddressMessage::default();
        addresses.header.family = AddressFamily::Inet;
        for message in netlink.dump(Message::GetAddress(addresses))? {
            let Message::NewAddress(address) = message else { continue };
            observed.addresses.extend(address.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(local)) => Some((address.header.index, *local)),
                _ => None,
            }));
        }
        let mut neighbours = NeighbourMessage::default();
        neighbours.header.family = AddressFamily::Inet;
        for message in netlink.dump(Message::GetNeighbour(neighbours))? {
            let Message::NewNeighbour(neighbour) = message else { continue };
            if neighbour.header.state != NeighbourState::Permanent {
                continue;
            }
            let (mut address, mut mac) = (None, Vec::new());
            for attribute in neighbour.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(at)) => address = Some(at),
                    NeighbourAttribute::LinkLayerAddress(octets) => mac = octets,
                    _ => {}
                }
            }
            observed.neighbours.extend(address.map(|address| (neighbour.header.ifindex, address, mac)));
        }
        let mut routes = RouteMessage::default();
        routes.header.address_family = AddressFamily::Inet;
        for message in netlink.dump(Message::GetRoute(routes))? {
            let Message::NewRoute(route) = message else { continue };
            observed.routes.extend(read_route(&route));
        }
        let mut rules = RuleMessage::default();
        rules.header.family = AddressFamily::Inet;
        for message in netlink.dump(Message::GetRule(rules))? {
            let Message::NewRule(rule) = message else { continue };
            let mark = |rule: &RuleMessage| {
                rule.attributes.iter().find_map(|attribute| match attribute {
                    RuleAttribute::FwMark(mark) => Some(*mark),
                    _ => None,
                })
            };
            observed.marks.extend(mark(&rule));
        }
        Ok(observed)
    }
}

fn read_route(route: &RouteMessage) -> Option<KernelRoute> {
    let (mut table, mut to, mut link, mut hop) = (u32::from(route.header.table), Ipv4Addr::UNSPECIFIED, None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => to = *address,
            RouteAttribute::Oif(index) => link = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => hop = Some(*address),
            _ => {}
        }
    }
    let via = match (route.header.kind, link, hop) {
        (RouteType::Unicast, Some(link), None) => KernelTarget::Link(link),
        (RouteType::Unicast, Some(link), Some(hop)) => KernelTarget::Hop(link, hop),
        (RouteType::Local, ..) => KernelTarget::Local,
        (RouteType::BlackHole, ..) => KernelTarget::Blackhole,
        (RouteType::Throw, ..) => KernelTarget::Throw,
        _ => return None,
    };
    Some(KernelRoute { table, to: Ipv4Net::new(to, route.header.destination_prefix_length).ok()?, via })
}
