//! How the kernel differs from what was applied, and making it the same again.
//!
//! What people add at a machine is theirs; what was made there must still stand. On routers a
//! route that nobody planned is a difference as well.

use std::{
    collections::BTreeSet,
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
};

use network::plan::{LinkName, MAIN_TABLE, Place, RouteTarget, Step, Veth};

use super::{
    apply::{absent, apply, change, processes, spread, way},
    programs::Programs,
    world::{Link, Space, World},
};
use crate::{
    kernel::{
        namespace,
        netlink::{KernelRoute, KernelTarget, LOCAL_TABLE, Observed},
        nft,
    },
    wire::{Drift, Failed},
};

/// One difference.
enum Difference {
    Forwarding,
    /// A sysctl of a router.
    Setting(String, &'static str),
    Filter,
    /// The link itself, or its addresses or neighbours.
    Link(LinkName),
    Route(network::plan::Route),
    /// Nobody planned it.
    Stray(KernelRoute),
    /// The place cannot be looked at.
    Unseen(io::Error),
}

/// The differences at places; a place that was not applied has none.
pub(super) fn observe(world: &World, places: &[Place]) -> Vec<Drift> {
    let found = look(world, places);
    let describe = |(place, difference): (Place, Difference)| {
        let what = match difference {
            Difference::Forwarding => "forwarding".to_owned(),
            Difference::Setting(name, _) => format!("sysctl {name}"),
            Difference::Filter => "filter".to_owned(),
            Difference::Link(name) => format!("link {name}"),
            Difference::Route(route) => format!("route {route}"),
            Difference::Stray(route) => format!("stray route {} table {}", route.to, route.table),
            Difference::Unseen(error) => error.to_string(),
        };
        Drift { place, what }
    };
    found.into_iter().map(describe).collect()
}

/// Makes the places again what was applied. Gives what failed; the numbers of steps mean nothing.
pub(super) fn repair(world: &mut World, programs: &mut Programs, pids: &OwnedFd, places: &[Place]) -> Vec<Failed> {
    let (mut first, mut links, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    let mut failed = Vec::new();
    for (place, difference) in look(world, places) {
        let Some(space) = world.spaces.get(&place) else { continue };
        match difference {
            Difference::Forwarding => first.push(Step::SetForwarding(place, space.forwarding)),
            Difference::Setting(name, value) => {
                let set = || {
                    namespace::enter(&space.namespace)?;
                    namespace::set(&name, value)
                };
                failed.extend(spread(&[()], |()| set()).into_iter().filter_map(Result::err).map(|e| e.to_string()));
            }
            Difference::Filter => first.push(Step::SetFilter(place, space.filter.clone())),
            Difference::Link(name) => {
                let Some(veth) = space.links.get(&name).map(Link::veth) else { continue };
                routes.extend(routes_over(world, &veth));
                if !links.contains(&Step::CreateVeth(veth.clone())) {
                    links.push(Step::CreateVeth(veth));
                }
            }
            Difference::Route(route) => routes.push(Step::AddRoute(place, route)),
            Difference::Stray(route) => {
                let removal = [route.remove()];
                let done = spread(&[()], |()| change(space, &removal)?.into_iter().collect::<io::Result<()>>());
                failed.extend(done.into_iter().filter_map(Result::err).map(|error| error.to_string()));
            }
            Difference::Unseen(error) => failed.push(error.to_string()),
        }
    }
    let steps: Vec<Step> = first.into_iter().chain(links).chain(routes).collect();
    let failed = failed.into_iter().map(|reason| Failed { step: 0, reason });
    failed.chain(apply(world, programs, pids, &steps).failed).collect()
}

fn routes_over(world: &World, veth: &Veth) -> Vec<Step> {
    let over = |place: &Place, name: &LinkName| -> Vec<Step> {
        let routes = world.spaces.get(place).into_iter().flat_map(|space| &space.routes);
        let leads = |target: &RouteTarget| match target {
            RouteTarget::Link(link) | RouteTarget::Via(link, _) => link == name,
            RouteTarget::Local | RouteTarget::Blackhole | RouteTarget::Throw => false,
        };
        let routes = routes.filter(|route| leads(&route.target));
        routes.map(|route| Step::AddRoute(place.clone(), route.clone())).collect()
    };
    [over(&veth.near.place, &veth.near.name), over(&veth.far.place, &veth.far.name)].concat()
}

fn look(world: &World, places: &[Place]) -> Vec<(Place, Difference)> {
    let found = spread(places, |place| {
        let Some(space) = world.spaces.get(place) else { return Vec::new() };
        differences(place, space).unwrap_or_else(|error| vec![Difference::Unseen(error)])
    });
    let found = places.iter().zip(found);
    found.flat_map(|(place, found)| found.into_iter().map(|difference| (place.clone(), difference))).collect()
}

fn differences(place: &Place, space: &Space) -> io::Result<Vec<Difference>> {
    namespace::enter(&space.namespace).map_err(|_| absent(place))?;
    let observed = Observed::read()?;
    let mut found = Vec::new();
    if namespace::forwards()? != space.forwarding {
        found.push(Difference::Forwarding);
    }
    if let Some(generation) = space.generation
        && nft::generation()? != generation
    {
        found.push(Difference::Filter);
    }
    let stands = |name: &LinkName, link: &Link| {
        let itself = observed.links.get(name.as_str());
        itself.is_some_and(|(index, mac, up)| *index == link.index && *mac == link.end.mac && *up)
            && link.end.addresses.iter().all(|at| observed.addresses.contains(&(link.index, *at)))
            && link.neighbours().all(|at| observed.neighbours.contains(&(link.index, at, link.peer.mac.to_vec())))
            && link.end.neighbours.iter().all(|at| observed.routes.contains(&way(link, *at)))
    };
    for (name, link) in &space.links {
        if !stands(name, link) {
            found.push(Difference::Link(name.clone()));
        }
    }
    for route in &space.routes {
        let there = space.spell(route).is_ok_and(|spelled| observed.routes.contains(&spelled));
        let ruled = route.table == MAIN_TABLE || observed.marks.contains(&route.table);
        if !(there && ruled) {
            found.push(Difference::Route(route.clone()));
        }
    }
    if matches!(place, Place::Backbone | Place::Network(_) | Place::Gateway(_) | Place::Site(_)) {
        let links = space.links.keys().map(LinkName::as_str);
        found.extend(namespace::changed_settings(links).map(|(name, value)| Difference::Setting(name, value)));
        let planned: Vec<KernelRoute> = space
            .routes
            .iter()
            .filter_map(|route| space.spell(route).ok())
            .chain(space.links.values().flat_map(|link| link.end.neighbours.iter().map(|at| way(link, *at))))
            .collect();
        // Programs that belong here, a VPN server, have links of their own.
        let ours = |route: &KernelRoute| match route.via {
            KernelTarget::Link(index) | KernelTarget::Hop(index, _) => {
                space.links.values().any(|link| link.index == index)
            }
            KernelTarget::Blackhole | KernelTarget::Throw => true,
            KernelTarget::Local => false,
        };
        let strays = observed.routes.into_iter().filter(|route| route.table != LOCAL_TABLE && ours(route));
        found.extend(strays.filter(|route| !planned.contains(route)).map(Difference::Stray));
    }
    Ok(found)
}

/// The places among these in which a program runs.
pub(super) fn inhabited(world: &World, places: Vec<Place>) -> Vec<Place> {
    let held: BTreeSet<u64> = processes().map(|(_, namespace)| namespace).collect();
    let lives = |place: &Place| {
        let namespace = world.spaces.get(place).and_then(|space| space.namespace.try_clone().ok());
        namespace.and_then(|file| fs::File::from(file).metadata().ok()).is_some_and(|file| held.contains(&file.ino()))
    };
    places.into_iter().filter(lives).collect()
}
