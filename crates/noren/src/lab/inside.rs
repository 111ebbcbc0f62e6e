//! The lab's own services inside the fabric: ARM and Entra ID on the loopback device of every place that
//! somebody stands at, at the port they have on the host, so that what `noren env` says holds there as
//! well; the instance metadata service where machines in Azure ask for it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use arm::ManagementPlane;
use netns::{Fabric, FabricError, SocketKind};
use network::plan::Place;
use tokio::sync::OnceCell;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::control::Control;

/// What there is to serve.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) plane: ManagementPlane,
    pub(super) tls: Arc<rustls::ServerConfig>,
    pub(super) control: Arc<Control>,
    /// Where ARM listens on the host's loopback device.
    pub(super) port: u16,
    pub(super) shutdown: CancellationToken,
}

/// What is served at a place: once, however many ask for it at a time.
type Served = Arc<OnceCell<DropGuard>>;

/// The places of one fabric that have them.
pub(super) struct Inside {
    services: Services,
    served: Mutex<BTreeMap<Place, Served>>,
}

impl Inside {
    /// No place has them yet.
    pub(super) fn new(services: Services) -> Self {
        Self { services, served: Mutex::default() }
    }

    /// Serves ARM and Entra ID at a place, if it does not do so yet. Who asks while somebody else does
    /// waits for the same answer; when it cannot be served, the next one who asks tries again.
    ///
    /// # Errors
    /// There is no such place; a program there has the port.
    pub(super) async fn open(&self, fabric: &Fabric, place: &Place) -> Result<(), FabricError> {
        let served = Arc::clone(self.served().entry(place.clone()).or_default());
        served.get_or_try_init(|| self.serve(fabric, place)).await.map(drop)
    }

    async fn serve(&self, fabric: &Fabric, place: &Place) -> Result<DropGuard, FabricError> {
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.services.port);
        let listener = fabric.open(place, SocketKind::Listener(at)).await?;
        let listener = tokio::net::TcpListener::from_std(TcpListener::from(listener));
        let listener = listener.map_err(|error| FabricError::Refused(error.to_string()))?;
        let Services { plane, tls, control, shutdown, .. } = self.services.clone();
        let stop = shutdown.child_token();
        let stopped = stop.clone();
        tokio::spawn(async move { plane.serve_also(listener, tls, control, stopped).await });
        Ok(stop.drop_guard())
    }

    /// Ends what is served at a place.
    pub(super) fn close(&self, place: &Place) {
        self.served().remove(place);
    }

    /// Serves the metadata service until the result is dropped.
    pub(super) fn metadata(&self, listener: TcpListener) -> std::io::Result<DropGuard> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (plane, stop) = (self.services.plane.clone(), self.services.shutdown.child_token());
        let stopped = stop.clone();
        tokio::spawn(async move { plane.serve_metadata(listener, stopped).await });
        Ok(stop.drop_guard())
    }

    fn served(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
