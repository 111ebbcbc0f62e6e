//! Keeps one DNS server for each view and one proxy for each vantage, no more and no fewer.
//!
//! A reconciler: it takes no input but the newest network, is woken by a change, and serves cold
//! start and change by the same path. Ports are remembered in the store, so that a kubeconfig or
//! a `dig` command keeps working across restarts; a port that somebody else took is replaced.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use network::{Network, Vantage, ViewId};
use store::{Store, Transaction};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// Below this prefix the store remembers which port serves what.
const PORTS: &str = "/noren/port/";

/// Where views and vantages listen now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening {
    /// The revision this is complete for.
    pub(crate) revision: u64,
    /// DNS servers by view.
    pub(crate) views: BTreeMap<ViewId, SocketAddr>,
    /// Proxies by vantage.
    pub(crate) vantages: BTreeMap<Vantage, SocketAddr>,
}

/// The reconciler of listeners.
pub(crate) struct Endpoints {
    store: Store,
    dns: dns::Server,
    proxy: proxy::Proxy,
    shutdown: CancellationToken,
    views: BTreeMap<ViewId, (dns::ServedView, SocketAddr)>,
    vantages: BTreeMap<Vantage, (CancellationToken, SocketAddr)>,
    done: Network,
    /// What could not listen and is tried again.
    failed: bool,
    listening: watch::Sender<Arc<Listening>>,
}

impl Endpoints {
    /// A reconciler that serves nothing yet.
    pub(crate) fn new(store: Store, dns: dns::Server, proxy: proxy::Proxy, shutdown: CancellationToken) -> Self {
        Self {
            store,
            dns,
            proxy,
            shutdown,
            views: BTreeMap::new(),
            vantages: BTreeMap::new(),
            done: Network::default(),
            failed: false,
            listening: watch::Sender::new(Arc::default()),
        }
    }

    /// A handle by which others read where everything listens.
    pub(crate) fn listening(&self) -> ListeningHandle {
        ListeningHandle(self.listening.subscribe())
    }

    /// Makes the listeners those of `network`. What cannot listen is logged and tried again at the
    /// next call.
    pub(crate) async fn reconcile(&mut self, network: &Network) -> anyhow::Result<()> {
        let unchanged = self.done.revision() == network.revision() && !self.views.is_empty();
        if unchanged && !self.failed {
            return Ok(());
        }
        let mut ports = Transaction::new();
        // After a failure everything is compared, else only what changed.
        let before = if self.failed { Network::default() } else { self.done.clone() };
        for (key, stop) in self.close_gone(network) {
            ports = ports.delete(key);
            drop(stop);
        }
        self.failed = false;
        for view in added_views(&before, network) {
            let key = view_key(&view);
            if self.views.contains_key(&view) {
                continue;
            }
            match self.bind_view(&view, &key) {
                Ok(port) => ports = self.remember(ports, key, port)?,
                Err(error) => self.failed(&format!("{view:?}"), &error),
            }
        }
        for vantage in added_vantages(&before, network) {
            let key = vantage_key(&vantage);
            if self.vantages.contains_key(&vantage) {
                continue;
            }
            match self.bind_vantage(&vantage, &key).await {
                Ok(port) => ports = self.remember(ports, key, port)?,
                Err(error) => self.failed(&vantage.key(), &error),
            }
        }
        self.done = network.clone();
        // Remembered before anybody is told, so that a port once seen is seen again.
        self.store.commit(ports).await?;
        self.publish();
        Ok(())
    }

    /// Closes what `network` no longer has; gives the keys of the ports.
    fn close_gone(&mut self, network: &Network) -> Vec<(String, Option<dns::ServedView>)> {
        let mut gone = Vec::new();
        for view in removed_views(&self.done, network) {
            let served = self.views.remove(&view).map(|(served, _)| served);
            gone.push((view_key(&view), served));
        }
        for vantage in removed_vantages(&self.done, network) {
            if let Some((stop, _)) = self.vantages.remove(&vantage) {
                stop.cancel();
            }
            gone.push((vantage_key(&vantage), None));
        }
        gone
    }

    fn failed(&mut self, what: &str, error: &anyhow::Error) {
        tracing::error!(what, %error, "cannot listen");
        self.failed = true;
    }

