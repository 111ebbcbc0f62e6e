//! Resolvers: one for a virtual network, in its region.

use azure::{ArmError, Kind, Resource, ResourceId};
use serde_json::json;

use super::{check_limit, check_region, conflict, reference, require, stamp};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
    providers::network::resource_guid,
};

/// Resolvers of a subscription.
const RESOLVERS_MAX: usize = 15;

/// The provider of DNS private resolvers.
pub struct DnsResolvers;

impl Provider for DnsResolvers {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let network = reference(&mut draft, "virtualNetwork", &id)?;
        if let Some(before) = request.estate.dns_resolver(&id)
            && before.virtual_network != network
        {
            return Err(conflict(format!(
                "The virtual network of DNS resolver {id} cannot be changed from {} to {network}.",
                before.virtual_network
            )));
        }
        check_region(&draft.document, &id, require(request.estate, &network, &id)?)?;
        let others = || request.estate.of_kind(Kind::DnsResolver).filter(|other| *other.id() != id);
        let of_network = |other: &&std::sync::Arc<Resource>| {
            request.estate.dns_resolver(other.id()).is_some_and(|other| other.virtual_network == network)
        };
        if let Some(other) = others().find(of_network) {
            return Err(conflict(format!(
                "Virtual network {network} is already referenced by DNS resolver {}.",
                other.id()
            )));
        }
        let subscription = ResourceId::subscription_scope(&request.lab.subscription);
        check_limit(others().count() + 1, RESOLVERS_MAX, "DNS resolvers", &subscription)?;
        draft.set("dnsResolverState", json!("Connected"));
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(30))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(endpoint) = request.estate.below(id).next() {
            return Err(conflict(format!(
                "DNS resolver {id} cannot be deleted because it has nested resources: {}.",
                endpoint.id()
            )));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(30))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}
