//! `GET` and `HEAD`: answers from the estate alone. Nothing here waits, and nothing changes.

use std::sync::Arc;

use azure::{ArmError, Estate, Kind, Resource, ResourceId};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    call::{Call, Verb},
    operations::{Act, CANCELED, Operation, State},
    page::{self, Page},
    provider::{Entropy, Listing, normal_location, wire_type},
    providers::{
        self, Regional,
        groups::{self, group_not_found},
        locations, namespaces, resources, tags,
    },
    scene::Scene,
    target::{Poll, Target},
    wire::{self, Response},
};

/// Answers a request that changes nothing.
///
/// # Errors
/// ARM's or the provider's refusal.
pub(crate) fn answer(scene: &Scene<'_>, call: Call) -> Result<Response, ArmError> {
    let (verb, is_resource) = (call.verb, matches!(call.target, Target::Resource(_)));
    let mut response = read(scene, call)?;
    if verb == Verb::Head {
        *response.body_mut() = Bytes::new();
        if is_resource && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
    }
    Ok(response)
}

fn read(scene: &Scene<'_>, call: Call) -> Result<Response, ArmError> {
    let uri = call.uri.clone();
    let ok = |value: Value| Ok(wire::json(StatusCode::OK, &page::linked(value, &scene.lab.base_url, &uri)));
    let mut entropy = Entropy::from_system();
    match &call.target {
        Target::Tenants => ok(resources::tenants(scene.lab)),
        Target::Subscriptions => ok(json!({"value": [resources::subscription(scene.lab)]})),
        Target::Subscription(_) => ok(resources::subscription(scene.lab)),
        Target::Locations(subscription) => ok(locations::list(subscription)),
        Target::Namespaces(subscription) => ok(namespaces::list(subscription.as_ref())),
        Target::Namespace { subscription, namespace, action: None } => {
            namespaces::show(namespace, subscription.as_ref()).and_then(ok)
        }
        Target::Namespace { action: Some(_), .. } => Err(call.verb.not_allowed()),
        Target::Groups(subscription) => {
            let request = scene.request(subscription, call.query, call.body, &mut entropy);
            ok(groups::list(&request)?)
        }
        Target::Resources(scope) => {
            if Kind::of(scope) == Kind::ResourceGroup && !scene.estate.contains(scope) {
                return Err(group_not_found(scope.name()));
            }
            ok(resources::list(&scene.request(scope, call.query, call.body, &mut entropy))?)
        }
        Target::TagNames(subscription) => ok(tags::list(scene.estate, subscription)),
        Target::Regional { .. } => regional(scene, call),
        Target::Operation(poll) => status(scene, poll),
        Target::OperationResult(poll) => result(scene, poll),
        Target::Resource(id) => match scene.estate.get(id) {
            Some(resource) if call.query.is_empty() => Ok(wire::text(StatusCode::OK, rendered(scene.estate, resource))),
            Some(resource) => {
                let mut request = scene.request(resource.id(), call.query, call.body, &mut entropy);
                ok(providers::of(resource.kind()).show(&mut request, resource))
            }
            None => absent(scene, id, call.query),
        },
        Target::Tail { .. } => tail(scene, call),
    }
}

/// What lies at a location; also asked by `POST`.
pub(crate) fn regional(scene: &Scene<'_>, call: Call) -> Result<Response, ArmError> {
    let Target::Regional { subscription, namespace, location, view } = &call.target else {
        return Err(call.verb.not_allowed());
    };
    let path = || format!("{namespace}/locations/{location}/{view}");
    if locations::find(location).is_none() {
        return Err(locations::not_available(location, &format!("{namespace}/locations/{view}")));
    }
    let location = normal_location(location);
    let mut entropy = Entropy::from_system();
    let mut request = scene.request(subscription, call.query, call.body, &mut entropy);
    let value = providers::regional(&mut request, &Regional { namespace, location: &location, view });
    let unknown = || Err(ArmError::not_found("NotFound", format!("There is no '{}'.", path())));
    Ok(wire::json(StatusCode::OK, &value.unwrap_or_else(unknown)?))
}

/// The resource's text: its document where that is all there is to it.
fn rendered(estate: &Estate, resource: &Resource) -> Bytes {
    let provider = providers::of(resource.kind());
    if provider.renders_verbatim() {
        Bytes::copy_from_slice(resource.document().text().as_bytes())
    } else {
        Bytes::from(provider.render(estate, resource).to_string())
    }
}

/// What is no stored resource: a command's result, something built in, a view of what is above it.
fn absent(scene: &Scene<'_>, id: &ResourceId, query: Vec<(String, String)>) -> Result<Response, ArmError> {
    scene.check_group(id)?;
    if let Some(operation) = command_of(scene, id) {
        return Ok(command_result(scene, operation));
    }
    let provider = providers::of(Kind::of(id));
    let mut entropy = Entropy::from_system();
    let mut request = scene.request(id, query, json!({}), &mut entropy);
    if let Some(value) = provider.builtin(&mut request) {
        return Ok(wire::json(StatusCode::OK, &value));
    }
    if Kind::of(id) == Kind::Other
        && let Some((above, view)) = scene.nearest(id)
        && above.kind() != Kind::Other
    {
        let query = request.query;
        let mut request = scene.request(above.id(), query, json!({}), &mut entropy);
        let value = providers::of(above.kind()).view(&mut request, above, &view)?;
        return Ok(wire::json(StatusCode::OK, &value));
    }
    Err(provider.not_found(id))
}

