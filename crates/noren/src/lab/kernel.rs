//! The kernel data plane: keeps the fabric what the newest network says.
//!
//! A reconciler: it takes no input but the newest network, is woken by a change and by a timer, and
//! serves cold start, change and repair by the same path. A fabric that ends is started anew.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    os::{fd::AsFd, unix::process::CommandExt},
    process::Command,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use azure::ResourceId;
use netns::{Applied, Capabilities, ClientFiles, FabricError, Opened, Unavailable};
use network::{
    Network, Vantage,
    plan::{Entrance, Fabric, Listener, Place, Plan, Standing, Step},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    backend::Backend,
    forwarder::Forwarder,
    inside::{Inside, Services},
    running::{PlaneStatus, Stand},
    visits::Visits,
};

/// How often the kernel is compared with what it should be.
const OBSERVE: Duration = Duration::from_secs(5);
/// Places that are compared each time; the next time come the next ones.
const OBSERVED_AT_ONCE: usize = 64;
/// How long until a fabric that ended is started again.
const RESTART: Duration = Duration::from_millis(500);
/// Connections to API servers that are served at a time.
const CONNECTIONS_MAX: usize = 16_384;

/// Where the fabric is.
#[derive(Clone, Default)]
pub(super) struct Realised {
    /// The fabric's helper; nothing while there is none.
    pub(super) helper: Option<Arc<netns::Fabric>>,
    /// What was applied.
    pub(super) fabric: Arc<Fabric>,
    /// The network revision this is complete for.
    revision: u64,
    /// The lab's own services in it.
    inside: Option<Arc<Inside>>,
    /// Why there is no kernel plane and will be none.
    pub(super) unavailable: Option<String>,
    /// Why it could not be made again the last time.
    trouble: Option<String>,
}

/// The kernel plane of a lab.
pub(super) struct KernelPlane {
    network: Arc<ArcSwap<Network>>,
    dns: dns::Server,
    backend: Arc<Backend>,
    shutdown: CancellationToken,
    realised: watch::Sender<Arc<Realised>>,
    visits: Visits,
}

/// Reads where the fabric is, and says who visits it.
#[derive(Clone)]
pub(super) struct RealisedHandle {
    realised: watch::Receiver<Arc<Realised>>,
    visits: Visits,
}

impl KernelPlane {
    /// A plane that has realised nothing yet.
    pub(super) fn new(
        network: Arc<ArcSwap<Network>>,
        dns: dns::Server,
        backend: Arc<Backend>,
        shutdown: CancellationToken,
    ) -> Self {
        let realised = watch::Sender::new(Arc::default());
        Self { network, dns, backend, shutdown, realised, visits: Visits::default() }
    }

    /// A handle by which others see what is realised.
    pub(super) fn realised(&self) -> RealisedHandle {
        RealisedHandle { realised: self.realised.subscribe(), visits: self.visits.clone() }
    }

    /// Keeps the kernel what the newest network says until the lab stops; ends at once on a machine
    /// that does not let it. `services` are served inside.
    pub(super) async fn follow(self, changed: Arc<Notify>, services: Services) {
        let mut first = true;
        while !self.shutdown.is_cancelled() {
            match netns::Fabric::start(command()).await {
                Ok(helper) => {
                    let helper = Arc::new(helper);
                    let inside = Arc::new(Inside::new(services.clone()));
                    if let Err(error) = self.follow_one(&helper, &inside, &changed).await {
                        tracing::error!(%error, "the kernel data plane is lost and made again");
                    }
                    self.realised.send_replace(Arc::default());
                    helper.stop().await;
                }
                Err(unavailable) if first => {
                    tracing::info!(%unavailable, "no kernel data plane");
                    return self.decline(unavailable.to_string());
                }
                Err(unavailable) => {
                    tracing::error!(%unavailable, "the kernel data plane cannot be made again");
                    let trouble = Some(unavailable.to_string());
                    self.realised.send_replace(Arc::new(Realised { trouble, ..Realised::default() }));
                    let _ = tokio::time::timeout(RESTART, self.shutdown.cancelled()).await;
                }
            }
            first = false;
        }
    }

