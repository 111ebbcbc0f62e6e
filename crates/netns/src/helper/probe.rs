//! Does this machine have what the fabric needs? Tried, not assumed: a filter, a veth pair,
//! forwarding, in namespaces that are thrown away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, OwnedFd},
    thread,
};

use network::plan::{Endpoint, FABRIC_MAC, Filter, LinkName, NameServerFilter, RouterFilter};

use super::programs::join;
use crate::{
    kernel::{
        namespace,
        netlink::{End, Netlink, create_veth},
        nft,
    },
    rules::ruleset,
    wire::{Capabilities, Unavailable},
};

/// What can be done beyond what must be; `user_namespace` is passed on.
pub(super) fn probe(pids: &OwnedFd, user_namespace: bool) -> Result<Capabilities, Unavailable> {
    let tried = thread::scope(|scope| scope.spawn(|| try_all(pids)).join());
    let failed = |_| Err(Unavailable::new("the probe of the kernel failed", "look at the log"));
    let stand_ins = tried.unwrap_or_else(failed)?;
    Ok(Capabilities { user_namespace, tun: tun(), stand_ins })
}

fn tun() -> Result<(), Unavailable> {
    let remedy = |error: &io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => "let everybody read and write the device (chmod 666 /dev/net/tun)",
        _ => "load the kernel module tun (modprobe tun)",
    };
    let opened = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    opened
        .map(drop)
        .map_err(|error| Unavailable::new(format!("/dev/net/tun cannot be opened ({error})"), remedy(&error)))
}

/// Whether the lab can stand in for DNS servers; an error if it cannot do what it must.
fn try_all(pids: &OwnedFd) -> Result<Result<(), Unavailable>, Unavailable> {
    let namespaces = |error: io::Error| {
        let remedy = "mount /proc/sys for writing and allow network namespaces (sysctl user.max_net_namespaces)";
        Unavailable::new(format!("no network namespace can be set up ({error})"), remedy)
    };
    join(pids).map_err(namespaces)?;
    let far = namespace::create().map_err(namespaces)?;
    let near = namespace::create().map_err(namespaces)?;
    namespace::set("ipv4/ip_forward", "1").map_err(namespaces)?;

    let end = |namespace, name| End { namespace, index: 1000, name, mac: FABRIC_MAC };
    let pair = create_veth(&end(near.as_fd(), "near"), &end(far.as_fd(), "far"));
    let made = Netlink::open().and_then(|netlink| netlink.apply(&[pair]));
    made.and_then(|mut results| results.pop().unwrap_or(Ok(())))
        .map_err(|error| Unavailable::new(format!("no veth pairs ({error})"), "load the kernel module veth"))?;

    let server = SocketAddrV4::new(Ipv4Addr::new(240, 0, 0, 1), 443);
    let endpoint = Endpoint { port: 443, server, inbound: Vec::new() };
    let filter = RouterFilter {
        backbone: Some(LinkName::new("near")),
        endpoints: BTreeMap::from([(Ipv4Addr::new(10, 0, 0, 4), endpoint)]),
        outbound: Some(Ipv4Addr::new(198, 18, 0, 1)),
        ..RouterFilter::default()
    };
    nft::apply(&ruleset(&Filter::Router(Box::new(filter)))).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Unavailable::new("no nft program", "install nftables")
        } else {
            Unavailable::new(format!("no nftables ({error})"), "load the kernel modules nf_tables, nft_nat and nft_ct")
        }
    })?;
    nft::generation()
        .map_err(|error| Unavailable::new(format!("no nftables ({error})"), "load the kernel module nf_tables"))?;
    let asked = NameServerFilter { address: server.ip().to_owned(), ports: BTreeSet::from([53]) };
    let without =
        |error| Unavailable::new(format!("no match for sockets ({error})"), "load the kernel module nft_socket");
    Ok(nft::apply(&ruleset(&Filter::NameServer(asked))).map_err(without))
}
