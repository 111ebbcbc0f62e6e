//! A running lab: the assembly of store, management plane, compiled network, DNS, proxies and API
//! servers in one process.
//!
//! One direction: ARM commits to the store and publishes the new estate; publishing compiles it
//! into the new network before the client is answered; DNS, proxies and API servers read the
//! newest network whenever they are asked; the endpoints' reconciler follows with listeners.

mod backend;
mod client_files;
mod commands;
mod control;
mod control_plane;
mod data_dir;
mod endpoints;
mod estate;
#[cfg(target_os = "linux")]
mod forwarder;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "no_kernel.rs"]
mod kernel;
mod portal;
mod ports;
mod running;
#[cfg(target_os = "linux")]
pub(crate) mod stand_socket;
mod status;
#[cfg(target_os = "linux")]
mod visits;
#[cfg(target_os = "linux")]
mod vpn_gateways;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use arm::{ManagementPlane, Pace, SystemClock};
use azure::{Estate, ResourceId};
use network::Network;
use pki::{Authority, AuthorityPem, Redacted, ServerCertificate, UnixTime};
use store::{Store, StoreError, Transaction};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::failure::Failure;
use control_plane::ControlPlanes;
use endpoints::{Endpoints, ListeningHandle};
use kernel::{KernelPlane, RealisedHandle};
use ports::{Ports, bind_tcp};

pub(crate) use control_plane::ControlPlane;
pub(crate) use data_dir::DataDir;
pub(crate) use estate::DeclaredEstate;
pub(crate) use running::{
    ClusterStatus, Lookout, PlaneStatus, PortalLink, Running, SignIn, Stand, StandRequest, Status, VantageStatus,
    VpnServerStatus,
};

/// Below this the store keeps what the lab itself needs: its authority and its ports.
const AUTHORITY_KEY: &str = "/noren/authority";
const ARM_PORT_KEY: &str = "/noren/port/arm";
const PORTAL_PORT_KEY: &str = "/noren/port/portal";
/// Threads that carry the proxy plane's connections. Each has a descriptor for every vantage.
const PROXY_THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// How long the lab's authority and certificates are valid, in days.
const LIFETIME_DAYS: u32 = 3650;
/// How long stopping may take before what still runs is left behind.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long listeners may take to follow a change.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a lab is started.
#[derive(Debug, Clone)]
pub(crate) struct LabOptions {
    /// Where it keeps everything; `None` for a lab that is gone when it stops.
    pub(crate) data: Option<DataDir>,
    /// How long operations take.
    pub(crate) pace: Pace,
    /// Which data plane carries connections.
    pub(crate) plane: PlaneChoice,
    /// What stands behind the endpoints of clusters that do not choose for themselves.
    pub(crate) control_plane: ControlPlane,
    /// How much of what embedded API servers are asked is put on record, if anything.
    pub(crate) audit: Option<kube::AuditLevel>,
    /// Whether there is a portal.
    pub(crate) portal: bool,
}

/// Which data plane carries connections. The proxies are there in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum PlaneChoice {
    /// The kernel's where the machine allows it, else the proxies.
    #[default]
    Auto,
    /// The kernel's, or none.
    Kernel,
    /// The proxies only.
    Proxy,
}

impl LabOptions {
    /// A lab that leaves nothing behind, and that nobody looks at.
    pub(crate) fn ephemeral() -> Self {
        let control_plane = ControlPlane::Embedded;
        Self { data: None, pace: Pace::Instant, plane: PlaneChoice::Auto, control_plane, audit: None, portal: false }
    }
}