    /// Says that there will be no kernel plane.
    pub(super) fn decline(&self, why: String) {
        self.realised.send_replace(Arc::new(Realised { unavailable: Some(why), ..Realised::default() }));
    }

    async fn follow_one(
        &self,
        helper: &Arc<netns::Fabric>,
        inside: &Arc<Inside>,
        changed: &Notify,
    ) -> Result<(), FabricError> {
        let mut fabric = Fabric::default();
        let mut served = BTreeMap::new();
        let mut watch = Watch::default();
        loop {
            // Registered before looking, so that no change in between is missed.
            let woken = changed.notified();
            let network = self.network.load_full();
            let next = fabric.advance_with(&network, &self.visits.current());
            let plan = Plan::between(&fabric, &next);
            if !plan.steps.is_empty() {
                for step in &plan.steps {
                    match step {
                        Step::Close(place, at) => _ = served.remove(&(place.clone(), *at)),
                        Step::RemoveNamespace(place) => inside.close(place),
                        _ => {}
                    }
                }
                // A lab that stops does not wait for a thousand networks to come first.
                let Some(applied) = self.shutdown.run_until_cancelled(helper.apply(&plan)).await else { return Ok(()) };
                let Applied { opened, failed } = applied?;
                for opened in opened {
                    if let Some((key, serving)) = self.serve(opened, helper, inside) {
                        served.insert(key, serving);
                    }
                }
                for failure in &failed {
                    let step = plan.steps.get(failure.step).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(step, reason = failure.reason, "a step failed; the place will be repaired");
                }
                watch.suspect(failed.iter().filter_map(|failure| place_of(plan.steps.get(failure.step)?)));
            }
            fabric = next;
            self.realised.send_replace(Arc::new(Realised {
                helper: Some(Arc::clone(helper)),
                fabric: Arc::new(fabric.clone()),
                revision: network.revision(),
                inside: Some(Arc::clone(inside)),
                unavailable: None,
                trouble: None,
            }));
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = helper.ended() => return Err(FabricError::Ended),
                () = woken => {}
                () = self.visits.changed() => {}
                () = tokio::time::sleep(OBSERVE) => {
                    watch.look(helper, &fabric).await?;
                    self.visits.end(helper, tokio::time::Instant::now()).await?;
                }
            }
        }
    }

    /// Serves what was opened until the result is dropped.
    fn serve(
        &self,
        opened: Opened,
        helper: &Arc<netns::Fabric>,
        inside: &Inside,
    ) -> Option<((Place, SocketAddrV4), Serving)> {
        let key = (opened.place, opened.at);
        let serving = match opened.listener {
            Listener::Dns(view) => match dns::Server::adopt(view, opened.udp?, opened.tcp) {
                Ok(bound) => {
                    let forwarder = Arc::new(Forwarder(Arc::clone(helper)));
                    Serving::Dns { _view: self.dns.serve_forwarding(bound, forwarder) }
                }
                Err(error) => {
                    tracing::error!(%error, place = %key.0, "a DNS view cannot be served");
                    return None;
                }
            },
            Listener::Metadata => Serving::Http { _stop: inside.metadata(opened.tcp).ok()? },
            Listener::ApiServers => {
                let stop = self.shutdown.child_token();
                let listener = TcpListener::from_std(opened.tcp).ok()?;
                let (backend, realised) = (Arc::clone(&self.backend), self.realised());
                tokio::spawn(accept(listener, backend, realised, stop.clone()));
                Serving::Http { _stop: stop.drop_guard() }
            }
        };
        Some((key, serving))
    }
}

/// What is served on a socket of the fabric.
enum Serving {
    Dns { _view: dns::ServedView },
    Http { _stop: DropGuard },
}

