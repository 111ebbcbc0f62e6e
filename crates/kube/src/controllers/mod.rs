//! Controllers: what makes pods of deployments, endpoints of services, jobs of schedules.
//!
//! One loop serves all clusters. It sleeps until the store changes or something is due, then looks at the namespaces that
//! changed, each as a whole: a [`view::View`] goes in, a [`view::Plan`] comes out, and is written in one transaction which
//! happens only if nothing of what it rests on has changed meanwhile. What is written wakes the loop again, until
//! nothing is left to do. Each controller is a pure function in a file of its own.

mod aggregation;
mod autoscaler;
mod cron_job;
mod daemon_set;
mod deployment;
mod disruption;
mod execute;
mod job;
mod namespace;
mod pod;
mod quota;
mod refused;
mod replica_set;
mod revision;
mod service;
mod stateful_set;
mod view;
mod volume;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use store::{Event, RangeOptions};

use crate::{objects::ObjectStore, server::ApiServer, spec::ClusterSpec};
pub(crate) use view::selects;
use view::{Plan, View, WATCHED};

/// Namespaces that are worked on at the same time.
const AT_ONCE: usize = 16;
/// How long to wait after a failure of the store.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait before what admission refused is tried again, unless something changes.
const REFUSED_RETRY: Duration = Duration::from_secs(15);

/// A namespace of a cluster; the empty one stands for what is in none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    cluster: String,
    namespace: String,
}

