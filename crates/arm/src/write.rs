//! `PUT`, `PATCH`, `POST` and `DELETE`: what a request changes and how it is answered.
//!
//! Pure: [`decide`] reads the scene and gives a [`Decision`]; `plane` commits it. With
//! [`Pace::Azure`] a change that takes Azure a while is committed at once with the state Azure shows
//! meanwhile (`Creating`, `Updating`, `Deleting`), together with the operation that ends it, so that
//! a restart finds everything that is needed to go on ([`finish`]).

use azure::{ArmError, Change, Estate, Json, Kind, Resource, ResourceId};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    call::{Call, Preconditions, Verb},
    deployments,
    operations::{Act, Operation, State},
    plane::Pace,
    provider::{Effect, Entropy, Reply, Work},
    providers::{self, namespaces},
    read,
    scene::Scene,
    target::Target,
    wire::{self, Response},
};

/// What a request leads to.
pub(crate) struct Decision {
    /// Committed in one transaction, together with `operation`.
    pub(crate) changes: Vec<Change>,
    /// The operation that goes on after the answer, or that is under way already.
    pub(crate) operation: Option<Operation>,
    /// What the operation does outside the estate.
    pub(crate) work: Option<Work>,
    /// The answer once all that is durable.
    pub(crate) answer: Answer,
}

/// How a change is answered.
pub(crate) enum Answer {
    /// With the resource as it is then.
    Resource(StatusCode, ResourceId),
    /// With what is known already.
    Ready(Response),
}

impl Decision {
    fn ready(response: Response) -> Self {
        Self { changes: Vec::new(), operation: None, work: None, answer: Answer::Ready(response) }
    }

    /// Whether there is nothing to commit.
    pub(crate) fn changes_nothing(&self) -> bool {
        self.changes.is_empty() && self.operation.is_none()
    }

    /// The answer, where `estate` holds the changes.
    pub(crate) fn respond(&self, estate: &Estate, base_url: &str, api_version: &str, now: jiff::Timestamp) -> Response {
        let mut response = match &self.answer {
            Answer::Ready(response) => response.clone(),
            Answer::Resource(status, id) => match estate.get(id) {
                Some(resource) => wire::json(*status, &providers::of(resource.kind()).render(estate, resource)),
                None => wire::empty(*status),
            },
        };
        // What is over with no content is not asked after: an aborted operation ends like this.
        let over = response.status() == StatusCode::NO_CONTENT;
        if let Some(operation) = self.operation.as_ref().filter(|_| !over) {
            wire::poll_at(&mut response, base_url, operation, api_version, now);
        }
        response
    }
}

/// Decides what a request changes.
///
/// # Errors
/// ARM's or the provider's refusal: then nothing changes.
pub(crate) fn decide(scene: &Scene<'_>, call: Call) -> Result<Decision, ArmError> {
    if call.verb == Verb::Post && matches!(call.target, Target::Regional { .. }) {
        return read::regional(scene, call).map(Decision::ready);
    }
    let Call { verb, target, query, body, preconditions, .. } = call;
    let inputs = Inputs { query, body, preconditions, entropy: &mut Entropy::from_system() };
    match (verb, &target) {
        (Verb::Put, Target::Resource(id)) => put(scene, &scene.canonical(id), inputs),
        (Verb::Put, Target::Tail { scope, word, .. }) => put_part(scene, scope, word, inputs),
        (Verb::Patch, Target::Resource(id)) => patch(scene, id, inputs),
        (Verb::Delete, Target::Resource(id)) => delete(scene, id, inputs),
        (Verb::Post, Target::Resource(id)) => post(scene, id, None, inputs),
        (Verb::Post, Target::Tail { scope, word, .. }) => post(scene, scope, Some(word), inputs),
        (Verb::Post, Target::Namespace { subscription, namespace, action: Some(_) }) => {
            let document = namespaces::show(namespace, subscription.as_ref())?;
            Ok(Decision::ready(wire::json(StatusCode::OK, &document)))
        }
        _ => Err(verb.not_allowed()),
    }
}

/// What a provider gets to work with.
struct Inputs<'a> {
    query: Vec<(String, String)>,
    body: Value,
    preconditions: Preconditions,
    entropy: &'a mut Entropy,
}

