//! Carries out steps. Neighbouring steps of one kind are independent between places, so they run
//! on a few threads; each kind waits for the one before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::SocketAddrV4,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use network::plan::{Filter, LinkEnd, Listener, MAIN_TABLE, Place, Route, Step, Veth};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use socket2::{Domain, Protocol, Type};

use super::{
    programs::{Programs, join},
    world::{Link, Space, World},
};
use crate::{
    kernel::{
        namespace,
        netlink::{
            Change, End, LOOPBACK, Netlink, address, await_carrier, create_veth, mark_rules, neighbour, remove_link,
            remove_mark_rule, up,
        },
        nft,
    },
    rules::{first_ruleset, ruleset},
    wire::{Failed, SocketKind},
};

/// Most of the time goes by in the kernel, waiting; more threads would wait for one another.
const THREADS: usize = 4;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Pairs made in one go by one thread.
const PAIRS: usize = 32;

/// What came of it.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) failed: Vec<Failed>,
    /// Steps that opened sockets, with their number of them.
    pub(super) opened: Vec<(usize, usize)>,
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Applied {
    fn fail(&mut self, step: usize, reason: &dyn std::fmt::Display) {
        self.failed.push(Failed { step, reason: reason.to_string() });
    }
}

/// A step with its number in the plan.
type Numbered<'a> = (usize, &'a Step);

/// Carries out the steps in order; what fails does not keep the others from being tried.
pub(super) fn apply(world: &mut World, programs: &mut Programs, pids: &OwnedFd, steps: &[Step]) -> Applied {
    let mut applied = Applied::default();
    let numbered: Vec<Numbered<'_>> = steps.iter().enumerate().collect();
    for run in numbered.chunk_by(|(_, one), (_, other)| kind(one) == kind(other)) {
        match kind(run[0].1) {
            Kind::Close => {}
            Kind::Unlink => unlink(world, run, &mut applied),
            Kind::Remove => remove(world, programs, run),
            Kind::Create => create(world, run, &mut applied),
            Kind::Filter => filter(world, pids, run, &mut applied),
            Kind::Link => link(world, run, &mut applied),
            Kind::Route => route(world, run, &mut applied),
            Kind::Listen => listen(world, run, &mut applied),
        }
    }
    applied.failed.sort_by_key(|failed| failed.step);
    applied
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// The lab's own sockets.
    Close,
    Unlink,
    Remove,
    Create,
    Filter,
    Link,
    Route,
    Listen,
}

fn kind(step: &Step) -> Kind {
    match step {
        Step::Close(..) => Kind::Close,
        Step::RemoveVeth(_) => Kind::Unlink,
        Step::RemoveNamespace(_) => Kind::Remove,
        Step::CreateNamespace(_) | Step::SetForwarding(..) => Kind::Create,
        Step::SetFilter(..) => Kind::Filter,
        Step::CreateVeth(_) => Kind::Link,
        Step::RemoveRoute(..) | Step::AddRoute(..) => Kind::Route,
        Step::Listen(..) => Kind::Listen,
    }
}

/// Does the jobs on a few threads of their own, which may change their network namespace.
pub(super) fn spread<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let threads = THREADS.min(jobs.len());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        while let Some((at, job)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(at).map(|job| (at, job))
        } {
            results.push((at, work(job)));
        }
        results
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        // A panic of one is a panic of all: the fabric's end takes everything away.
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Groups steps by place, each place's in order.
fn by_place<'a, T>(items: impl IntoIterator<Item = (&'a Place, T)>) -> Vec<(&'a Place, Vec<T>)> {
    let mut places: BTreeMap<&Place, Vec<T>> = BTreeMap::new();
    for (place, item) in items {
        places.entry(place).or_default().push(item);
    }
    places.into_iter().collect()
}

pub(super) fn absent(place: &Place) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no place `{place}`"))
}

/// Carries out changes at a place, on a thread that is free to go there.
pub(super) fn change(space: &Space, changes: &[Change]) -> io::Result<Vec<io::Result<()>>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    namespace::enter(&space.namespace)?;
    Netlink::open()?.apply(changes)
}

