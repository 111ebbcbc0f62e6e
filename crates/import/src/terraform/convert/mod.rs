//! azurerm's resources as ARM's: which type each is, which id it has or will have, what its document says.

mod azapi;
mod cluster;
mod compute;
mod dns;
mod network;
mod vpn;

use std::collections::BTreeMap;

use azure::{Kind, ResourceId};
use serde_json::{Map, Value, json};

use super::{
    instance::{Instance, NO_SUBSCRIPTION, World},
    reader::Reader,
};
use crate::{SourceFinding, document, draft::Draft};

/// What a resource lies in.
enum Parent {
    /// The subscription.
    Subscription,
    /// `resource_group_name`.
    Group,
    /// A resource of this kind: by name, within `resource_group_name`, or by id.
    Within { kind: Kind, name: &'static str, id: &'static str },
}

const fn within(kind: Kind, name: &'static str, id: &'static str) -> Parent {
    Parent::Within { kind, name, id }
}

/// The ARM type of a provider's resource type, and what it lies in.
fn arm(kind: &str) -> Option<(Kind, Parent)> {
    use Kind as K;
    let network = || within(K::VirtualNetwork, "virtual_network_name", "virtual_network_id");
    let zone = || within(K::PrivateDnsZone, "zone_name", "private_dns_zone_id");
    let resolver = || within(K::DnsResolver, "", "private_dns_resolver_id");
    let ruleset = || within(K::ForwardingRuleset, "", "dns_forwarding_ruleset_id");
    Some(match kind.strip_prefix("azurerm_")? {
        "resource_group" => (K::ResourceGroup, Parent::Subscription),
        "virtual_network" => (K::VirtualNetwork, Parent::Group),
        "subnet" => (K::Subnet, network()),
        "virtual_network_peering" => (K::Peering, network()),
        "network_interface" => (K::NetworkInterface, Parent::Group),
        "public_ip" => (K::PublicIpAddress, Parent::Group),
        "network_security_group" => (K::NetworkSecurityGroup, Parent::Group),
        "network_security_rule" => (
            K::SecurityRule,
            within(K::NetworkSecurityGroup, "network_security_group_name", "network_security_group_id"),
        ),
        "route_table" => (K::RouteTable, Parent::Group),
        "route" => (K::Route, within(K::RouteTable, "route_table_name", "route_table_id")),
        "private_endpoint" => (K::PrivateEndpoint, Parent::Group),
        "private_dns_zone" => (K::PrivateDnsZone, Parent::Group),
        "private_dns_zone_virtual_network_link" => {
            (K::VirtualNetworkLink, within(K::PrivateDnsZone, "private_dns_zone_name", "private_dns_zone_id"))
        }
        "private_dns_a_record" => (K::RecordA, zone()),
        "private_dns_aaaa_record" => (K::RecordAaaa, zone()),
        "private_dns_cname_record" => (K::RecordCname, zone()),
        "private_dns_mx_record" => (K::RecordMx, zone()),
        "private_dns_ptr_record" => (K::RecordPtr, zone()),
        "private_dns_srv_record" => (K::RecordSrv, zone()),
        "private_dns_txt_record" => (K::RecordTxt, zone()),
        "kubernetes_cluster" => (K::ManagedCluster, Parent::Group),
        "kubernetes_cluster_node_pool" => (K::AgentPool, within(K::ManagedCluster, "", "kubernetes_cluster_id")),
        "virtual_network_gateway" => (K::VirtualNetworkGateway, Parent::Group),
        "local_network_gateway" => (K::LocalNetworkGateway, Parent::Group),
        "virtual_network_gateway_connection" => (K::Connection, Parent::Group),
        "private_dns_resolver" => (K::DnsResolver, Parent::Group),
        "private_dns_resolver_inbound_endpoint" => (K::InboundEndpoint, resolver()),
        "private_dns_resolver_outbound_endpoint" => (K::OutboundEndpoint, resolver()),
        "private_dns_resolver_dns_forwarding_ruleset" => (K::ForwardingRuleset, Parent::Group),
        "private_dns_resolver_forwarding_rule" => (K::ForwardingRule, ruleset()),
        "private_dns_resolver_virtual_network_link" => (K::RulesetLink, ruleset()),
        "linux_virtual_machine" | "windows_virtual_machine" | "virtual_machine" => (K::VirtualMachine, Parent::Group),
        "user_assigned_identity" => (K::UserAssignedIdentity, Parent::Group),
        "role_assignment" => (K::RoleAssignment, Parent::Subscription),
        _ => return None,
    })
}

/// The name of an instance: its own, or one made of its address where it is not known yet.
pub(super) fn name(world: &World<'_>, instance: &Instance) -> String {
    let reader = Reader { world, instance };
    if let Some(name) = reader.text("name") {
        return name.to_owned();
    }
    let local = instance.base.rsplit('.').next().unwrap_or_default();
    let key = instance.key.as_deref().map(|key| format!("-{key}")).unwrap_or_default();
    format!("{local}{key}").replace('/', "-")
}

