//! Forwarding rulesets, and their links to the networks whose questions obey them.

use azure::{ArmError, Json, Kind, Resource, ResourceId};
use serde_json::Value;

use super::{bad_request, check_limit, check_region, conflict, reference, require, stamp};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
    providers::network::resource_guid,
};

/// Outbound endpoints of a ruleset.
const ENDPOINTS_MAX: usize = 2;
/// Rulesets of an outbound endpoint.
const RULESETS_MAX: usize = 2;
/// Networks linked to a ruleset.
const LINKS_MAX: usize = 500;

/// The provider of DNS forwarding rulesets.
pub struct ForwardingRulesets;

/// The provider of the links of rulesets to virtual networks.
pub struct RulesetLinks;

impl Provider for ForwardingRulesets {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let properties = Value::Object(draft.properties().clone());
        let endpoints: Vec<ResourceId> =
            Json::new(&properties).get("dnsResolverOutboundEndpoints").items().filter_map(Json::id).collect();
        if endpoints.is_empty() {
            return Err(bad_request(format!("DNS forwarding ruleset {id} must have at least one outbound endpoint.")));
        }
        check_limit(endpoints.len(), ENDPOINTS_MAX, "outbound endpoints", &id)?;
        for endpoint in &endpoints {
            let found = require(request.estate, endpoint, &id)?;
            if found.kind() != Kind::OutboundEndpoint {
                return Err(bad_request(format!("{endpoint} of DNS forwarding ruleset {id} is no outbound endpoint.")));
            }
            check_region(&draft.document, &id, found)?;
            if endpoint.parent() != endpoints[0].parent() {
                return Err(bad_request(format!(
                    "The outbound endpoints of DNS forwarding ruleset {id} belong to different DNS resolvers."
                )));
            }
            let users = request.estate.referrers(endpoint);
            let others = users.filter(|user| user.kind() == Kind::ForwardingRuleset && *user.id() != id).count();
            check_limit(others + 1, RULESETS_MAX, "DNS forwarding rulesets", endpoint)?;
        }
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(10))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(link) = request.estate.children(id, Kind::RulesetLink).next() {
            return Err(conflict(format!(
                "DNS forwarding ruleset {id} cannot be deleted because it has virtual network links: {}.",
                link.id()
            )));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(10))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

impl Provider for RulesetLinks {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let network = reference(&mut draft, "virtualNetwork", &id)?;
        if let Some(before) = request.estate.ruleset_link(&id)
            && before.virtual_network != network
        {
            return Err(conflict(format!(
                "The virtual network of link {id} cannot be changed from {} to {network}.",
                before.virtual_network
            )));
        }
        let found = require(request.estate, &network, &id)?;
        let mut links = request.estate.referrers(&network).filter(|user| user.kind() == Kind::RulesetLink);
        if let Some(other) = links.find(|link| *link.id() != id) {
            return Err(conflict(format!(
                "Virtual network {network} is already linked to a DNS forwarding ruleset by {}.",
                other.id()
            )));
        }
        if let Some(ruleset) = id.parent() {
            check_region(&require(request.estate, &ruleset, &id)?.document().value(), &ruleset, found)?;
            let others = request.estate.children(&ruleset, Kind::RulesetLink).filter(|other| *other.id() != id);
            check_limit(others.count() + 1, LINKS_MAX, "virtual network links", &ruleset)?;
        }
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(10))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(10))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}