impl Inputs<'_> {
    fn check_preconditions(
        &self,
        scene: &Scene<'_>,
        id: &ResourceId,
        existing: Option<&Resource>,
    ) -> Result<(), ArmError> {
        if self.preconditions.is_empty() {
            return Ok(());
        }
        let called = providers::of(Kind::of(id)).called(id);
        self.preconditions.check(existing.map(|resource| scene.render(resource)).as_ref(), called.as_deref())
    }
}

fn put(scene: &Scene<'_>, id: &ResourceId, inputs: Inputs<'_>) -> Result<Decision, ArmError> {
    let existing = scene.estate.get(id).map(AsRef::as_ref);
    scene.check_put(id, &inputs.body, existing)?;
    inputs.check_preconditions(scene, id, existing)?;
    let effect = effect_of_put(scene, id, inputs.query, inputs.body, inputs.entropy)?;
    let meanwhile = match existing {
        _ if Kind::of(id) == Kind::Deployment => "Running",
        Some(_) => "Updating",
        None => "Creating",
    };
    Ok(written(scene, id, effect, meanwhile, inputs.entropy))
}

/// What a `PUT` of `id` leads to once ARM's own checks are passed ([`Scene::check_put`]). Also the
/// path of every resource of a template.
///
/// # Errors
/// The provider's refusal.
pub(crate) fn effect_of_put(
    scene: &Scene<'_>,
    id: &ResourceId,
    query: Vec<(String, String)>,
    body: Value,
    entropy: &mut Entropy,
) -> Result<Effect, ArmError> {
    if Kind::of(id) == Kind::Deployment {
        return deployments::put(scene, id, &body, entropy);
    }
    let existing = scene.estate.get(id).map(AsRef::as_ref);
    let mut request = scene.request(id, query, body, entropy);
    providers::of(Kind::of(id)).put(&mut request, existing)
}

/// `PUT <id>/<word>`: a part of a stored resource.
fn put_part(scene: &Scene<'_>, id: &ResourceId, word: &str, inputs: Inputs<'_>) -> Result<Decision, ArmError> {
    let existing = scene.estate.get(id).ok_or_else(|| Verb::Put.not_allowed())?;
    scene.check_free(existing.id())?;
    let mut request = scene.request(existing.id(), inputs.query, inputs.body, &mut *inputs.entropy);
    let effect = providers::of(existing.kind()).put_part(&mut request, existing, &word.to_lowercase())?;
    Ok(written(scene, existing.id(), effect, "Updating", inputs.entropy))
}

fn patch(scene: &Scene<'_>, id: &ResourceId, inputs: Inputs<'_>) -> Result<Decision, ArmError> {
    let existing = require(scene, id)?;
    let id = existing.id();
    scene.check_free(id)?;
    if !inputs.body.is_object() {
        return Err(ArmError::bad_request(
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: 'the body is not a JSON object'.",
        ));
    }
    inputs.check_preconditions(scene, id, Some(existing))?;
    let mut request = scene.request(id, inputs.query, inputs.body, &mut *inputs.entropy);
    let effect = providers::of(existing.kind()).patch(&mut request, existing)?;
    Ok(written(scene, id, effect, "Updating", inputs.entropy))
}

fn delete(scene: &Scene<'_>, id: &ResourceId, inputs: Inputs<'_>) -> Result<Decision, ArmError> {
    let Some(existing) = scene.estate.get(id) else {
        scene.check_group(id)?;
        inputs.check_preconditions(scene, id, None)?;
        let provider = providers::of(Kind::of(id));
        if Kind::of(id) == Kind::ResourceGroup {
            return Err(provider.not_found(id));
        }
        let mut request = scene.request(id, inputs.query, inputs.body, &mut *inputs.entropy);
        let effect = provider.delete_derived(&mut request);
        let done = Decision::ready(wire::empty(StatusCode::NO_CONTENT));
        return Ok(Decision { changes: effect.map(|effect| effect.changes).unwrap_or_default(), ..done });
    };
    let id = existing.id();
    if let Some(operation) = scene.operations.holder(id)
        && operation.act == Act::Delete
    {
        // Asked twice: the same operation.
        return Ok(Decision {
            operation: Some(Operation::clone(operation)),
            ..Decision::ready(wire::empty(StatusCode::ACCEPTED))
        });
    }
    scene.check_free(id)?;
    inputs.check_preconditions(scene, id, Some(existing))?;
    let mut request = scene.request(id, inputs.query, inputs.body, &mut *inputs.entropy);
    let effect = providers::of(existing.kind()).delete(&mut request, existing)?;
    if takes_time(scene, &effect) {
        let operation = begin(scene, id, &effect, Act::Delete, inputs.entropy);
        let changes = vec![Change::put(with_state(existing, "Deleting"))];
        let answer = Answer::Ready(wire::empty(StatusCode::ACCEPTED));
        return Ok(Decision { changes, operation: Some(operation), work: None, answer });
    }
    let done = match (&effect.reply, existing.kind()) {
        (Reply::Ok(value), _) => wire::json(StatusCode::OK, value),
        // az takes 200 or 202 for groups, 202 or 204 for clusters, any for the rest (az-wire §2.5).
        (_, Kind::ResourceGroup) => wire::empty(StatusCode::OK),
        _ => wire::empty(StatusCode::NO_CONTENT),
    };
    Ok(Decision { changes: effect.changes, operation: None, work: None, answer: Answer::Ready(done) })
}

