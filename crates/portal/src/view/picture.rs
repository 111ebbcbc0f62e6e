//! The topology as boxes and lines, laid out without chance: the same network gives the same picture.
//!
//! Networks that are peered are drawn around their hubs (who has three peers or more, else who has
//! the most), each hub in a frame with its spokes in rows under it, joined to the hub by a rail. Who
//! has no peer stands in a last frame. Outside Azure is above, private DNS zones are below.
//! Units are CSS pixels.

use std::collections::{BTreeMap, BTreeSet};

use azure::{Kind, ResourceId};
use network::{Network, Vantage, VirtualNetwork};

use super::{path::Spot, wiring};

const BOX_W: i32 = 190;
const BOX_H: i32 = 66;
pub(super) const GAP: i32 = 24;
const RAIL: i32 = 18;
const PAD: i32 = 18;
const HEAD: i32 = 26;
/// Who has this many peers is a hub.
const HUB_PEERS_MIN: usize = 3;
/// Machines outside Azure that are drawn one by one.
const OUTSIDE_MAX: usize = 24;
/// Zones that are drawn whether or not a question leads to them.
const ZONES_MAX: usize = 60;
/// Links of zones are all drawn as long as there are no more than this.
const LINKS_DRAWN_MAX: usize = 40;

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it stands for.
    pub spot: Spot,
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width.
    pub w: i32,
    /// Its height.
    pub h: i32,
    /// Its name.
    pub title: String,
    /// What is in it, a line each.
    pub lines: Vec<String>,
    /// How many record sets and links a zone has.
    pub zone_has: Option<(usize, usize)>,
    /// It has a private cluster's endpoint.
    pub has_cluster: bool,
}

/// A frame around boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it holds.
    pub title: Title,
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width.
    pub w: i32,
    /// Its height.
    pub h: i32,
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Title {
    /// What is not in Azure.
    Outside,
    /// A hub and its spokes.
    Hub(String),
    /// Networks without peers.
    Apart,
    /// Private DNS zones.
    Zones,
}

/// What a line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A peering that carries traffic.
    Peering,
    /// A peering that carries none.
    Broken,
    /// A zone's link.
    Link,
    /// A tunnel into a gateway.
    Tunnel,
}

/// A line through points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it stands for.
    pub kind: LineKind,
    /// Its points.
    pub points: Vec<(i32, i32)>,
}

/// The picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// Its width.
    pub width: i32,
    /// Its height.
    pub height: i32,
    /// Its frames.
    pub frames: Vec<Frame>,
    /// Its boxes.
    pub nodes: Vec<Node>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// How many zones are not drawn.
    pub zones_left_out: usize,
    /// How many links of zones are not drawn.
    pub links_left_out: usize,
}

impl Picture {
    /// The box of a spot.
    pub fn node(&self, spot: &Spot) -> Option<&Node> {
        self.nodes.iter().find(|node| node.spot == *spot)
    }

    /// The points of a line from box to box that goes behind no other; lines with different numbers keep apart.
    pub fn way(&self, from: &Node, to: &Node, number: usize) -> Vec<(i32, i32)> {
        wiring::between(&self.frames, from, to, number)
    }

    fn put(&mut self, spot: Spot, at: (i32, i32), title: String, lines: Vec<String>, has_cluster: bool) {
        self.nodes.push(Node { spot, x: at.0, y: at.1, w: BOX_W, h: BOX_H, title, lines, zone_has: None, has_cluster });
    }

    fn frame(&mut self, title: Title, x: i32, y: i32, w: i32, h: i32) {
        self.frames.push(Frame { title, x, y, w, h });
        self.width = self.width.max(x + w + GAP);
        self.height = self.height.max(y + h + GAP);
    }

    fn line(&mut self, kind: LineKind, from: &Spot, to: &Spot) {
        if let (Some(from), Some(to)) = (self.node(from), self.node(to)) {
            let points = self.way(from, to, self.lines.len());
            self.lines.push(Line { kind, points });
        }
    }
}

/// A hub with its spokes, or networks without peers.
struct Group<'a> {
    title: Title,
    hub: Option<&'a VirtualNetwork>,
    spokes: Vec<&'a VirtualNetwork>,
}

