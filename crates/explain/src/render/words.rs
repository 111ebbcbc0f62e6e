//! The steps of a trace in words, which every rendering shares.

use azure::{ResourceId, model::Direction};
use network::{Hop, NextHop, RouteSource};

/// A step on the way to an answer; `None` for a step on the way of packets.
pub fn name_step(hop: &Hop) -> Option<String> {
    Some(match hop {
        Hop::HostsEntry { name, address } => format!("the hosts file says {address} for {name}"),
        Hop::Ask { responder } => format!("asks {}", responder.describe()),
        Hop::ServerUnreachable { address } => format!("DNS server {address} cannot be reached"),
        Hop::LinkedZone { zone, link } => format!("private zone {} answers, linked by {}", zone.name(), link.name()),
        Hop::NoLinkedZone { network } => format!("no zone linked to {} covers the name", network.name()),
        Hop::ForwardingRule { rule } => format!("forwarding rule {} covers the name", rule.name()),
        Hop::RedirectedToPublic { link } => {
            format!("link {} sends what its zone does not have to public DNS", link.name())
        }
        Hop::Alias { name, target } => format!("{name} is an alias of {target}"),
        Hop::Addresses { name, addresses } => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{name} is {}", list.join(", "))
        }
        _ => return None,
    })
}

/// A step on the way of packets; `None` for a step on the way to an answer.
pub fn packet_step(hop: &Hop) -> Option<String> {
    Some(match hop {
        Hop::Route { to, subnet, route } => {
            let from = subnet
                .as_ref()
                .map_or_else(|| "its own routes".to_owned(), |id| format!("routes of {}", of_parent(id)));
            let source = match route.source {
                RouteSource::Default => "platform",
                RouteSource::Gateway => "gateway",
                RouteSource::User => "user-defined",
            };
            format!("{from}: {to} is in {} ({source}), {}", route.prefix, next_hop(&route.next_hop))
        }
        Hop::SecurityRule { group, rule, direction, allowed } => {
            let way = match direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            };
            format!("{} {way} rule {rule} {}", group.name(), if *allowed { "allows" } else { "denies" })
        }
        Hop::Appliance { interface, address } => format!("appliance {} at {address} passes it on", interface.name()),
        Hop::Reply { from, to } => format!("arrived; the reply from {from} to {to}:"),
        Hop::PrivateEndpoint { endpoint, service } => {
            format!("private endpoint {} leads to {}", endpoint.name(), service.name())
        }
        Hop::PublicAddress { address, private } => format!("{address} is the public address of {private}"),
        Hop::PublicEndpoint { cluster } => format!("public API server of {}", cluster.name()),
        _ => return None,
    })
}

fn next_hop(next: &NextHop) -> String {
    match next {
        NextHop::VirtualNetwork { network } => format!("within {}", network.name()),
        NextHop::Peering { peering, network } => format!("by peering {} to {}", peering.name(), network.name()),
        NextHop::InterfaceEndpoint { network } => format!("to a private endpoint in {}", network.name()),
        NextHop::Gateway { gateway } => format!("by gateway {}", gateway.name()),
        NextHop::NoGateway => "to a gateway that is not there".to_owned(),
        NextHop::VirtualAppliance { address } => format!("to appliance {address}"),
        NextHop::Internet => "to the Internet".to_owned(),
        NextHop::None => "dropped".to_owned(),
    }
}

/// `<parent>/<name>`.
pub(crate) fn of_parent(id: &ResourceId) -> String {
    let parent = id.parent();
    format!("{}/{}", parent.as_ref().map_or("", ResourceId::name), id.name())
}
