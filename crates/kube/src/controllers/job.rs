//! Jobs: pods until enough have succeeded.
//!
//! Source: kubernetes/kubernetes `pkg/controller/job`.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::view::{Plan, View, condition, count, is_over, is_ready, name, pod_from, set_condition};

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Moves every job one step further.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for job in view.of("jobs") {
        if is_finished(job) {
            expire(view, plan, job);
        } else {
            one(view, plan, job);
        }
    }
}

/// Whether a job is complete or has failed.
pub(super) fn is_finished(job: &Value) -> bool {
    let holds = |kind| condition(&job["status"], kind).is_some_and(|held| held["status"] == "True");
    holds("Complete") || holds("Failed")
}

/// Deletes a finished job when its time is over.
fn expire(view: &View, plan: &mut Plan, job: &Value) {
    let Some(kept) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { return };
    let last = job["status"]["conditions"].as_array().into_iter().flatten().last();
    let ended = last.and_then(|held| held["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok());
    let Some(due) = ended.and_then(|ended| ended.checked_add(kept.seconds()).ok()) else { return };
    if due <= view.now { plan.delete("jobs", job) } else { plan.wake_at(due) }
}

fn one(view: &View, plan: &mut Plan, job: &Value) {
    let spec = &job["spec"];
    let pods = view.owned("pods", job);
    let of_phase = |phase: &str| pods.iter().filter(|pod| pod["status"]["phase"] == phase).count();
    let (succeeded, failed) = (of_phase("Succeeded"), of_phase("Failed"));
    let active: Vec<&&Value> = pods.iter().filter(|pod| !is_over(pod)).collect();
    let time = view.time();
    let mut next = job.clone();
    let status = &mut next["status"];
    for field in ["active", "ready", "terminating", "succeeded", "failed", "completedIndexes"] {
        if let Value::Object(fields) = status {
            fields.remove(field);
        }
    }
    if spec["suspend"] == true {
        for pod in &active {
            plan.delete("pods", pod);
        }
        set_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", &time);
        plan.replace("jobs", job, next);
        return;
    }
    if condition(status, "Suspended").is_some() {
        set_condition(status, "Suspended", "False", "JobResumed", "Job resumed", &time);
    }
    if status["startTime"].is_null() {
        status["startTime"] = json!(time);
    }
    let parallel = usize::try_from(count(&spec["parallelism"])).unwrap_or(0);
    let wanted = spec["completions"].as_u64().and_then(|wanted| usize::try_from(wanted).ok());
    let complete = match wanted {
        Some(wanted) => succeeded >= wanted,
        // One that has succeeded stands for the work being done.
        None => succeeded > 0 && active.is_empty(),
    };
    let limit = usize::try_from(count(&spec["backoffLimit"])).unwrap_or(usize::MAX);
    let mut made = 0;
    if complete {
        status["completionTime"] = json!(time);
        let message = "Reached expected number of succeeded pods";
        for kind in ["SuccessCriteriaMet", "Complete"] {
            set_condition(status, kind, "True", "CompletionsReached", message, &time);
        }
        for pod in &active {
            plan.delete("pods", pod);
        }
        plan.say(job, "Completed", "Job completed".to_owned());
    } else if failed > limit {
        let message = "Job has reached the specified backoff limit";
        for kind in ["FailureTarget", "Failed"] {
            set_condition(status, kind, "True", "BackoffLimitExceeded", message, &time);
        }
        for pod in &active {
            plan.delete("pods", pod);
        }
        plan.warn(job, "BackoffLimitExceeded", message.to_owned());
    } else {
        let left = wanted.map_or(if succeeded > 0 { 0 } else { parallel }, |wanted| wanted - succeeded);
        made = left.min(parallel).saturating_sub(active.len());
        let mut indexes = free_indexes(job, &pods);
        for _ in 0..made {
            plan.create("pods", new_pod(job, indexes.next()));
        }
    }
    let running = if complete { 0 } else { active.len() + made };
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    for (field, number) in [("active", running), ("succeeded", succeeded), ("failed", failed)] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    status["ready"] = json!(if complete { 0 } else { ready });
    status["terminating"] = json!(0);
    status["uncountedTerminatedPods"] = json!({});
    if spec["completionMode"] == "Indexed" && succeeded > 0 {
        status["completedIndexes"] = json!(spans(&pods));
    }
    plan.replace("jobs", job, next);
}

fn index_of(pod: &Value) -> Option<u64> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

/// The indexes that no pod has yet; none for a job without indexes.
fn free_indexes<'a>(job: &'a Value, pods: &'a [&Value]) -> impl Iterator<Item = u64> + 'a {
    let indexed = job["spec"]["completionMode"] == "Indexed";
    let most = if indexed { job["spec"]["completions"].as_u64().unwrap_or(0) } else { 0 };
    let taken =
        move |index: &u64| pods.iter().any(|pod| index_of(pod) == Some(*index) && pod["status"]["phase"] != "Failed");
    (0..most).filter(move |index| !taken(index))
}

/// `0-2,4`.
fn spans(pods: &[&Value]) -> String {
    let done = pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded");
    let mut done: Vec<u64> = done.filter_map(|pod| index_of(pod)).collect();
    done.sort_unstable();
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for index in done {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => spans.push((index, index)),
        }
    }
    let texts = spans.into_iter().map(
        |(first, last)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        },
    );
    texts.collect::<Vec<_>>().join(",")
}

fn new_pod(job: &Value, index: Option<u64>) -> Value {
    let mut pod = pod_from(&job["spec"]["template"], job);
    pod["metadata"]["generateName"] = json!(format!("{}-", name(job)));
    if let Some(index) = index {
        pod["metadata"]["generateName"] = json!(format!("{}-{index}-", name(job)));
        pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
        pod["metadata"]["labels"][INDEX] = json!(index.to_string());
        pod["spec"]["hostname"] = json!(format!("{}-{index}", name(job)));
    }
    pod
}
