//! Serving clusters: TLS, who is there, HTTP, one cluster for each connection.
//!
//! Nothing is kept for a cluster but its TLS configuration, and that only once somebody came.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use pki::{Authority, ClientAuthority, ServerCertificate, Subject, TokenIssuer, UnixTime};
use store::{Condition, Outcome, RangeOptions, Store, Transaction};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    audit::AuditLog,
    connection::{self, Client},
    custom::Compiled,
    fairness::Seats,
    metrics::Metrics,
    nodes,
    objects::{ObjectStore, decode},
    registry,
    relay::{Relay, Upstream},
    request::{Objects, Options},
    reviews::User,
    seed,
    spec::ClusterSpec,
    status::Status,
    tokens::AccountTokens,
};

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long server certificates are valid, in days.
const CERTIFICATE_DAYS: u32 = 730;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why a cluster cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The object store failed.
    #[error("the object store failed")]
    Store(#[from] store::StoreError),
    /// The cluster's certificates cannot be made.
    #[error("the cluster's certificates cannot be made")]
    Pki(#[from] pki::PkiError),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    /// The client took too long.
    #[error("the client took too long")]
    TimedOut,
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A default object could not be written.
    #[error("a default object could not be written: {0}")]
    Seed(String),
}

/// The API servers of all clusters. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

/// How a cluster shakes hands.
#[derive(Clone)]
struct Tls {
    /// What it was made for.
    spec: Arc<ClusterSpec>,
    config: Arc<rustls::ServerConfig>,
    clients: ClientAuthority,
}

/// A client behind TLS.
struct Shaken<S> {
    stream: TlsStream<S>,
    subject: Option<Subject>,
}

struct Shared {
    store: Store,
    clock: Clock,
    tls: Mutex<HashMap<String, Tls>>,
    ensured: Mutex<HashMap<String, Arc<ClusterSpec>>>,
    compiled: Arc<Compiled>,
    /// Clusters whose controllers have not looked at them yet.
    fresh: Mutex<BTreeSet<String>>,
    woken: Notify,
    /// What is counted of clusters that somebody asked something.
    metrics: Mutex<HashMap<String, Arc<Metrics>>>,
    seats: Arc<Seats>,
    audit: Option<AuditLog>,
    /// The keys of service accounts that are in use.
    tokens: Mutex<HashMap<String, Arc<TokenIssuer>>>,
}

impl ApiServer {
    /// Servers that keep their objects in `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self::audited(store, clock, None)
    }

    /// The same that write what they are asked into an audit log.
    pub fn audited(store: Store, clock: Clock, audit: Option<AuditLog>) -> Self {
        Self(Arc::new(Shared {
            store,
            clock,
            tls: Mutex::default(),
            ensured: Mutex::default(),
            compiled: Arc::default(),
            fresh: Mutex::default(),
            woken: Notify::new(),
            metrics: Mutex::default(),
            seats: Arc::default(),
            audit,
            tokens: Mutex::default(),
        }))
    }

    /// What is counted of a cluster.
    pub(crate) fn metrics(&self, spec: &ClusterSpec) -> Arc<Metrics> {
        Arc::clone(lock(&self.0.metrics).entry(spec.id.clone()).or_default())
    }

    pub(crate) fn seats(&self) -> &Arc<Seats> {
        &self.0.seats
    }

    pub(crate) fn audit(&self) -> Option<&AuditLog> {
        self.0.audit.as_ref()
    }

    /// Serves one client of the cluster on an accepted connection, until it ends.
    ///
    /// # Errors
    /// [`ServeError`] when handshake or connection fail.
    pub async fn serve<S>(&self, spec: &Arc<ClusterSpec>, stream: S) -> Result<(), ServeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.ensure(spec).await?;
        let Shaken { stream, subject } = self.shake_hands(spec, stream).await?;
        let metrics = self.metrics(spec);
        let client = Arc::new(Client { server: self.clone(), spec: Arc::clone(spec), subject, metrics });
        connection::serve(stream, move |request| {
            let client = Arc::clone(&client);
            async move { client.respond(request).await }
        })
        .await
    }

    /// Serves one client of the cluster like [`Self::serve`], only that requests go on to the control plane
    /// `upstream`, in the name of whoever proved here who they are. It is awaited behind the handshake, since it may
    /// have to be started; why there is none is told to clients that are known.
    ///
    /// # Errors
    /// [`ServeError`] when handshake or connection fail.
    pub async fn relay<S>(
        &self,
        spec: &Arc<ClusterSpec>,
        stream: S,
        upstream: impl Future<Output = Result<Arc<Upstream>, String>> + Send,
    ) -> Result<(), ServeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Whatever is stored of it here rests while something else is the cluster's control plane.
        lock(&self.0.ensured).remove(&spec.id);
        let Shaken { stream, subject } = self.shake_hands(spec, stream).await?;
        let relay = Arc::new(Relay { upstream: upstream.await, subject, tokens: spec.tokens.clone() });
        connection::serve(stream, move |request| {
            let relay = Arc::clone(&relay);
            async move { relay.respond(request).await }
        })
        .await
    }

    /// TLS with the cluster's certificate, and whom the client's certificate proves it to be.
    async fn shake_hands<S>(&self, spec: &Arc<ClusterSpec>, stream: S) -> Result<Shaken<S>, ServeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Tls { config, clients, .. } = self.tls(spec)?;
        let handshake = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(stream));
        let stream = handshake.await.map_err(|_| ServeError::TimedOut)?.map_err(ServeError::Handshake)?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let subject = clients.subject(chain, UnixTime(self.now().as_second()));
        Ok(Shaken { stream, subject })
    }

    /// Makes the cluster's namespaces, its `kubernetes` service and its nodes what they should be.
    /// Cheap when nothing changed since the last call.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ensure(&self, spec: &Arc<ClusterSpec>) -> Result<(), ServeError> {
        let known = lock(&self.0.ensured).get(&spec.id).is_some_and(|known| same_objects(known, spec));
        if known {
            return Ok(());
        }
        self.seed(spec).await?;
        if self.reconcile_nodes(spec).await? {
            lock(&self.0.ensured).insert(spec.id.clone(), Arc::clone(spec));
            lock(&self.0.fresh).insert(spec.id.clone());
            self.0.woken.notify_one();
        }
        Ok(())
    }

    /// Removes everything of a cluster.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, id: &str) -> Result<(), ServeError> {
        lock(&self.0.ensured).remove(id);
        lock(&self.0.tls).remove(id);
        lock(&self.0.tokens).remove(id);
        lock(&self.0.metrics).remove(id);
        self.0.store.commit(Transaction::new().delete_prefix(ObjectStore::root(id))).await?;
        Ok(())
    }

    /// Removes everything of clusters that are not among `ids`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retain(&self, ids: &BTreeSet<String>) -> Result<(), ServeError> {
        let mut after = None;
        loop {
            // One entry of each cluster is enough: the next search begins behind all of its others.
            let options = RangeOptions { limit: 1, start_after: after.take() };
            let range = self.0.store.range("/kube/", &options)?;
            let Some(first) = range.entries.first() else { return Ok(()) };
            let id = first.key.split('/').nth(2).unwrap_or_default().to_owned();
            if !ids.contains(&id) {
                self.remove(&id).await?;
            }
            // `0` is the character behind `/`.
            after = Some(format!("/kube/{id}0"));
        }
    }

    pub(crate) async fn account_tokens(&self, spec: &Arc<ClusterSpec>) -> Result<Arc<AccountTokens>, Status> {
        let known = lock(&self.0.tokens).get(&spec.id).cloned();
        let issuer = if let Some(issuer) = known {
            issuer
        } else {
            let made = Arc::new(AccountTokens::key(&self.objects(spec)).await?);
            Arc::clone(lock(&self.0.tokens).entry(spec.id.clone()).or_insert(made))
        };
        let host = spec.certificate_names.first().map_or("kubernetes.default.svc", String::as_str);
        Ok(Arc::new(AccountTokens::new(issuer, format!("https://{host}"))))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn clock(&self) -> Clock {
        Arc::clone(&self.0.clock)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Resolves when there are clusters that are new to the controllers.
    pub(crate) fn woken(&self) -> impl Future<Output = ()> + '_ {
        self.0.woken.notified()
    }

    /// The clusters that are new to the controllers.
    pub(crate) fn fresh(&self) -> BTreeSet<String> {
        std::mem::take(&mut *lock(&self.0.fresh))
    }

    /// Every cluster that somebody has come to.
    pub(crate) fn clusters(&self) -> Vec<String> {
        let mut clusters: Vec<String> = lock(&self.0.ensured).keys().cloned().collect();
        clusters.sort();
        clusters
    }

    pub(crate) fn spec_of(&self, cluster: &str) -> Option<Arc<ClusterSpec>> {
        lock(&self.0.ensured).get(cluster).cloned()
    }

    /// The objects of a cluster, as the controllers write them.
    pub(crate) fn objects(&self, spec: &ClusterSpec) -> ObjectStore {
        ObjectStore {
            store: self.0.store.clone(),
            cluster: spec.id.clone(),
            service_cidr: spec.service_cidr.clone(),
            compiled: Arc::clone(&self.0.compiled),
            now: (self.0.clock)(),
            user: Arc::new(
                User { name: "system:kube-controller-manager".to_owned(), ..User::default() }.authenticated(),
            ),
            annotations: Arc::default(),
        }
    }

    fn tls(&self, spec: &Arc<ClusterSpec>) -> Result<Tls, ServeError> {
        if let Some(made) = lock(&self.0.tls).get(&spec.id)
            && same_certificate(&made.spec, spec)
        {
            return Ok(made.clone());
        }
        let authority = Authority::from_pem(&spec.authority)?;
        let identity = authority.issue_server(&ServerCertificate {
            common_name: "apiserver",
            names: &spec.certificate_names,
            addresses: &spec.certificate_addresses,
            now: UnixTime((self.0.clock)().as_second()),
            lifetime_days: CERTIFICATE_DAYS,
        })?;
        let clients = ClientAuthority::from_pem(&spec.authority.certificate)?;
        let config = pki::server_config(&identity, Some(&clients), &[b"h2", b"http/1.1"])?;
        let made = Tls { spec: Arc::clone(spec), config, clients };
        lock(&self.0.tls).insert(spec.id.clone(), made.clone());
        Ok(made)
    }

    /// Writes what every cluster has, all at once, unless it is there.
    async fn seed(&self, spec: &ClusterSpec) -> Result<(), ServeError> {
        let objects = self.objects(spec);
        let options = Options { manager: "kube-apiserver".to_owned(), ..Options::default() };
        let mut transaction = Transaction::new();
        let mut missing = false;
        for (plural, object) in seed::objects(&spec.service_cidr) {
            let Some(row) = registry::built_in().iter().find(|row| row.plural == plural) else { continue };
            let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
            let (namespace, name) = (text("namespace"), text("name").unwrap_or_default());
            let key = objects.prefix(row, namespace.as_deref()) + &name;
            if self.0.store.get(&key)?.is_some() {
                continue;
            }
            let place =
                Objects { resource: Arc::clone(row), namespace: namespace.as_deref(), name: None, subresource: None };
            let made = objects.draft(&place, object, &options);
            let made = made.map_err(|status| ServeError::Seed(status.to_value().to_string()))?;
            transaction = transaction.when(Condition::Absent { key: key.clone() }).put(key, made.object.to_string());
            missing = true;
        }
        if missing {
            // If another connection was quicker, it wrote the same.
            self.0.store.commit(transaction).await?;
        }
        Ok(())
    }

    /// Node objects follow the spec: missing ones come, surplus ones go, the others are refreshed.
    /// False when somebody wrote a node at the same time: then nothing happened.
    async fn reconcile_nodes(&self, spec: &ClusterSpec) -> Result<bool, ServeError> {
        let Some(row) = registry::find("", "v1", "nodes") else { return Ok(true) };
        let now = (self.0.clock)();
        let prefix = self.objects(spec).prefix(row, None);
        let stored = self.0.store.range(&prefix, &RangeOptions::default())?.entries;
        let mut transaction = Transaction::new();
        for entry in &stored {
            let name = entry.key.strip_prefix(&prefix).unwrap_or_default();
            if !spec.nodes.iter().any(|node| node.name == name) {
                let lease = format!("/kube/{}/coordination.k8s.io/leases/{}/{name}", spec.id, nodes::LEASES);
                transaction = transaction.delete(entry.key.to_string()).delete(lease);
            }
        }
        for node in &spec.nodes {
            let key = format!("{prefix}{}", node.name);
            let wanted = nodes::object(spec, node, now);
            let held = stored.iter().find(|entry| *entry.key == *key);
            let next = match held.map(decode) {
                Some(Ok(held)) => {
                    let next = nodes::refreshed(&held, &wanted);
                    if next == held {
                        continue;
                    }
                    next
                }
                Some(Err(_)) | None => with_uid(wanted),
            };
            let condition = match held {
                Some(entry) => Condition::ModRevision { key: key.clone(), revision: entry.mod_revision },
                None => Condition::Absent { key: key.clone() },
            };
            let lease_key = format!("/kube/{}/coordination.k8s.io/leases/{}/{}", spec.id, nodes::LEASES, node.name);
            if self.0.store.get(&lease_key)?.is_none() {
                let lease = with_uid(nodes::lease(&next, now));
                transaction = transaction.put(lease_key, lease.to_string());
            }
            transaction = transaction.when(condition).put(key, stored_form(next));
        }
        Ok(matches!(self.0.store.commit(transaction).await?, Outcome::Committed(_)))
    }
}

fn with_uid(mut node: serde_json::Value) -> serde_json::Value {
    node["metadata"]["uid"] = serde_json::json!(uuid::Uuid::new_v4().to_string());
    node
}

fn stored_form(mut node: serde_json::Value) -> String {
    if let Some(serde_json::Value::Object(metadata)) = node.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    node.to_string()
}

fn same_objects(a: &ClusterSpec, b: &ClusterSpec) -> bool {
    a.nodes == b.nodes && a.version == b.version
}

fn same_certificate(a: &ClusterSpec, b: &ClusterSpec) -> bool {
    a.certificate_names == b.certificate_names
        && a.certificate_addresses == b.certificate_addresses
        && a.authority == b.authority
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the tokens of a cluster's service accounts come from, once somebody wants one.
pub(crate) struct Tokens {
    pub(crate) server: ApiServer,
    pub(crate) spec: Arc<ClusterSpec>,
}

impl Tokens {
    /// The issuer of the cluster.
    ///
    /// # Errors
    /// 500 when its key is not available.
    pub(crate) async fn get(&self) -> Result<Arc<AccountTokens>, Status> {
        self.server.account_tokens(&self.spec).await
    }
}
