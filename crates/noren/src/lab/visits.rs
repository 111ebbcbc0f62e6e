//! Who stands in subnets at addresses that nobody has: a place is made when somebody asks for one, and
//! taken away some time after the last program there has ended.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use azure::ResourceId;
use imbl::OrdSet;
use netns::{Fabric, FabricError};
use network::plan::Place;
use tokio::{sync::Notify, time::Instant};

/// How long a place is kept for a program that is to come, and after the last one.
const KEPT: Duration = Duration::from_secs(30);

/// The visited subnets, with the time of the last visit.
#[derive(Clone, Default)]
pub(super) struct Visits(Arc<Inner>);

#[derive(Default)]
struct Inner {
    subnets: Mutex<BTreeMap<ResourceId, Instant>>,
    changed: Notify,
}

impl Visits {
    /// Somebody is about to visit `subnet`.
    pub(super) fn announce(&self, subnet: &ResourceId) {
        if self.subnets().insert(subnet.clone(), Instant::now()).is_none() {
            self.0.changed.notify_one();
        }
    }

    /// Waits until there is a visit more than before.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The subnets in which there must be a place.
    pub(super) fn current(&self) -> OrdSet<ResourceId> {
        self.subnets().keys().cloned().collect()
    }

    /// Forgets the visits that are over.
    ///
    /// # Errors
    /// The fabric has ended.
    pub(super) async fn end(&self, fabric: &Fabric) -> Result<(), FabricError> {
        let over = |at: &Instant| at.elapsed() >= KEPT;
        let old: Vec<ResourceId> =
            self.subnets().iter().filter(|(_, at)| over(at)).map(|(subnet, _)| subnet.clone()).collect();
        if old.is_empty() {
            return Ok(());
        }
        let inhabited = fabric.inhabited(old.iter().cloned().map(Place::Visitor).collect()).await?;
        let mut subnets = self.subnets();
        for subnet in old {
            if inhabited.contains(&Place::Visitor(subnet.clone())) {
                subnets.insert(subnet, Instant::now());
            } else if subnets.get(&subnet).is_some_and(over) {
                subnets.remove(&subnet);
            }
        }
        Ok(())
    }

    fn subnets(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Instant>> {
        self.0.subnets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
