//! Deployments: a replica set for each template, the newest growing as the others shrink.
//!
//! Source: kubernetes/kubernetes `pkg/controller/deployment`: rolling, recreate, revisions, conditions and their words.

use serde_json::{Value, json};

use super::view::{Plan, View, condition, controlled_by, count, hash_of, name, resolved, set_condition};

const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// Of a deployment's annotations these are not handed on to its sets.
const OWN_ANNOTATIONS: [&str; 4] = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST];

/// Moves every deployment one step further.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for deployment in view.of("deployments") {
        Rollout::of(view, deployment).step(view, plan);
    }
}

struct Rollout<'a> {
    deployment: &'a Value,
    /// The set with the deployment's template.
    new: Option<&'a Value>,
    old: Vec<&'a Value>,
    wanted: i64,
}

impl<'a> Rollout<'a> {
    fn of(view: &'a View, deployment: &'a Value) -> Self {
        let mut sets = view.owned("replicasets", deployment);
        sets.sort_by_key(|set| (set["metadata"]["creationTimestamp"].to_string(), name(set).to_owned()));
        let hash = hash_of(&deployment["spec"]["template"]);
        let new = sets.iter().position(|set| hash_of(&bare(&set["spec"]["template"])) == hash);
        let new = new.map(|index| sets.remove(index));
        Self { deployment, new, old: sets, wanted: count(&deployment["spec"]["replicas"]) }
    }

    fn step(&self, view: &View, plan: &mut Plan) {
        let spec = &self.deployment["spec"];
        let revision = self.revision();
        let paused = spec["paused"] == true;
        match self.new {
            None if !paused => self.create(plan, revision),
            None => {}
            Some(new) => {
                let mut next = new.clone();
                self.annotate(&mut next, revision);
                if !paused && spec["strategy"]["type"] != "Recreate" {
                    next["spec"]["replicas"] = json!(self.grown(new));
                } else if self.old.iter().all(|set| count(&set["status"]["replicas"]) == 0)
                    || paused && self.old.iter().all(|set| count(&set["spec"]["replicas"]) == 0)
                {
                    next["spec"]["replicas"] = json!(self.wanted);
                }
                self.scale(plan, new, next);
            }
        }
        if !paused {
            self.shrink_old(plan);
            self.forget(plan);
        }
        let mut next = self.deployment.clone();
        if self.new.is_some() {
            next["metadata"]["annotations"][REVISION] = json!(revision.to_string());
        }
        next["status"] = self.status(view);
        plan.replace("deployments", self.deployment, next);
    }