impl Group<'_> {
    /// Columns that make the frame some three times as wide as high.
    fn columns(&self) -> i32 {
        let count = i32::try_from(self.spokes.len()).unwrap_or(i32::MAX).max(1);
        count.saturating_mul(2).isqrt().clamp(1, 24).min(count)
    }

    fn rows(&self) -> i32 {
        let count = i32::try_from(self.spokes.len()).unwrap_or(i32::MAX);
        (count + self.columns() - 1) / self.columns()
    }

    fn size(&self) -> (i32, i32) {
        let hub = if self.hub.is_some() { BOX_H + RAIL } else { 0 };
        (
            PAD * 2 + self.columns() * (BOX_W + GAP) - GAP + RAIL,
            HEAD + hub + self.rows() * (BOX_H + GAP + RAIL) + PAD - GAP,
        )
    }
}

/// Draws a network; whatever else is left out for want of room, `needed` is not.
pub fn picture(network: &Network, needed: &[Spot]) -> Picture {
    let mut picture = Picture::default();
    let contents = contents(network);
    let groups = groups(network);
    // Some three times as wide as high, as far as frames can be packed so.
    let area: i64 = groups.iter().map(|group| i64::from(group.size().0) * i64::from(group.size().1)).sum();
    let widest = groups.iter().map(|group| group.size().0).max().unwrap_or(0);
    let wide = i32::try_from((area * 3).isqrt()).unwrap_or(i32::MAX).max(widest).max(4 * (BOX_W + GAP));
    let mut y = outside(network, &mut picture, wide);
    let (mut x, mut row) = (GAP, 0);
    for group in &groups {
        let (w, h) = group.size();
        if x > GAP && x + w > wide + GAP {
            (x, y, row) = (GAP, y + row + GAP, 0);
        }
        draw(group, (x, y), &contents, &mut picture);
        picture.frame(group.title.clone(), x, y, w, h);
        (x, row) = (x + w + GAP, row.max(h));
    }
    y += if groups.is_empty() { 0 } else { row + GAP };
    zones(network, &mut picture, (y, wide), needed);
    between(network, &groups, &mut picture);
    picture
}

/// What stands in each network, a line each, and whether a cluster's endpoint does.
fn contents(network: &Network) -> BTreeMap<ResourceId, (Vec<String>, bool)> {
    let mut clusters: BTreeMap<ResourceId, BTreeSet<String>> = BTreeMap::new();
    for cluster in network.clusters().keys() {
        for endpoint in explain::place::endpoints(network.estate(), cluster) {
            clusters.entry(endpoint.network).or_default().insert(cluster.name().to_owned());
        }
    }
    let lines = |held: &VirtualNetwork| {
        let mut space: Vec<String> = held.address_space.iter().take(1).map(ToString::to_string).collect();
        space.extend(held.gateway.as_ref().map(|gateway| format!("⇌ {}", gateway.id.name())));
        let machines = held.interfaces.values().filter(|nic| nic.private_endpoint.is_none()).count();
        if machines > 0 {
            space.push(format!("{machines} NIC"));
        }
        let names = clusters.get(&held.id);
        let inside = names.map(|names| names.iter().cloned().collect::<Vec<_>>().join(", "));
        let has_cluster = inside.is_some();
        let lines = [Some(space.join(" · ")), inside.map(|names| format!("⎈ {names}"))];
        (lines.into_iter().flatten().collect(), has_cluster)
    };
    network.virtual_networks().values().map(|held| (held.id.clone(), lines(held))).collect()
}