impl RealisedHandle {
    /// In words: the plane that carries packets, why there is none in the kernel, what it lacks.
    pub(super) fn describe(&self) -> PlaneStatus {
        let realised = self.realised.borrow();
        match (&realised.helper, &realised.unavailable) {
            (Some(helper), _) => {
                let Capabilities { tun, stand_ins, .. } = helper.capabilities();
                let lacking = |what: &str, tried: &Result<(), Unavailable>| {
                    tried.as_ref().err().map(|why| format!("{what}: {why}"))
                };
                let lacks = [
                    lacking("real VPN servers and clients", tun),
                    lacking("stand-ins for DNS servers that do not run", stand_ins),
                ];
                PlaneStatus {
                    lacks: lacks.into_iter().flatten().collect(),
                    ..PlaneStatus::new(PlaneStatus::KERNEL, None)
                }
            }
            (None, Some(why)) => PlaneStatus::new(PlaneStatus::PROXY, Some(why.clone())),
            (None, None) => PlaneStatus::new(PlaneStatus::KERNEL, Some(realised.making())),
        }
    }

    /// The newest state; [`Self::changed`] waits for the next.
    pub(super) fn newest(&mut self) -> Arc<Realised> {
        Arc::clone(&self.realised.borrow_and_update())
    }

    /// Waits for the next state; whether one will come.
    pub(super) async fn changed(&mut self) -> bool {
        self.realised.changed().await.is_ok()
    }

    /// Waits until the plane is complete for `revision`, or known not to come.
    pub(super) async fn complete_for(&self, revision: u64) {
        self.wait_for(|realised| realised.helper.is_some() && realised.revision >= revision).await;
    }

    async fn wait_for(&self, done: impl Fn(&Realised) -> bool) {
        // An error says that the reconciler has ended: then nothing will change any more.
        let _ = self.realised.clone().wait_for(|realised| realised.unavailable.is_some() || done(realised)).await;
    }

    /// Why nobody can stand anywhere yet.
    pub(super) fn waiting(&self) -> String {
        let realised = self.realised.borrow();
        if realised.helper.is_some() { "it is being changed".to_owned() } else { realised.making() }
    }

    /// How to stand at `vantage`. A subnet's place is made for it.
    pub(super) async fn stand(&self, network: &Network, vantage: &Vantage) -> Stand {
        if let Vantage::Subnet(subnet) = vantage {
            self.visits.announce(subnet, tokio::time::Instant::now());
            self.wait_for(|realised| realised.helper.is_some() && realised.fabric.visited().contains(subnet)).await;
        }
        let realised = Arc::clone(&self.realised.borrow());
        let (Some(helper), Some(inside)) = (&realised.helper, &realised.inside) else {
            return Stand::Proxy { why: realised.unavailable.clone().unwrap_or_else(|| realised.making()) };
        };
        let Some(standing) = Standing::of(network, &realised.fabric, vantage) else {
            let why = match vantage {
                Vantage::Subnet(_) => "no address is free in",
                _ => "no machine runs at",
            };
            return Stand::Proxy { why: format!("{why} {}", vantage.name()) };
        };
        if let Err(error) = inside.open(helper, &standing.place).await {
            tracing::warn!(place = %standing.place, %error, "ARM cannot be served there");
        }
        match helper.enter(&standing.place).await {
            Ok(entrance) => {
                let files = ClientFiles { resolv_conf: standing.resolv_conf(), hosts: standing.hosts_file() };
                Stand::Kernel { entrance, files }
            }
            Err(error) => Stand::Proxy { why: error.to_string() },
        }
    }

    /// How to stand at a virtual network's router, where its endpoints are.
    pub(super) async fn stand_at_router(&self, network: &ResourceId) -> Stand {
        let realised = Arc::clone(&self.realised.borrow());
        let Some(helper) = &realised.helper else {
            return Stand::Proxy { why: realised.unavailable.clone().unwrap_or_else(|| realised.making()) };
        };
        match helper.enter(&Place::Network(network.clone())).await {
            Ok(entrance) => Stand::Kernel { entrance, files: ClientFiles::default() },
            Err(error) => Stand::Proxy { why: error.to_string() },
        }
    }