/// A running lab.
pub(crate) struct Lab {
    options: LabOptions,
    plane: ManagementPlane,
    network: Arc<ArcSwap<Network>>,
    listening: ListeningHandle,
    realised: RealisedHandle,
    vpn_servers: watch::Receiver<Vec<VpnServerStatus>>,
    control_planes: Arc<ControlPlanes>,
    running: Running,
    authority_pem: String,
    portal: Option<Arc<::portal::Portal>>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Lab {
    /// Starts a lab; when this returns it is ready for clients.
    pub(crate) async fn start(options: LabOptions) -> anyhow::Result<Self> {
        pki::install_provider();
        raise_descriptor_limit();
        let store = open_store(options.data.as_ref())?;
        let authority = authority(&store).await?;
        let listener = listener(&store, ARM_PORT_KEY).await?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let port = listener.local_addr()?.port();
        let url = format!("https://localhost:{port}");

        let ports = tokio::task::spawn_blocking({
            let store = store.clone();
            move || Ports::take(&store)
        });

        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let network = Arc::new(ArcSwap::from_pointee(Network::default()));
        let changed = Arc::new(Notify::new());
        let (revised, revisions) = watch::channel(0);
        let audit = options.data.as_ref().zip(options.audit);
        let audit = audit.map(|(data, level)| kube::AuditLog::start(data.audit(), level)).transpose();
        let audit = audit.context("the audit log cannot be written")?;
        let api_server = kube::ApiServer::audited(store.clone(), Arc::new(jiff::Timestamp::now), audit);
        let control_planes = ControlPlanes::new(options.control_plane.clone(), options.data.clone()).await?;
        let control_planes = Arc::new(control_planes);
        let backend = backend::Backend::new(api_server.clone(), Arc::clone(&control_planes), Arc::clone(&network));
        let backend = Arc::new(backend);
        let plane = ManagementPlane::open(
            store.clone(),
            arm::Options {
                pace: options.pace,
                base_url: url.clone(),
                clock: Arc::new(SystemClock),
                publish: publisher(Arc::clone(&network), Arc::clone(&changed), revised.clone()),
                runner: Arc::new(commands::Runner::new(Arc::clone(&backend), Arc::clone(&network))),
            },
        )
        .await
        .context("the management plane does not open")?;
        network.store(Arc::new(Network::compile(&plane.estate())));
        revised.send_replace(network.load().revision());

        let dns = dns::Server::new(Arc::clone(&network), shutdown.clone());
        let proxy = proxy::Proxy::start(Arc::clone(&network), backend.clone(), PROXY_THREADS)
            .context("the proxies' threads do not start")?;
        let endpoints = Endpoints::new(store.clone(), ports.await??, dns.clone(), proxy, shutdown.clone());
        // On a worker, whose queue takes thousands of listeners' tasks at less than waking a thread for each.
        let endpoints = tasks.spawn(endpoints.reconciled(network.load_full())).await??;
        let listening = endpoints.listening();
        tasks.spawn(follow(endpoints, Arc::clone(&network), Arc::clone(&changed), shutdown.clone()));
        let kernel = KernelPlane::new(Arc::clone(&network), dns, Arc::clone(&backend), shutdown.clone());
        let realised = kernel.realised();
        let (servers, vpn_servers) = watch::channel(Vec::new());
        #[cfg(target_os = "linux")]
        {
            let gateways = vpn_gateways::VpnGateways::new(Arc::clone(&network), shutdown.clone(), servers);
            tasks.spawn(gateways.follow(realised.clone()));
        }
        #[cfg(not(target_os = "linux"))]
        drop(servers);
        let control = api_server.clone().control();
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(control));
        tasks.spawn(backend::forget_deleted(backend, Arc::clone(&changed), shutdown.clone()));

        let running = running(&plane, url);
        let authority_pem = authority.certificate_pem().to_owned();
        let tls = tls(&authority)?;
        let mut portal = None;
        if options.portal {
            let looked_at = portal::PortalLab {
                network: Arc::clone(&network),
                revisions,
                plane: plane.clone(),
                listening: listening.clone(),
                url: running.url.clone(),
                sign_in: running.sign_in.clone(),
                authority_pem: authority_pem.clone(),
            };
            let (opened, listener) = portal::open(looked_at, self::listener(&store, PORTAL_PORT_KEY).await?)?;
            tasks.spawn(::portal::serve(Arc::clone(&opened), listener, shutdown.clone()));
            portal = Some(opened);
        }
        let lab = Self {
            options,
            plane,
            network,
            listening,
            realised,
            vpn_servers,
            control_planes,
            running,
            authority_pem,
            portal,
            shutdown,
            tasks,
        };
        let (plane, control, stop) = (lab.plane.clone(), lab.control(), lab.shutdown.clone());
        #[cfg(target_os = "linux")]
        let services = inside::Services {
            plane: plane.clone(),
            tls: Arc::clone(&tls),
            control: Arc::clone(&control),
            port,
            shutdown: stop.clone(),
        };
        #[cfg(not(target_os = "linux"))]
        let services = kernel::Services;
        match lab.options.plane {
            PlaneChoice::Auto | PlaneChoice::Kernel => _ = lab.tasks.spawn(kernel.follow(changed, services)),
            PlaneChoice::Proxy => kernel.decline("the lab was started with `--plane proxy`".to_owned()),
        }
        lab.tasks.spawn(async move { plane.serve(listener, tls, control, stop).await });
        #[cfg(target_os = "linux")]
        if let Some(data) = &lab.options.data {
            lab.tasks.spawn(stand_socket::serve(data.clone(), lab.reporter(), lab.shutdown.clone()));
        }
        lab.write_client_files()?;
        Ok(lab)
    }

