//! Client → private endpoint → server on the kernel plane, beside clients and servers in namespaces
//! without any rule that a plain veth pair joins: directly, or by a plain router.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    os::fd::OwnedFd,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use azure::{ResourceId, sketch::Sketch};
use netns::Fabric;
use network::{
    Network,
    plan::{self, Listener, Namespace, Place, Plan, Standing},
};
use nix::sched::{CloneFlags, setns};

use crate::{
    Rounds,
    load::{Client, Server, connect},
    rounds::{self, Rival},
};

const ENDPOINT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 224, 0, 4), 443);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 4), 443);
/// What the kernel plane is to reach, as a part of what the plain veth does.
const THROUGHPUT: f64 = 0.9;
const CONNECTIONS: f64 = 0.8;

/// Measures; fails if the kernel plane is not quick enough.
///
/// # Errors
/// The fabric does not stand here, or a connection fails.
pub(crate) fn compare(rounds: Rounds) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut helper = Command::new(std::env::current_exe()?);
    helper.arg("helper");
    let fabric = runtime.block_on(Fabric::start(helper)).context("namespaces cannot be made here")?;
    let world = World { fabric, runtime };
    let rivals = world.set_up()?;
    let ratios = rounds::compare(&rivals, rounds)?;
    let reached = ratios.iter().zip([THROUGHPUT, THROUGHPUT, CONNECTIONS]).all(|(ratio, goal)| *ratio >= goal);
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct World {
    fabric: Fabric,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn set_up(&self) -> Result<Vec<Rival>> {
        let sketch = Sketch::new().network("aks", "10.224.0.0/16").nic("vm", "aks", "10.224.0.9").private_cluster(
            "a",
            "aks",
            "10.224.0.4",
            true,
        );
        let network = Network::compile(&sketch.estate());
        let mut whole = plan::Fabric::compile(&network);
        let vantage = network.find_vantage("vm").map_err(|error| anyhow::anyhow!("{error}"))?;
        let machine = Standing::of(&network, &whole, vantage).context("no machine")?.place;
        for name in
            [DIRECT, ROUTED].iter().flat_map(|kind| ["client", "router", "server"].map(|name| place(kind, name)))
        {
            whole.namespaces.insert(name, Arc::new(Namespace { forwarding: true, ..Namespace::default() }));
        }
        let plan = Plan::between(&plan::Fabric::default(), &whole);
        let applied = self.runtime.block_on(self.fabric.apply(&plan))?;
        ensure!(applied.failed.is_empty(), "steps that cannot be carried out: {:?}", applied.failed);

        let opened = applied
            .opened
            .into_iter()
            .find(|opened| opened.listener == Listener::ApiServers && matches!(opened.place, Place::Network(_)));
        let listener = opened.context("no listener")?.tcp;
        let mut rivals = vec![self.rival("through a private endpoint", &machine, ENDPOINT, &listener)?];
        self.join((DIRECT, "client", "10.0.0.4/16"), (DIRECT, "server", "10.0.1.4/16"))?;
        self.join((ROUTED, "client", "10.0.0.4/24"), (ROUTED, "router", "10.0.0.1/24"))?;
        self.join((ROUTED, "server", "10.0.1.4/24"), (ROUTED, "router", "10.0.1.1/24"))?;
        self.run(&place(ROUTED, "client"), "ip route add default via 10.0.0.1")?;
        self.run(&place(ROUTED, "server"), "ip route add default via 10.0.1.1")?;
        for (name, kind) in [("a plain veth, nothing between", DIRECT), ("a plain routed veth", ROUTED)] {
            let listener = self.at(&place(kind, "server"), || TcpListener::bind(SERVER))??;
            rivals.push(self.rival(name, &place(kind, "client"), SERVER, &listener)?);
        }
        Ok(rivals)
    }

    fn rival(&self, name: &'static str, from: &Place, to: SocketAddrV4, listener: &TcpListener) -> Result<Rival> {
        let server = Server::new();
        server.serve(listener)?;
        let namespace = self.namespace(from)?;
        let enter = move || Ok(setns(&namespace, CloneFlags::CLONE_NEWNET)?);
        let connect = move || Ok(connect(SocketAddr::V4(to))?);
        Ok(Rival { name, server, client: Client { enter: Box::new(enter), connect: Box::new(connect) } })
    }

    /// Joins two places by a veth pair as an administrator would make it.
    fn join(&self, near: (&str, &str, &str), far: (&str, &str, &str)) -> Result<()> {
        let (here, there) = (place(near.0, near.1), place(far.0, far.1));
        // A process there stands for its namespace.
        let mut stand = self.at(&there, || Command::new("cat").stdin(Stdio::piped()).spawn())??;
        let pair = format!("ip link add {} type veth peer name {} netns {}", far.1, near.1, stand.id());
        self.run(&here, &pair)?;
        drop(stand.stdin.take());
        stand.wait()?;
        for (at, link, address) in [(&here, far.1, near.2), (&there, near.1, far.2)] {
            self.run(at, &format!("ip address add {address} dev {link}"))?;
            self.run(at, &format!("ip link set {link} up"))?;
        }
        Ok(())
    }

    fn run(&self, place: &Place, line: &str) -> Result<()> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let status = self.at(place, || Command::new(program).args(words).status())?;
        ensure!(status.with_context(|| program.to_owned())?.success(), "`{line}` fails");
        Ok(())
    }

    fn namespace(&self, place: &Place) -> Result<OwnedFd> {
        Ok(self.runtime.block_on(self.fabric.enter(place))?.network()?)
    }

    /// Does something at a place.
    fn at<R: Send>(&self, place: &Place, act: impl FnOnce() -> R + Send) -> Result<R> {
        let namespace = self.namespace(place)?;
        let there = || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(act())
        };
        let panicked = |_| Err(anyhow::anyhow!("a thread panicked"));
        thread::scope(|scope| scope.spawn(there).join().unwrap_or_else(panicked))
    }
}

const DIRECT: &str = "direct";
const ROUTED: &str = "routed";

fn place(kind: &str, name: &str) -> Place {
    let id = format!("/subscriptions/0/resourceGroups/{kind}/providers/Microsoft.Network/networkInterfaces/{name}");
    // What is written here is an id.
    ResourceId::parse(&id).map_or(Place::Internet, Place::Machine)
}
