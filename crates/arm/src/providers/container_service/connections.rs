//! `managedClusters/…/privateEndpointConnections`: the cluster's side of the private endpoints that
//! users made for it.
//!
//! A connection is not stored. Its state is the endpoint's, so that the two sides cannot differ: who
//! approves, rejects or removes a connection writes the endpoint.

use azure::{ArmError, Change, Estate, Json, Kind, Resource, ResourceId, model::ConnectionStatus};
use serde_json::{Value, json};

use super::{private_access::with_connection_state, site::Site};
use crate::provider::{Effect, Listing, Provider, Reply, Request, not_found};

/// Seconds AKS takes, for `--pace azure`.
const TAKES_S: u64 = 5;

/// The provider of private endpoint connections.
pub struct PrivateEndpointConnections;

impl Provider for PrivateEndpointConnections {
    fn put(&self, request: &mut Request<'_>, _: Option<&Resource>) -> Result<Effect, ArmError> {
        let (cluster, endpoint) = find(request.estate, request.id).ok_or_else(|| not_found(request.id))?;
        let state = Json::new(&request.body).at("properties.privateLinkServiceConnectionState");
        let status = state.get("status").text().unwrap_or_default();
        let status = ["Approved", "Rejected"].into_iter().find(|known| known.eq_ignore_ascii_case(status));
        let status = status.ok_or_else(|| {
            ArmError::bad_request(
                "InvalidParameter",
                "The value of parameter properties.privateLinkServiceConnectionState.status is invalid. It must be Approved or Rejected.",
            )
            .with_target("properties.privateLinkServiceConnectionState.status")
        })?;
        let written = with_connection_state(endpoint, status, state.get("description").text().unwrap_or_default());
        let shown = render(cluster, &written);
        Ok(Effect::new(vec![Change::put(written)], Reply::Ok(shown)).taking(TAKES_S))
    }

    fn delete_derived(&self, request: &mut Request<'_>) -> Option<Effect> {
        let (_, endpoint) = find(request.estate, request.id)?;
        let written = with_connection_state(endpoint, "Disconnected", "The connection was removed.");
        Some(Effect::new(vec![Change::put(written)], Reply::Done).taking(TAKES_S))
    }

    fn list(&self, request: &mut Request<'_>) -> Result<Listing, ArmError> {
        let Some(cluster) = request.estate.get(request.id) else { return Ok(Listing::These(Vec::new())) };
        Ok(Listing::These(endpoints(request.estate, cluster).map(|endpoint| render(cluster, endpoint)).collect()))
    }

    fn builtin(&self, request: &mut Request<'_>) -> Option<Value> {
        find(request.estate, request.id).map(|(cluster, endpoint)| render(cluster, endpoint))
    }
}

/// The private endpoints that users made for `cluster` and whose connection it still has. AKS does
/// not list its own.
fn endpoints<'a>(estate: &'a Estate, cluster: &'a Resource) -> impl Iterator<Item = &'a Resource> {
    let own = Site::of(cluster).endpoint();
    let all = estate.referrers(cluster.id()).map(AsRef::as_ref);
    all.filter(move |one: &&Resource| {
        let connected =
            || estate.private_endpoint(one.id()).is_some_and(|model| model.status != ConnectionStatus::Disconnected);
        one.kind() == Kind::PrivateEndpoint && *one.id() != own && connected()
    })
}

/// The cluster and the endpoint of a connection.
fn find<'a>(estate: &'a Estate, connection: &ResourceId) -> Option<(&'a Resource, &'a Resource)> {
    let cluster = estate.get(&connection.parent()?)?;
    let endpoint =
        endpoints(estate, cluster).find(|endpoint| name(endpoint).eq_ignore_ascii_case(connection.name()))?;
    Some((cluster, endpoint))
}

/// The connection's name: endpoints of different groups may have the same.
fn name(endpoint: &Resource) -> String {
    let document = endpoint.document().value();
    match Json::new(&document).at("properties.resourceGuid").text() {
        Some(guid) => format!("{}.{guid}", endpoint.id().name()),
        None => endpoint.id().name().to_owned(),
    }
}

fn render(cluster: &Resource, endpoint: &Resource) -> Value {
    let document = endpoint.document().value();
    let properties = Json::new(&document).get("properties");
    let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
    let connection = lists.into_iter().flat_map(|list| properties.get(list).items()).next();
    let state = connection.map(|connection| connection.at("properties.privateLinkServiceConnectionState"));
    let name = name(endpoint);
    json!({
        "id": format!("{}/privateEndpointConnections/{name}", cluster.id()),
        "name": name,
        "type": Kind::PrivateEndpointConnection.arm_type(),
        "properties": {
            "provisioningState": "Succeeded",
            "groupIds": ["management"],
            "privateEndpoint": {"id": endpoint.id()},
            "privateLinkServiceConnectionState": state.and_then(Json::value),
        },
    })
}
