//! Keeps one DNS server for each view and one proxy for each vantage, no more and no fewer.
//!
//! A reconciler: it takes no input but the newest network, is woken by a change, and serves cold
//! start and change by the same path.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc};

use imbl::OrdMap;
use network::{Network, Vantage, ViewId};
use store::{Store, Transaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ports::Ports;

/// Where views and vantages listen now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening {
    /// The revision this is complete for.
    pub(crate) revision: u64,
    /// DNS servers by view.
    pub(crate) views: OrdMap<ViewId, SocketAddr>,
    /// Proxies by vantage.
    pub(crate) vantages: OrdMap<Vantage, SocketAddr>,
}

/// The reconciler of listeners.
pub(crate) struct Endpoints {
    store: Store,
    dns: dns::Server,
    proxy: proxy::Proxy,
    shutdown: CancellationToken,
    views: HashMap<ViewId, dns::ServedView>,
    vantages: HashMap<Vantage, CancellationToken>,
    ports: Ports,
    done: Network,
    /// What could not listen and is tried again.
    failed: bool,
    /// Where these listen. Shares its structure with what was published, so that a change costs no copy of the whole.
    now: Listening,
    listening: watch::Sender<Arc<Listening>>,
}

impl Endpoints {
    /// A reconciler that serves nothing yet.
    pub(crate) fn new(
        store: Store,
        ports: Ports,
        dns: dns::Server,
        proxy: proxy::Proxy,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            store,
            ports,
            dns,
            proxy,
            shutdown,
            views: HashMap::new(),
            vantages: HashMap::new(),
            done: Network::default(),
            failed: false,
            now: Listening::default(),
            listening: watch::Sender::new(Arc::default()),
        }
    }

    /// A handle by which others read where everything listens.
    pub(crate) fn listening(&self) -> ListeningHandle {
        ListeningHandle(self.listening.subscribe())
    }

    /// This reconciler after its first [`Endpoints::reconcile`].
    pub(crate) async fn reconciled(mut self, network: Arc<Network>) -> anyhow::Result<Self> {
        self.reconcile(&network).await?;
        Ok(self)
    }

    /// Makes the listeners those of `network`. What cannot listen is logged and tried again at the
    /// next call.
    pub(crate) async fn reconcile(&mut self, network: &Network) -> anyhow::Result<()> {
        let unchanged = self.done.revision() == network.revision() && !self.views.is_empty();
        if unchanged && !self.failed {
            return Ok(());
        }
        // After a failure everything is compared, else only what changed.
        let before = if self.failed { Network::default() } else { self.done.clone() };
        let mut stored = self.close_gone(network);
        self.failed = false;
        for view in added_views(&before, network) {
            if self.views.contains_key(&view) {
                continue;
            }
            match self.serve_view(&view) {
                Ok(port) => stored = self.ports.remember_view(stored, &view, port),
                Err(error) => self.failed(&format!("{view:?}"), &error),
            }
        }
        for vantage in added_vantages(&before, network) {
            if self.vantages.contains_key(&vantage) {
                continue;
            }
            match self.serve_vantage(&vantage) {
                Ok(port) => stored = self.ports.remember_vantage(stored, &vantage, port),
                Err(error) => self.failed(&vantage.key(), &error),
            }
        }
        self.ports.close_unused();
        self.done = network.clone();
        // Remembered before anybody is told, so that a port once seen is seen again.
        self.store.commit(stored).await?;
        self.publish();
        Ok(())
    }

    /// Closes what `network` no longer has; gives what is to be stored of it.
    fn close_gone(&mut self, network: &Network) -> Transaction {
        let mut stored = Transaction::new();
        for view in removed_views(&self.done, network) {
            self.views.remove(&view);
            self.now.views.remove(&view);
            stored = self.ports.forget_view(stored, &view);
        }
        for vantage in removed_vantages(&self.done, network) {
            if let Some(stop) = self.vantages.remove(&vantage) {
                stop.cancel();
            }
            self.now.vantages.remove(&vantage);
            stored = self.ports.forget_vantage(stored, &vantage);
        }
        stored
    }

    fn failed(&mut self, what: &str, error: &io::Error) {
        tracing::error!(what, %error, "cannot listen");
        self.failed = true;
    }

    fn publish(&mut self) {
        self.now.revision = self.done.revision();
        self.listening.send_replace(Arc::new(self.now.clone()));
    }

    fn serve_view(&mut self, view: &ViewId) -> io::Result<u16> {
        let bound = self.ports.view(view)?;
        let address = bound.address();
        self.views.insert(view.clone(), self.dns.serve(bound));
        self.now.views.insert(view.clone(), address);
        Ok(address.port())
    }

    fn serve_vantage(&mut self, vantage: &Vantage) -> io::Result<u16> {
        let listener = self.ports.vantage(vantage)?;
        let address = listener.local_addr()?;
        let stop = self.shutdown.child_token();
        self.proxy.serve(vantage.clone(), &listener, &stop)?;
        self.vantages.insert(vantage.clone(), stop);
        self.now.vantages.insert(vantage.clone(), address);
        Ok(address.port())
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

#[cfg(test)]
impl Default for ListeningHandle {
    fn default() -> Self {
        Self(watch::channel(Arc::default()).1)
    }
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