    /// Waits until what was accepted at `address` has come by another way than `entrance`, if it came by
    /// an endpoint.
    async fn leads_elsewhere(&self, address: Ipv4Addr, entrance: Option<Entrance>) {
        let Some(entrance) = entrance else { return std::future::pending().await };
        // An error says that the reconciler has ended, and all connections with it.
        let same = |realised: &Arc<Realised>| {
            realised.helper.is_some() && realised.fabric.entrance_at(address) != Some(&entrance)
        };
        let _ = self.realised.clone().wait_for(same).await;
    }
}

#[cfg(test)]
impl RealisedHandle {
    /// A plane that is being made as long as the other half is kept.
    pub(super) fn being_made() -> (impl Drop, Self) {
        let (sender, realised) = watch::channel(Arc::default());
        (sender, Self { realised, visits: Visits::default() })
    }
}

impl Realised {
    /// Why there is no fabric at this moment.
    fn making(&self) -> String {
        self.trouble
            .as_ref()
            .map_or_else(|| "it is being made".to_owned(), |why| format!("it is lost and cannot be made again: {why}"))
    }
}

/// Compares the kernel with what it should be, some places at a time.
#[derive(Default)]
struct Watch {
    /// The last place that was looked at.
    last: Option<Place>,
    /// Places where a step failed.
    suspected: Vec<Place>,
}

impl Watch {
    fn suspect(&mut self, places: impl Iterator<Item = Place>) {
        self.suspected.extend(places);
    }

    async fn look(&mut self, helper: &netns::Fabric, fabric: &Fabric) -> Result<(), FabricError> {
        let after = |place: &&Place| self.last.as_ref().is_none_or(|last| *place > last);
        let mut places: Vec<Place> = fabric.namespaces.keys().filter(after).take(OBSERVED_AT_ONCE).cloned().collect();
        self.last = places.last().cloned().filter(|_| places.len() == OBSERVED_AT_ONCE);
        places.extend(self.suspected.drain(..).filter(|place| fabric.namespaces.contains_key(place)));
        let drift = helper.observe(&places).await?;
        if drift.is_empty() {
            return Ok(());
        }
        for drift in &drift {
            tracing::warn!(place = %drift.place, what = drift.what, "the kernel was changed by hand; repaired");
        }
        let mut broken: Vec<Place> = drift.into_iter().map(|drift| drift.place).collect();
        broken.dedup();
        for reason in helper.repair(&broken).await? {
            tracing::error!(reason, "a repair failed");
            self.suspected.clone_from(&broken);
        }
        Ok(())
    }
}

/// The place that a step is about.
fn place_of(step: &Step) -> Option<Place> {
    Some(match step {
        Step::Close(place, _)
        | Step::CreateNamespace(place)
        | Step::SetForwarding(place, _)
        | Step::SetFilter(place, _)
        | Step::RemoveRoute(place, _)
        | Step::AddRoute(place, _)
        | Step::Listen(place, _, _) => place.clone(),
        Step::CreateVeth(veth) => veth.far.place.clone(),
        Step::RemoveVeth(_) | Step::RemoveNamespace(_) => return None,
    })
}

/// Hands connections that come out of the fabric to the API servers they were made to.
async fn accept(listener: TcpListener, backend: Arc<Backend>, realised: RealisedHandle, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let Ok(std::net::SocketAddr::V4(local)) = stream.local_addr() else { continue };
        let (cluster, entrance) = {
            let now = realised.realised.borrow();
            (now.fabric.cluster_at(*local.ip()).cloned(), now.fabric.entrance_at(*local.ip()).cloned())
        };
        let (Some(cluster), Ok(socket)) = (cluster, stream.as_fd().try_clone_to_owned()) else { continue };
        // Without it replies may wait for an acknowledgement, no more.
        let _ = stream.set_nodelay(true);
        let (backend, stop, realised, address) = (Arc::clone(&backend), stop.clone(), realised.clone(), *local.ip());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = backend.serve(&cluster, stream) => {}
                // Its stream is dropped by now: the last handle resets the connection.
                () = realised.leads_elsewhere(address, entrance) => {
                    let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
                }
            }
            drop(socket);
            drop(slot);
        });
    }
}

/// This program, as the fabric's helper; the one that runs, also after another was installed in its place.
fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("noren").arg(crate::cli::FABRIC);
    command
}