    fn publish(&self) {
        self.listening.send_replace(Arc::new(Listening {
            revision: self.done.revision(),
            views: self.views.iter().map(|(view, (_, address))| (view.clone(), *address)).collect(),
            vantages: self.vantages.iter().map(|(vantage, (_, address))| (vantage.clone(), *address)).collect(),
        }));
    }

    fn bind_view(&mut self, view: &ViewId, key: &str) -> anyhow::Result<u16> {
        let bind = |port| dns::Server::bind(view.clone(), loopback(port));
        let bound = match self.remembered(key)? {
            Some(port) => bind(port).or_else(|_| bind(0)),
            None => bind(0),
        }?;
        let address = bound.address();
        self.views.insert(view.clone(), (self.dns.serve(bound), address));
        Ok(address.port())
    }

    async fn bind_vantage(&mut self, vantage: &Vantage, key: &str) -> anyhow::Result<u16> {
        let listener = bind_tcp(self.remembered(key)?).await?;
        let address = listener.local_addr()?;
        let stop = self.shutdown.child_token();
        tokio::spawn(self.proxy.clone().serve(vantage.clone(), listener, stop.clone()));
        self.vantages.insert(vantage.clone(), (stop, address));
        Ok(address.port())
    }

    /// Adds a port to what is to be remembered, unless it is already.
    fn remember(&self, ports: Transaction, key: String, port: u16) -> anyhow::Result<Transaction> {
        Ok(if self.remembered(&key)? == Some(port) { ports } else { ports.put(key, port.to_string()) })
    }

    fn remembered(&self, key: &str) -> anyhow::Result<Option<u16>> {
        let value = self.store.get(key)?;
        Ok(value.and_then(|entry| String::from_utf8_lossy(&entry.value).parse().ok()))
    }
}

/// Reads where everything listens.
#[derive(Clone)]
pub(crate) struct ListeningHandle(watch::Receiver<Arc<Listening>>);

impl ListeningHandle {
    /// The newest state.
    pub(crate) fn get(&self) -> Arc<Listening> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits until it is complete for `revision`.
    pub(crate) async fn complete_for(&self, revision: u64) {
        // An error says that the reconciler has ended: then nothing will change any more.
        let _ = self.0.clone().wait_for(|listening| listening.revision >= revision).await;
    }
}

/// A TCP listener on loopback: on the remembered port if it is free, else on any.
pub(crate) async fn bind_tcp(remembered: Option<u16>) -> std::io::Result<TcpListener> {
    if let Some(port) = remembered
        && let Ok(listener) = TcpListener::bind(loopback(port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(loopback(0)).await
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn view_key(view: &ViewId) -> String {
    match view {
        ViewId::Public => format!("{PORTS}view/public"),
        ViewId::VirtualNetwork(id) => format!("{PORTS}view{}", id.key()),
    }
}

fn vantage_key(vantage: &Vantage) -> String {
    format!("{PORTS}vantage/{}", vantage.key())
}

fn removed_views(before: &Network, after: &Network) -> Vec<ViewId> {
    before
        .virtual_networks()
        .diff(after.virtual_networks())
        .filter_map(|item| match item {
            imbl::ordmap::DiffItem::Remove(id, _) => Some(ViewId::VirtualNetwork(id.clone())),
            _ => None,
        })
        .collect()
}

fn added_views(before: &Network, after: &Network) -> Vec<ViewId> {
    let networks = before.virtual_networks().diff(after.virtual_networks()).filter_map(|item| match item {
        imbl::ordmap::DiffItem::Add(id, _) => Some(ViewId::VirtualNetwork(id.clone())),
        _ => None,
    });
    std::iter::once(ViewId::Public).chain(networks).collect()
}

fn removed_vantages(before: &Network, after: &Network) -> Vec<Vantage> {
    changes(before, after).filter_map(|(vantage, added)| (!added).then_some(vantage)).collect()
}

fn added_vantages(before: &Network, after: &Network) -> Vec<Vantage> {
    changes(before, after).filter_map(|(vantage, added)| added.then_some(vantage)).collect()
}

/// Vantages that came (`true`) or went (`false`); costs the size of the difference.
fn changes<'a>(before: &'a Network, after: &'a Network) -> impl Iterator<Item = (Vantage, bool)> + 'a {
    before.vantages().diff(after.vantages()).map(|item| match item {
        imbl::ordset::DiffItem::Add(vantage) => (vantage.clone(), true),
        imbl::ordset::DiffItem::Remove(vantage) => (vantage.clone(), false),
    })
}
