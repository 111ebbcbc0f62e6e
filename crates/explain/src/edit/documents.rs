//! The resource changes that edits stand for: documents as ARM would have written them.

use std::net::Ipv4Addr;

use azure::{Change, DnsName, Estate, Kind, Resource, ResourceId, addressing, aks, model::ManagedCluster};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{Edit, EditError, refusal, room};
use crate::place;

/// The prefix length of a resolver endpoint's subnet: Azure's smallest.
const RESOLVER_SUBNET_LEN: u8 = 28;
pub(super) fn changes(edit: &Edit, estate: &Estate) -> Result<Vec<Change>, EditError> {
    let made = match edit {
        Edit::Link { zone, network } => {
            let link = zone.child(Kind::VirtualNetworkLink.collection(), &link_name(network));
            let properties = json!({"virtualNetwork": {"id": network}, "registrationEnabled": false});
            vec![put(link, &json!({"location": "global", "properties": properties}))]
        }
        Edit::Unlink { link } => vec![Change::Delete(link.clone())],
        Edit::MakeZone { zone } => vec![put(zone.clone(), &json!({"location": "global", "properties": {}}))],
        Edit::Record { zone, name, address } => record(estate, zone, name, *address),
        Edit::Peer { a, b } => [(a, b), (b, a)].into_iter().map(|(from, to)| peer(estate, from, to)).collect(),
        Edit::Unpeer { a, b } => [(a, b), (b, a)]
            .into_iter()
            .filter_map(|(from, to)| refusal::half(estate, from, to))
            .map(Change::Delete)
            .collect(),
        Edit::Transit { hub, spoke } => {
            let set = |from: &ResourceId, to: &ResourceId, options: Value| {
                refusal::half(estate, from, to).map(|half| amend(estate, &half, "peering", options)).transpose()
            };
            let near = set(hub, spoke, json!({"allowGatewayTransit": true}))?;
            let far = set(spoke, hub, json!({"useRemoteGateways": true}))?;
            near.into_iter().chain(far).collect()
        }
        Edit::AcceptForwarded { peering } => {
            vec![amend(estate, peering, "peering", json!({"allowForwardedTraffic": true}))?]
        }
        Edit::PublicFqdn { cluster, enabled } => public_fqdn(estate, cluster, *enabled)?,
        Edit::Start { cluster } => start(estate, cluster)?,
        Edit::Stop { cluster } => stop(estate, cluster)?,
        Edit::Authorize { cluster, source } => {
            let declared = declared(estate, cluster)?;
            let held = declared.authorized_ranges.iter().map(ToString::to_string);
            let ranges: Vec<String> = held.chain([format!("{source}/32")]).collect();
            vec![amend_access(estate, cluster, json!({"authorizedIPRanges": ranges}))?]
        }
        Edit::Approve { endpoint } => vec![approve(estate, endpoint)?],
        Edit::MakeEndpoint { cluster, subnet } => {
            let network = subnet.parent().ok_or_else(|| missing("subnet", subnet))?;
            let group = network.group_id().ok_or_else(|| missing("resource group", subnet))?;
            let name = endpoint_name(cluster, &network);
            let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), &name);
            make_endpoint(estate, cluster, subnet, endpoint)?
        }
        Edit::Allow { group, inbound, source, destination } => {
            room::allow(estate, group, *inbound, *source, *destination)?
        }
        Edit::RemoveRoute { route } => remove_route(estate, route)?,
        Edit::Forwarding { interface } => {
            vec![amend(estate, interface, "network interface", json!({"enableIPForwarding": true}))?]
        }
        Edit::StartMachine { machine } => {
            let resource = estate.get(machine).ok_or_else(|| missing("virtual machine", machine))?;
            let mut hidden = resource.hidden().value();
            hidden["powerState"] = json!("running");
            vec![Change::put(Resource::with_hidden(machine.clone(), &resource.document().value(), &hidden))]
        }
        Edit::DnsServers { network, servers } => {
            vec![amend(estate, network, "virtual network", json!({"dhcpOptions": {"dnsServers": servers}}))?]
        }
        Edit::MakeResolver { network } => make_resolver(estate, network)?,
        Edit::ClientDns { client, servers } => vec![amend(estate, client, "client", json!({"dnsServers": servers}))?],
        Edit::Hosts { client, name, address } => {
            let resource = estate.get(client).ok_or_else(|| missing("client", client))?;
            let mut hosts = vec![json!({"ipAddress": address, "names": [name]})];
            // What comes first in a hosts file counts.
            hosts.extend(resource.document().value()["properties"]["hosts"].as_array().into_iter().flatten().cloned());
            vec![amend(estate, client, "client", json!({"hosts": hosts}))?]
        }
    };
    Ok(made)
}

