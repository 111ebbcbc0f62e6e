//! Cron jobs: a job whenever one is due.
//!
//! Source: kubernetes/kubernetes `pkg/controller/cronjob`.

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    job::is_finished,
    view::{Plan, View, condition, controlled_by, name},
};
use crate::{object::rfc3339, schedule::Schedule};

/// How far a job that was missed is looked back for.
const MISSED_MAX: usize = 100;

/// Starts the jobs that are due and forgets old ones.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for cron_job in view.of("cronjobs") {
        one(view, plan, cron_job);
    }
}

fn one(view: &View, plan: &mut Plan, cron_job: &Value) {
    let spec = &cron_job["spec"];
    let jobs = view.owned("jobs", cron_job);
    let active: Vec<&Value> = jobs.iter().copied().filter(|job| !is_finished(job)).collect();
    let mut next = cron_job.clone();
    let references = active.iter().map(|job| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"],
               "namespace": job["metadata"]["namespace"], "uid": job["metadata"]["uid"],
               "resourceVersion": job["metadata"]["resourceVersion"]})
    });
    let references: Vec<Value> = references.collect();
    if let Value::Object(status) = &mut next["status"] {
        status.remove("active");
        if !references.is_empty() {
            status.insert("active".into(), json!(references));
        }
    }
    let succeeded = jobs.iter().filter(|job| condition(&job["status"], "Complete").is_some());
    if let Some(last) = succeeded.filter_map(|job| job["status"]["completionTime"].as_str()).max() {
        next["status"]["lastSuccessfulTime"] = json!(last);
    }
    if spec["suspend"] != true
        && let Some(due) = due(view, plan, cron_job)
    {
        let policy = spec["concurrencyPolicy"].as_str().unwrap_or("Allow");
        if policy != "Forbid" || active.is_empty() {
            if policy == "Replace" {
                for job in &active {
                    plan.delete("jobs", job);
                }
            }
            let job = new_job(cron_job, due);
            if view.named("jobs", name(&job)).is_none() {
                plan.say(cron_job, "SuccessfulCreate", format!("Created job {}", name(&job)));
                plan.create("jobs", job);
            }
            next["status"]["lastScheduleTime"] = json!(rfc3339(due));
        }
    }
    plan.replace("cronjobs", cron_job, next);
    for (kind, limit) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")] {
        let mut over: Vec<&&Value> = jobs.iter().filter(|job| condition(&job["status"], kind).is_some()).collect();
        over.sort_by_key(|job| job["metadata"]["creationTimestamp"].to_string());
        let kept = usize::try_from(spec[limit].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        over.iter().take(over.len().saturating_sub(kept)).for_each(|job| plan.delete("jobs", job));
    }
}

/// The last time that is due and not done yet; says when to look again.
fn due(view: &View, plan: &mut Plan, cron_job: &Value) -> Option<Timestamp> {
    let spec = &cron_job["spec"];
    let schedule = Schedule::parse(spec["schedule"].as_str()?).ok()?;
    let zone = spec["timeZone"].as_str().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    let times = [&cron_job["status"]["lastScheduleTime"], &cron_job["metadata"]["creationTimestamp"]];
    let since: Timestamp = times.iter().find_map(|time| time.as_str()?.parse().ok())?;
    let mut at = Zoned::new(since, zone);
    let deadline = spec["startingDeadlineSeconds"].as_i64().and_then(|s| view.now.checked_sub(s.seconds()).ok());
    let mut last = None;
    for _ in 0..MISSED_MAX {
        let Some(next) = schedule.next(&at) else { break };
        if next.timestamp() > view.now {
            plan.wake_at(next.timestamp());
            break;
        }
        last = Some(next.timestamp());
        at = next;
    }
    last.filter(|due| deadline.is_none_or(|deadline| *due >= deadline))
}

fn new_job(cron_job: &Value, due: Timestamp) -> Value {
    let template = &cron_job["spec"]["jobTemplate"];
    let mut job = json!({
        "metadata": {"name": format!("{}-{}", name(cron_job), due.as_second() / 60),
                     "namespace": cron_job["metadata"]["namespace"],
                     "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": rfc3339(due)},
                     "ownerReferences": controlled_by(cron_job)},
        "spec": template["spec"],
    });
    for field in ["labels", "annotations"] {
        for (key, value) in template["metadata"][field].as_object().into_iter().flatten() {
            job["metadata"][field][key] = value.clone();
        }
    }
    job
}