    /// How to reach the lab, as written for the command line.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// The lab authority's certificate.
    pub(crate) fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// Waits until somebody asks the lab to stop.
    pub(crate) async fn stop_requested(&self) {
        self.shutdown.cancelled().await;
    }

    /// A link to the portal, if there is one, that lets one browser in, once.
    pub(crate) fn portal_link(&self) -> Option<String> {
        self.portal.as_ref().map(|portal| portal.link())
    }

    /// The lab's state.
    pub(crate) fn status(&self) -> Status {
        self.reporter().status()
    }

    /// The lab's state once listeners have followed the newest network.
    pub(crate) async fn settled_status(&self) -> anyhow::Result<Status> {
        let revision = self.network.load().revision();
        let settled = async {
            self.listening.complete_for(revision).await;
            self.realised.complete_for(revision).await;
        };
        tokio::time::timeout(SETTLE_TIMEOUT, settled).await.context("the listeners do not follow")?;
        Ok(self.reporter().status())
    }

    /// How to stand at the vantage that `text` names, once the plane has followed.
    pub(crate) async fn stand(&self, text: &str) -> anyhow::Result<Stand> {
        Ok(self.reporter().stand(text).await?)
    }

    /// Why a client at the vantage does not get through to `name`, as the model has it; nothing if
    /// it does, or if there is no such vantage or name.
    pub(crate) fn explain(&self, vantage: &str, name: &str, port: u16) -> Option<String> {
        let network = self.network.load();
        let host = network::Host::Name(name.parse().ok()?);
        let trace = network.reach(network.find_vantage(vantage).ok()?, &host, port);
        (!trace.disposition.is_connected()).then(|| trace.disposition.sentence())
    }

    /// Stops everything and frees the data.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        if let Some(data) = &self.options.data {
            // A file that stays would only make the command line say that the lab does not answer.
            let _ = fs_err::remove_file(data.running());
        }
        // Dropping the last handle waits for the writer, which is no async work.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    fn reporter(&self) -> status::Reporter {
        status::Reporter {
            network: Arc::clone(&self.network),
            listening: self.listening.clone(),
            realised: self.realised.clone(),
            patience: status::STAND_PATIENCE,
            vpn_servers: self.vpn_servers.clone(),
            control_planes: Arc::clone(&self.control_planes),
            data: self.options.data.as_ref().map(|data| data.path().display().to_string()),
            url: self.running.url.clone(),
        }
    }

    fn control(&self) -> Arc<control::Control> {
        let token = Redacted::new(self.running.control_token.clone());
        Arc::new(control::Control::new(self.reporter(), self.portal.clone(), token, self.shutdown.clone()))
    }

    fn write_client_files(&self) -> anyhow::Result<()> {
        match &self.options.data {
            Some(data) => client_files::write(data, &self.authority_pem, &self.running),
            None => Ok(()),
        }
    }
}

fn open_store(data: Option<&DataDir>) -> anyhow::Result<Store> {
    let Some(data) = data else { return Ok(Store::in_memory()?) };
    data.create()?;
    match Store::open(&data.store()) {
        Ok(store) => Ok(store),
        Err(StoreError::InUse { .. }) => {
            let pid = DataDir::read_json::<Running>(&data.running()).ok().flatten().map(|running| running.pid);
            let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            Err(Failure::new("another lab runs on this data")
                .because(format!("{} is in use{who}", data.path().display()))
                .remedy("use that lab, stop it with `noren down`, or start this one with another `--data`")
                .into())
        }
        Err(error) => Err(error).context("the lab's data cannot be opened"),
    }
}

