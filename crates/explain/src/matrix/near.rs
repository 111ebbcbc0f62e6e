//! Which clusters a class of vantages is to be asked about one by one: those to which there may be a
//! way, or whose place explains why there is none. What the stops of their ways and the networks
//! around have to say is found once and shared, since a hub is everybody's.

use std::{collections::BTreeSet, sync::Arc};

use foldhash::HashMap;
use ipnet::Ipv4Net;
use network::{Network, Stop, Vantage, VirtualNetwork};

use super::{
    Outcome,
    class::Circumstances,
    index::{At, Index, Number},
    view::Views,
};

/// What there is to know of a stop.
#[derive(Debug, Default)]
struct Surroundings {
    networks: Vec<At>,
    near: Vec<Number>,
    bounds: Vec<u32>,
}

/// What classes share, made when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) views: Views,
    /// Outcomes, by all that they depend on.
    pub(super) known: HashMap<Circumstances, Option<Outcome>>,
    stops: HashMap<Stop, Arc<Surroundings>>,
    peers: HashMap<At, Arc<[At]>>,
}

/// What a class is to look at. All of it sorted, nothing twice.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    /// The networks that packets may get to.
    pub(super) networks: Vec<At>,
    /// The networks beyond the peers.
    pub(super) beyond: Vec<At>,
    /// The clusters to be asked about.
    pub(super) near: Vec<Number>,
    /// Where prefixes begin or end of which something is said on the ways.
    pub(super) bounds: Vec<u32>,
}

impl Shared {
    /// What is to be looked at from `vantage`, which stands in or behind `here` and asks `view` for names.
    pub(super) fn horizon(
        &mut self,
        network: &Network,
        index: &Index,
        vantage: &Vantage,
        here: Option<&VirtualNetwork>,
        view: Option<At>,
    ) -> Horizon {
        let mut horizon = Horizon::default();
        for stop in network.stops(vantage) {
            let known = if let Some(known) = self.stops.get(&stop) {
                Arc::clone(known)
            } else {
                let made = Arc::new(Surroundings::new(network, index, &stop));
                self.stops.insert(stop, Arc::clone(&made));
                made
            };
            horizon.networks.extend(&known.networks);
            horizon.near.extend(&known.near);
            horizon.bounds.extend(&known.bounds);
        }
        let own = here.and_then(|here| index.at(&here.id));
        horizon.networks.extend(own);
        for peer in here.into_iter().flat_map(VirtualNetwork::open_peers) {
            let Some(at) = index.at(&peer.network) else { continue };
            let peers = self.peers.entry(at).or_insert_with(|| {
                let compiled = network.virtual_network(&peer.network);
                compiled
                    .into_iter()
                    .flat_map(|held| held.open_peers())
                    .filter_map(|far| index.at(&far.network))
                    .collect()
            });
            horizon.beyond.extend(peers.iter());
        }
        let around = horizon.beyond.iter().copied().chain(own).chain(view);
        horizon.near.extend(around.flat_map(|at| index.in_network(at)));
        for prefix in here.into_iter().flat_map(|here| &here.address_space) {
            horizon.near.extend(index.overlapping(*prefix).flat_map(|at| index.in_network(at)));
            horizon.near.extend(index.at_addresses(*prefix));
        }
        for list in [&mut horizon.networks, &mut horizon.beyond, &mut horizon.near, &mut horizon.bounds] {
            list.sort_unstable();
            list.dedup();
        }
        horizon
    }
}

impl Surroundings {
    fn new(network: &Network, index: &Index, stop: &Stop) -> Self {
        let region = network.region(stop);
        let networks: BTreeSet<At> = region.networks.iter().filter_map(|id| index.at(id)).collect();
        let inside = networks.iter().flat_map(|at| index.in_network(*at)).copied();
        let near: BTreeSet<Number> =
            inside.chain(region.prefixes.iter().flat_map(|prefix| index.at_addresses(*prefix))).collect();
        let ends = |prefix: &Ipv4Net| {
            std::iter::once(u32::from(prefix.network())).chain(u32::from(prefix.broadcast()).checked_add(1))
        };
        let bounds: BTreeSet<u32> = region.said.iter().flat_map(ends).collect();
        Self {
            networks: networks.into_iter().collect(),
            near: near.into_iter().collect(),
            bounds: bounds.into_iter().collect(),
        }
    }
}
