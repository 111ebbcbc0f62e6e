//! Azure itself, or any other ARM endpoint, read with `GET` and nothing else.
//!
//! For each subscription: its list of resources, then one list for each type the model knows, then the lists below
//! zones, resolvers and rulesets. What may not be read, or cannot be, is a finding, and the rest goes on. Tokens go to
//! the endpoint that was named and nowhere else, wherever a `nextLink` points.

mod arm;
mod lists;
mod sign_in;
#[cfg(test)]
mod tests;

use azure::{Json, ResourceId};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use self::{
    arm::{Arm, Refusal},
    lists::{Job, PAGED_BY_GROUP},
};
use crate::{Error, Progress, SourceFinding, draft::Draft, source::Azure};

/// Azure's public cloud.
const PUBLIC_CLOUD: &str = "https://management.azure.com";
/// Requests under way at once: well below what makes ARM slow down a caller.
const CONCURRENCY: usize = 8;
/// Machines whose state is asked one by one, where the list of states does not have it.
const STATES_MAX: usize = 200;

/// Reads what `azure` names into `draft`, with the rights of whoever is signed in. What that was, for people.
pub(crate) async fn read(draft: &mut Draft, azure: &Azure, progress: Progress<'_>) -> Result<String, Error> {
    // A lab's environment names the lab's endpoint.
    let named = || azure.endpoint.clone().or_else(|| std::env::var("NOREN_ARM").ok());
    let base = named().unwrap_or_else(|| PUBLIC_CLOUD.to_owned());
    let transport = sign_in::Signed::new(&base)?;
    let arm = Arm::new(&base, transport)?;
    subscriptions(&arm, draft, &azure.subscriptions, progress).await
}

/// Reads these subscriptions, or all that can be seen.
async fn subscriptions<T: arm::Transport>(
    arm: &Arm<T>,
    draft: &mut Draft,
    wanted: &[String],
    progress: Progress<'_>,
) -> Result<String, Error> {
    let mut ids: Vec<String> = wanted.to_vec();
    if ids.is_empty() {
        let visible = arm.list("/subscriptions?api-version=2022-12-01").await;
        let visible =
            visible.map_err(|refusal| Error::Azure { reason: format!("subscriptions cannot be listed: {refusal}") })?;
        let id = |one: &Value| Json::new(one).get("subscriptionId").text().map(str::to_owned);
        ids = visible.iter().filter_map(id).collect();
    }
    if ids.is_empty() {
        let reason =
            "whoever is signed in sees no subscription: `az account list`, or name one with azure:ID".to_owned();
        return Err(Error::Azure { reason });
    }
    let mut lists_read = 0;
    for (at, subscription) in ids.iter().enumerate() {
        progress(&format!("subscription {subscription} ({} of {})", at + 1, ids.len()));
        lists_read += one(arm, subscription, draft, progress).await?;
    }
    if lists_read == 0 {
        let first = draft.first_finding().unwrap_or_default();
        return Err(Error::Azure { reason: format!("nothing could be read: {first}") });
    }
    draft.may_be_empty = true;
    Ok(match (ids.as_slice(), arm.host()) {
        ([only], host) => format!("subscription {only} at {host}"),
        (many, host) => format!("{} subscriptions at {host}", many.len()),
    })
}

/// Reads one subscription. How many lists could be read.
async fn one<T: arm::Transport>(
    arm: &Arm<T>,
    subscription: &str,
    draft: &mut Draft,
    progress: Progress<'_>,
) -> Result<usize, Error> {
    let scope = ResourceId::subscription_scope(subscription);
    let mut first = vec![Job::resources(&scope)];
    first.extend(lists::of_subscription(&scope, arm.is_public_cloud()));
    let mut lists_read = run(arm, first, draft, progress).await?;
    // What only lists within a group can give, and what lies below what was found.
    let second = lists::within_groups(draft, &scope, PAGED_BY_GROUP).chain(lists::below(draft, &scope)).collect();
    lists_read += run(arm, second, draft, progress).await?;
    run(arm, lists::states(draft, &scope, STATES_MAX), draft, progress).await?;
    Ok(lists_read)
}

/// Does `jobs`, several at once, and takes in what they give, in their order. How many succeeded.
async fn run<T: arm::Transport>(
    arm: &Arm<T>,
    jobs: Vec<Job>,
    draft: &mut Draft,
    progress: Progress<'_>,
) -> Result<usize, Error> {
    let all = jobs.len();
    let answers = stream::iter(jobs.into_iter().map(|job| async {
        let answer = arm.list(&job.path).await;
        (job, answer)
    }));
    let mut answers = answers.buffered(CONCURRENCY);
    let (mut done, mut succeeded) = (0, 0);
    while let Some((job, answer)) = answers.next().await {
        done += 1;
        match answer {
            Ok(items) => {
                succeeded += 1;
                job.take_in(draft, items);
            }
            Err(Refusal::SignIn(reason)) => return Err(Error::Azure { reason }),
            Err(Refusal::NotThere) => {}
            Err(refusal) => draft.find(refused(&job, &refusal)),
        }
        if done % 50 == 0 || done == all {
            progress(&format!("{done} of {all} lists read"));
        }
    }
    Ok(succeeded)
}

fn refused(job: &Job, refusal: &Refusal) -> SourceFinding {
    let code = if matches!(refusal, Refusal::NoRight) { "NoRight" } else { "Unread" };
    let what = &job.what;
    let message = match refusal {
        Refusal::NoRight => {
            format!("no right to read {what}: what depends on them is missing (the role Reader has it)")
        }
        other => format!("{what} could not be read: {other}"),
    };
    SourceFinding::warning(code, message).at(job.place.to_string())
}

/// An object with `id`, as the documents of a list are.
fn with_id(id: &ResourceId, properties: &Value) -> Value {
    json!({"id": id, "properties": properties})
}