/// A collection, or a view of the resource above.
fn tail(scene: &Scene<'_>, call: Call) -> Result<Response, ArmError> {
    let Target::Tail { scope, resource_type, word } = call.target else { unreachable!("invariant: `read` saw a tail") };
    if Kind::of(&scope) == Kind::ResourceGroup && !scene.estate.contains(&scope) {
        return Err(group_not_found(scope.name()));
    }
    scene.check_group(&scope)?;
    let kind = Kind::from_type(&resource_type);
    let mut entropy = Entropy::from_system();
    if kind == Kind::Other
        && let Some((above, rest)) = scene.nearest(&scope)
        && above.kind() != Kind::Other
    {
        let view = if rest.is_empty() { word.to_lowercase() } else { format!("{rest}/{}", word.to_lowercase()) };
        let mut request = scene.request(above.id(), call.query, call.body, &mut entropy);
        let value = providers::of(above.kind()).view(&mut request, above, &view)?;
        return Ok(wire::json(StatusCode::OK, &page::linked(value, &scene.lab.base_url, &call.uri)));
    }
    let is_child = resource_type.matches('/').count() > 1;
    if is_child && !scene.estate.contains(&scope) {
        return Err(providers::of(Kind::of(&scope)).not_found(&scope));
    }
    let mut request = scene.request(&scope, call.query, call.body, &mut entropy);
    if let Some(offered) = providers::offered(&request, &resource_type)? {
        return Ok(wire::json(StatusCode::OK, &json!({"value": offered})));
    }
    let provider = providers::of(kind);
    let listing = provider.list(&mut request)?;
    let estate = scene.estate;
    let page = Page::of(&request, if kind.is_record_set() { page::RECORD_SETS } else { page::ORDINARY })?;
    let wanted = |resource: &&Arc<Resource>| {
        resource.kind() == kind
            && (kind != Kind::Other || wire_type(resource.id()).eq_ignore_ascii_case(&resource_type))
            && provider.lists(&request, resource)
    };
    if let Listing::These(values) = listing {
        return Ok(wire::json(StatusCode::OK, &json!({"value": values})));
    }
    let part = if kind != Kind::Other && Kind::of(&scope) == Kind::Subscription {
        let all = estate.of_kind(kind).filter(|resource| resource.id().is_below(&scope));
        page.cut(all.filter(wanted))
    } else if is_child {
        let children = estate.below(&scope).filter(wanted);
        page.cut(children.filter(|child| child.id().parent().as_ref() == Some(&scope)))
    } else {
        page.cut(estate.below(&scope).filter(wanted))
    };
    let next = part.next.map(|token| page::link(&scene.lab.base_url, &call.uri, &token));
    Ok(collection(estate, &part.resources, next))
}

/// `{"value": […]}`, and the address of the next page.
fn collection(estate: &Estate, stored: &[&Arc<Resource>], next: Option<String>) -> Response {
    let mut body = String::from(r#"{"value":["#);
    for (at, resource) in stored.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        let provider = providers::of(resource.kind());
        if provider.renders_verbatim() {
            body.push_str(resource.document().text());
        } else {
            body.push_str(&provider.render(estate, resource).to_string());
        }
    }
    body.push(']');
    if let Some(next) = next {
        body.push_str(&format!(r#","nextLink":{}"#, Value::String(next)));
    }
    body.push('}');
    wire::text(StatusCode::OK, Bytes::from(body))
}

fn operation<'a>(scene: &'a Scene<'_>, poll: &Poll) -> Result<&'a Arc<Operation>, ArmError> {
    let found = scene.operations.get(&poll.operation).filter(|operation| operation.act != Act::Command);
    found.ok_or_else(|| {
        ArmError::not_found("OperationNotFound", format!("The operation '{}' was not found.", poll.operation))
    })
}

/// The document behind `Azure-AsyncOperation`.
fn status(scene: &Scene<'_>, poll: &Poll) -> Result<Response, ArmError> {
    let operation = operation(scene, poll)?;
    let mut response = wire::json(StatusCode::OK, &operation.status());
    if operation.is_under_way() {
        wire::ask_again(&mut response, operation, scene.now);
    }
    Ok(response)
}

/// What `Location` leads to: 202 until the operation ended, then the resource or nothing.
fn result(scene: &Scene<'_>, poll: &Poll) -> Result<Response, ArmError> {
    let operation = operation(scene, poll)?;
    match &operation.state {
        State::UnderWay { .. } => {
            let mut response = wire::empty(StatusCode::ACCEPTED);
            wire::ask_again(&mut response, operation, scene.now);
            Ok(response)
        }
        State::Failed { code, message, .. } => Err(ArmError::conflict(code.clone(), message.clone())),
        State::Canceled { .. } => Err(ArmError::conflict("OperationCanceled", CANCELED)),
        State::Succeeded { .. } | State::Ran { .. } => Ok(match scene.estate.get(&operation.resource) {
            Some(resource) => wire::text(StatusCode::OK, rendered(scene.estate, resource)),
            None => wire::empty(StatusCode::NO_CONTENT),
        }),
    }
}

/// The command whose result `id` names, if it is one.
pub(crate) fn command_of<'a>(scene: &'a Scene<'_>, id: &ResourceId) -> Option<&'a Arc<Operation>> {
    let operation = scene.operations.get(&id.name().to_lowercase())?;
    (operation.act == Act::Command && operation.result_path().eq_ignore_ascii_case(id.as_str())).then_some(operation)
}

/// 202 while the command runs, with a body: `az` reads it on every poll (az-wire §4).
fn command_result(scene: &Scene<'_>, operation: &Operation) -> Response {
    let status = if operation.is_under_way() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = wire::json(status, &operation.command_result());
    if operation.is_under_way() {
        wire::ask_again(&mut response, operation, scene.now);
    }
    response
}
