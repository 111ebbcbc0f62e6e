//! DNS zone groups of private endpoints: the records that a private endpoint keeps in private DNS
//! zones, for as long as the group is there.
//!
//! A service's record is called like the service. A managed cluster has none to give: AKS writes the
//! one record of its own endpoint itself, and a further endpoint's name is for the user to make
//! (azure-truth "Endpoint and network").

use azure::{ArmError, Change, Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{invalid_reference, stamp};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request},
    providers::private_dns::records::a_record_document,
};

/// Time to live of the records, in seconds, as Azure gives them.
const TTL_S: u32 = 10;

/// The provider of DNS zone groups.
pub struct PrivateDnsZoneGroups;

impl Provider for PrivateDnsZoneGroups {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let endpoint = id.parent().unwrap_or_else(|| id.clone());
        check_only_group(request, &id, &endpoint)?;
        let mut draft = Draft::new(request, existing);
        let Some(Value::Array(mut configurations)) = draft.properties().shift_remove("privateDnsZoneConfigs") else {
            return Err(ArmError::bad_request(
                "InvalidRequestFormat",
                format!("DNS zone group '{}' names no privateDnsZoneConfigs.", id.name()),
            ));
        };
        let name = record_name(request, &endpoint);
        let address = address(request, &endpoint);
        let mut changes = Vec::new();
        let mut kept = Vec::new();
        for configuration in &mut configurations {
            let zone = Json::new(configuration).at("properties.privateDnsZoneId").id();
            let zone = zone.filter(|zone| Kind::of(zone) == Kind::PrivateDnsZone).ok_or_else(|| {
                ArmError::bad_request(
                    "InvalidRequestFormat",
                    format!("An element of DNS zone group '{}' names no private DNS zone.", id.name()),
                )
            })?;
            if !request.estate.contains(&zone) {
                return Err(invalid_reference(zone.as_str(), id.as_str()));
            }
            let mut sets = Vec::new();
            if let (Some(name), Some(address)) = (&name, address) {
                let record = zone.child(Kind::RecordA.collection(), name);
                let mut document = a_record_document(&record, &zone, address, TTL_S, &request.entropy.guid());
                document["properties"]["metadata"] = json!({"creator": creator(request, &endpoint)});
                sets.push(json!({
                    "recordType": "A",
                    "recordSetName": name,
                    "fqdn": format!("{name}.{}", zone.name()),
                    "ttl": TTL_S,
                    "ipAddresses": [address],
                    "provisioningState": "Succeeded",
                }));
                changes.push(Change::put(Resource::new(record.clone(), &document)));
                kept.push(record);
            }
            configuration["properties"]["recordSets"] = Value::Array(sets);
        }
        draft.set("privateDnsZoneConfigs", Value::Array(configurations));
        stamp(&mut draft, request);
        let gone = existing.into_iter().flat_map(records).filter(|record| !kept.contains(record));
        changes.extend(gone.map(Change::Delete));
        changes.push(Change::put(draft.into_resource(&id)));
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        Ok(Effect::new(changes, reply).taking(5))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let _ = request;
        let records = records(existing).map(Change::Delete);
        let changes = records.chain([Change::Delete(existing.id().clone())]).collect();
        Ok(Effect::new(changes, Reply::Done).taking(5))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn check_only_group(request: &Request<'_>, id: &ResourceId, endpoint: &ResourceId) -> Result<(), ArmError> {
    let mut groups = request.estate.children(endpoint, Kind::PrivateDnsZoneGroup);
    match groups.find(|group| group.id() != id) {
        None => Ok(()),
        Some(other) => Err(ArmError::bad_request(
            "MoreThanOnePrivateDnsZoneGroupPerPrivateEndpointNotAllowed",
            format!(
                "Private endpoint {endpoint} already has private DNS zone group {}. A private endpoint can have only one \
                 private DNS zone group.",
                other.id()
            ),
        )),
    }
}

/// The name of the record for the service an endpoint leads to; none for a managed cluster.
fn record_name(request: &Request<'_>, endpoint: &ResourceId) -> Option<String> {
    let service = request.estate.private_endpoint(endpoint)?.service.as_ref()?;
    (Kind::of(service) != Kind::ManagedCluster).then(|| service.name().to_lowercase())
}

fn address(request: &Request<'_>, endpoint: &ResourceId) -> Option<std::net::Ipv4Addr> {
    let nics = &request.estate.private_endpoint(endpoint)?.network_interfaces;
    let nics = nics.iter().filter_map(|nic| request.estate.network_interface(nic));
    nics.flat_map(|nic| &nic.ip_configurations).find_map(|configuration| configuration.address)
}

fn creator(request: &Request<'_>, endpoint: &ResourceId) -> String {
    let document = request.estate.get(endpoint).map(|endpoint| endpoint.document().value()).unwrap_or_default();
    let guid = Json::new(&document).at("properties.resourceGuid").text().unwrap_or_default();
    format!("created by private endpoint {} with resource guid {guid}", endpoint.name())
}

/// The record sets that a group keeps.
pub(super) fn records(group: &Resource) -> impl Iterator<Item = ResourceId> {
    let document = group.document().value();
    let configurations = Json::new(&document).at("properties.privateDnsZoneConfigs");
    let records: Vec<ResourceId> = configurations
        .items()
        .flat_map(|configuration| {
            let properties = configuration.get("properties");
            let zone = properties.get("privateDnsZoneId").id();
            properties.get("recordSets").items().filter_map(move |set| {
                Some(zone.as_ref()?.child(Kind::RecordA.collection(), set.get("recordSetName").text()?))
            })
        })
        .collect();
    records.into_iter()
}
