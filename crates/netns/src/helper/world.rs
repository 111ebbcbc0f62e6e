//! What was applied, and by which file descriptors and numbers the kernel knows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    os::fd::OwnedFd,
};

use network::plan::{Filter, LinkEnd, LinkName, Place, Route, RouteTarget, Veth};

use crate::kernel::netlink::{KernelRoute, KernelTarget};

/// The first number of a link of ours: what is made by hand counts up from 2.
const FIRST_LINK: u32 = 1000;

/// The next hop of routes that name none: whoever is at a link's other end.
const OTHER_END: Ipv4Addr = Ipv4Addr::new(169, 254, 255, 254);

/// All places.
#[derive(Default)]
pub(super) struct World {
    pub(super) spaces: BTreeMap<Place, Space>,
    /// Whether machines can have the filter of name servers.
    pub(super) stand_ins: bool,
}

/// A place.
pub(super) struct Space {
    pub(super) namespace: OwnedFd,
    pub(super) forwarding: bool,
    pub(super) filter: Filter,
    /// The ruleset's number right after the filter was set.
    pub(super) generation: Option<u32>,
    pub(super) links: BTreeMap<LinkName, Link>,
    pub(super) routes: BTreeSet<Route>,
    next_link: u32,
}

/// One end of a pair.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) end: LinkEnd,
    pub(super) peer: LinkEnd,
}

impl Link {
    pub(super) fn veth(&self) -> Veth {
        let (end, peer) = (self.end.clone(), self.peer.clone());
        if end < peer { Veth { near: end, far: peer } } else { Veth { near: peer, far: end } }
    }

    /// Whom it knows at the other end, without asking.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.end.neighbours.iter().copied().chain([OTHER_END])
    }
}

impl Space {
    pub(super) fn new(namespace: OwnedFd) -> Self {
        Self {
            namespace,
            forwarding: false,
            filter: Filter::None,
            generation: None,
            links: BTreeMap::new(),
            routes: BTreeSet::new(),
            next_link: FIRST_LINK,
        }
    }

    /// A number that no link here has had.
    pub(super) fn number(&mut self) -> u32 {
        self.next_link += 1;
        self.next_link
    }

    /// The route as the kernel is to have it. Out of a link means to the one at its other end,
    /// which its neighbours are and any other address is behind.
    ///
    /// # Errors
    /// The link's name, if there is no such link.
    pub(super) fn spell(&self, route: &Route) -> Result<KernelRoute, String> {
        let link = |name: &LinkName| self.links.get(name).ok_or_else(|| format!("there is no link {name}"));
        let via = match &route.target {
            RouteTarget::Link(name) => {
                let link = link(name)?;
                let at_the_end = route.to.prefix_len() == 32 && link.neighbours().any(|at| at == route.to.addr());
                if at_the_end { KernelTarget::Link(link.index) } else { KernelTarget::Hop(link.index, OTHER_END) }
            }
            RouteTarget::Via(name, hop) => KernelTarget::Hop(link(name)?.index, *hop),
            RouteTarget::Local => KernelTarget::Local,
            RouteTarget::Blackhole => KernelTarget::Blackhole,
            RouteTarget::Throw => KernelTarget::Throw,
        };
        Ok(KernelRoute { table: KernelRoute::table_of(route.table, &route.target), to: route.to.trunc(), via })
    }
}
