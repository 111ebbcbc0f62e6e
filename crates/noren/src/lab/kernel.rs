//! The kernel data plane: keeps the fabric what the newest network says.
//!
//! A reconciler: it takes no input but the newest network, is woken by a change and by a timer, and
//! serves cold start, change and repair by the same path. A fabric that ends is started anew.

use std::{collections::BTreeMap, net::SocketAddrV4, process::Command, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use netns::{Applied, ClientFiles, FabricError, Opened};
use network::{
    Network, Vantage,
    plan::{Fabric, Listener, Place, Plan, Standing, Step},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    backend::Backend,
    running::{PlaneStatus, Stand},
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
    /// Why there is no kernel plane and will be none.
    pub(super) unavailable: Option<String>,
}

/// The kernel plane of a lab.
pub(super) struct KernelPlane {
    network: Arc<ArcSwap<Network>>,
    dns: dns::Server,
    backend: Arc<Backend>,
    shutdown: CancellationToken,
    realised: watch::Sender<Arc<Realised>>,
}

/// Reads where the fabric is.
#[derive(Clone)]
pub(super) struct RealisedHandle(watch::Receiver<Arc<Realised>>);

impl KernelPlane {
    /// A plane that has realised nothing yet.
    pub(super) fn new(
        network: Arc<ArcSwap<Network>>,
        dns: dns::Server,
        backend: Arc<Backend>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { network, dns, backend, shutdown, realised: watch::Sender::new(Arc::default()) }
    }

    /// A handle by which others see what is realised.
    pub(super) fn realised(&self) -> RealisedHandle {
        RealisedHandle(self.realised.subscribe())
    }

    /// Keeps the kernel what the newest network says until the lab stops; ends at once on a machine
    /// that does not let it.
    pub(super) async fn follow(self, changed: Arc<Notify>) {
        let mut first = true;
        while !self.shutdown.is_cancelled() {
            match netns::Fabric::start(command()).await {
                Ok(helper) => {
                    let helper = Arc::new(helper);
                    if let Err(error) = self.follow_one(&helper, &changed).await {
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

    async fn follow_one(&self, helper: &Arc<netns::Fabric>, changed: &Notify) -> Result<(), FabricError> {
        let mut fabric = Fabric::default();
        let mut served = BTreeMap::new();
        let mut watch = Watch::default();
        loop {
            // Registered before looking, so that no change in between is missed.
            let woken = changed.notified();
            let network = self.network.load_full();
            let next = fabric.advance(&network);
            let plan = Plan::between(&fabric, &next);
            if !plan.steps.is_empty() {
                for step in &plan.steps {
                    if let Step::Close(place, at) = step {
                        served.remove(&(place.clone(), *at));
                    }
                }
                let Applied { opened, failed } = helper.apply(&plan).await?;
                for opened in opened {
                    if let Some((key, serving)) = self.serve(opened) {
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
                unavailable: None,
            }));
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = helper.ended() => return Err(FabricError::Ended),
                () = woken => {}
                () = tokio::time::sleep(OBSERVE) => watch.look(helper, &fabric).await?,
            }
        }
    }

    /// Serves what was opened until the result is dropped.
    fn serve(&self, opened: Opened) -> Option<((Place, SocketAddrV4), Serving)> {
        let key = (opened.place, opened.at);
        let serving = match opened.listener {
            Listener::Dns(view) => match dns::Server::adopt(view, opened.udp?, opened.tcp) {
                Ok(bound) => Serving::Dns { _view: self.dns.serve(bound) },
                Err(error) => {
                    tracing::error!(%error, place = %key.0, "a DNS view cannot be served");
                    return None;
                }
            },
            Listener::ApiServers => {
                let stop = self.shutdown.child_token();
                let listener = TcpListener::from_std(opened.tcp).ok()?;
                let (backend, realised) = (Arc::clone(&self.backend), self.realised());
                tokio::spawn(accept(listener, backend, realised, stop.clone()));
                Serving::ApiServers { _stop: stop.drop_guard() }
            }
        };
        Some((key, serving))
    }
}

/// What is served on a socket of the fabric.
enum Serving {
    Dns { _view: dns::ServedView },
    ApiServers { _stop: DropGuard },
}

impl RealisedHandle {
    /// In words: the plane that carries packets, or why there is none in the kernel.
    pub(super) fn describe(&self) -> PlaneStatus {
        let realised = self.0.borrow();
        match (&realised.helper, &realised.unavailable) {
            (Some(_), _) => PlaneStatus::new(PlaneStatus::KERNEL, None),
            (None, Some(why)) => PlaneStatus::new(PlaneStatus::PROXY, Some(why.clone())),
            (None, None) => PlaneStatus::new(PlaneStatus::KERNEL, Some("it is being made".to_owned())),
        }
    }

    /// The newest state; [`Self::changed`] waits for the next.
    pub(super) fn newest(&mut self) -> Arc<Realised> {
        Arc::clone(&self.0.borrow_and_update())
    }

    /// Waits for the next state; whether one will come.
    pub(super) async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }

    /// Waits until the plane is complete for `revision`, or known not to come.
    pub(super) async fn complete_for(&self, revision: u64) {
        let complete = |realised: &Arc<Realised>| {
            realised.unavailable.is_some() || (realised.helper.is_some() && realised.revision >= revision)
        };
        // An error says that the reconciler has ended: then nothing will change any more.
        let _ = self.0.clone().wait_for(complete).await;
    }

    /// How to stand at `vantage`.
    pub(super) async fn stand(&self, network: &Network, vantage: &Vantage) -> Stand {
        let realised = Arc::clone(&self.0.borrow());
        let Some(helper) = &realised.helper else {
            let why = realised.unavailable.clone();
            return Stand::Proxy { why: why.unwrap_or_else(|| "the kernel data plane is being made".to_owned()) };
        };
        let Some(standing) = Standing::of(network, &realised.fabric, vantage) else {
            return Stand::Proxy { why: format!("no machine stands at {}", vantage.name()) };
        };
        match helper.enter(&standing.place).await {
            Ok(entrance) => {
                let files = ClientFiles { resolv_conf: standing.resolv_conf(), hosts: standing.hosts_file() };
                Stand::Kernel { entrance, files }
            }
            Err(error) => Stand::Proxy { why: error.to_string() },
        }
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
        let Some(cluster) = realised.0.borrow().fabric.cluster_at(*local.ip()).cloned() else { continue };
        // Without it replies may wait for an acknowledgement, no more.
        let _ = stream.set_nodelay(true);
        let (backend, stop) = (Arc::clone(&backend), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = backend.serve(&cluster, stream) => {}
            }
            drop(slot);
        });
    }
}

/// This program, as the fabric's helper.
fn command() -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| "noren".into());
    let mut command = Command::new(program);
    command.arg(crate::cli::FABRIC);
    command
}