pub(super) fn missing(kind: &'static str, id: &ResourceId) -> EditError {
    EditError::Missing { kind, id: id.clone() }
}

pub(super) fn put(id: ResourceId, document: &Value) -> Change {
    Change::put(Resource::new(id, document))
}

fn declared<'a>(estate: &'a Estate, cluster: &ResourceId) -> Result<&'a ManagedCluster, EditError> {
    estate.managed_cluster(cluster).ok_or_else(|| missing("cluster", cluster))
}

/// Adds to, or replaces, properties of a resource.
fn amend(estate: &Estate, id: &ResourceId, kind: &'static str, options: Value) -> Result<Change, EditError> {
    let resource = estate.get(id).ok_or_else(|| missing(kind, id))?;
    let mut document = resource.document().value();
    if let (Value::Object(properties), Value::Object(options)) = (&mut document["properties"], options) {
        properties.extend(options);
    }
    Ok(Change::put(Resource::with_hidden(resource.id().clone(), &document, &resource.hidden().value())))
}

fn amend_access(estate: &Estate, cluster: &ResourceId, options: Value) -> Result<Change, EditError> {
    let resource = estate.get(cluster).ok_or_else(|| missing("cluster", cluster))?;
    let mut access = resource.document().value()["properties"]["apiServerAccessProfile"].take();
    if access.is_null() {
        access = json!({});
    }
    if let (Value::Object(access), Value::Object(options)) = (&mut access, options) {
        access.extend(options);
    }
    amend(estate, cluster, "cluster", json!({"apiServerAccessProfile": access}))
}

/// `to-<network>`.
pub(super) fn link_name(network: &ResourceId) -> String {
    format!("to-{}", network.name())
}

/// `<cluster>-in-<network>`.
pub(super) fn endpoint_name(cluster: &ResourceId, network: &ResourceId) -> String {
    format!("{}-in-{}", cluster.name(), network.name())
}