fn unlink(world: &mut World, run: &[Numbered<'_>], applied: &mut Applied) {
    let pairs: Vec<(usize, &Veth)> = run
        .iter()
        .filter_map(|(number, step)| match step {
            Step::RemoveVeth(veth) => Some((*number, veth)),
            _ => None,
        })
        .collect();
    let jobs = by_place(pairs.iter().map(|(number, veth)| (&veth.near.place, (*number, *veth))));
    let view = &*world;
    let results = spread(&jobs, |(place, pairs)| {
        let Some(space) = view.spaces.get(place) else { return Ok(Vec::new()) };
        let changes: Vec<Change> = pairs.iter().map(|(_, veth)| remove_link(veth.near.name.as_str())).collect();
        change(space, &changes)
    });
    for ((_, pairs), result) in jobs.iter().zip(results) {
        report(applied, pairs.iter().map(|(number, _)| *number), result);
    }
    for (_, veth) in pairs {
        for end in [&veth.near, &veth.far] {
            if let Some(space) = world.spaces.get_mut(&end.place)
                && space.links.get(&end.name).is_some_and(|link| link.veth() == *veth)
            {
                space.links.remove(&end.name);
            }
        }
    }
}

/// The results of one place's steps.
fn report(applied: &mut Applied, numbers: impl Iterator<Item = usize>, result: io::Result<Vec<io::Result<()>>>) {
    match result {
        Ok(results) => {
            for (number, result) in numbers.zip(results) {
                if let Err(error) = result {
                    applied.fail(number, &error);
                }
            }
        }
        Err(error) => numbers.for_each(|number| applied.fail(number, &error)),
    }
}

/// Removes namespaces with all that runs in them.
fn remove(world: &mut World, programs: &mut Programs, run: &[Numbered<'_>]) {
    let mut gone = BTreeSet::new();
    for (_, step) in run {
        let Step::RemoveNamespace(place) = step else { continue };
        programs.stop_at(place);
        if let Some(space) = world.spaces.remove(place) {
            gone.extend(fs::File::from(space.namespace).metadata().map(|file| file.ino()));
        }
    }
    // A namespace lives as long as a process in it; only the fabric's own have got there.
    for (pid, namespace) in processes() {
        if gone.contains(&namespace) {
            // It has ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Every process, with the number of its network namespace.
pub(super) fn processes() -> impl Iterator<Item = (i32, u64)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, fs::metadata(entry.path().join("ns/net")).ok()?.ino()))
    })
}

