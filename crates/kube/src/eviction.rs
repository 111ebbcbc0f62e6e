//! Evictions: deletions that disruption budgets may refuse.
//!
//! Source: kubernetes/kubernetes `pkg/registry/core/pod/storage/eviction.go`, whose words these are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    controllers::selects,
    deletion::Deletion,
    objects::ObjectStore,
    patch::PatchType,
    registry,
    request::{Objects, Options},
    status::Status,
};

impl ObjectStore {
    /// Evicts a pod.
    ///
    /// # Errors
    /// 404, 429 when a budget does not allow it now, 500 when several budgets speak of the pod.
    pub(crate) async fn evict(
        &self,
        objects: &Objects<'_>,
        name: &str,
        eviction: &Value,
        options: &Options,
    ) -> Result<Value, Status> {
        let place = Objects { subresource: None, ..objects.clone() };
        let pod = self.get(&place, name)?;
        let deletion = Deletion::read(options, &eviction["deleteOptions"])?;
        let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"));
        if let Some(row) = registry::find("policy", "v1", "poddisruptionbudgets").filter(|_| !over) {
            let budgets =
                Objects { resource: Arc::clone(row), namespace: objects.namespace, name: None, subresource: None };
            let held = self.list(&budgets, &Options::default())?.items;
            let held: Vec<&Value> = held.iter().filter(|budget| selects(&budget["spec"]["selector"], &pod)).collect();
            if held.len() > 1 {
                let problem =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Status::internal(problem));
            }
            if let Some(budget) = held.first() {
                self.spend(&budgets, budget, deletion.dry_run).await?;
            }
        }
        self.delete(&place, name, &deletion).await?;
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }

    /// Takes one from what a budget allows.
    async fn spend(&self, budgets: &Objects<'_>, budget: &Value, dry_run: bool) -> Result<(), Status> {
        let name = budget["metadata"]["name"].as_str().unwrap_or_default();
        let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
        let allowed = number("disruptionsAllowed");
        if budget["status"]["observedGeneration"] != budget["metadata"]["generation"] {
            return Err(Status::disruption(&format!(
                "The disruption budget {name} is still being processed by the server."
            )));
        }
        if allowed < 1 {
            return Err(Status::disruption(&format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                number("desiredHealthy"),
                number("currentHealthy")
            )));
        }
        let place = Objects { subresource: Some("status"), ..budgets.clone() };
        let spent = json!({"metadata": {"resourceVersion": budget["metadata"]["resourceVersion"]},
                           "status": {"disruptionsAllowed": allowed - 1}});
        let options = Options { dry_run, manager: "kube-apiserver".to_owned(), ..Options::default() };
        self.patch(&place, name, (PatchType::Merge, spent), &options).await.map(drop)
    }
}
