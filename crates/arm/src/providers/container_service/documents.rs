//! The documents of what AKS makes for a cluster outside the cluster: network, private endpoint,
//! zone, link and record. As the network and private DNS providers would have written them.

use std::net::Ipv4Addr;

use azure::{Change, Kind, Resource, ResourceId, aks};
use serde_json::{Value, json};

use super::site::Site;
use crate::{
    provider::Entropy,
    providers::{
        network::private_endpoints::nic_document,
        private_dns::{
            records::a_record_document,
            zones::{start_of_authority, zone_document},
        },
    },
};

/// Time to live of the API server's record, in seconds.
const RECORD_TTL_S: u32 = 300;

fn document(id: &ResourceId, location: Option<&str>, entropy: &mut Entropy, mut properties: Value) -> Value {
    properties["provisioningState"] = json!("Succeeded");
    let mut document = json!({
        "id": id,
        "name": id.name(),
        "type": Kind::of(id).arm_type(),
        "etag": format!("W/\"{}\"", entropy.guid()),
    });
    document["properties"] = properties;
    if let Some(location) = location {
        document["location"] = json!(location);
    }
    document
}

/// The virtual network of a cluster that was given no subnet.
pub(super) fn virtual_network(id: &ResourceId, site: &Site, entropy: &mut Entropy) -> Resource {
    let properties = json!({
        "resourceGuid": entropy.guid(),
        "addressSpace": {"addressPrefixes": [aks::DEFAULT_ADDRESS_SPACE]},
        "enableDdosProtection": false,
    });
    Resource::new(id.clone(), &document(id, Some(&site.region), entropy, properties))
}

/// Its one subnet.
pub(super) fn subnet(id: &ResourceId, entropy: &mut Entropy) -> Resource {
    let properties = json!({
        "addressPrefix": aks::DEFAULT_SUBNET,
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    });
    Resource::new(id.clone(), &document(id, None, entropy, properties))
}

/// The private endpoint of the API server and its network interface.
pub(super) fn private_endpoint(
    site: &Site,
    subnet: &ResourceId,
    address: Ipv4Addr,
    entropy: &mut Entropy,
) -> [Resource; 2] {
    let id = site.endpoint();
    let name = format!("{}.nic.{}", aks::PRIVATE_ENDPOINT_NAME, entropy.guid());
    let nic = site.node_group.resource(Kind::NetworkInterface.arm_type(), &name);
    let connection = id.child("privateLinkServiceConnections", id.name());
    let endpoint = json!({
        "resourceGuid": entropy.guid(),
        "privateLinkServiceConnections": [{
            "name": connection.name(),
            "id": connection,
            "type": "Microsoft.Network/privateEndpoints/privateLinkServiceConnections",
            "properties": {
                "provisioningState": "Succeeded",
                "privateLinkServiceId": site.cluster,
                "groupIds": [aks::PRIVATE_LINK_GROUP],
                "privateLinkServiceConnectionState": {
                    "status": "Approved",
                    "description": "Auto Approved",
                    "actionsRequired": "None",
                },
            },
        }],
        "manualPrivateLinkServiceConnections": [],
        "customNetworkInterfaceName": "",
        "subnet": {"id": subnet},
        "ipConfigurations": [],
        "networkInterfaces": [{"id": nic}],
        "customDnsConfigs": [],
    });
    let interface = nic_document(&nic, &id, subnet, address, &json!(site.region));
    [
        Resource::new(nic.clone(), &interface),
        Resource::new(id.clone(), &document(&id, Some(&site.region), entropy, endpoint)),
    ]
}

/// A private DNS zone and its start of authority.
pub(super) fn zone(id: &ResourceId, entropy: &mut Entropy) -> [Change; 2] {
    [Change::put(Resource::new(id.clone(), &zone_document(id, &entropy.guid()))), start_of_authority(id)]
}

/// A link from a zone to a network.
pub(super) fn virtual_network_link(id: &ResourceId, network: &ResourceId, entropy: &mut Entropy) -> Resource {
    let properties = json!({
        "registrationEnabled": false,
        "resolutionPolicy": "Default",
        "virtualNetwork": {"id": network},
        "virtualNetworkLinkState": "Completed",
    });
    Resource::new(id.clone(), &document(id, Some("global"), entropy, properties))
}

/// The API server's `A` record.
pub(super) fn a_record(id: &ResourceId, zone: &ResourceId, address: Ipv4Addr, entropy: &mut Entropy) -> Resource {
    Resource::new(id.clone(), &a_record_document(id, zone, address, RECORD_TTL_S, &entropy.guid()))
}