/// The estate of the lab in `data`, which does not run. Nothing is written there: a copy of the store is opened, and while it
/// is made no lab begins. `None` where a process has the store.
pub(crate) fn estate_at_rest(data: &DataDir) -> anyhow::Result<Option<Estate>> {
    let original = fs_err::File::open(data.store())?;
    if original.file().try_lock_shared().is_err() {
        return Ok(None);
    }
    let scratch = tempfile::tempdir()?;
    let copy = scratch.path().join("lab.redb");
    fs_err::copy(data.store(), &copy)?;
    drop(original);
    let store = Store::open(&copy).context("the lab's data cannot be read")?;
    Ok(Some(arm::stored_estate(&store)?))
}

/// The lab's authority: made the first time, then always the same.
async fn authority(store: &Store) -> anyhow::Result<Authority> {
    if let Some(stored) = store.get(AUTHORITY_KEY)? {
        let pem: AuthorityPem = serde_json::from_slice(&stored.value).context("the lab's authority is damaged")?;
        return Ok(Authority::from_pem(&pem)?);
    }
    let authority = Authority::generate("noren lab", now(), LIFETIME_DAYS)?;
    store.commit(Transaction::new().put(AUTHORITY_KEY, serde_json::to_vec(&authority.to_pem())?)).await?;
    Ok(authority)
}

fn tls(authority: &Authority) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let certificate = ServerCertificate {
        common_name: "localhost",
        names: &["localhost".to_owned()],
        addresses: &[[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()],
        now: now(),
        lifetime_days: LIFETIME_DAYS,
    };
    Ok(pki::server_config(&authority.issue_server(&certificate)?, None, &[b"h2", b"http/1.1"])?)
}

/// A loopback listener on the port that the store remembers under `key` if it is free, else on any, which
/// is remembered then.
async fn listener(store: &Store, key: &str) -> anyhow::Result<std::net::TcpListener> {
    let stored = store.get(key)?;
    let remembered = stored.and_then(|entry| String::from_utf8_lossy(&entry.value).parse().ok());
    let listener = bind_tcp(remembered).context("cannot listen on loopback")?;
    let port = listener.local_addr()?.port();
    if remembered != Some(port) {
        store.commit(Transaction::new().put(key, port.to_string())).await?;
    }
    Ok(listener)
}

fn running(plane: &ManagementPlane, url: String) -> Running {
    let (lab, principal) = (plane.lab(), plane.service_principal());
    Running {
        pid: std::process::id(),
        url,
        control_token: pki::random_token(32).into_inner(),
        sign_in: SignIn {
            tenant: lab.tenant.clone(),
            subscription: lab.subscription.clone(),
            client_id: principal.client_id.clone(),
            client_secret: principal.secret.expose().clone(),
            identity_secret: plane.identity_secret().expose().clone(),
        },
    }
}

/// Compiles every new estate into the network that all readers use.
fn publisher(network: Arc<ArcSwap<Network>>, changed: Arc<Notify>, revised: watch::Sender<u64>) -> arm::Publish {
    Arc::new(move |estate: &Arc<Estate>, ids: &[ResourceId]| {
        network.store(Arc::new(network.load().advance(estate, ids)));
        changed.notify_waiters();
        revised.send_replace(estate.revision());
    })
}

/// Keeps the listeners those of the newest network.
async fn follow(
    mut endpoints: Endpoints,
    network: Arc<ArcSwap<Network>>,
    changed: Arc<Notify>,
    shutdown: CancellationToken,
) {
    /// Woken also without a change, to try again what failed.
    const RETRY: Duration = Duration::from_secs(5);
    loop {
        // Registered before looking, so that no change in between is missed.
        let woken = changed.notified();
        if let Err(error) = endpoints.reconcile(&network.load_full()).await {
            tracing::error!(%error, "listeners could not be brought up to date");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tokio::time::timeout(RETRY, woken) => {}
        }
    }
}

/// The time, as certificates count it.
fn now() -> UnixTime {
    UnixTime(jiff::Timestamp::now().as_second())
}

/// Every view and vantage is a socket: allow as many as the system lets us.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // Without it the lab is smaller, not broken.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}
