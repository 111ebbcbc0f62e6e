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
    pub(super) fn announce(&self, subnet: &ResourceId, now: Instant) {
        if self.subnets().insert(subnet.clone(), now).is_none() {
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
    pub(super) async fn end(&self, fabric: &Fabric, now: Instant) -> Result<(), FabricError> {
        let due = self.due(now);
        if due.is_empty() {
            return Ok(());
        }
        let inhabited = fabric.inhabited(due.into_iter().map(Place::Visitor).collect()).await?;
        self.forget(&inhabited, now);
        Ok(())
    }

    /// The subnets that nobody has been seen in for as long as a place is kept.
    fn due(&self, now: Instant) -> Vec<ResourceId> {
        self.subnets().iter().filter(|(_, seen)| is_over(**seen, now)).map(|(subnet, _)| subnet.clone()).collect()
    }

    /// Forgets what is due, but for the places where a program runs. Who was announced meanwhile stays.
    fn forget(&self, inhabited: &[Place], now: Instant) {
        self.subnets().retain(|subnet, seen| {
            if inhabited.contains(&Place::Visitor(subnet.clone())) {
                *seen = now;
            }
            !is_over(*seen, now)
        });
    }

    fn subnets(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Instant>> {
        self.0.subnets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(seen: Instant, now: Instant) -> bool {
    now.saturating_duration_since(seen) >= KEPT
}

#[cfg(test)]
mod tests {
    use azure::Kind;

    use super::*;

    #[test]
    fn a_place_in_a_subnet_is_kept_for_half_a_minute_after_its_last_program() {
        let subnet = |name| ResourceId::group("s", "rg").resource(Kind::VirtualNetwork.arm_type(), name);
        let [lived_in, left] = ["lived-in", "left"].map(subnet);
        let (visits, begun) = (Visits::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        let live = [Place::Visitor(lived_in.clone())];
        for one in [&lived_in, &left] {
            visits.announce(one, begun);
        }
        assert_eq!(visits.due(after(29)), []);
        assert_eq!(visits.due(after(30)).len(), 2);
        visits.forget(&live, after(30));
        assert_eq!(visits.current(), OrdSet::unit(lived_in.clone()));

        // Its program ends right after it was seen.
        assert_eq!(visits.due(after(59)), []);
        visits.announce(&left, after(59));
        visits.forget(&[], after(60));
        assert_eq!(visits.current(), OrdSet::unit(left), "who has just come stays");
    }
}
