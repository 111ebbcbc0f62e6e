//! Tenants, subscriptions and the listing of resources, and the rules that hold for all of them.

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId};
use serde_json::{Map, Value, json};

use super::{
    filter::{Filter, Operator},
    locations::{self, Place},
};
use crate::{
    entra::{TENANT_DOMAIN, TENANT_NAME},
    page::{self, Page},
    provider::{Lab, Request, wire_type},
};

/// `GET /tenants`.
pub fn tenants(lab: &Lab) -> Value {
    json!({"value": [{
        "id": format!("/tenants/{}", lab.tenant),
        "tenantId": lab.tenant,
        "countryCode": "JP",
        "displayName": TENANT_NAME,
        "domains": [TENANT_DOMAIN],
        "defaultDomain": TENANT_DOMAIN,
        "tenantCategory": "Home",
        "tenantType": "AAD",
    }]})
}

/// `GET /subscriptions/S`.
pub fn subscription(lab: &Lab) -> Value {
    json!({
        "id": format!("/subscriptions/{}", lab.subscription),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": lab.subscription,
        "tenantId": lab.tenant,
        "displayName": "noren",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

/// The refusal of a tracked resource without a location.
pub fn location_required() -> ArmError {
    ArmError::bad_request("LocationRequired", "The location property is required for this definition.")
}

/// Where resources of a type may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    /// In a region; clients must say which.
    Regional,
    /// In none; clients say `global`.
    Global,
    /// They have no location, or nobody here knows.
    Free,
}

fn placement(id: &ResourceId) -> Placement {
    match Kind::of(id) {
        Kind::VirtualNetwork
        | Kind::NetworkInterface
        | Kind::VirtualMachine
        | Kind::Disk
        | Kind::PrivateEndpoint
        | Kind::NetworkSecurityGroup
        | Kind::RouteTable
        | Kind::PublicIpAddress
        | Kind::VirtualNetworkGateway
        | Kind::LocalNetworkGateway
        | Kind::Connection
        | Kind::DnsResolver
        | Kind::InboundEndpoint
        | Kind::OutboundEndpoint
        | Kind::ForwardingRuleset
        | Kind::ManagedCluster
        | Kind::UserAssignedIdentity => Placement::Regional,
        Kind::PrivateDnsZone | Kind::VirtualNetworkLink => Placement::Global,
        _ => Placement::Free,
    }
}

/// ARM's own checks of the location in the body of a `PUT`, before any provider sees it.
///
/// # Errors
/// 400 when it is missing or unknown, 409 when the resource lies elsewhere.
pub fn check_location(id: &ResourceId, body: &Value, existing: Option<&Resource>) -> Result<(), ArmError> {
    let given = Json::new(body).get("location").text();
    let placement = placement(id);
    let Some(given) = given else {
        return if existing.is_none() && placement != Placement::Free { Err(location_required()) } else { Ok(()) };
    };
    match (placement, locations::find(given)) {
        (Placement::Regional, None | Some(Place::Global)) | (Placement::Global, None | Some(Place::Region(_))) => {
            return Err(locations::not_available(given, &wire_type(id)));
        }
        (Placement::Free, None) if Kind::of(id) == Kind::Other => {
            return Err(locations::not_available(given, &wire_type(id)));
        }
        _ => {}
    }
    let Some(existing) = existing else { return Ok(()) };
    let before = existing.document().value();
    match Json::new(&before).get("location").text() {
        Some(place) if placement != Placement::Free && locations::find(place) != locations::find(given) => {
            Err(ArmError::conflict(
                "InvalidResourceLocation",
                format!(
                    "The resource '{}' already exists in location '{place}' in resource group '{}'. A resource with \
                     the same name cannot be created in location '{given}'. Please select a new resource name.",
                    id.name(),
                    id.group_name().unwrap_or_default()
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// `GET …/resources`: the tracked top-level resources of a subscription or a group.
///
/// # Errors
/// 400 for a `$filter` or a page that makes no sense.
pub fn list(request: &Request<'_>) -> Result<Value, ArmError> {
    let filter = request.query("$filter").filter(|text| !text.is_empty()).map(Filter::parse).transpose()?;
    let expand = request.query("$expand").unwrap_or_default().to_ascii_lowercase();
    let expand: Vec<&str> = expand.split(',').map(str::trim).collect();
    let shown = tracked(request.estate, request.id)
        .filter(|resource| filter.as_ref().is_none_or(|filter| matches(filter, &resource.document().value())));
    let part = Page::of(request, page::ORDINARY)?.cut(shown);
    let summaries = part.resources.iter().map(|resource| summary(&resource.document().value(), &expand));
    Ok(page::listed(summaries.collect(), part.next))
}

/// The resources that a listing shows: those directly in a group that are not about another resource, and of those
/// below one the tracked ones, which have a location (links of private DNS zones, extensions of machines).
///
/// Source: ARM resource provider contract (tracked and proxy resources).
fn tracked<'a>(estate: &'a Estate, scope: &'a ResourceId) -> impl Iterator<Item = &'a std::sync::Arc<Resource>> + 'a {
    estate.below(scope).filter(|resource| match resource.kind() {
        Kind::ResourceGroup | Kind::Deployment | Kind::RoleAssignment | Kind::RoleDefinition => false,
        Kind::VirtualNetworkLink | Kind::InboundEndpoint | Kind::OutboundEndpoint => true,
        kind => {
            let group = resource.id().group_id();
            let located = || Json::new(&resource.document().value()).get("location").text().is_some();
            group.is_some() && (resource.id().parent() == group || (kind == Kind::Other && located()))
        }
    })
}

/// The envelope of a resource, without its properties. The name is that in a template: with those of its parents.
fn summary(document: &Value, expand: &[&str]) -> Value {
    let mut summary = Map::new();
    for key in ["id", "name", "type", "kind", "location", "tags", "sku", "plan", "identity", "managedBy", "zones"] {
        if let Some(value) = document.get(key).filter(|value| !value.is_null()) {
            summary.insert(key.to_owned(), value.clone());
        }
    }
    let document = Json::new(document);
    if let Some(id) = document.get("id").id() {
        summary.insert("name".to_owned(), json!(id.template_name()));
    }
    for (key, path) in [
        ("createdTime", "systemData.createdAt"),
        ("changedTime", "systemData.lastModifiedAt"),
        ("provisioningState", "properties.provisioningState"),
    ] {
        let asked = expand.iter().any(|word| word.eq_ignore_ascii_case(key));
        if let Some(value) = document.at(path).value().filter(|_| asked) {
            summary.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(summary)
}

/// Whether a resource's or a group's document passes `filter`. Fields nobody knows match nothing.
pub fn matches(filter: &Filter, document: &Value) -> bool {
    let json = Json::new(document);
    let text = |name: &str| json.get(name).text().unwrap_or_default().to_owned();
    let wanted_tag = filter.value_of("tagname");
    let tags: Vec<(&str, &str)> = match document.get("tags") {
        Some(Value::Object(tags)) => {
            tags.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect()
        }
        _ => Vec::new(),
    };
    filter.holds(&|field: &str, operator: Operator, value: &str| match field {
        "name" | "location" => operator.compares(&text(field), value),
        "resourcetype" => operator.compares(&text("type"), value),
        "resourcegroup" => {
            let id = text("id").parse::<ResourceId>().ok();
            operator.compares(id.as_ref().and_then(ResourceId::group_name).unwrap_or_default(), value)
        }
        "tagname" => tags.iter().any(|(name, _)| operator.compares(name, value)),
        "tagvalue" => tags.iter().any(|(name, tag)| {
            wanted_tag.is_none_or(|wanted| name.eq_ignore_ascii_case(wanted)) && operator.compares(tag, value)
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vnet() -> Value {
        json!({
            "id": "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.Network/virtualNetworks/v",
            "name": "v",
            "type": "Microsoft.Network/virtualNetworks",
            "location": "westeurope",
            "tags": {"env": "test", "team": "net"},
            "properties": {"provisioningState": "Succeeded"},
        })
    }

    #[test]
    fn listings_are_filtered_as_az_asks() {
        let shows = |filter: &str| matches(&Filter::parse(filter).unwrap(), &vnet());
        assert!(shows("resourceGroup eq 'rg' and resourceType eq 'microsoft.network/virtualnetworks'"));
        assert!(shows("tagName eq 'env' and tagValue eq 'test'"));
        assert!(!shows("tagName eq 'env' and tagValue eq 'net'"), "the value of another tag");
        assert!(!shows("name eq 'w'") && !shows("sku eq 'x'"));
    }

    #[test]
    fn a_summary_leaves_the_properties_out() {
        let summary = summary(&vnet(), &["provisioningState", "createdTime"]);
        assert_eq!(summary["provisioningState"], "Succeeded");
        assert!(summary.get("properties").is_none() && summary.get("createdTime").is_none());
    }

    #[test]
    fn a_listing_shows_what_has_a_location_below_another_resource_by_its_whole_name() {
        let group = ResourceId::group("s", "rg");
        let zone = group.resource(Kind::PrivateDnsZone.arm_type(), "corp.test");
        let machine = group.resource(Kind::VirtualMachine.arm_type(), "vm");
        let put = |id: ResourceId, location: Option<&str>| {
            let document = json!({"id": id, "name": id.name(), "location": location, "properties": {}});
            azure::Change::put(Resource::new(id, &document))
        };
        let changes = [
            put(zone.clone(), Some("global")),
            put(zone.child("virtualNetworkLinks", "hub"), Some("global")),
            put(zone.child("A", "api"), None),
            put(machine.child("extensions", "agent"), Some("westeurope")),
            put(group.resource(Kind::VirtualNetwork.arm_type(), "v").child("subnets", "s"), None),
        ];
        let estate = Estate::default().apply(1, &changes);
        let shown = tracked(&estate, &group).map(|resource| summary(&resource.document().value(), &[])["name"].clone());
        assert_eq!(shown.collect::<Vec<_>>(), ["vm/agent", "corp.test", "corp.test/hub"]);
    }

    #[test]
    fn locations_are_asked_for_where_azure_asks() {
        let id = |kind: Kind| ResourceId::group("s", "rg").resource(kind.arm_type(), "x");
        let check = |kind, body: Value| check_location(&id(kind), &body, None).map_err(|error| error.code);
        assert_eq!(check(Kind::VirtualNetwork, json!({})).unwrap_err(), "LocationRequired");
        assert_eq!(
            check(Kind::VirtualNetwork, json!({"location": "global"})).unwrap_err(),
            "LocationNotAvailableForResourceType"
        );
        assert_eq!(
            check(Kind::PrivateDnsZone, json!({"location": "westeurope"})).unwrap_err(),
            "LocationNotAvailableForResourceType"
        );
        assert!(check(Kind::PrivateDnsZone, json!({"location": "Global"})).is_ok());
        assert!(check(Kind::RoleAssignment, json!({})).is_ok());
        let existing = Resource::new(id(Kind::VirtualNetwork), &vnet());
        let moved = check_location(&id(Kind::VirtualNetwork), &json!({"location": "uksouth"}), Some(&existing));
        assert_eq!(moved.unwrap_err().code, "InvalidResourceLocation");
    }
}
