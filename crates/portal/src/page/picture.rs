//! The topology as SVG, with a path on it. What it looks like is the style sheet's in the page; the
//! exported file carries the same rules itself.

use maud::{Markup, PreEscaped, html};

use super::{Page, Reader, Section, parts::vantage_kind};
use crate::{
    language::Language,
    view::{
        path::{Path, Spot},
        picture::{Frame, LineKind, Node, Picture, Title},
    },
};

/// The rules of the picture, which the page's style sheet ends with.
const STYLE: &str = include_str!("../../assets/picture.css");
/// Characters that a box has room for, in a title and in a line.
const TITLE_CHARS: usize = 22;
const LINE_CHARS: usize = 30;
/// How far a ring stands off its box.
const RING: i32 = 4;
/// The room that a page mostly has for a picture: so no script has to ask the browser before it is drawn.
const ROOM: (i32, i32) = (1220, 675);
/// Smaller than this a picture cannot be read: it opens larger, and is moved. Percent; `portal.js` has it too.
const READABLE: i32 = 60;
/// Smaller than this only titles are drawn: the lines below them could not be read, and laying them out takes time.
const DETAILED: i32 = 75;

/// The page of the whole topology.
pub fn topology(reader: &Reader, picture: &Picture) -> Page {
    let content = html! {
        p { (reader.say("Choose a question on a cluster's page to see its path here. ", "クラスターのページで接続元を選ぶと、経路がここに描かれます。"))
            a href="/topology.svg" download="noren-topology.svg" { (reader.say("Export as SVG", "SVG として保存")) } }
        (drawing(reader, picture, None))
    };
    Page {
        title: reader.say("Topology", "トポロジ").to_owned(),
        kind: reader.language.say("Networks, peerings, zones", "ネットワーク・ピアリング・ゾーン"),
        section: Section::Topology,
        refused: None,
        content,
    }
}

/// The picture in a pane that the script lets one move and enlarge.
pub(super) fn drawing(reader: &Reader, picture: &Picture, path: Option<&Path>) -> Markup {
    html! {
        div.pane data-pane {
            div.zoom role="group" aria-label=(reader.say("Zoom", "拡大縮小")) {
                button type="button" data-zoom="1.25" aria-label=(reader.say("Zoom in", "拡大")) { "+" }
                button type="button" data-zoom="0.8" aria-label=(reader.say("Zoom out", "縮小")) { "−" }
                button type="button" data-zoom="0" aria-label=(reader.say("Fit", "全体表示")) { "⤢" }
            }
            div.canvas tabindex="0" role="group" aria-label=(reader.say("Topology", "トポロジ")) { (svg(reader, picture, path, false)) }
        }
        @if picture.zones_left_out > 0 {
            p.quiet { (picture.zones_left_out) " " a href="/zones" { (reader.say("more private DNS zones", "件のプライベート DNS ゾーンは省略")) } }
        }
        @if picture.links_left_out > 0 {
            p.quiet { (picture.links_left_out) (reader.say(" zone links are not drawn; each zone's page has its own.", " 件のゾーン リンクは省略しています。各ゾーンのページで確認できます。")) }
        }
    }
}

/// The picture as an SVG document: as a file whole, with the rules of its own; in a page as large as it is seen first,
/// where what cannot be read yet is left for the script to write when it can be.
pub fn svg(reader: &Reader, picture: &Picture, path: Option<&Path>, file: bool) -> Markup {
    let (width, height) = (picture.width.max(1), picture.height.max(1));
    let fitting = (ROOM.0 * 100 / width).min(ROOM.1 * 100 / height);
    let percent = if file { 100 } else { fitting.clamp(READABLE, 100) };
    let far = percent < DETAILED;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class={ "topology" @if far { " far" } } viewBox={ "0 0 " (width) " " (height) }
            width=(width * percent / 100) height=(height * percent / 100)
            role="group" aria-label=(reader.say("Topology of the lab's networks", "ラボのネットワークのトポロジ")) {
            @if file { style { (PreEscaped(STYLE)) } }
            defs { marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse" { path class="head" d="M0 0L8 4L0 8z"; } }
            @for frame in &picture.frames { (framed(reader, frame)) }
            @for kind in [LineKind::Peering, LineKind::Broken, LineKind::Link, LineKind::Tunnel] { (lines(picture, kind)) }
            @for node in &picture.nodes { (boxed(reader, node, far)) }
            @if let Some(path) = path { (way(picture, path)) }
        }
    }
}

/// All lines of a kind as one path: elements are what a browser takes time for.
fn lines(picture: &Picture, kind: LineKind) -> Markup {
    let class = match kind {
        LineKind::Peering => "peering",
        LineKind::Broken => "broken",
        LineKind::Link => "zone-link",
        LineKind::Tunnel => "tunnel",
    };
    let of_kind = picture.lines.iter().filter(|line| line.kind == kind);
    let way = of_kind.fold(String::new(), |way, line| way + "M" + &joined(&line.points));
    html! { @if !way.is_empty() { path class={ "line " (class) } d=(way) {} } }
}

/// Points as a path's data has them.
fn joined(points: &[(i32, i32)]) -> String {
    points.iter().map(|(x, y)| format!("{x} {y}")).collect::<Vec<_>>().join("L")
}

