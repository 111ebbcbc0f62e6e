//! `/metrics`: what a cluster's API server has answered, in the text form of Prometheus.
//!
//! Names, labels and buckets are the real server's. Labels are those of kinds that are served, and there are no more series
//! than a bound: what goes beyond is counted without saying of what. Source: k8s.io/apiserver `pkg/endpoints/metrics`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{objects::ObjectStore, status::Status};

/// Series that one cluster has at most.
const SERIES_MAX: usize = 2_000;

/// Upper bounds of what requests take, in seconds.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];

/// What a request was, as labels say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Labels {
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    /// `cluster`, `namespace`, `resource`.
    pub(crate) scope: &'static str,
    pub(crate) dry_run: bool,
}

impl Labels {
    fn shown(&self) -> String {
        let Self { verb, group, version, resource, subresource, scope, dry_run } = self;
        let dry_run = if *dry_run { "All" } else { "" };
        format!(
            "component=\"apiserver\",dry_run=\"{dry_run}\",group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",\
             subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
        )
    }
}

/// How long requests took.
#[derive(Debug, Default)]
struct Durations {
    buckets: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

#[derive(Debug, Default)]
struct State {
    requests: BTreeMap<(Labels, u16), u64>,
    durations: BTreeMap<Labels, Durations>,
    /// Reads and writes under way, watches open.
    under_way: [i64; 2],
}

/// What is counted of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<State>);

/// A request under way, until it is dropped.
pub(crate) struct UnderWay<'a> {
    metrics: &'a Metrics,
    writes: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.lock().under_way[self.writes] -= 1;
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request as under way.
    pub(crate) fn begin(&self, writes: bool) -> UnderWay<'_> {
        let writes = usize::from(writes);
        self.lock().under_way[writes] += 1;
        UnderWay { metrics: self, writes }
    }

    /// Counts a request that was answered.
    pub(crate) fn count(&self, labels: Labels, code: u16, took: Duration) {
        let mut state = self.lock();
        let full = state.requests.len() >= SERIES_MAX && !state.requests.contains_key(&(labels.clone(), code));
        let labels = if full { Labels { verb: labels.verb, ..Labels::default() } } else { labels };
        *state.requests.entry((labels.clone(), code)).or_default() += 1;
        // Watches take as long as their clients want.
        if labels.verb != "WATCH" {
            let seconds = took.as_secs_f64();
            let durations = state.durations.entry(labels).or_default();
            for (bucket, bound) in durations.buckets.iter_mut().zip(BUCKETS) {
                *bucket += u64::from(seconds <= bound);
            }
            durations.sum += seconds;
            durations.count += 1;
        }
    }

    /// All of them, with how many objects of each kind there are.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn render(&self, objects: &ObjectStore, version: &str) -> Result<String, Status> {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(text, "# HELP {name} [STABLE] {help}\n# TYPE {name} {kind}\n");
        };
        let state = self.lock();
        let name = "apiserver_current_inflight_requests";
        head(&mut text, name, "gauge", "Number of requests under way.");
        for (kind, count) in ["readOnly", "mutating"].into_iter().zip(state.under_way) {
            let _ = writeln!(text, "{name}{{request_kind=\"{kind}\"}} {count}");
        }
        let name = "apiserver_request_duration_seconds";
        head(&mut text, name, "histogram", "Response latency distribution in seconds.");
        for (labels, durations) in &state.durations {
            let labels = labels.shown();
            for (bound, count) in BUCKETS.iter().zip(durations.buckets) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let Durations { sum, count, .. } = durations;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
        }
        let name = "apiserver_request_total";
        head(&mut text, name, "counter", "Counter of apiserver requests broken out for each verb, resource and code.");
        for ((labels, code), count) in &state.requests {
            let _ = writeln!(text, "{name}{{code=\"{code}\",{}}} {count}", labels.shown());
        }
        drop(state);
        let name = "apiserver_storage_objects";
        head(&mut text, name, "gauge", "Number of stored objects at the time of last check split by kind.");
        for (kind, count) in objects.counts()? {
            let _ = writeln!(text, "{name}{{resource=\"{kind}\"}} {count}");
        }
        let name = "kubernetes_build_info";
        head(&mut text, name, "gauge", "The version of Kubernetes that is served.");
        let _ = writeln!(text, "{name}{{git_version=\"v{version}\"}} 1");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_series_than_a_bound() {
        let metrics = Metrics::default();
        for index in 0..SERIES_MAX + 10 {
            let labels = Labels { verb: "GET", resource: format!("r{index}"), ..Labels::default() };
            metrics.count(labels, 200, Duration::from_millis(30));
        }
        let state = metrics.lock();
        assert_eq!(state.requests.len(), SERIES_MAX + 1);
        let beyond = Labels { verb: "GET", ..Labels::default() };
        assert_eq!(state.requests[&(beyond.clone(), 200)], 10);
        let durations = &state.durations[&beyond];
        assert_eq!((durations.buckets[1], durations.buckets[2], durations.count), (0, 10, 10));
    }

    #[test]
    fn what_is_under_way_is_so_until_it_ends() {
        let metrics = Metrics::default();
        let first = metrics.begin(true);
        assert_eq!(metrics.lock().under_way, [0, 1]);
        drop(first);
        assert_eq!(metrics.lock().under_way, [0, 0]);
    }
}
