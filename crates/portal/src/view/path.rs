//! One question, hop by hop: a vantage, a cluster, one of its addresses; and what would change if
//! something were otherwise.

use azure::ResourceId;
use explain::{Cause, Edit, Fix, Role, Verdict, fix::Step as FixStep, place, render::words};
use network::{Disposition, Hop, Network, NextHop, Responder, Vantage};

use super::seen::{self, Seen};

/// Vantages that a what-if is tried on.
const VANTAGES_TRIED: usize = 60;

/// Where a step happens, as far as a picture has room for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// The Internet.
    Internet,
    /// Public DNS.
    PublicDns,
    /// A machine outside Azure, or a gateway's clients.
    Outside(Vantage),
    /// A virtual network.
    Network(ResourceId),
    /// A private DNS zone.
    Zone(ResourceId),
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub hop: Hop,
    /// Whether it is about the name, and not about packets.
    pub about_name: bool,
    /// Where it leads.
    pub spot: Option<Spot>,
}

/// What became of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it starts.
    pub start: Spot,
    /// The name asked for.
    pub name: String,
    /// The way.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: Disposition,
    /// Whether it ends at the cluster.
    pub connects: bool,
    /// How the client fares with the cluster.
    pub verdict: Verdict,
    /// Why its kubeconfig does not work.
    pub cause: Option<Cause>,
    /// What cures that.
    pub fixes: Vec<Fix>,
}

impl Path {
    /// Every spot that it comes by.
    pub fn spots(&self) -> impl Iterator<Item = &Spot> {
        std::iter::once(&self.start).chain(self.steps.iter().filter_map(|step| step.spot.as_ref()))
    }
}

/// The path of a question; `None` if there is no such cluster or no such address.
pub fn path(network: &Network, vantage: &Vantage, cluster: &ResourceId, role: Role) -> Option<Path> {
    let found = explain::explain(network, vantage, cluster)?;
    let answer = found.name(role)?;
    let step =
        |hop: &Hop| Step { hop: hop.clone(), about_name: words::name_step(hop).is_some(), spot: spot(network, hop) };
    Some(Path {
        start: start(network, vantage),
        name: answer.name.to_string(),
        steps: answer.trace.hops.iter().map(step).collect(),
        end: answer.trace.disposition.clone(),
        connects: answer.connects,
        verdict: found.verdict,
        cause: found.cause.clone(),
        fixes: explain::fixes(network, &found),
    })
}

/// How the question ends; `None` if it ends at the cluster, or there is no such question.
pub fn end(network: &Network, vantage: &Vantage, cluster: &ResourceId, role: Role) -> Option<Disposition> {
    let found = explain::explain(network, vantage, cluster)?;
    found.name(role).filter(|answer| !answer.connects).map(|answer| answer.trace.disposition.clone())
}

/// The spot that a vantage is.
fn start(network: &Network, vantage: &Vantage) -> Spot {
    match vantage {
        Vantage::Internet => Spot::Internet,
        Vantage::VpnClient(_) | Vantage::Client(_) => Spot::Outside(vantage.clone()),
        Vantage::Interface(_) | Vantage::Subnet(_) => match place::network_of(network, vantage) {
            Some(held) => Spot::Network(held.id.clone()),
            None => Spot::Internet,
        },
    }
}

fn spot(network: &Network, hop: &Hop) -> Option<Spot> {
    let of_network = |id: &ResourceId| Some(Spot::Network(id.clone()));
    match hop {
        Hop::Ask { responder } => match responder {
            Responder::HostsFile => None,
            Responder::AzureDns { network }
            | Responder::CustomServer { network, .. }
            | Responder::InboundEndpoint { network, .. } => of_network(network),
            Responder::SiteServer { machine, .. } => Some(Spot::Outside(Vantage::Client(machine.clone()))),
            Responder::PublicDns => Some(Spot::PublicDns),
        },
        Hop::LinkedZone { zone, .. } => Some(Spot::Zone(zone.clone())),
        Hop::NoLinkedZone { .. } | Hop::RedirectedToPublic { .. } => Some(Spot::PublicDns),
        Hop::Route { route, .. } => match &route.next_hop {
            NextHop::VirtualNetwork { network }
            | NextHop::Peering { network, .. }
            | NextHop::InterfaceEndpoint { network } => of_network(network),
            NextHop::Gateway { gateway } => of_network(&network.gateway_network(gateway)?.id),
            NextHop::Internet => Some(Spot::Internet),
            NextHop::NoGateway | NextHop::VirtualAppliance { .. } | NextHop::None => None,
        },
        Hop::PrivateEndpoint { endpoint, .. } => {
            let subnet = network.estate().private_endpoint(endpoint)?.subnet.as_ref()?;
            of_network(&subnet.parent()?)
        }
        _ => None,
    }
}

