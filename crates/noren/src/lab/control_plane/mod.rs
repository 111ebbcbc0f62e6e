//! Which control plane stands behind a cluster's private endpoint: the embedded API server, a real one that the lab
//! starts, or any that a kubeconfig leads to. Endpoint, names, certificate and kubeconfigs stay the cluster's own.

mod choice;
mod envtest;
mod kubeconfig;
mod programs;

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use kube::{ClusterSpec, Upstream};
use network::Network;

use super::DataDir;
use crate::failure::Failure;
pub(crate) use choice::ControlPlane;
pub(super) use choice::Real;
use envtest::Envtest;

/// The tag of a cluster that has another control plane than the lab's others.
pub(super) const TAG: &str = "noren.control-plane";

/// A file and a context of it.
type Source = (PathBuf, Option<String>);
/// What was read of a file, and when that was written.
type Read = (Option<SystemTime>, Arc<Upstream>);
/// The place of one cluster's own control plane; locked while it starts.
type Slot = Arc<tokio::sync::Mutex<Option<Envtest>>>;

/// The control planes of a lab's clusters.
#[derive(Default)]
pub(super) struct ControlPlanes {
    usual: ControlPlane,
    data: Option<DataDir>,
    read: Mutex<HashMap<Source, Read>>,
    started: Mutex<HashMap<String, Slot>>,
}

impl ControlPlanes {
    /// Those of a lab that keeps its data in `data`, where clusters have `usual` unless they say otherwise.
    ///
    /// # Errors
    /// [`Failure`] when `usual` cannot be had on this machine.
    pub(super) async fn new(usual: ControlPlane, data: Option<DataDir>) -> Result<Self, Failure> {
        match &usual {
            ControlPlane::Embedded => {}
            ControlPlane::Real(Real::Envtest { assets }) => {
                drop(programs::find(assets.as_deref(), &programs::environment)?);
            }
            ControlPlane::Real(Real::Kubeconfig { file, context }) => {
                drop(kubeconfig::upstream(file, context.as_deref()).await?);
            }
        }
        Ok(Self { usual, data, read: Mutex::default(), started: Mutex::default() })
    }

    /// The control plane `real` for a cluster. One that the lab starts itself is ready when this returns.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be had.
    pub(super) async fn behind(&self, spec: &ClusterSpec, real: Real) -> Result<Arc<Upstream>, Failure> {
        match real {
            Real::Kubeconfig { file, context } => self.led_to((file, context)).await,
            Real::Envtest { assets } => {
                let slot = Arc::clone(lock(&self.started).entry(spec.id.clone()).or_default());
                let mut slot = slot.lock().await;
                if let Some(running) = &mut *slot
                    && running.runs()
                {
                    return Ok(running.upstream());
                }
                let programs = programs::find(assets.as_deref(), &programs::environment)?;
                let data = self.data.as_ref().ok_or_else(|| {
                    Failure::new("this lab cannot start a control plane")
                        .because("it keeps no data")
                        .remedy("`noren up`")
                })?;
                let running = slot.insert(Envtest::start(&programs, data, spec).await?);
                Ok(running.upstream())
            }
        }
    }

    /// What a cluster with this tag has.
    ///
    /// # Errors
    /// [`Failure`] when the tag says nothing that is known.
    pub(super) fn choice(&self, tag: Option<&str>) -> Result<ControlPlane, Failure> {
        let Some(tag) = tag else { return Ok(self.usual.clone()) };
        tag.parse().map_err(|why: String| {
            let remedy = format!("set the cluster's tag `{TAG}` to one of {}", choice::FORMS);
            Failure::new(format!("`{tag}` is no control plane")).because(why).remedy(remedy)
        })
    }

    /// What a cluster with this tag has in words, unless it is the embedded server; what nobody knows is as the tag says.
    pub(super) fn real(&self, tag: Option<&str>) -> Option<String> {
        match self.choice(tag) {
            Ok(ControlPlane::Embedded) => None,
            Ok(real @ ControlPlane::Real(_)) => Some(real.to_string()),
            Err(_) => tag.map(str::to_owned),
        }
    }

    /// The control plane that a kubeconfig leads to, read again when the file has changed.
    async fn led_to(&self, source: Source) -> Result<Arc<Upstream>, Failure> {
        let written = fs_err::metadata(&source.0).and_then(|metadata| metadata.modified()).ok();
        if let Some((known, upstream)) = lock(&self.read).get(&source)
            && *known == written
        {
            return Ok(Arc::clone(upstream));
        }
        let upstream = Arc::new(kubeconfig::upstream(&source.0, source.1.as_deref()).await?);
        lock(&self.read).insert(source, (written, Arc::clone(&upstream)));
        Ok(upstream)
    }

    /// Stops what belongs to clusters that do not run, and removes what those left that are no more.
    ///
    /// A lab that starts none looks at no cluster: it is asked to follow after every change.
    pub(super) async fn follow(&self, network: &Network) {
        let data = self.data.as_ref().map(DataDir::control_planes);
        let left: Vec<_> =
            data.and_then(|path| fs_err::read_dir(path).ok()).into_iter().flatten().filter_map(Result::ok).collect();
        if left.is_empty() && lock(&self.started).is_empty() {
            return;
        }
        let clusters = || network.clusters().values();
        let running: BTreeSet<&str> =
            clusters().filter(|one| one.running).filter_map(|one| one.uid.as_deref()).collect();
        let idle: Vec<Slot> = {
            let mut started = lock(&self.started);
            let gone: Vec<String> = started.keys().filter(|id| !running.contains(id.as_str())).cloned().collect();
            gone.iter().filter_map(|id| started.remove(id)).collect()
        };
        stop(idle).await;
        let known: BTreeSet<&str> = clusters().filter_map(|one| one.uid.as_deref()).collect();
        for left in left {
            if left.file_name().to_str().is_some_and(|name| !known.contains(name))
                && let Err(error) = fs_err::remove_dir_all(left.path())
            {
                tracing::warn!(%error, "what a deleted cluster's control plane left could not be removed");
            }
        }
    }

    /// Stops all that the lab started.
    pub(super) async fn stop(&self) {
        let started: Vec<Slot> = lock(&self.started).drain().map(|(_, slot)| slot).collect();
        stop(started).await;
    }
}

/// Stops all of them at the same time.
async fn stop(slots: Vec<Slot>) {
    let stopping = slots.into_iter().map(|slot| async move {
        if let Some(running) = slot.lock().await.take() {
            running.stop().await;
        }
    });
    futures_util::future::join_all(stopping).await;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
