//! Kubernetes resources as a client somewhere gets them: the API server's own tables.

use serde_json::Value;

/// The lists that the page shows: what it is called, and its path in the API.
pub const LISTS: [(&str, &str); 7] = [
    ("Nodes", "/api/v1/nodes"),
    ("Namespaces", "/api/v1/namespaces"),
    ("Deployments", "/apis/apps/v1/deployments"),
    ("DaemonSets", "/apis/apps/v1/daemonsets"),
    ("StatefulSets", "/apis/apps/v1/statefulsets"),
    ("Pods", "/api/v1/pods"),
    ("Services", "/api/v1/services"),
];
/// Rows of one list that are shown.
const ROWS_MAX: usize = 200;

/// A list as `kubectl get` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it lists.
    pub title: &'static str,
    /// Its headings.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// How many rows are not shown.
    pub more: usize,
}

/// The lists of [`LISTS`] from the `meta.k8s.io` `Table`s that the API server gave for them.
pub fn tables(answers: &[Value]) -> Vec<Table> {
    LISTS.iter().zip(answers).map(|((title, _), answer)| table(title, answer)).collect()
}

fn table(title: &'static str, answer: &Value) -> Table {
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
        title,
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
        let table = table("Pods", &answer);
        assert_eq!(table.columns, ["Namespace", "Name", "Age"]);
        assert_eq!(table.rows, [["kube-system", "coredns", "5m"]]);
    }
}