fn groups(network: &Network) -> Vec<Group<'_>> {
    let all: Vec<&VirtualNetwork> = network.virtual_networks().values().map(AsRef::as_ref).collect();
    let peers = |held: &VirtualNetwork| {
        held.peers.iter().filter(|peer| network.virtual_network(&peer.network).is_some()).count()
    };
    let mut hubs: Vec<&VirtualNetwork> = all.iter().filter(|held| peers(held) >= HUB_PEERS_MIN).copied().collect();
    hubs.sort_by(|a, b| peers(b).cmp(&peers(a)).then_with(|| a.id.cmp(&b.id)));
    // Of who is peered with no hub, the best connected becomes one, until nobody is left.
    let is_near = |held: &VirtualNetwork, hubs: &[&VirtualNetwork]| {
        hubs.iter().any(|hub| hub.id == held.id || held.peers.iter().any(|peer| peer.network == hub.id))
    };
    let mut rest: Vec<&VirtualNetwork> = all.iter().filter(|held| peers(held) > 0).copied().collect();
    rest.sort_by(|a, b| peers(b).cmp(&peers(a)).then_with(|| a.id.cmp(&b.id)));
    for held in rest {
        if !is_near(held, &hubs) {
            hubs.push(held);
        }
    }
    let mut groups: Vec<Group<'_>> = hubs
        .iter()
        .map(|hub| Group { title: Title::Hub(hub.id.name().to_owned()), hub: Some(hub), spokes: Vec::new() })
        .collect();
    let mut apart = Group { title: Title::Apart, hub: None, spokes: Vec::new() };
    for held in all {
        if hubs.iter().any(|hub| hub.id == held.id) {
            continue;
        }
        // Either half of a peering is drawn.
        let names =
            |one: &VirtualNetwork, other: &VirtualNetwork| one.peers.iter().any(|peer| peer.network == other.id);
        match hubs.iter().position(|hub| names(held, hub) || names(hub, held)) {
            Some(hub) => groups[hub].spokes.push(held),
            None => apart.spokes.push(held),
        }
    }
    if !apart.spokes.is_empty() {
        groups.push(apart);
    }
    groups
}

/// Puts a group's boxes and the rail between them.
fn draw(
    group: &Group<'_>,
    at: (i32, i32),
    contents: &BTreeMap<ResourceId, (Vec<String>, bool)>,
    picture: &mut Picture,
) {
    let mut put = |held: &VirtualNetwork, at: (i32, i32)| {
        let (lines, has_cluster) = contents.get(&held.id).cloned().unwrap_or_default();
        picture.put(Spot::Network(held.id.clone()), at, held.id.name().to_owned(), lines, has_cluster);
    };
    let left = at.0 + PAD + RAIL;
    let mut top = at.1 + HEAD;
    if let Some(hub) = group.hub {
        put(hub, (left, top));
        top += BOX_H + RAIL;
    }
    let mut rails = Vec::new();
    for (index, spoke) in (0..).zip(&group.spokes) {
        let (column, row) = (index % group.columns(), index / group.columns());
        let (x, y) = (left + column * (BOX_W + GAP), top + RAIL + row * (BOX_H + GAP + RAIL));
        put(spoke, (x, y));
        if let Some(hub) = group.hub {
            let open = hub.open_peers().any(|peer| peer.network == spoke.id);
            let kind = if open { LineKind::Peering } else { LineKind::Broken };
            let (rail_x, rail_y) = (at.0 + PAD, y - RAIL / 2);
            let hub_y = at.1 + HEAD + BOX_H / 2;
            let points =
                vec![(left, hub_y), (rail_x, hub_y), (rail_x, rail_y), (x + BOX_W / 2, rail_y), (x + BOX_W / 2, y)];
            rails.push(Line { kind, points });
        }
    }
    picture.lines.extend(rails);
}

/// Whether a vantage is a box of its own, outside Azure.
pub const fn is_outside(vantage: &Vantage) -> bool {
    matches!(vantage, Vantage::VpnClient(_) | Vantage::Client(_))
}

/// Puts what is outside Azure on top; gives where the rest begins.
fn outside(network: &Network, picture: &mut Picture, wide: i32) -> i32 {
    let mut spots = vec![(Spot::Internet, String::new(), Vec::new()), (Spot::PublicDns, String::new(), Vec::new())];
    for vantage in network.vantages().iter().filter(|vantage| is_outside(vantage)).take(OUTSIDE_MAX) {
        let via = vantage
            .resource()
            .and_then(|id| network.client(id))
            .and_then(|client| client.gateway.as_ref().or(client.site.as_ref()).map(|way| format!("⇌ {}", way.name())));
        spots.push((Spot::Outside(vantage.clone()), vantage.name(), via.into_iter().collect()));
    }
    let columns = (wide / (BOX_W + GAP)).max(2);
    let rows = (i32::try_from(spots.len()).unwrap_or(i32::MAX) + columns - 1) / columns;
    for (index, (spot, title, lines)) in (0..).zip(spots) {
        let at = (GAP + PAD + index % columns * (BOX_W + GAP), GAP + HEAD + index / columns * (BOX_H + GAP));
        picture.put(spot, at, title, lines, false);
    }
    let height = HEAD + rows * (BOX_H + GAP) - GAP + PAD;
    picture.frame(Title::Outside, GAP, GAP, PAD * 2 + columns * (BOX_W + GAP) - GAP, height);
    GAP + height + GAP
}