/// `POST <id>[/<word>]`: an action of the nearest stored resource at or above `id`.
fn post(scene: &Scene<'_>, id: &ResourceId, word: Option<&str>, inputs: Inputs<'_>) -> Result<Decision, ArmError> {
    scene.check_group(id)?;
    if Kind::of(id) == Kind::Deployment
        && let Some(action) = word.map(str::to_lowercase)
        && let Some(effect) = deployments::ask(scene, id, &inputs.body, &action, inputs.entropy)
    {
        return Ok(written(scene, id, effect?, "", inputs.entropy));
    }
    let Some((existing, rest)) = scene.nearest(id) else {
        return Err(match Kind::of(id) {
            Kind::Subscription | Kind::ResourceGroup => Verb::Post.not_allowed(),
            kind => providers::of(kind).not_found(id),
        });
    };
    let words: Vec<String> =
        [rest, word.map(str::to_lowercase).unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
    if words.is_empty() {
        return Err(Verb::Post.not_allowed());
    }
    let action = words.join("/");
    let id = existing.id();
    if action == "abort" && matches!(existing.kind(), Kind::ManagedCluster | Kind::AgentPool) {
        return abort(scene, existing);
    }
    let mut request = scene.request(id, inputs.query, inputs.body, &mut *inputs.entropy);
    let effect = providers::of(existing.kind()).action(&mut request, existing, &action)?;
    if effect.work.is_some() {
        let operation = begin(scene, id, &effect, Act::Command, inputs.entropy);
        let answer = Answer::Ready(wire::json(StatusCode::ACCEPTED, &operation.command_result()));
        return Ok(Decision { changes: effect.changes, operation: Some(operation), work: effect.work, answer });
    }
    if !effect.changes.is_empty() {
        scene.check_free(id)?;
    }
    let meanwhile = match action.as_str() {
        "start" => "Starting",
        "stop" => "Stopping",
        _ => "Updating",
    };
    Ok(written(scene, id, effect, meanwhile, inputs.entropy))
}

/// `POST …/abort`: ends the write of a cluster or pool that is under way. What it has changed so far stays, which here is
/// everything it would.
///
/// Source: Azure REST specification, `ManagedClusters_AbortLatestOperation`, `AgentPools_AbortLatestOperation`: 409 when the
/// operation was quicker.
fn abort(scene: &Scene<'_>, existing: &Resource) -> Result<Decision, ArmError> {
    let under_way = scene.operations.holder(existing.id()).filter(|operation| operation.act == Act::Write);
    let Some(operation) = under_way else {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!("There is no operation in progress on '{}' that could be aborted.", existing.id()),
        ));
    };
    let changes = vec![Change::put(with_state(existing, "Canceled"))];
    let done = Decision::ready(wire::empty(StatusCode::NO_CONTENT));
    Ok(Decision { changes, operation: Some(operation.canceled(scene.now)), ..done })
}

