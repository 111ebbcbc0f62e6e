//! The path of one explanation as a picture: who is asked for the name, and which way packets go.
//! Mermaid for Markdown, SVG by a small layout of our own, and a page around it.

use network::{Disposition, Hop, NextHop, Responder};

use super::{text, words::of_parent};
use crate::{
    edit::Command,
    fix::Fix,
    question::{Explanation, NameAnswer},
};

/// A box of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Box {
    /// What it is, in small letters above.
    kind: &'static str,
    /// Its name.
    label: String,
    /// Whether the way ends here, and badly.
    stops: bool,
}

/// The picture: two ways from the client, one for the name and one for packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    client: Box,
    names: Vec<Box>,
    packets: Vec<Box>,
    caption: String,
}

fn stop(kind: &'static str, label: impl Into<String>) -> Box {
    Box { kind, label: label.into(), stops: true }
}

fn pass(kind: &'static str, label: impl Into<String>) -> Box {
    Box { kind, label: label.into(), stops: false }
}

impl Picture {
    /// The picture of the name that connects, or else of the one in the kubeconfig.
    pub fn new(found: &Explanation) -> Self {
        let connecting = found.names.iter().find(|name| name.connects);
        let shown = found.kubeconfig().filter(|asked| asked.connects).or(connecting).or(found.kubeconfig());
        let client = pass(found.vantage.describe(), found.vantage.name());
        let caption = format!(
            "{} from {}: {}",
            found.cluster.name(),
            text::vantage(&found.vantage),
            text::verdict(found.verdict)
        );
        let Some(shown) = shown.or(found.names.first()) else {
            return Self { client, names: Vec::new(), packets: Vec::new(), caption };
        };
        Self { client, names: names(shown), packets: packets(shown, found), caption }
    }

    /// A Mermaid flow chart.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let quoted = |held: &Box| format!("\"{}<br/>{}\"", held.kind, held.label.replace('"', "#quot;"));
        text += &format!("  client[{}]\n", quoted(&self.client));
        for (lane, boxes) in [("n", &self.names), ("p", &self.packets)] {
            let mut before = "client".to_owned();
            for (index, held) in boxes.iter().enumerate() {
                let id = format!("{lane}{index}");
                text += &format!("  {id}[{}]\n", quoted(held));
                text += &format!("  {before} {} {id}\n", if lane == "n" { "-.->" } else { "-->" });
                if held.stops {
                    text += &format!("  style {id} stroke:#b3261e,stroke-width:3px\n");
                }
                before = id;
            }
        }
        text
    }

    /// An SVG picture; the same explanation gives the same bytes.
    pub fn svg(&self) -> String {
        let columns = self.names.len().max(self.packets.len());
        let width = MARGIN * 2 + WIDTH + columns * (WIDTH + GAP);
        let height = MARGIN * 2 + CAPTION + LANE * 2;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"system-ui, sans-serif\">\n<title>{}</title>\n{STYLE}",
            escaped(&self.caption),
            escaped(&self.caption)
        );
        svg += &format!(
            "<text class=\"caption\" x=\"{MARGIN}\" y=\"{}\">{}</text>\n",
            MARGIN + 14,
            escaped(&self.caption)
        );
        let client_y = MARGIN + CAPTION + LANE / 2;
        for (lane, boxes) in [&self.names, &self.packets].into_iter().enumerate() {
            let y = MARGIN + CAPTION + lane * LANE;
            let class = if lane == 0 { "name" } else { "packet" };
            let mut from = (MARGIN + WIDTH, client_y + HEIGHT / 2);
            for (index, held) in boxes.iter().enumerate() {
                let x = MARGIN + (index + 1) * (WIDTH + GAP);
                let to = (x, y + HEIGHT / 2);
                let middle = from.0 + GAP / 2;
                svg += &format!(
                    "<path class=\"{class}\" d=\"M{} {} C{middle} {} {middle} {} {} {}\"/>\n",
                    from.0, from.1, from.1, to.1, to.0, to.1
                );
                svg += &drawn(held, x, y);
                from = (x + WIDTH, y + HEIGHT / 2);
            }
        }
        svg += &drawn(&self.client, MARGIN, client_y);
        svg + "</svg>\n"
    }
}

const MARGIN: usize = 16;
const WIDTH: usize = 176;
const HEIGHT: usize = 56;
const GAP: usize = 36;
const LANE: usize = 84;
const CAPTION: usize = 28;
/// Characters of a label that fit into a box.
const LABEL_MAX: usize = 24;

const STYLE: &str = "<style>.caption{font-size:14px;font-weight:600}.box{fill:#fff;stroke:#5f6368;stroke-width:1.2}\
.stops{stroke:#b3261e;stroke-width:3}.kind{font-size:10px;fill:#5f6368}.label{font-size:12px;fill:#202124}\
path{fill:none;stroke:#1a73e8;stroke-width:1.6}.name{stroke-dasharray:4 3}</style>\n";

