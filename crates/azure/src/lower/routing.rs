//! Documents of route tables and their routes.

use crate::{
    Finding, Json, ResourceId,
    model::{Route, RouteNextHop, RouteTable},
};

pub(super) fn table(id: &ResourceId, properties: Json<'_>, findings: &mut Vec<Finding>) -> RouteTable {
    let named = properties.get("routes").items();
    RouteTable {
        routes: named
            .filter_map(|route| self::route(id, route.get("name").text()?, route.get("properties"), findings))
            .collect(),
        disable_bgp_route_propagation: properties.get("disableBgpRoutePropagation").flag().unwrap_or(false),
    }
}

/// A route called `name` from its properties; `id` is the resource that findings are about.
pub(super) fn route(id: &ResourceId, name: &str, properties: Json<'_>, findings: &mut Vec<Finding>) -> Option<Route> {
    let text = properties.get("addressPrefix").text().unwrap_or_default();
    let Some(prefix) = crate::parse_prefix(text) else {
        // IPv6 routes mean nothing in an IPv4 network; any other text is a service tag.
        if !text.contains(':') {
            findings.push(match text {
                "" => Finding::unreadable(id),
                tag => Finding::unmodelled(id, &format!("service tag {tag} of route {name}")),
            });
        }
        return None;
    };
    let next_hop = match properties.get("nextHopType").text().unwrap_or_default().to_ascii_lowercase().as_str() {
        "vnetlocal" => Some(RouteNextHop::VnetLocal),
        "virtualnetworkgateway" => Some(RouteNextHop::VirtualNetworkGateway),
        "internet" => Some(RouteNextHop::Internet),
        "virtualappliance" => properties.get("nextHopIpAddress").parsed().map(RouteNextHop::VirtualAppliance),
        "none" => Some(RouteNextHop::None),
        _ => None,
    };
    let Some(next_hop) = next_hop else {
        findings.push(Finding::unreadable(id));
        return None;
    };
    Some(Route { name: name.to_owned(), prefix, next_hop })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Kind, Resource, model::Model, sketch::Sketch};

    fn resource(properties: &Value) -> Resource {
        Resource::new(Sketch::new().id(Kind::Route, "table/r"), &json!({"properties": properties}))
    }

    #[test]
    fn a_route_leads_a_prefix_to_a_machine() {
        let route = resource(&json!({
            "addressPrefix": "10.0.0.0/8", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.0.0.4",
        }));
        let next_hop = RouteNextHop::VirtualAppliance("10.0.0.4".parse().unwrap());
        let expected = Route { name: "r".into(), prefix: "10.0.0.0/8".parse().unwrap(), next_hop };
        assert_eq!(route.model(), &Model::Route(expected));
    }

    #[test]
    fn a_route_for_a_service_tag_is_kept_and_said_to_do_nothing() {
        let tagged = resource(&json!({"addressPrefix": "AzureCloud", "nextHopType": "Internet"}));
        assert_eq!((tagged.model(), tagged.findings()[0].code), (&Model::Unmodelled, "NotModelled"));
        let torn = resource(&json!({"addressPrefix": "10.0.0.0/8", "nextHopType": "VirtualAppliance"}));
        assert_eq!((torn.model(), torn.findings()[0].code), (&Model::Unmodelled, "UnreadableResource"));
    }

    #[test]
    fn a_table_has_the_routes_of_its_document_and_may_shut_the_gateways_out() {
        let id = Sketch::new().id(Kind::RouteTable, "table");
        let table = Resource::new(
            id,
            &json!({"properties": {
                "disableBgpRoutePropagation": true,
                "routes": [{"name": "r", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "None"}}],
            }}),
        );
        let Model::RouteTable(table) = table.model() else { panic!("{table:?}") };
        assert!(table.disable_bgp_route_propagation && table.routes[0].next_hop == RouteNextHop::None);
    }
}