/// The ARM id that `instance` has or will have; `None` if it is no resource with one, or lies nobody knows where.
pub(super) fn id(world: &World<'_>, instance: &Instance) -> Option<ResourceId> {
    let reader = Reader { world, instance };
    if instance.kind == "azapi_resource" {
        return azapi::id(reader);
    }
    let (kind, parent) = arm(&instance.kind)?;
    let known = reader.text("id").and_then(|text| text.parse::<ResourceId>().ok()).filter(|id| Kind::of(id) == kind);
    if known.is_some() {
        return known;
    }
    let group = || Some(ResourceId::group(world.subscription(), reader.name("resource_group_name")?.as_str()));
    let name = name(world, instance);
    match parent {
        Parent::Subscription => (kind == Kind::ResourceGroup).then(|| ResourceId::group(world.subscription(), &name)),
        Parent::Group => Some(group()?.resource(kind.arm_type(), &name)),
        Parent::Within { kind: parent, name: by_name, id: by_id } => {
            let named = || Some(group()?.resource(parent.arm_type(), &reader.name(by_name)?));
            let parent = reader.quiet_id(by_id, &[parent]).or_else(named)?;
            Some(parent.child(kind.collection(), &name))
        }
    }
}

/// Everything that `world` has, into `draft`.
pub(super) fn all(draft: &mut Draft, world: &World<'_>) {
    let mut unmodelled: BTreeMap<&str, usize> = BTreeMap::new();
    let mut constructed = 0_usize;
    for (at, instance) in world.instances.iter().enumerate() {
        let reader = Reader { world, instance };
        let is_azapi = instance.kind.starts_with("azapi_");
        let modelled = is_azapi || arm(&instance.kind).is_some() || network::is_association(&instance.kind);
        if !modelled {
            if instance.kind.starts_with("azurerm_") && !instance.is_data {
                *unmodelled.entry(&instance.kind).or_default() += 1;
            }
            continue;
        }
        if network::is_association(&instance.kind) || (is_azapi && instance.kind != "azapi_resource") {
            continue;
        }
        let Some(id) = world.id(at) else {
            if !instance.is_data && instance.kind != "azurerm_role_assignment" {
                let message = "where it will lie cannot be followed (its group or parent): it is left out";
                draft.find(SourceFinding::warning("ReferenceUnknown", message).at(&instance.address));
            }
            continue;
        };
        constructed += usize::from(reader.is_unknown("id"));
        if reader.is_unknown("name") {
            let message = format!("its name is not known before it is applied: `{}` is a placeholder", id.name());
            draft.find(SourceFinding::note("NamePlaceholder", message).of(&id).at(&instance.address));
        }
        if let Some(object) = document(draft, &id, reader) {
            draft.add(id, object);
        }
    }
    // What is set on other resources comes when all of these are there.
    for instance in world.instances.iter().filter(|instance| !instance.is_data) {
        network::associate(draft, Reader { world, instance });
    }
    for (kind, count) in unmodelled {
        draft.find(SourceFinding::note("NotModelled", format!("{count} of type {kind}: not acted on")));
    }
    if constructed > 0 && world.subscription() == NO_SUBSCRIPTION {
        let message = format!(
            "the plan does not say the subscription: {constructed} ids of what does not exist yet have {NO_SUBSCRIPTION} in its place"
        );
        draft.find(SourceFinding::note("SubscriptionPlaceholder", message));
    }
}

fn document(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Option<Map<String, Value>> {
    if reader.instance.kind == "azapi_resource" {
        return Some(azapi::document(draft, id, reader));
    }
    let mut properties = match Kind::of(id) {
        Kind::ResourceGroup | Kind::PrivateDnsZone => json!({}),
        Kind::ManagedCluster => cluster::cluster(draft, id, reader),
        Kind::AgentPool => cluster::pool(draft, reader),
        Kind::VirtualNetwork => network::virtual_network(draft, reader),
        Kind::Subnet => network::subnet(draft, reader),
        Kind::Peering => network::peering(draft, reader),
        Kind::NetworkInterface => network::interface(draft, id, reader),
        Kind::PublicIpAddress => network::public_address(draft, id, reader),
        Kind::NetworkSecurityGroup => network::security_group(reader),
        Kind::SecurityRule => network::security_rule(reader, ""),
        Kind::RouteTable => network::route_table(reader),
        Kind::Route => network::route(reader, ""),
        Kind::PrivateEndpoint => network::private_endpoint(draft, id, reader),
        Kind::VirtualNetworkLink => dns::link(draft, reader),
        kind if kind.is_record_set() => dns::records(kind, reader),
        Kind::DnsResolver => dns::resolver(draft, reader),
        Kind::InboundEndpoint => dns::inbound(draft, id, reader),
        Kind::OutboundEndpoint => dns::outbound(draft, reader),
        Kind::ForwardingRuleset => dns::ruleset(draft, reader),
        Kind::ForwardingRule => dns::rule(reader),
        Kind::RulesetLink => dns::link(draft, reader),
        Kind::VirtualNetworkGateway => vpn::gateway(draft, reader),
        Kind::LocalNetworkGateway => vpn::site(reader),
        Kind::Connection => vpn::connection(draft, reader),
        Kind::VirtualMachine => compute::machine(draft, reader),
        Kind::UserAssignedIdentity => compute::identity(reader),
        Kind::RoleAssignment => compute::role_assignment(reader),
        _ => return None,
    };
    document::drop_nulls(&mut properties);
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(id.name()));
    if let Some(location) = reader.text("location") {
        document.insert("location".to_owned(), json!(location));
    }
    let tags = reader.value("tags");
    if tags.is_object() {
        document.insert("tags".to_owned(), tags.clone());
    }
    document.insert("properties".to_owned(), properties);
    Some(document)
}
