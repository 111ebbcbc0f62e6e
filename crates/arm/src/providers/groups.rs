//! `Microsoft.Resources/resourceGroups`: creation, tags, and deletion with everything inside.

use std::time::Duration;

use azure::{ArmError, Change, Estate, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{filter::Filter, locations, resources};
use crate::{
    page::{self, Page},
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
};

/// Longest name of a resource group, in characters.
const NAME_LEN_MAX: usize = 90;
/// How long Azure takes at least to delete a group that holds something, in seconds.
const DELETION_TAKES_S: u64 = 15;

/// Resource groups.
pub struct ResourceGroups;

impl Provider for ResourceGroups {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        check_name(request.id.name())?;
        let given = request.body.get("location").and_then(Value::as_str).filter(|text| !text.is_empty());
        let before = existing.map(|group| group.document().value());
        let place = before.as_ref().and_then(|before| before.get("location")).and_then(Value::as_str);
        match (given, place) {
            (None, None) => return Err(resources::location_required()),
            (Some(given), _) if !matches!(locations::find(given), Some(locations::Place::Region(_))) => {
                return Err(ArmError::bad_request(
                    "LocationNotAvailableForResourceGroup",
                    format!(
                        "The provided location '{given}' is not available for resource group. \
                         List of available regions is '{}'.",
                        locations::names()
                    ),
                ));
            }
            (Some(given), Some(place)) if locations::find(given) != locations::find(place) => {
                return Err(ArmError::conflict(
                    "InvalidResourceGroupLocation",
                    format!(
                        "Invalid resource group location '{given}'. \
                         The Resource group already exists in location '{place}'."
                    ),
                ));
            }
            _ => {}
        }
        let mut draft = Draft::new(request, existing);
        // Nothing else is a group's to keep: its properties are the service's.
        *draft.properties() = serde_json::Map::new();
        draft.set("provisioningState", json!("Succeeded"));
        let kept = before.as_ref().and_then(|before| before.get("managedBy")).cloned();
        if let (Some(managed_by), Value::Object(document)) = (kept, &mut draft.document) {
            document.entry("managedBy").or_insert(managed_by);
        }
        Ok(draft.finish(request, existing))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let estate = request.estate.clone();
        let (changes, takes) = cascade(request, &estate, existing.id())?;
        let mut effect = Effect::new(changes, Reply::Done);
        effect.azure_takes = takes;
        Ok(effect)
    }

    fn not_found(&self, id: &ResourceId) -> ArmError {
        group_not_found(id.name())
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// `GET …/resourceGroups`.
///
/// # Errors
/// 400 for a `$filter` or a page that makes no sense.
pub fn list(request: &Request<'_>) -> Result<Value, ArmError> {
    let filter = request.query("$filter").filter(|text| !text.is_empty()).map(Filter::parse).transpose()?;
    let chosen = request
        .estate
        .of_kind(Kind::ResourceGroup)
        .filter(|group| filter.as_ref().is_none_or(|filter| resources::matches(filter, &group.document().value())));
    let part = Page::of(request, page::ORDINARY)?.cut(chosen);
    Ok(page::listed(part.resources.iter().map(|group| group.document().value()).collect(), part.next))
}

/// ARM's refusal for a resource group that is not there.
pub fn group_not_found(name: &str) -> ArmError {
    ArmError::not_found("ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
}

/// Letters and digits of any script, `_`, `-`, `.`, `(`, `)`; no full stop at the end; 1–90 characters.
fn check_name(name: &str) -> Result<(), ArmError> {
    let refused = |why: String| Err(ArmError::bad_request("InvalidResourceGroup", why));
    if name.chars().count() > NAME_LEN_MAX {
        return refused(format!(
            "The provided resource group name '{name}' has a length of '{}', which exceeds the maximum length of \
             '{NAME_LEN_MAX}'.",
            name.chars().count()
        ));
    }
    let bad: String = name.chars().filter(|letter| !letter.is_alphanumeric() && !"_-.()".contains(*letter)).collect();
    if !bad.is_empty() {
        return refused(format!(
            "The provided resource group name '{name}' has these invalid characters: '{bad}'. \
             The name can only be a letter, digit, '-', '.', '(', ')' or '_'."
        ));
    }
    if name.ends_with('.') {
        return refused(format!("The provided resource group name '{name}' must not end with '.'."));
    }
    Ok(())
}

/// The order in which a group's resources go: what uses others before what is used.
fn deletion_rank(kind: Kind) -> u8 {
    match kind {
        Kind::ManagedCluster | Kind::VirtualMachine | Kind::Connection | Kind::RulesetLink => 0,
        Kind::VirtualNetworkGateway | Kind::ForwardingRuleset | Kind::PrivateEndpoint | Kind::Other => 1,
        Kind::NetworkInterface | Kind::VirtualNetworkLink | Kind::InboundEndpoint | Kind::OutboundEndpoint => 2,
        Kind::PrivateDnsZone | Kind::DnsResolver => 3,
        Kind::VirtualNetwork => 4,
        _ => 5,
    }
}

/// Whether a child of this kind keeps its parent from being deleted, so that it goes before it.
fn holds_its_parent(kind: Kind) -> bool {
    matches!(kind, Kind::VirtualNetworkLink | Kind::RulesetLink | Kind::InboundEndpoint | Kind::OutboundEndpoint)
}

/// Resources that were deleted one by one.
pub(crate) struct Deleted {
    /// What that changes.
    pub(crate) changes: Vec<Change>,
    /// The estate after it.
    estate: Estate,
    /// How long real Azure takes for the slowest of them.
    takes: Duration,
}

/// Deletes each of `left`, as they are in `estate`, by its own rules. A resource that is refused is tried again after the
/// others: what held it may have gone.
///
/// # Errors
/// Those that nothing makes free, each with its refusal.
pub(crate) fn delete_each(
    request: &mut Request<'_>,
    estate: &Estate,
    mut left: Vec<ResourceId>,
) -> Result<Deleted, Vec<(ResourceId, ArmError)>> {
    let mut estate: Estate = estate.clone();
    let mut changes: Vec<Change> = Vec::new();
    let mut takes = Duration::ZERO;
    left.sort_by_key(|id| deletion_rank(Kind::of(id)));
    loop {
        let mut refusals: Vec<(ResourceId, ArmError)> = Vec::new();
        let before = left.len();
        for id in left {
            let Some(resource) = estate.get(&id).cloned() else { continue };
            let mut inner = Request {
                estate: &estate,
                id: resource.id(),
                body: json!({}),
                query: Vec::new(),
                lab: request.lab,
                now: request.now,
                entropy: &mut *request.entropy,
            };
            match super::of(resource.kind()).delete(&mut inner, &resource) {
                Ok(effect) => {
                    estate = estate.apply(estate.revision(), &effect.changes);
                    takes = takes.max(effect.azure_takes);
                    changes.extend(effect.changes);
                }
                Err(refusal) => refusals.push((id, refusal)),
            }
        }
        if refusals.is_empty() {
            return Ok(Deleted { changes, estate, takes });
        }
        if refusals.len() == before {
            return Err(refusals);
        }
        left = refusals.into_iter().map(|(id, _)| id).collect();
    }
}

/// Deletes everything in `group` by each resource's own rules, then the group. Gives the changes and
/// how long Azure takes for them.
///
/// # Errors
/// `ResourceGroupDeletionBlocked` with the refusals of what cannot go.
pub(crate) fn cascade(
    request: &mut Request<'_>,
    estate: &Estate,
    group: &ResourceId,
) -> Result<(Vec<Change>, Duration), ArmError> {
    let inside =
        estate.below(group).filter(|one| holds_its_parent(one.kind()) || one.id().parent().as_ref() == Some(group));
    let left: Vec<ResourceId> = inside.map(|resource| resource.id().clone()).collect();
    let least = if left.is_empty() { Duration::ZERO } else { Duration::from_secs(DELETION_TAKES_S) };
    let Deleted { mut changes, estate, takes } =
        delete_each(request, estate, left).map_err(|refusals| blocked(group, refusals))?;
    changes.extend(delete_tree(&estate, group));
    Ok((changes, takes.max(least)))
}

fn blocked(group: &ResourceId, refusals: Vec<(ResourceId, ArmError)>) -> ArmError {
    let ids: Vec<&str> = refusals.iter().map(|(id, _)| id.as_str()).collect();
    let mut error = ArmError::conflict(
        "ResourceGroupDeletionBlocked",
        format!(
            "Deletion of resource group '{}' failed as resources with identifiers '{}' could not be deleted. \
             The provisioning state of the resource group will be rolled back.",
            group.name(),
            ids.join(",")
        ),
    );
    error.details = refusals.into_iter().map(|(id, refusal)| refusal.with_target(id.as_str())).collect();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_follow_arms_rules() {
        for name in ["rg", "MC_rg_a.b(1)_westeurope", "グループ"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["rg.", "a b", "a:b", &"x".repeat(91)] {
            assert_eq!(check_name(name).unwrap_err().code, "InvalidResourceGroup", "{name}");
        }
    }
}