/// A box with its texts; what does not fit stands in its title.
fn drawn(held: &Box, x: usize, y: usize) -> String {
    let class = if held.stops { "box stops" } else { "box" };
    let letters: Vec<char> = held.label.chars().collect();
    let mut lines: Vec<String> = letters.chunks(LABEL_MAX).take(2).map(|line| line.iter().collect()).collect();
    if letters.len() > LABEL_MAX * 2
        && let Some(last) = lines.last_mut()
    {
        last.pop();
        last.push('…');
    }
    let mut svg = format!(
        "<g><title>{}</title><rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
         <text class=\"kind\" x=\"{}\" y=\"{}\">{}{}</text>",
        escaped(&held.label),
        x + 10,
        y + 15,
        if held.stops { "✗ " } else { "" },
        escaped(held.kind)
    );
    for (index, line) in lines.iter().enumerate() {
        svg +=
            &format!("<text class=\"label\" x=\"{}\" y=\"{}\">{}</text>", x + 10, y + 31 + index * 15, escaped(line));
    }
    svg + "</g>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn names(asked: &NameAnswer) -> Vec<Box> {
    let mut boxes = Vec::new();
    for hop in &asked.trace.hops {
        boxes.extend(match hop {
            Hop::HostsEntry { .. } => Some(pass("hosts file", "on the client")),
            Hop::Ask { responder } => Some(match responder {
                Responder::PublicDns => pass("DNS", "public DNS"),
                other => pass("DNS", other.describe()),
            }),
            Hop::ServerUnreachable { address } => Some(stop("DNS server", format!("{address} unreachable"))),
            Hop::LinkedZone { zone, .. } => Some(pass("private zone", zone.name())),
            Hop::NoLinkedZone { .. } => Some(pass("public DNS", "no linked zone covers it")),
            Hop::RedirectedToPublic { .. } => Some(pass("public DNS", "NxDomainRedirect")),
            Hop::ForwardingRule { rule } => Some(pass("forwarding rule", rule.name())),
            Hop::Addresses { addresses, .. } => {
                let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                Some(pass("answer", list.join(", ")))
            }
            _ => None,
        });
    }
    if asked.addresses().is_empty() {
        boxes.push(match &asked.trace.disposition {
            Disposition::NameNotFound { .. } => stop("answer", "NXDOMAIN"),
            other => stop("answer", other.sentence()),
        });
    }
    boxes
}

fn packets(asked: &NameAnswer, found: &Explanation) -> Vec<Box> {
    let mut boxes = Vec::new();
    for hop in &asked.trace.hops {
        boxes.extend(match hop {
            Hop::Route { subnet, route, .. } => {
                let label = match &route.next_hop {
                    NextHop::VirtualNetwork { network } | NextHop::InterfaceEndpoint { network } => {
                        network.name().to_owned()
                    }
                    NextHop::Peering { peering, network } => format!("{} → {}", peering.name(), network.name()),
                    NextHop::Gateway { gateway } => gateway.name().to_owned(),
                    NextHop::VirtualAppliance { address } => format!("to {address}"),
                    NextHop::Internet => "Internet".to_owned(),
                    NextHop::None | NextHop::NoGateway => "nowhere".to_owned(),
                };
                let kind = if subnet.is_some() { "route" } else { "client's route" };
                Some(pass(kind, label))
            }
            Hop::SecurityRule { group, rule, allowed, .. } => {
                let label = format!("{}: {rule}", group.name());
                Some(Box { kind: "security rule", label, stops: !allowed })
            }
            Hop::Appliance { interface, .. } => Some(pass("appliance", interface.name())),
            Hop::Reply { .. } => Some(pass("reply", "on its way back")),
            Hop::PrivateEndpoint { endpoint, .. } => Some(pass("private endpoint", of_parent(endpoint))),
            Hop::PublicEndpoint { .. } => Some(pass("public endpoint", "API server")),
            Hop::PublicAddress { address, .. } => Some(pass("public address", address.to_string())),
            _ => None,
        });
    }
    if asked.connects {
        boxes.push(pass("cluster", found.cluster.name()));
    } else if !asked.addresses().is_empty() && !boxes.last().is_some_and(|last| last.stops) {
        boxes.push(stop("ends here", asked.trace.disposition.sentence()));
    }
    boxes
}

/// A page of its own: the picture, the cause and the fixes. No script, nothing fetched.
pub fn html(found: &Explanation, fixes: &[Fix], meanwhile: Option<&Command>) -> String {
    let picture = Picture::new(found);
    let tree = text::explanation(found, fixes, meanwhile);
    let cause = found.cause.as_ref().map_or_else(String::new, |cause| {
        format!("<p><strong>{}</strong> {}</p>\n", escaped(cause.code.as_str()), escaped(&cause.sentence))
    });
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n<style>body{{font:15px/1.5 system-ui,\
         sans-serif;margin:2rem auto;max-width:78rem;padding:0 1rem}}pre{{background:#f6f8fa;padding:1rem;overflow:auto}}\
         svg{{max-width:100%;height:auto}}</style></head>\n<body><h1>{0}</h1>\n{1}{2}<pre>{3}</pre>\n</body></html>\n",
        escaped(&picture.caption),
        picture.svg(),
        cause,
        escaped(&tree)
    )
}