fn create(world: &mut World, run: &[Numbered<'_>], applied: &mut Applied) {
    let jobs = by_place(run.iter().filter_map(|(number, step)| match step {
        Step::CreateNamespace(place) => Some((place, (*number, None))),
        Step::SetForwarding(place, forwards) => Some((place, (*number, Some(*forwards)))),
        _ => None,
    }));
    let view = &*world;
    let results = spread(&jobs, |(place, steps)| {
        let (mut made, mut forwarding, mut failed) = (None, None, Vec::new());
        for (number, forwards) in steps {
            let result = match (forwards, view.spaces.get(place)) {
                (None, Some(_)) => Ok(()),
                (None, None) => create_space().map(|namespace| made = Some(namespace)),
                (Some(forwards), space) => {
                    let there = match space {
                        Some(space) => namespace::enter(&space.namespace),
                        None if made.is_some() => Ok(()),
                        None => Err(absent(place)),
                    };
                    let value = if *forwards { "1" } else { "0" };
                    there.and_then(|()| namespace::set("ipv4/ip_forward", value)).map(|()| forwarding = Some(*forwards))
                }
            };
            failed.extend(result.err().map(|error| (*number, error)));
        }
        (made, forwarding, failed)
    });
    for ((place, _), (made, forwarding, failed)) in jobs.into_iter().zip(results) {
        if let Some(namespace) = made {
            world.spaces.insert(place.clone(), Space::new(namespace));
        }
        if let (Some(space), Some(forwarding)) = (world.spaces.get_mut(place), forwarding) {
            space.forwarding = forwarding;
        }
        for (number, error) in failed {
            applied.fail(number, &error);
        }
    }
}

fn create_space() -> io::Result<OwnedFd> {
    let namespace = namespace::create()?;
    Netlink::open()?.apply(&[up(LOOPBACK)])?.into_iter().collect::<io::Result<()>>()?;
    Ok(namespace)
}

fn filter(world: &mut World, pids: &OwnedFd, run: &[Numbered<'_>], applied: &mut Applied) {
    let jobs: Vec<(usize, &Place, &Filter)> = run
        .iter()
        .filter_map(|(number, step)| match step {
            Step::SetFilter(place, filter) => Some((*number, place, filter)),
            _ => None,
        })
        .collect();
    let view = &*world;
    let results = spread(&jobs, |(_, place, filter)| {
        let space = view.spaces.get(place).ok_or_else(|| absent(place))?;
        join(pids)?;
        namespace::enter(&space.namespace)?;
        let nothing = matches!(filter, Filter::NameServer(_)) && !view.stand_ins;
        match (space.generation, if nothing { &Filter::None } else { filter }) {
            (None, Filter::None) => {}
            // To remove a table takes the kernel longer than to make one.
            (None, filter) => nft::apply(&first_ruleset(filter))?,
            (Some(_), filter) => nft::apply(&ruleset(filter))?,
        }
        nft::generation()
    });
    for ((number, place, filter), result) in jobs.into_iter().zip(results) {
        match (result, world.spaces.get_mut(place)) {
            (Ok(generation), Some(space)) => {
                space.filter = filter.clone();
                space.generation = Some(generation);
            }
            (Ok(_), None) => {}
            (Err(error), _) => applied.fail(number, &error),
        }
    }
}

fn link(world: &mut World, run: &[Numbered<'_>], applied: &mut Applied) {
    let mut made: Vec<(usize, &Veth)> = Vec::new();
    for (number, step) in run {
        let Step::CreateVeth(veth) = step else { continue };
        match note(world, veth) {
            Ok(()) => made.push((*number, veth)),
            Err(error) => applied.fail(*number, &error),
        }
    }
    let jobs: Vec<&[(usize, &Veth)]> = made.chunks(PAIRS).collect();
    let view = &*world;
    let results = spread(&jobs, |pairs| create_pairs(view, pairs));
    let mut broken: BTreeSet<usize> = BTreeSet::new();
    for (pairs, results) in jobs.iter().zip(results) {
        for ((number, _), result) in pairs.iter().zip(results) {
            if let Err(error) = result {
                applied.fail(*number, &error);
                broken.insert(*number);
            }
        }
    }
    let ends = made.iter().filter(|(number, _)| !broken.contains(number)).flat_map(|(number, veth)| {
        [(&veth.near.place, (*number, &veth.near.name)), (&veth.far.place, (*number, &veth.far.name))]
    });
    let jobs = by_place(ends);
    let furnished = spread(&jobs, |(place, ends)| {
        let space = view.spaces.get(place).ok_or_else(|| absent(place))?;
        let (mut changes, mut numbers) = (Vec::new(), Vec::new());
        for (number, name) in ends {
            changes.extend(space.links.get(name).map(furnish).into_iter().flatten());
            numbers.resize(changes.len(), *number);
        }
        change(space, &changes).map(|results| numbers.into_iter().zip(results).collect::<Vec<_>>())
    });
    let carrying = spread(&jobs, |(place, ends)| {
        let space = view.spaces.get(place).ok_or_else(|| absent(place))?;
        let links: Vec<u32> = ends.iter().filter_map(|(_, name)| Some(space.links.get(*name)?.index)).collect();
        namespace::enter(&space.namespace)?;
        await_carrier(&links).map(|()| Vec::new())
    });
    for ((_, ends), result) in jobs.iter().chain(&jobs).zip(furnished.into_iter().chain(carrying)) {
        match result {
            Ok(results) => {
                for (number, error) in results.into_iter().filter_map(|(number, result)| Some((number, result.err()?)))
                {
                    applied.fail(number, &error);
                }
            }
            Err(error) => ends.iter().for_each(|(number, _)| applied.fail(*number, &error)),
        }
    }
}

/// Gives both ends a number and notes them; what stands already keeps its own.
fn note(world: &mut World, veth: &Veth) -> io::Result<()> {
    for end in [&veth.near, &veth.far] {
        if !world.spaces.contains_key(&end.place) {
            return Err(absent(&end.place));
        }
    }
    let ends: [(&LinkEnd, &LinkEnd); 2] = [(&veth.near, &veth.far), (&veth.far, &veth.near)];
    for (end, peer) in ends {
        let Some(space) = world.spaces.get_mut(&end.place) else { continue };
        let stands = space.links.get(&end.name).is_some_and(|link| link.end == *end && link.peer == *peer);
        if !stands {
            let index = space.number();
            space.links.insert(end.name.clone(), Link { index, end: end.clone(), peer: peer.clone() });
        }
    }
    Ok(())
}

fn create_pairs(world: &World, pairs: &[(usize, &Veth)]) -> Vec<io::Result<()>> {
    let end = |end: &LinkEnd| {
        let space = world.spaces.get(&end.place)?;
        let link = space.links.get(&end.name)?;
        Some((space, link.index))
    };
    let create = |veth: &Veth| {
        let ((near, near_index), (far, far_index)) = (end(&veth.near)?, end(&veth.far)?);
        let spell = |space, index, end| -> End<'_> { spell(space, index, end) };
        Some(create_veth(&spell(near, near_index, &veth.near), &spell(far, far_index, &veth.far)))
    };
    let run = || -> io::Result<Vec<io::Result<()>>> {
        // Any namespace would do from which the numbers are not taken: each message names its own.
        let netlink = Netlink::open()?;
        let changes: Vec<Change> = pairs.iter().filter_map(|(_, veth)| create(veth)).collect();
        let mut results = netlink.apply(&changes)?;
        for ((_, veth), result) in pairs.iter().zip(&mut results) {
            if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(nix::libc::EEXIST)) {
                *result = replace(world, &netlink, veth, create(veth));
            }
        }
        Ok(results)
    };
    run().unwrap_or_else(|error| pairs.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect())
}

fn spell<'a>(space: &'a Space, index: u32, end: &'a LinkEnd) -> End<'a> {
    End { namespace: space.namespace.as_fd(), index, name: end.name.as_str(), mac: end.mac }
}

/// Something of that name or number is there: as it is to be, or in the way.
fn replace(world: &World, netlink: &Netlink, veth: &Veth, create: Option<Change>) -> io::Result<()> {
    let ends = [&veth.near, &veth.far];
    let stands = |end: &LinkEnd| -> io::Result<bool> {
        let space = world.spaces.get(&end.place).ok_or_else(|| absent(&end.place))?;
        let link = space.links.get(&end.name).ok_or_else(|| absent(&end.place))?;
        elsewhere(|| {
            namespace::enter(&space.namespace)?;
            let observed = crate::kernel::netlink::Observed::read()?;
            let found = observed.links.get(end.name.as_str());
            Ok(found.is_some_and(|(index, mac, _)| *index == link.index && *mac == end.mac))
        })
    };
    if stands(ends[0])? && stands(ends[1])? {
        return Ok(());
    }
    for end in ends {
        let space = world.spaces.get(&end.place).ok_or_else(|| absent(&end.place))?;
        let changes = [remove_link(end.name.as_str())];
        elsewhere(|| change(space, &changes)?.into_iter().collect::<io::Result<()>>())?;
    }
    let create = create.ok_or_else(|| absent(&veth.near.place))?;
    netlink.apply(&[create])?.into_iter().collect()
}

/// Does something on a thread that may change its namespace.
fn elsewhere<R: Send>(work: impl Fn() -> io::Result<R> + Sync) -> io::Result<R> {
    spread(&[()], |()| work()).pop().unwrap_or_else(|| Err(io::Error::other("nothing was done")))
}

/// Brings it up, with its addresses, neighbours and the ways to them.
pub(super) fn furnish(link: &Link) -> Vec<Change> {
    let addresses = link.end.addresses.iter().map(|at| address(link.index, *at));
    let neighbours = link.neighbours().map(|at| neighbour(link.index, at, link.peer.mac));
    let ways = link.end.neighbours.iter().map(|at| way(link, *at).add());
    [up(link.index)].into_iter().chain(addresses).chain(neighbours).chain(ways).collect()
}

/// The way to a neighbour.
pub(super) fn way(link: &Link, to: std::net::Ipv4Addr) -> crate::kernel::netlink::KernelRoute {
    use crate::kernel::netlink::{KernelRoute, KernelTarget};
    KernelRoute { table: MAIN_TABLE, to: to.into(), via: KernelTarget::Link(link.index) }
}

fn route(world: &mut World, run: &[Numbered<'_>], applied: &mut Applied) {
    let jobs = by_place(run.iter().filter_map(|(number, step)| match step {
        Step::AddRoute(place, route) => Some((place, (*number, route, true))),
        Step::RemoveRoute(place, route) => Some((place, (*number, route, false))),
        _ => None,
    }));
    let view = &*world;
    let results = spread(&jobs, |(place, steps)| {
        let Some(space) = view.spaces.get(place) else {
            return steps.iter().map(|(number, ..)| (*number, absent(place).to_string())).collect();
        };
        change_routes(space, steps)
    });
    for ((place, steps), failed) in jobs.into_iter().zip(results) {
        if let Some(space) = world.spaces.get_mut(place) {
            for (_, route, add) in steps {
                if add {
                    space.routes.insert(route.clone());
                } else {
                    space.routes.remove(route);
                }
            }
        }
        applied.failed.extend(failed.into_iter().map(|(step, reason)| Failed { step, reason }));
    }
}

/// A step's number, its route, and whether the route comes or goes.
type RouteStep<'a> = (usize, &'a Route, bool);

fn change_routes(space: &Space, steps: &[RouteStep<'_>]) -> Vec<(usize, String)> {
    let mut failed = Vec::new();
    let (mut changes, mut numbers) = (Vec::new(), Vec::new());
    let mut routes = space.routes.clone();
    let mut ruled = BTreeSet::from([MAIN_TABLE]);
    for (number, route, add) in steps {
        match space.spell(route) {
            Ok(spelled) if *add => {
                if ruled.insert(route.table) {
                    changes.extend(mark_rules(route.table));
                }
                changes.push(spelled.add());
            }
            Ok(spelled) => changes.push(spelled.remove()),
            // Its link is gone, and took it along.
            Err(_) if !add => {}
            Err(reason) => failed.push((*number, reason)),
        }
        if *add {
            routes.insert((*route).clone());
        } else {
            routes.remove(route);
            if route.table != MAIN_TABLE && !routes.iter().any(|known| known.table == route.table) {
                changes.push(remove_mark_rule(route.table));
                ruled.remove(&route.table);
            }
        }
        numbers.resize(changes.len(), *number);
    }
    match change(space, &changes) {
        Ok(results) => {
            failed.extend(
                numbers
                    .into_iter()
                    .zip(results)
                    .filter_map(|(number, result)| Some((number, result.err()?.to_string()))),
            );
        }
        Err(error) => failed.extend(steps.iter().map(|(number, ..)| (*number, error.to_string()))),
    }
    failed
}

fn listen(world: &mut World, run: &[Numbered<'_>], applied: &mut Applied) {
    let jobs = by_place(run.iter().filter_map(|(number, step)| match step {
        Step::Listen(place, at, listener) => Some((place, (*number, *at, listener))),
        _ => None,
    }));
    let view = &*world;
    let results = spread(&jobs, |(place, steps)| {
        let there = view.spaces.get(place).ok_or_else(|| absent(place));
        let there = there.and_then(|space| namespace::enter(&space.namespace));
        let open = |at, listener| match &there {
            Ok(()) => open(at, listener),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        steps.iter().map(|(number, at, listener)| (*number, open(*at, listener))).collect::<Vec<_>>()
    });
    for (number, result) in results.into_iter().flatten() {
        match result {
            Ok(sockets) => {
                applied.opened.push((number, sockets.len()));
                applied.descriptors.extend(sockets);
            }
            Err(error) => applied.fail(number, &error),
        }
    }
}

/// The sockets of a listener in the calling thread's namespace: TCP, and for DNS then UDP.
fn open(at: SocketAddrV4, listener: &Listener) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = vec![listening(at)?.into()];
    match listener {
        Listener::Dns(_) => {
            let udp = socket(Type::DGRAM)?;
            udp.bind(&at.into())?;
            sockets.push(udp.into());
        }
        Listener::ApiServers | Listener::Metadata => {}
    }
    Ok(sockets)
}

/// A socket at a place.
pub(super) fn open_one(world: &World, place: &Place, kind: SocketKind) -> io::Result<OwnedFd> {
    let space = world.spaces.get(place).ok_or_else(|| absent(place))?;
    elsewhere(|| {
        namespace::enter(&space.namespace)?;
        let socket = match kind {
            SocketKind::Datagrams => socket(Type::DGRAM)?,
            SocketKind::Stream => socket(Type::STREAM)?,
            SocketKind::Listener(at) => listening(at)?,
        };
        Ok(socket.into())
    })
}

fn listening(at: SocketAddrV4) -> io::Result<socket2::Socket> {
    let socket = socket(Type::STREAM)?;
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn socket(kind: Type) -> io::Result<socket2::Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = socket2::Socket::new(Domain::IPV4, kind.nonblocking(), Some(protocol))?;
    // The address it is bound to may come after it.
    socket.set_freebind_v4(true)?;
    Ok(socket)
}