/// Something that could be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    /// What is done to the estate, in this order.
    pub edits: Vec<Edit>,
}

impl WhatIf {
    /// What names it in a query, whatever the reader's language; no two offers have the same.
    pub fn key(&self) -> String {
        self.edits.iter().map(Edit::describe).collect::<Vec<_>>().join(", ")
    }
}

/// What could be otherwise, as far as it matters to how `vantage` fares with `cluster`: the settings
/// of the cluster, and what would cure what is wrong.
pub fn offers(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Vec<WhatIf> {
    let Some(found) = explain::explain(network, vantage, cluster) else { return Vec::new() };
    let estate = network.estate();
    let mut edits: Vec<Vec<Edit>> = Vec::new();
    if let Some(declared) = estate.managed_cluster(cluster) {
        let id = cluster.clone();
        if declared.private {
            edits.push(vec![Edit::PublicFqdn { cluster: id.clone(), enabled: declared.fqdn.is_none() }]);
        }
        edits.push(vec![if declared.running { Edit::Stop { cluster: id } } else { Edit::Start { cluster: id } }]);
        let zone = place::zone_of(estate, declared);
        if let (Some(zone), Some(held)) = (zone, place::network_of(network, vantage)) {
            let link =
                place::links_to(estate, &held.id).find(|(linked, _)| *linked == zone).map(|(_, link)| link.clone());
            edits.push(vec![match link {
                Some(link) => Edit::Unlink { link },
                None => Edit::Link { zone, network: held.id.clone() },
            }]);
        }
    }
    for fix in explain::fixes(network, &found) {
        let of_estate = |step: &FixStep| match step {
            FixStep::Edit(edit) => Some(edit.clone()),
            FixStep::UsePublicFqdn | FixStep::HostsLine(_) => None,
        };
        edits.push(fix.steps.iter().filter_map(of_estate).collect());
    }
    let mut offers: Vec<WhatIf> = Vec::new();
    for edits in edits.into_iter().filter(|edits| !edits.is_empty()) {
        if apply(network, &edits).is_some() && offers.iter().all(|held| held.edits != edits) {
            offers.push(WhatIf { edits });
        }
    }
    offers
}

fn apply(network: &Network, edits: &[Edit]) -> Option<Network> {
    edits.iter().try_fold(network.clone(), |network, edit| {
        let (estate, changed) = edit.apply(network.estate()).ok()?;
        Some(network.advance(&estate, &changed))
    })
}

/// What would be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path then; nothing if there is no such address then.
    pub path: Option<Path>,
    /// How the vantages fare that fare otherwise then: before, after.
    pub changed: Vec<(Seen, Seen)>,
    /// How many were looked at.
    pub looked_at: usize,
}

/// What would be otherwise with an offer taken.
pub fn what_if(
    network: &Network,
    vantage: &Vantage,
    cluster: &ResourceId,
    role: Role,
    offer: &WhatIf,
) -> Option<Difference> {
    let then = apply(network, &offer.edits)?;
    let (before, _) = seen::from_everywhere(network, cluster, VANTAGES_TRIED);
    let looked_at = before.len();
    let pair = |before: Seen| {
        let found = explain::explain(&then, &before.vantage, cluster)?;
        let after = Seen::of(&found);
        let same = (&before.private, &before.public, before.verdict) == (&after.private, &after.public, after.verdict);
        (!same).then_some((before, after))
    };
    let changed = before.into_iter().filter_map(pair).collect();
    Some(Difference { path: path(&then, vantage, cluster, role), changed, looked_at })
}