/// The decision for an effect that writes `id` or only reads: with an operation if it takes time.
fn written(scene: &Scene<'_>, id: &ResourceId, mut effect: Effect, meanwhile: &str, entropy: &mut Entropy) -> Decision {
    let slow = takes_time(scene, &effect) && effect.failure.is_none() && !matches!(effect.reply, Reply::Ok(_));
    let mut operation = slow.then(|| {
        let own = effect.changes.iter_mut().rev().find(|change| change.id() == id);
        if let Some(change) = own
            && let Change::Put(resource) = &*change
        {
            *change = Change::put(with_state(resource, meanwhile));
        }
        begin(scene, id, &effect, Act::Write, entropy)
    });
    if let Some(failure) = &effect.failure {
        operation = Some(begin(scene, id, &effect, Act::Write, entropy).failed(scene.now, failure));
    } else if effect.reply == Reply::Accepted && !slow {
        operation = Some(begin(scene, id, &effect, Act::Write, entropy).succeeded(scene.now));
    }
    let answer = match effect.reply {
        Reply::Created => Answer::Resource(StatusCode::CREATED, id.clone()),
        Reply::Updated => Answer::Resource(StatusCode::OK, id.clone()),
        Reply::Ok(value) => Answer::Ready(wire::json(StatusCode::OK, &value)),
        Reply::Accepted => Answer::Ready(wire::empty(StatusCode::ACCEPTED)),
        Reply::Done if slow => Answer::Ready(wire::empty(StatusCode::ACCEPTED)),
        Reply::Done => Answer::Ready(wire::empty(StatusCode::NO_CONTENT)),
    };
    Decision { changes: effect.changes, operation, work: None, answer }
}

fn takes_time(scene: &Scene<'_>, effect: &Effect) -> bool {
    scene.pace == Pace::Azure && !effect.azure_takes.is_zero() && !effect.changes.is_empty()
}

/// The record of an operation that begins now.
fn begin(scene: &Scene<'_>, id: &ResourceId, effect: &Effect, act: Act, entropy: &mut Entropy) -> Operation {
    let written = effect.changes.iter().rev().find_map(|change| match change {
        Change::Put(resource) if resource.id() == id => Some(resource.as_ref()),
        _ => None,
    });
    let document = written.or_else(|| scene.estate.get(id).map(AsRef::as_ref)).map(|one| one.document().value());
    let location = document.as_ref().and_then(|document| Json::new(document).get("location").text());
    let takes = jiff::SignedDuration::try_from(effect.azure_takes).unwrap_or(jiff::SignedDuration::ZERO);
    let due = (act != Act::Command).then(|| scene.now.saturating_add(takes).unwrap_or(scene.now));
    Operation {
        id: entropy.guid(),
        resource: id.clone(),
        location: location.unwrap_or("global").to_owned(),
        act,
        started: scene.now,
        state: State::UnderWay { due },
    }
}

/// Ends an operation whose time has come: the changes that are left, and how it ended.
pub(crate) fn finish(scene: &Scene<'_>, operation: &Operation) -> (Vec<Change>, Operation) {
    let settled = |resource: &Resource, state| vec![Change::put(with_state(resource, state))];
    match (operation.act, scene.estate.get(&operation.resource)) {
        (Act::Command, _) => {
            // Nobody waits for it any more: it ran in a process that is gone.
            let gone = ArmError::conflict("CommandInterrupted", "The command was interrupted by a restart.");
            (Vec::new(), operation.failed(scene.now, &gone))
        }
        (Act::Write | Act::Delete, None) => (Vec::new(), operation.succeeded(scene.now)),
        (Act::Write, Some(resource)) => (settled(resource, "Succeeded"), operation.succeeded(scene.now)),
        (Act::Delete, Some(resource)) => {
            let mut entropy = Entropy::from_system();
            let mut request = scene.request(resource.id(), Vec::new(), json!({}), &mut entropy);
            match providers::of(resource.kind()).delete(&mut request, resource) {
                Ok(effect) => (effect.changes, operation.succeeded(scene.now)),
                Err(refusal) => (settled(resource, "Failed"), operation.failed(scene.now, &refusal)),
            }
        }
    }
}

/// The resource with another `provisioningState`.
fn with_state(resource: &Resource, state: &str) -> Resource {
    let mut document = resource.document().value();
    if let Some(Value::Object(properties)) = document.get_mut("properties") {
        properties.insert("provisioningState".into(), json!(state));
    }
    Resource::with_hidden(resource.id().clone(), &document, &resource.hidden().value())
}

fn require<'a>(scene: &Scene<'a>, id: &ResourceId) -> Result<&'a Resource, ArmError> {
    if let Some(resource) = scene.estate.get(id) {
        return Ok(resource);
    }
    scene.check_group(id)?;
    Err(providers::of(Kind::of(id)).not_found(id))
}