fn framed(reader: &Reader, frame: &Frame) -> Markup {
    let title = match &frame.title {
        Title::Outside => reader.say("Outside Azure", "Azure の外").to_owned(),
        Title::Hub(name) => format!("{} {name}", reader.say("Peered with", "ピアリング:")),
        Title::Apart => reader.say("Not peered", "ピアリングなし").to_owned(),
        Title::Zones => reader.say("Private DNS zones", "プライベート DNS ゾーン").to_owned(),
    };
    html! {
        rect class="frame" x=(frame.x) y=(frame.y) width=(frame.w) height=(frame.h) rx="8" {}
        text class="frame-title" x=(frame.x + 14) y=(frame.y + 18) { (title) }
    }
}

fn boxed(reader: &Reader, node: &Node, far: bool) -> Markup {
    let (class, page) = match &node.spot {
        Spot::Internet => ("internet", None),
        Spot::PublicDns => ("dns", None),
        Spot::Outside(_) => ("outside", None),
        Spot::Network(id) => ("network", Some(super::href("/network", &[("id", id.as_str())]))),
        Spot::Zone(id) => ("zone", Some(super::href("/zone", &[("id", id.as_str())]))),
    };
    let title = match &node.spot {
        Spot::Internet => reader.say("Internet", "インターネット"),
        Spot::PublicDns => reader.say("Public DNS", "パブリック DNS"),
        _ => &node.title,
    };
    let wide = if matches!(node.spot, Spot::Zone(_)) { 2 } else { 1 };
    let zone_has = node.zone_has.map(|(records, links)| {
        let of = |count: usize, one: &'static str, many: &'static str| if count == 1 { one } else { many };
        match reader.language {
            Language::English => format!(
                "{records} {}, {links} {}",
                of(records, "record set", "record sets"),
                of(links, "link", "links")
            ),
            Language::Japanese => format!("レコード セット {records}、リンク {links}"),
        }
    });
    let outside = match &node.spot {
        Spot::Outside(held) => Some(vantage_kind(reader, held)),
        _ => None,
    };
    let lines: Vec<&str> = outside.into_iter().chain(node.lines.iter().chain(&zone_has).map(String::as_str)).collect();
    let (title_chars, line_chars) = (TITLE_CHARS * wide, LINE_CHARS * wide);
    let shortened = is_longer(title, title_chars) || lines.iter().any(|line| is_longer(line, line_chars));
    let content = html! {
        @if shortened { title { (title) @for line in &lines { " · " (line) } } }
        rect class={ "box " (class) @if node.has_cluster { " cluster" } } x=(node.x) y=(node.y) width=(node.w) height=(node.h) rx="5" {}
        text class="title" x=(node.x + 10) y=(node.y + 20) { (short(title, title_chars)) }
        @if !lines.is_empty() && !far { g class="detail" {
            @for (index, line) in (1..).zip(&lines) { text x=(node.x + 10) y=(node.y + 20 + 17 * index) { (short(line, line_chars)) } }
        } }
    };
    let waiting = (far && !lines.is_empty())
        .then(|| lines.iter().map(|line| short(line, line_chars)).collect::<Vec<_>>().join("\n"));
    html! {
        @match page {
            Some(page) => { a href=(page) data-lines=[waiting] { (content) } },
            None => { g data-lines=[waiting] { (content) } },
        }
    }
}

fn is_longer(text: &str, most: usize) -> bool {
    text.chars().count() > most
}

fn short(text: &str, most: usize) -> String {
    if !is_longer(text, most) {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The path: name questions dashed, packets solid, each with its number; a cross where it ends in vain.
fn way(picture: &Picture, path: &Path) -> Markup {
    let mut here = picture.node(&path.start);
    let mut legs = Vec::new();
    // Both kinds start at the client.
    let mut asked = here;
    for (number, step) in (1..).zip(&path.steps) {
        let Some(next) = step.spot.as_ref().and_then(|spot| picture.node(spot)) else { continue };
        let from = if step.about_name { &mut asked } else { &mut here };
        if let Some(from) = from.filter(|from| from.spot != next.spot) {
            legs.push((number, step.about_name, picture.way(from, next, number)));
        }
        *from = Some(next);
    }
    let name_alone = !path.connects && path.steps.iter().all(|step| step.about_name);
    let end = if name_alone { asked } else { here };
    html! {
        @if let Some(start) = picture.node(&path.start) { (ring(start, "start")) }
        @for (number, about_name, points) in &legs {
            path class={ "way " (if *about_name { "name" } else { "packet" }) } d={ "M" (joined(points)) } marker-end="url(#arrow)" {}
            @let (x, y) = middle(points);
            circle class="number" cx=(x) cy=(y) r="11" {}
            text class="number" x=(x) y=(y + 4) { (number) }
        }
        @if let Some(end) = end { (ring(end, if path.connects { "arrived" } else { "stopped" })) }
    }
}

/// The middle of the longest stretch of a line, where there is most room for its number.
fn middle(points: &[(i32, i32)]) -> (i32, i32) {
    let stretches = points.windows(2).map(|ends| (ends[0], ends[1]));
    let longest = stretches.max_by_key(|((ax, ay), (bx, by))| (ax - bx).abs() + (ay - by).abs());
    longest.map_or((0, 0), |((ax, ay), (bx, by))| (i32::midpoint(ax, bx), i32::midpoint(ay, by)))
}

fn ring(node: &Node, class: &str) -> Markup {
    let (x, y, w, h) = (node.x - RING, node.y - RING, node.w + 2 * RING, node.h + 2 * RING);
    html! {
        rect class={ "ring " (class) } x=(x) y=(y) width=(w) height=(h) rx="8" {}
        @if class != "start" {
            text class={ "sign " (class) } x=(x + w - 14) y=(y + 22) { (if class == "arrived" { "✓" } else { "✗" }) }
        }
    }
}
