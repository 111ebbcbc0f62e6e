//! Kubernetes resources as a client somewhere gets them: the API server's own tables.

use serde_json::Value;

use crate::lab::{Lists, Refusal};

/// A list that the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Namespaces.
    Namespaces,
    /// Deployments.
    Deployments,
    /// Pods.
    Pods,
    /// Replica sets.
    ReplicaSets,
    /// Stateful sets.
    StatefulSets,
    /// Daemon sets.
    DaemonSets,
    /// Jobs.
    Jobs,
    /// Cron jobs.
    CronJobs,
    /// Services.
    Services,
    /// Ingresses.
    Ingresses,
    /// Config maps.
    ConfigMaps,
    /// Nodes.
    Nodes,
}

/// Where the Azure portal has a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Namespaces.
    Namespaces,
    /// Workloads.
    Workloads,
    /// Services and ingresses.
    Services,
    /// Configuration.
    Configuration,
    /// Nodes.
    Nodes,
}

impl List {
    /// Every list, group after group.
    pub const ALL: [Self; 12] = [
        Self::Namespaces,
        Self::Deployments,
        Self::Pods,
        Self::ReplicaSets,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::Jobs,
        Self::CronJobs,
        Self::Services,
        Self::Ingresses,
        Self::ConfigMaps,
        Self::Nodes,
    ];

    /// Its path in the API.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Namespaces => "/api/v1/namespaces",
            Self::Deployments => "/apis/apps/v1/deployments",
            Self::Pods => "/api/v1/pods",
            Self::ReplicaSets => "/apis/apps/v1/replicasets",
            Self::StatefulSets => "/apis/apps/v1/statefulsets",
            Self::DaemonSets => "/apis/apps/v1/daemonsets",
            Self::Jobs => "/apis/batch/v1/jobs",
            Self::CronJobs => "/apis/batch/v1/cronjobs",
            Self::Services => "/api/v1/services",
            Self::Ingresses => "/apis/networking.k8s.io/v1/ingresses",
            Self::ConfigMaps => "/api/v1/configmaps",
            Self::Nodes => "/api/v1/nodes",
        }
    }

    /// Where it belongs.
    pub const fn group(self) -> Group {
        match self {
            Self::Namespaces => Group::Namespaces,
            Self::Deployments
            | Self::Pods
            | Self::ReplicaSets
            | Self::StatefulSets
            | Self::DaemonSets
            | Self::Jobs
            | Self::CronJobs => Group::Workloads,
            Self::Services | Self::Ingresses => Group::Services,
            Self::ConfigMaps => Group::Configuration,
            Self::Nodes => Group::Nodes,
        }
    }
}

/// Rows of one list that are shown.
const ROWS_MAX: usize = 200;

/// A list as `kubectl get` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its headings.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// How many rows are not shown.
    pub more: usize,
}

/// The lists of [`List::ALL`] from what the API server gave for each: its rows, or why there are none.
pub fn tables(answers: Lists) -> Vec<(List, Result<Table, Refusal>)> {
    let read = |(list, answer): (List, Result<Value, Refusal>)| (list, answer.map(|answer| table(&answer)));
    List::ALL.into_iter().zip(answers).map(read).collect()
}

fn table(answer: &Value) -> Table {
    let columns = answer["columnDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
    let shown: Vec<usize> =
        (0..columns.len()).filter(|&index| columns[index]["priority"].as_u64() == Some(0)).collect();
    let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let namespaced = rows.iter().any(|row| namespace(row).is_some());
    let heading = shown.iter().map(|&index| columns[index]["name"].as_str().unwrap_or_default().to_owned());
    let line = |row: &Value| -> Vec<String> {
        let cells = shown.iter().map(|&index| match &row["cells"][index] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let place = namespaced.then(|| namespace(row).unwrap_or_default().to_owned());
        place.into_iter().chain(cells).collect()
    };
    Table {
        columns: namespaced.then(|| "Namespace".to_owned()).into_iter().chain(heading).collect(),
        rows: rows.iter().take(ROWS_MAX).map(line).collect(),
        more: rows.len().saturating_sub(ROWS_MAX),
    }
}

fn namespace(row: &Value) -> Option<&str> {
    row["object"]["metadata"]["namespace"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_what_kubectl_shows_by_default() {
        let answer = json!({
            "columnDefinitions": [
                {"name": "Name", "priority": 0}, {"name": "Age", "priority": 0}, {"name": "Images", "priority": 1}
            ],
            "rows": [{"cells": ["coredns", "5m", "x"], "object": {"metadata": {"namespace": "kube-system"}}}],
        });
        let table = table(&answer);
        assert_eq!(table.columns, ["Namespace", "Name", "Age"]);
        assert_eq!(table.rows, [["kube-system", "coredns", "5m"]]);
    }
}
