//! The kernel data plane where the kernel is not Linux: there is none.

use std::sync::Arc;

use arc_swap::ArcSwap;
use azure::ResourceId;
use network::{Network, Vantage};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    backend::Backend,
    running::{PlaneStatus, Stand},
};

/// Why.
const WHY: &str = "only Linux has network namespaces";

/// Nobody needs any.
pub(super) struct Services;

/// Nothing.
pub(super) struct KernelPlane;

/// Says so.
#[derive(Clone)]
pub(super) struct RealisedHandle;

impl KernelPlane {
    pub(super) fn new(_: Arc<ArcSwap<Network>>, _: dns::Server, _: Arc<Backend>, _: CancellationToken) -> Self {
        Self
    }

    pub(super) fn realised(&self) -> RealisedHandle {
        RealisedHandle
    }

    pub(super) async fn follow(self, _: Arc<Notify>, _: Services) {}

    pub(super) fn decline(&self, _: String) {}
}

impl RealisedHandle {
    pub(super) fn describe(&self) -> PlaneStatus {
        PlaneStatus::new(PlaneStatus::PROXY, Some(WHY.to_owned()))
    }

    pub(super) async fn complete_for(&self, _: u64) {}

    pub(super) fn waiting(&self) -> String {
        WHY.to_owned()
    }

    pub(super) async fn stand_at_router(&self, _: &ResourceId) -> Stand {
        Stand::Proxy { why: WHY.to_owned() }
    }

    pub(super) async fn stand(&self, _: &Network, _: &Vantage) -> Stand {
        Stand::Proxy { why: WHY.to_owned() }
    }
}