fn record(estate: &Estate, zone: &ResourceId, name: &DnsName, address: Ipv4Addr) -> Vec<Change> {
    let zone_name = estate.private_dns_zone(zone).map_or_else(DnsName::root, |zone| zone.name.clone());
    let relative = match name.relative_to(&zone_name) {
        Some("") | None => "@",
        Some(relative) => relative,
    };
    let id = zone.child(Kind::RecordA.collection(), relative);
    vec![put(id, &json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": address}]}}))]
}

fn peer(estate: &Estate, from: &ResourceId, to: &ResourceId) -> Change {
    let existing = refusal::half(estate, from, to);
    let remote_space = estate.virtual_network(to).map(|network| network.address_space.clone()).unwrap_or_default();
    let mut document = existing
        .as_ref()
        .and_then(|half| estate.get(half))
        .map_or_else(|| json!({"properties": {"allowVirtualNetworkAccess": true}}), |half| half.document().value());
    document["properties"]["remoteVirtualNetwork"] = json!({"id": to});
    document["properties"]["remoteAddressSpace"] = json!({"addressPrefixes": remote_space});
    document["properties"]["allowVirtualNetworkAccess"] = json!(true);
    document["properties"]["peeringState"] = json!("Connected");
    let id = existing.unwrap_or_else(|| from.child(Kind::Peering.collection(), &link_name(to)));
    put(id, &document)
}

/// The public FQDN that a private cluster has or would have. Azure chooses it; it has the private
/// one's first label in all but spelling (azure-truth "Addresses").
pub(super) fn public_fqdn_of(resource: &Resource, declared: &ManagedCluster) -> Option<DnsName> {
    if let Some(fqdn) = &declared.fqdn {
        return Some(fqdn.clone());
    }
    let document = resource.document().value();
    let label = declared.private_fqdn.as_ref()?.as_str().split('.').next()?.to_owned();
    let region = document["location"].as_str()?.replace(' ', "").to_ascii_lowercase();
    DnsName::parse(&format!("{label}.hcp.{region}.azmk8s.io")).ok()
}

fn public_fqdn(estate: &Estate, cluster: &ResourceId, enabled: bool) -> Result<Vec<Change>, EditError> {
    let resource = estate.get(cluster).ok_or_else(|| missing("cluster", cluster))?;
    let declared = declared(estate, cluster)?;
    let Change::Put(amended) = amend_access(estate, cluster, json!({"enablePrivateClusterPublicFQDN": enabled}))?
    else {
        return Ok(Vec::new());
    };
    let mut document = amended.document().value();
    if enabled {
        let fqdn = public_fqdn_of(resource, declared)
            .ok_or_else(|| EditError::Refused("the source does not say where the cluster is".to_owned()))?;
        document["properties"]["fqdn"] = json!(fqdn);
    } else if let Some(properties) = document["properties"].as_object_mut() {
        properties.shift_remove("fqdn");
    }
    Ok(vec![Change::put(Resource::with_hidden(cluster.clone(), &document, &resource.hidden().value()))])
}

/// The record of a cluster's private name, if it has one and its zone is known.
fn record_of(estate: &Estate, declared: &ManagedCluster) -> Option<(ResourceId, DnsName)> {
    Some((place::zone_of(estate, declared)?, declared.private_fqdn.clone()?))
}

fn stop(estate: &Estate, cluster: &ResourceId) -> Result<Vec<Change>, EditError> {
    let declared = declared(estate, cluster)?;
    let mut changes = vec![amend(estate, cluster, "cluster", json!({"powerState": {"code": "Stopped"}}))?];
    if !declared.private {
        return Ok(changes);
    }
    if let Some((zone, name)) = record_of(estate, declared) {
        let set = record(estate, &zone, &name, Ipv4Addr::UNSPECIFIED);
        changes.extend(set.iter().map(|change| Change::Delete(change.id().clone())));
    }
    for endpoint in place::endpoints(estate, cluster).iter().filter(|endpoint| endpoint.own) {
        let nics =
            estate.private_endpoint(&endpoint.id).map(|held| held.network_interfaces.clone()).unwrap_or_default();
        changes.extend(nics.into_iter().chain([endpoint.id.clone()]).map(Change::Delete));
    }
    Ok(changes)
}

fn start(estate: &Estate, cluster: &ResourceId) -> Result<Vec<Change>, EditError> {
    let declared = declared(estate, cluster)?;
    let mut changes = vec![amend(estate, cluster, "cluster", json!({"powerState": {"code": "Running"}}))?];
    if !declared.private {
        return Ok(changes);
    }
    let own = place::endpoints(estate, cluster).into_iter().find(|endpoint| endpoint.own);
    let address = if let Some(endpoint) = own {
        endpoint.address
    } else {
        let pools = declared.agent_pools.iter().map(|name| cluster.child(Kind::AgentPool.collection(), name));
        let subnet = pools.filter_map(|pool| estate.agent_pool(&pool)).find_map(|pool| pool.subnet.clone());
        let known = subnet.zip(declared.node_resource_group.as_ref());
        let (subnet, group) = known
            .ok_or_else(|| EditError::Refused("the source does not say where its first node pool stands".to_owned()))?;
        let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
        changes.extend(make_endpoint(estate, cluster, &subnet, endpoint)?);
        free_address(estate, &subnet).ok_or_else(|| EditError::Refused("the subnet is full".to_owned()))?
    };
    if let Some((zone, name)) = record_of(estate, declared) {
        changes.extend(record(estate, &zone, &name, address));
    }
    Ok(changes)
}

fn free_address(estate: &Estate, subnet: &ResourceId) -> Option<Ipv4Addr> {
    let prefix = *estate.subnet(subnet)?.prefixes.first()?;
    addressing::next_free(prefix, &addressing::taken(estate, subnet), None)
}

fn make_endpoint(
    estate: &Estate,
    cluster: &ResourceId,
    subnet: &ResourceId,
    endpoint: ResourceId,
) -> Result<Vec<Change>, EditError> {
    let address = free_address(estate, subnet).ok_or_else(|| EditError::Refused("the subnet is full".to_owned()))?;
    let group = endpoint.group_id().ok_or_else(|| missing("resource group", &endpoint))?;
    let nic = group.resource(Kind::NetworkInterface.arm_type(), &format!("{}.nic", endpoint.name()));
    let configuration = json!({"name": "c", "properties": {"privateIPAddress": address, "subnet": {"id": subnet}}});
    let connection = json!({"name": endpoint.name(), "properties": {
        "privateLinkServiceId": cluster,
        "groupIds": [aks::PRIVATE_LINK_GROUP],
        "privateLinkServiceConnectionState": {"status": "Approved"},
    }});
    Ok(vec![
        put(
            nic.clone(),
            &json!({"properties": {"privateEndpoint": {"id": endpoint}, "ipConfigurations": [configuration]}}),
        ),
        put(
            endpoint,
            &json!({"properties": {
                "subnet": {"id": subnet},
                "networkInterfaces": [{"id": nic}],
                "privateLinkServiceConnections": [connection],
            }}),
        ),
    ])
}

fn approve(estate: &Estate, endpoint: &ResourceId) -> Result<Change, EditError> {
    let resource = estate.get(endpoint).ok_or_else(|| missing("private endpoint", endpoint))?;
    let mut document = resource.document().value();
    for list in ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"] {
        for connection in document["properties"][list].as_array_mut().into_iter().flatten() {
            connection["properties"]["privateLinkServiceConnectionState"]["status"] = json!("Approved");
        }
    }
    Ok(Change::put(Resource::with_hidden(endpoint.clone(), &document, &resource.hidden().value())))
}

/// A route may be a child of its table, or stand in the table's own document, or both.
fn remove_route(estate: &Estate, route: &ResourceId) -> Result<Vec<Change>, EditError> {
    let table = route.parent().ok_or_else(|| missing("route", route))?;
    let resource = estate.get(&table).ok_or_else(|| missing("route table", &table))?;
    let mut document = resource.document().value();
    if let Some(routes) = document["properties"]["routes"].as_array_mut() {
        let is_it = |held: &Value| held["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(route.name()));
        routes.retain(|held| !is_it(held));
    }
    Ok(vec![Change::Delete(route.clone()), put(table, &document)])
}

/// A prefix for a resolver endpoint's subnet that lies in the network and in none of its subnets.
pub(super) fn free_subnet(estate: &Estate, network: &ResourceId) -> Option<Ipv4Net> {
    let declared = estate.virtual_network(network)?;
    let taken: Vec<Ipv4Net> = estate.subnets(network).flat_map(|(_, subnet)| subnet.prefixes.clone()).collect();
    let fits = |space: &Ipv4Net| {
        let mut subnets = space.subnets(RESOLVER_SUBNET_LEN).ok()?;
        // Bounded: a network has few subnets, each of which covers one run of candidates.
        let mut last_taken: Option<Ipv4Net> = None;
        subnets.find(|candidate| {
            if last_taken.is_some_and(|taken| taken.contains(candidate)) {
                return false;
            }
            last_taken = taken.iter().find(|held| held.contains(candidate) || candidate.contains(*held)).copied();
            last_taken.is_none()
        })
    };
    declared.address_space.iter().find_map(fits)
}

/// The name of the subnet and of the resolver that [`Edit::MakeResolver`] makes.
pub(super) const RESOLVER_SUBNET: &str = "dns-inbound";

fn make_resolver(estate: &Estate, network: &ResourceId) -> Result<Vec<Change>, EditError> {
    let prefix = free_subnet(estate, network)
        .ok_or_else(|| EditError::Refused(format!("{} has no room for a further subnet", network.name())))?;
    let group = network.group_id().ok_or_else(|| missing("resource group", network))?;
    let resolver = group.resource(Kind::DnsResolver.arm_type(), &format!("{}-resolver", network.name()));
    let subnet = network.child(Kind::Subnet.collection(), RESOLVER_SUBNET);
    let address = addressing::first_usable(prefix);
    Ok(vec![
        put(subnet.clone(), &json!({"properties": {"addressPrefix": prefix}})),
        put(resolver.clone(), &json!({"properties": {"virtualNetwork": {"id": network}}})),
        put(
            resolver.child(Kind::InboundEndpoint.collection(), "in"),
            &json!({"properties": {"ipConfigurations": [{"subnet": {"id": subnet}, "privateIpAddress": address}]}}),
        ),
    ])
}
