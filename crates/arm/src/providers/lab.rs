//! `Noren.Lab/clients`: machines outside Azure, with a hosts file of their own. Not an Azure type:
//! the lab's way to say who else asks and connects.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{ArmError, DnsName, Estate, Json, Kind, Resource, ResourceId, model::Model};
use ipnet::Ipv4Net;
use serde_json::json;

use crate::provider::{Draft, Effect, Provider, Request};

/// Source addresses of lab clients as the Internet sees them: the half of RFC 2544's benchmarking
/// range that public API servers do not use.
const CLIENT_ADDRESSES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16);
/// Lines a client's hosts file may have.
const HOSTS_MAX: usize = 256;

/// Lab clients.
pub struct LabClients;

impl Provider for LabClients {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        check(request)?;
        let mut draft = Draft::new(request, existing);
        let before = existing.and_then(|client| match client.model() {
            Model::LabClient(client) => client.public_address,
            _ => None,
        });
        let address = before.or_else(|| free_address(request.estate));
        if let Some(address) = address {
            draft.default("publicIPAddress", json!(address));
        }
        Ok(draft.finish(request, existing))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn check(request: &Request<'_>) -> Result<(), ArmError> {
    let refused = |target: &str, message: String| {
        Err(ArmError::bad_request("InvalidRequestContent", message).with_target(format!("properties.{target}")))
    };
    let properties = Json::new(&request.body).get("properties");
    let gateway = properties.get("virtualNetworkGateway");
    if gateway.is_present() {
        let id: Option<ResourceId> = gateway.id();
        let known = id.as_ref().is_some_and(|id| {
            Kind::of(id) == Kind::VirtualNetworkGateway && request.estate.virtual_network_gateway(id).is_some()
        });
        if !known {
            let named = id.map_or_else(String::new, |id| format!(" '{id}'"));
            return Err(ArmError::bad_request(
                "InvalidResourceReference",
                format!("The virtual network gateway{named} that client '{}' refers to was not found.", request.id),
            ));
        }
    }
    let address = properties.get("publicIPAddress");
    if address.is_present() && address.text().is_some() && address.parsed::<Ipv4Addr>().is_none() {
        return refused("publicIPAddress", "The public IP address of a lab client is an IPv4 address.".to_owned());
    }
    if properties.get("hosts").items().count() > HOSTS_MAX {
        return refused("hosts", format!("A hosts file has at most {HOSTS_MAX} lines."));
    }
    for line in properties.get("hosts").items() {
        let names = line.get("names");
        let all_names = names.items().count();
        if line.get("ipAddress").parsed::<Ipv4Addr>().is_none()
            || all_names == 0
            || names.list::<DnsName>().len() != all_names
        {
            return refused("hosts", "A line of a hosts file is an IPv4 'ipAddress' and its DNS 'names'.".to_owned());
        }
    }
    Ok(())
}

/// The lowest address that no client has.
fn free_address(estate: &Estate) -> Option<Ipv4Addr> {
    let taken: BTreeSet<Ipv4Addr> = estate
        .of_kind(Kind::LabClient)
        .filter_map(|client| match client.model() {
            Model::LabClient(client) => client.public_address,
            _ => None,
        })
        .collect();
    CLIENT_ADDRESSES.hosts().find(|address| !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use azure::{Change, sketch::Sketch};
    use serde_json::Value;

    use super::*;
    use crate::provider::{Entropy, Lab};

    fn put(estate: &Estate, name: &str, properties: &Value) -> Result<Effect, ArmError> {
        let id = ResourceId::group("s", "rg").resource(Kind::LabClient.arm_type(), name);
        let lab = Lab {
            subscription: "s".into(),
            tenant: "t".into(),
            principal: "p".into(),
            base_url: "https://localhost".into(),
        };
        let mut request = Request {
            estate,
            id: &id,
            body: json!({"properties": properties}),
            query: Vec::new(),
            lab: &lab,
            now: jiff::Timestamp::UNIX_EPOCH,
            entropy: &mut Entropy::seeded(1),
        };
        LabClients.put(&mut request, None)
    }

    fn address(effect: &Effect) -> Option<Ipv4Addr> {
        let Some(Change::Put(resource)) = effect.changes.first() else { return None };
        let Model::LabClient(client) = resource.model() else { return None };
        client.public_address
    }

    #[test]
    fn each_client_comes_from_an_address_of_its_own() {
        let estate = Estate::default();
        let first = put(&estate, "a", &json!({})).unwrap();
        let estate = estate.apply(1, &first.changes);
        let second = put(&estate, "b", &json!({})).unwrap();
        assert_eq!(address(&first), Some(Ipv4Addr::new(198, 19, 0, 1)));
        assert_eq!(address(&second), Some(Ipv4Addr::new(198, 19, 0, 2)));
    }

    #[test]
    fn what_a_client_refers_to_must_make_sense() {
        let estate = Sketch::new().network("hub", "10.0.0.0/16").vpn_gateway("gw", "hub").estate();
        let gateway = Sketch::new().id(Kind::VirtualNetworkGateway, "gw");
        let with_gateway = put(&estate, "a", &json!({"virtualNetworkGateway": {"id": gateway}}));
        assert!(with_gateway.is_ok());
        for (properties, code) in [
            (json!({"virtualNetworkGateway": {"id": "/x"}}), "InvalidResourceReference"),
            (json!({"hosts": [{"ipAddress": "10.0.0.4", "names": []}]}), "InvalidRequestContent"),
            (json!({"hosts": [{"ipAddress": "x", "names": ["a.b"]}]}), "InvalidRequestContent"),
            (json!({"publicIPAddress": "::1"}), "InvalidRequestContent"),
        ] {
            assert_eq!(put(&estate, "a", &properties).unwrap_err().code, code);
        }
    }
}