    fn revision_of(set: &Value) -> i64 {
        set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The revision of the new set: one more than any other's.
    fn revision(&self) -> i64 {
        let last = self.old.iter().map(|set| Self::revision_of(set)).max().unwrap_or(0);
        match self.new.map(Self::revision_of) {
            Some(held) if held > last => held,
            _ => last + 1,
        }
    }

    fn surge(&self) -> i64 {
        let rolling = &self.deployment["spec"]["strategy"]["rollingUpdate"];
        resolved(&rolling["maxSurge"], self.wanted, true)
    }

    /// How many may be missing; at least one if nothing may be added, else nothing could ever move.
    fn missing(&self) -> i64 {
        let rolling = &self.deployment["spec"]["strategy"]["rollingUpdate"];
        let missing = resolved(&rolling["maxUnavailable"], self.wanted, false);
        if missing == 0 && self.surge() == 0 { 1 } else { missing.min(self.wanted) }
    }

    fn create(&self, plan: &mut Plan, revision: i64) {
        let spec = &self.deployment["spec"];
        let hash = hash_of(&spec["template"]);
        let mut template = spec["template"].clone();
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = spec["selector"].clone();
        selector["matchLabels"][HASH] = json!(hash);
        let recreating =
            spec["strategy"]["type"] == "Recreate" && self.old.iter().any(|set| count(&set["status"]["replicas"]) > 0);
        let total: i64 = self.old.iter().map(|set| count(&set["spec"]["replicas"])).sum();
        let replicas = if recreating { 0 } else { (self.wanted + self.surge() - total).clamp(0, self.wanted) };
        let mut set = json!({
            "metadata": {
                "name": format!("{}-{hash}", name(self.deployment)),
                "namespace": self.deployment["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": controlled_by(self.deployment),
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template,
                     "minReadySeconds": spec["minReadySeconds"]},
        });
        if spec["minReadySeconds"].is_null()
            && let Value::Object(spec) = &mut set["spec"]
        {
            spec.remove("minReadySeconds");
        }
        self.annotate(&mut set, revision);
        let said = format!("Scaled up replica set {} from 0 to {replicas}", name(&set));
        plan.create("replicasets", set);
        plan.say(self.deployment, "ScalingReplicaSet", said);
    }

    fn annotate(&self, set: &mut Value, revision: i64) {
        for (key, value) in self.deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
            if !OWN_ANNOTATIONS.contains(&key.as_str()) {
                set["metadata"]["annotations"][key] = value.clone();
            }
        }
        for (key, value) in [(REVISION, revision), (DESIRED, self.wanted), (MOST, self.wanted + self.surge())] {
            set["metadata"]["annotations"][key] = json!(value.to_string());
        }
    }

    /// How large the new set may be now.
    fn grown(&self, new: &Value) -> i64 {
        let held = count(&new["spec"]["replicas"]);
        if held >= self.wanted {
            return self.wanted;
        }
        let total: i64 = held + self.old.iter().map(|set| count(&set["spec"]["replicas"])).sum::<i64>();
        held + (self.wanted + self.surge() - total).clamp(0, self.wanted - held)
    }

    /// Takes from the old sets what may be missing, first what is not available anyway.
    fn shrink_old(&self, plan: &mut Plan) {
        let recreate = self.deployment["spec"]["strategy"]["type"] == "Recreate";
        let held = |set: &Value| count(&set["spec"]["replicas"]);
        let total: i64 = self.old.iter().map(|set| held(set)).sum::<i64>() + self.new.map_or(0, held);
        let unavailable = self.new.map_or(0, |new| held(new) - count(&new["status"]["availableReplicas"]));
        let mut spare = if recreate { i64::MAX } else { total - (self.wanted - self.missing()) - unavailable };
        if self.new.is_none() && !recreate {
            return;
        }
        for set in &self.old {
            let unhealthy = held(set) - count(&set["status"]["availableReplicas"]);
            let gone = held(set).min(spare.max(0)).max(if recreate { held(set) } else { 0 });
            if gone > 0 {
                let mut next = (*set).clone();
                next["spec"]["replicas"] = json!(held(set) - gone);
                self.scale(plan, set, next);
                spare = spare.saturating_sub(gone - unhealthy.clamp(0, gone));
            }
        }
    }

    fn scale(&self, plan: &mut Plan, set: &Value, mut next: Value) {
        let (from, to) = (count(&set["spec"]["replicas"]), count(&next["spec"]["replicas"]));
        if from != to {
            let way = if to > from { "up" } else { "down" };
            let said = format!("Scaled {way} replica set {} from {from} to {to}", name(set));
            plan.say(self.deployment, "ScalingReplicaSet", said);
            next["metadata"]["generation"] = json!(count(&set["metadata"]["generation"]) + 1);
        }
        plan.replace("replicasets", set, next);
    }

    /// Deletes the oldest empty sets beyond the history that is kept.
    fn forget(&self, plan: &mut Plan) {
        let kept = self.deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
        let mut empty: Vec<&&Value> = self
            .old
            .iter()
            .filter(|set| count(&set["spec"]["replicas"]) == 0 && count(&set["status"]["replicas"]) == 0)
            .collect();
        empty.sort_by_key(|set| Self::revision_of(set));
        let surplus = empty.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        for set in empty.into_iter().take(surplus) {
            plan.delete("replicasets", set);
        }
    }

    fn status(&self, view: &View) -> Value {
        let sum = |field: &str| -> i64 {
            self.old.iter().copied().chain(self.new).map(|set| count(&set["status"][field])).sum()
        };
        let updated = self.new.map_or(0, |new| count(&new["status"]["replicas"]));
        let (replicas, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
        let mut status = json!({"observedGeneration": self.deployment["metadata"]["generation"]});
        let unavailable = (self.wanted.max(replicas) - available).max(0);
        for (field, number) in [
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", unavailable),
        ] {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        if self.deployment["status"]["conditions"].is_array() {
            status["conditions"] = self.deployment["status"]["conditions"].clone();
        }
        let time = view.time();
        let (holds, reason, message) = if available >= self.wanted - self.missing() {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        set_condition(&mut status, "Available", holds, reason, message, &time);
        let set = self.new.map_or_else(
            || format!("{}-{}", name(self.deployment), hash_of(&self.deployment["spec"]["template"])),
            |new| name(new).to_owned(),
        );
        let complete = updated == self.wanted && replicas == self.wanted && available == self.wanted;
        let paused = self.deployment["spec"]["paused"] == true;
        let (holds, reason, message) = if paused {
            ("Unknown", "DeploymentPaused", "Deployment is paused".to_owned())
        } else if complete {
            ("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed."))
        } else if self.new.is_none() {
            ("True", "NewReplicaSetCreated", format!("Created new replica set \"{set}\""))
        } else {
            ("True", "ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."))
        };
        set_condition(&mut status, "Progressing", holds, reason, &message, &time);
        let failure = |set: &&Value| condition(&set["status"], "ReplicaFailure").cloned();
        let failure = self.new.iter().chain(&self.old).find_map(failure);
        if let Some(failure) = &failure {
            let text = |field: &str| failure[field].as_str().unwrap_or_default();
            set_condition(&mut status, "ReplicaFailure", "True", text("reason"), text("message"), &time);
        } else if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
            conditions.retain(|held| held["type"] != "ReplicaFailure");
        }
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            if condition["lastUpdateTime"].is_null() {
                condition["lastUpdateTime"] = condition["lastTransitionTime"].clone();
            }
        }
        status
    }
}

/// A set's template as the deployment had it.
fn bare(template: &Value) -> Value {
    let mut bare = template.clone();
    if let Some(Value::Object(labels)) = bare.pointer_mut("/metadata/labels") {
        labels.remove(HASH);
    }
    bare
}