/// Puts the zones below.
fn zones(network: &Network, picture: &mut Picture, (y, wide): (i32, i32), needed: &[Spot]) {
    let mut lines = super::zone::list(network, "");
    let all = lines.len();
    lines.sort_by_key(|line| !needed.contains(&Spot::Zone(line.id.clone())));
    lines.truncate(ZONES_MAX.max(needed.len()));
    picture.zones_left_out = all - lines.len();
    if lines.is_empty() {
        return;
    }
    // A zone's name is long.
    let (w, columns) = (BOX_W * 2, (wide / (BOX_W * 2 + GAP)).max(1));
    let rows = (i32::try_from(lines.len()).unwrap_or(i32::MAX) + columns - 1) / columns;
    for (index, zone) in (0..).zip(lines) {
        let at = (GAP + PAD + index % columns * (w + GAP), y + HEAD + index / columns * (BOX_H + GAP));
        picture.nodes.push(Node {
            title: zone.id.name().to_owned(),
            spot: Spot::Zone(zone.id),
            x: at.0,
            y: at.1,
            w,
            h: BOX_H,
            lines: Vec::new(),
            zone_has: Some((zone.records, zone.links)),
            has_cluster: false,
        });
    }
    let height = HEAD + rows * (BOX_H + GAP) - GAP + PAD;
    picture.frame(Title::Zones, GAP, y, PAD * 2 + columns * (w + GAP) - GAP, height);
}

/// Lines from frame to frame.
fn between(network: &Network, groups: &[Group<'_>], picture: &mut Picture) {
    let hub_of: BTreeMap<&ResourceId, &ResourceId> = groups
        .iter()
        .filter_map(|group| Some((group.hub?, &group.spokes)))
        .flat_map(|(hub, spokes)| spokes.iter().map(move |spoke| (&spoke.id, &hub.id)))
        .collect();
    for held in network.virtual_networks().values() {
        for peer in &held.peers {
            let on_rail = hub_of.get(&held.id) == Some(&&peer.network) || hub_of.get(&peer.network) == Some(&&held.id);
            // Either half names the pair; it is drawn once.
            let first = peer.remote_peering.is_none() || held.id < peer.network;
            if !on_rail && first {
                let kind = if peer.connected && peer.access { LineKind::Peering } else { LineKind::Broken };
                picture.line(kind, &Spot::Network(held.id.clone()), &Spot::Network(peer.network.clone()));
            }
        }
    }
    for vantage in network.vantages() {
        let gateway = match vantage {
            Vantage::VpnClient(gateway) => Some(gateway.clone()),
            Vantage::Client(id) => network.client(id).and_then(|client| client.gateway.clone()),
            _ => None,
        };
        if let Some(held) = gateway.and_then(|gateway| network.gateway_network(&gateway)) {
            picture.line(LineKind::Tunnel, &Spot::Outside(vantage.clone()), &Spot::Network(held.id.clone()));
        }
    }
    let links: Vec<(ResourceId, ResourceId)> = network
        .estate()
        .of_kind(Kind::PrivateDnsZone)
        .flat_map(|zone| super::zone::linked(network, zone.id()).map(move |linked| (zone.id().clone(), linked.clone())))
        .collect();
    if links.len() > LINKS_DRAWN_MAX {
        picture.links_left_out = links.len();
        return;
    }
    for (zone, linked) in links {
        picture.line(LineKind::Link, &Spot::Network(linked), &Spot::Zone(zone));
    }
}
