//! What Azure would refuse of an edit. Sources: azure-truth "Zones", "Peering and VPN".

use azure::{
    Estate, Kind, ResourceId, addressing,
    model::{Model, PrivateDnsZoneMode},
};

use super::{Edit, EditError};
use crate::place;

/// Refuses what cannot be: the edit is about things that exist, and Azure allows it.
pub(super) fn check(edit: &Edit, estate: &Estate) -> Result<(), EditError> {
    let refused = |why: String| Err(EditError::Refused(why));
    match edit {
        Edit::Link { zone, network } => {
            exists(estate, zone, Kind::PrivateDnsZone, "private DNS zone")?;
            exists(estate, network, Kind::VirtualNetwork, "virtual network")?;
            let rival =
                place::links_to(estate, network).find(|(linked, _)| linked.name().eq_ignore_ascii_case(zone.name()));
            match rival {
                Some((linked, _)) => {
                    refused(format!("{} is already linked to a zone {}", network.name(), linked.name()))
                }
                None => Ok(()),
            }
        }
        Edit::Unlink { link } => exists(estate, link, Kind::VirtualNetworkLink, "virtual network link"),
        Edit::Peer { a, b } => {
            let space = |id: &ResourceId| {
                let network = estate.virtual_network(id);
                network.ok_or_else(|| EditError::Missing { kind: "virtual network", id: id.clone() })
            };
            let (left, right) = (space(a)?, space(b)?);
            if a == b {
                return refused("a network is not peered with itself".to_owned());
            }
            match addressing::overlap(&left.address_space, &right.address_space) {
                Some((left, right)) => refused(format!("{left} of {} and {right} of {} overlap", a.name(), b.name())),
                None => Ok(()),
            }
        }
        Edit::Unpeer { a, b } | Edit::Transit { hub: a, spoke: b } => {
            for (from, to) in [(a, b), (b, a)] {
                if half(estate, from, to).is_none() {
                    return refused(format!("{} has no peering to {}", from.name(), to.name()));
                }
            }
            if let Edit::Transit { hub, spoke } = edit {
                return transit(estate, hub, spoke);
            }
            Ok(())
        }
        Edit::PublicFqdn { cluster, enabled } => {
            let Some(declared) = estate.managed_cluster(cluster) else { return missing("cluster", cluster) };
            match (declared.private, &declared.zone, enabled) {
                (false, ..) => refused(format!("cluster {} is not private", cluster.name())),
                (true, PrivateDnsZoneMode::None, false) => {
                    refused("without a private DNS zone the public FQDN is the only name".to_owned())
                }
                _ => Ok(()),
            }
        }
        Edit::Start { cluster } | Edit::Stop { cluster } | Edit::Authorize { cluster, .. } => {
            let Some(declared) = estate.managed_cluster(cluster) else { return missing("cluster", cluster) };
            match edit {
                Edit::Authorize { .. } if declared.private => {
                    refused("authorized IP ranges are not supported for private clusters".to_owned())
                }
                Edit::Start { .. } if declared.running => refused(format!("cluster {} runs", cluster.name())),
                Edit::Stop { .. } if !declared.running => refused(format!("cluster {} is stopped", cluster.name())),
                _ => Ok(()),
            }
        }
        Edit::Record { zone, name, .. } => match estate.private_dns_zone(zone) {
            None => missing("private DNS zone", zone),
            Some(declared) if name.is_within(&declared.name) => Ok(()),
            Some(declared) => refused(format!("{name} does not lie in zone {}", declared.name)),
        },
        Edit::MakeZone { zone } if estate.contains(zone) => refused(format!("zone {} exists", zone.name())),
        _ => Ok(()),
    }
}

fn transit(estate: &Estate, hub: &ResourceId, spoke: &ResourceId) -> Result<(), EditError> {
    let gateway = |network: &ResourceId| {
        let subnet = network.child(Kind::Subnet.collection(), "GatewaySubnet");
        estate.referrers(&subnet).any(|referrer| referrer.kind() == Kind::VirtualNetworkGateway)
    };
    let uses_another = estate.children(spoke, Kind::Peering).any(|half| match half.model() {
        Model::Peering(declared) => declared.use_remote_gateways && declared.remote != *hub,
        _ => false,
    });
    match (gateway(hub), gateway(spoke), uses_another) {
        (false, ..) => Err(EditError::Refused(format!("{} has no gateway", hub.name()))),
        (_, true, _) => Err(EditError::Refused(format!("{} has a gateway of its own", spoke.name()))),
        (.., true) => Err(EditError::Refused(format!("{} uses the gateway of another network", spoke.name()))),
        _ => Ok(()),
    }
}

/// The half of a peering in `from` that names `to`.
pub(super) fn half(estate: &Estate, from: &ResourceId, to: &ResourceId) -> Option<ResourceId> {
    let mut halves = estate.children(from, Kind::Peering);
    let found = halves.find(|half| matches!(half.model(), Model::Peering(declared) if declared.remote == *to));
    found.map(|half| half.id().clone())
}

fn exists(estate: &Estate, id: &ResourceId, kind: Kind, name: &'static str) -> Result<(), EditError> {
    let found =
        estate.get(id).is_some_and(|resource| resource.kind() == kind && *resource.model() != Model::Unmodelled);
    if found { Ok(()) } else { missing(name, id) }
}

fn missing<T>(kind: &'static str, id: &ResourceId) -> Result<T, EditError> {
    Err(EditError::Missing { kind, id: id.clone() })
}