/// What a changed key means to the controllers.
#[derive(Debug, PartialEq)]
enum Touched<'a> {
    Namespace(&'a str, &'a str),
    Cluster(&'a str),
    /// Cluster roles.
    Roles(&'a str),
    /// Something that no controller looks at but those of quotas.
    Counted(&'a str, &'a str),
    Nothing,
}

impl<'a> Touched<'a> {
    fn by(key: &'a str) -> Self {
        let parts: Vec<&str> = key.split('/').skip(2).collect();
        match parts[..] {
            [cluster, "core", "nodes", _] | [cluster, "storage.k8s.io", "storageclasses", _] => Self::Cluster(cluster),
            [cluster, "rbac.authorization.k8s.io", "clusterroles", _] => Self::Roles(cluster),
            [cluster, "core", "namespaces", name] => Self::Namespace(cluster, name),
            [cluster, "core", "configmaps", namespace, "kube-root-ca.crt"]
            | [cluster, "core", "serviceaccounts", namespace, "default"] => Self::Namespace(cluster, namespace),
            [_, "core", "events", ..] | [_, "coordination.k8s.io", "leases", ..] => Self::Nothing,
            [cluster, group, plural, namespace, _] => {
                let group = if group == "core" { "" } else { group };
                let watched = WATCHED.iter().any(|(of, _, name)| *of == group && *name == plural);
                if watched { Self::Namespace(cluster, namespace) } else { Self::Counted(cluster, namespace) }
            }
            _ => Self::Nothing,
        }
    }
}

/// What is wanted in a namespace as it is.
fn plan(view: &View) -> Plan {
    let mut plan = Plan::default();
    for reconcile in [
        namespace::reconcile,
        deployment::reconcile,
        replica_set::reconcile,
        stateful_set::reconcile,
        daemon_set::reconcile,
        cron_job::reconcile,
        job::reconcile,
        volume::reconcile,
        pod::reconcile,
        service::reconcile,
        disruption::reconcile,
        autoscaler::reconcile,
        quota::reconcile,
    ] {
        reconcile(view, &mut plan);
    }
    plan
}

impl ApiServer {
    /// Runs the controllers of every cluster that somebody has come to, until the store ends.
    pub async fn control(self) {
        let mut watch = match self.store().watch("/kube/", self.store().revision()) {
            Ok(watch) => watch,
            Err(error) => return tracing::error!(%error, "the controllers cannot watch the store"),
        };
        let mut dirty: BTreeSet<Place> = BTreeSet::new();
        let mut due: BTreeMap<Place, Timestamp> = BTreeMap::new();
        // What is under way goes on while others begin: an admission webhook may take its time.
        let mut busy: BTreeSet<Place> = BTreeSet::new();
        let mut work = FuturesUnordered::new();
        loop {
            let woken = self.woken();
            for cluster in self.fresh() {
                self.touch_all(&cluster, &mut dirty);
            }
            while let Some(event) = watch.next().now_or_never() {
                match event {
                    Some(Ok(event)) => self.touch(&event, &mut dirty),
                    // Too far behind: look at everything, and go on from here.
                    Some(Err(_)) => match self.store().watch("/kube/", self.store().revision()) {
                        Ok(again) => {
                            watch = again;
                            self.clusters().iter().for_each(|cluster| self.touch_all(cluster, &mut dirty));
                        }
                        Err(_) => return,
                    },
                    None => return,
                }
            }
            let now = self.now();
            let over: Vec<Place> = due.iter().filter(|(_, at)| **at <= now).map(|(place, _)| place.clone()).collect();
            due.retain(|_, at| *at > now);
            dirty.extend(over);
            let ready: Vec<Place> = dirty.difference(&busy).take(AT_ONCE.saturating_sub(busy.len())).cloned().collect();
            for place in ready {
                dirty.remove(&place);
                due.remove(&place);
                busy.insert(place.clone());
                let server = &self;
                work.push(async move {
                    let next = server.reconcile(&place).await;
                    (place, next)
                });
            }
            let wait = due
                .values()
                .min()
                .map_or(Duration::from_secs(3600), |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            tokio::select! {
                // Whoever has ended makes room for others first.
                biased;
                Some((place, next)) = work.next() => {
                    busy.remove(&place);
                    match next {
                        Ok(Some(at)) => _ = due.insert(place, at),
                        Ok(None) => {}
                        Err(error) => {
                            tracing::debug!(?place, ?error, "a namespace could not be brought up to date");
                            let again = self.now().checked_add(RETRY).unwrap_or(now);
                            due.insert(place, again);
                        }
                    }
                }
                event = watch.next() => match event {
                    Some(Ok(event)) => self.touch(&event, &mut dirty),
                    Some(Err(_)) => {}
                    None => return,
                },
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn touch(&self, event: &Event, dirty: &mut BTreeSet<Place>) {
        let key = match event {
            Event::Put { current, .. } => &current.key,
            Event::Delete { previous, .. } => &previous.key,
        };
        match Touched::by(key) {
            Touched::Namespace(cluster, namespace) => {
                dirty.insert(Place { cluster: cluster.to_owned(), namespace: namespace.to_owned() });
            }
            Touched::Cluster(cluster) => self.touch_all(cluster, dirty),
            Touched::Roles(cluster) => {
                dirty.insert(Place { cluster: cluster.to_owned(), namespace: String::new() });
            }
            Touched::Counted(cluster, namespace) => {
                let quotas = format!("/kube/{cluster}/core/resourcequotas/{namespace}/");
                let first = RangeOptions { limit: 1, start_after: None };
                if self.store().range(&quotas, &first).is_ok_and(|range| !range.entries.is_empty()) {
                    dirty.insert(Place { cluster: cluster.to_owned(), namespace: namespace.to_owned() });
                }
            }
            Touched::Nothing => {}
        }
    }

    fn touch_all(&self, cluster: &str, dirty: &mut BTreeSet<Place>) {
        dirty.insert(Place { cluster: cluster.to_owned(), namespace: String::new() });
        let prefix = format!("/kube/{cluster}/core/namespaces/");
        let Ok(range) = self.store().range(&prefix, &RangeOptions::default()) else { return };
        let names = range.entries.iter().filter_map(|entry| entry.key.strip_prefix(&prefix));
        dirty.extend(names.map(|name| Place { cluster: cluster.to_owned(), namespace: name.to_owned() }));
    }

    /// Does what is to be done in a namespace; gives when to look again.
    async fn reconcile(&self, place: &Place) -> Result<Option<Timestamp>, crate::status::Status> {
        let Some(spec): Option<Arc<ClusterSpec>> = self.spec_of(&place.cluster) else { return Ok(None) };
        let objects: ObjectStore = self.objects(&spec);
        if place.namespace.is_empty() {
            return aggregation::reconcile(&objects).await.map(|()| None);
        }
        let Some((view, condition)) = execute::view(&objects, &spec, &place.namespace)? else { return Ok(None) };
        let plan = plan(&view);
        let wake = plan.wake;
        let refused = execute::carry_out(&objects, &view, condition, plan).await?;
        let again = refused.then(|| objects.now.checked_add(REFUSED_RETRY).ok()).flatten();
        Ok(wake.into_iter().chain(again).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_controllers_look_at_wakes_them() {
        assert_eq!(Touched::by("/kube/c/core/pods/team/p"), Touched::Namespace("c", "team"));
        assert_eq!(Touched::by("/kube/c/core/namespaces/team"), Touched::Namespace("c", "team"));
        assert_eq!(Touched::by("/kube/c/core/nodes/n"), Touched::Cluster("c"));
        assert_eq!(Touched::by("/kube/c/core/configmaps/team/settings"), Touched::Counted("c", "team"));
        assert_eq!(Touched::by("/kube/c/core/events/team/e"), Touched::Nothing);
    }
}
