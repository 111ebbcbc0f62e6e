//! One question, hop by hop, drawn on the topology, with a what-if.

use azure::ResourceId;
use explain::Role;
use maud::{Markup, html};
use network::{Network, Vantage};

use super::{
    Page, Reader, Section,
    parts::{link, mark, vantage, vantage_name, verdict, verdict_class},
    picture::drawing,
    question::{addresses, choice},
    told,
};
use crate::{
    language::Language,
    view::{
        cluster::Overview,
        path::{Difference, Path, WhatIf},
        picture::Picture,
    },
};

/// What was asked.
pub struct Asked<'a> {
    /// From where.
    pub vantage: &'a Vantage,
    /// By which address.
    pub by: Role,
    /// What could be otherwise.
    pub offers: &'a [WhatIf],
    /// The offer that is tried, and what it changes.
    pub tried: Option<(&'a WhatIf, Difference)>,
}

/// The page.
pub fn path(
    reader: &Reader,
    network: &Network,
    view: &Overview,
    asked: &Asked<'_>,
    found: &Path,
    picture: &Picture,
) -> Page {
    let (tried, difference) = asked.tried.as_ref().map(|(offer, difference)| (*offer, difference)).unzip();
    let drawn = difference.map_or(Some(found), |difference| difference.path.as_ref());
    let content = html! {
        p { (link(&view.id)) }
        form.bar method="get" {
            input type="hidden" name="id" value=(view.id);
            (choice(reader, network, asked.vantage))
            (addresses(reader, view, asked.by))
            label for="if" { (reader.say("What if", "もし")) }
            select #if name="if" {
                option value="" { (reader.say("nothing changed", "変更なし")) }
                @for offer in asked.offers { option value=(offer.key()) selected[tried == Some(offer)] { (told::what_if(reader, offer)) } }
            }
            button { (reader.say("Ask", "確認")) }
        }
        div.columns {
            section aria-labelledby="way" { h2 #way { (reader.say("The way", "経路")) } (steps(reader, found)) }
            @if let Some(difference) = difference {
                section aria-labelledby="then" {
                    h2 #then { (reader.say("What if: ", "もし: ")) @if let Some(offer) = tried { (told::what_if(reader, offer)) } }
                    @match &difference.path {
                        Some(path) => { (steps(reader, path)) },
                        None => { p { (reader.say("There is no such address then.", "その場合、このアドレスはありません。")) } },
                    }
                }
            }
        }
        @if let Some(difference) = difference { (changes(reader, &view.id, difference)) }
        section aria-labelledby="drawn" {
            h2 #drawn { (reader.say("On the topology", "トポロジ上の経路")) }
            (drawing(reader, picture, drawn))
        }
    };
    Page {
        title: format!("{} → {}", vantage_name(reader, asked.vantage), view.id.name()),
        kind: reader.language.say("Path", "経路"),
        section: Section::Topology,
        refused: None,
        content,
    }
}

fn steps(reader: &Reader, path: &Path) -> Markup {
    html! {
        p { code { (path.name) } }
        ol.steps {
            @for step in &path.steps { li class=(if step.about_name { "name" } else { "packet" }) { (told::step(reader, &step.hop)) } }
        }
        p class={ "end " (if path.connects { "yes" } else { "no" }) } { (if path.connects { "✓ " } else { "✗ " }) (told::end(reader, &path.end)) }
        p { "kubectl: " span class={ "mark " (verdict_class(path.verdict)) } { (verdict(reader, path.verdict)) } }
        @if let Some(cause) = &path.cause {
            p.why { strong { (reader.say("Cause: ", "原因: ")) } (told::cause(reader, cause.code, &cause.sentence)) }
            (told::evidence(reader, cause))
        }
        @if !path.fixes.is_empty() {
            details { summary { (reader.say("Fixes, the least effort first", "対処 (手間の少ない順)")) }
                ol { @for fix in &path.fixes { li { (told::fix(reader, fix)) @for command in &fix.commands { pre { code { (command.text) } } } } } }
            }
        }
    }
}

fn changes(reader: &Reader, cluster: &ResourceId, difference: &Difference) -> Markup {
    html! {
        section aria-labelledby="differs" {
            h2 #differs { (reader.say("What changes for whom", "誰にとって何が変わるか")) }
            p { @match reader.language {
                Language::English => { (difference.changed.len()) " of " (difference.looked_at) " vantages fare otherwise with " (cluster.name()) "." },
                Language::Japanese => { (difference.looked_at) " 件の接続元のうち " (difference.changed.len()) " 件で、" (cluster.name()) " への接続が変わります。" },
            } }
            @if !difference.changed.is_empty() {
                div.scroll tabindex="0" role="group" aria-labelledby="differs" { table #changed {
                    thead { tr { th scope="col" { (reader.say("From", "接続元")) } th scope="col" { (reader.say("Now", "現在")) } th scope="col" { (reader.say("Then", "変更後")) } } }
                    tbody { @for (before, after) in &difference.changed { tr {
                        th scope="row" { (vantage(reader, &before.vantage)) }
                        @for seen in [before, after] { td {
                            span class={ "mark " (verdict_class(seen.verdict)) } { (verdict(reader, seen.verdict)) }
                            ul { li { span.quiet { (super::parts::role(reader, Role::PrivateFqdn)) } " " (mark(reader, &seen.private)) }
                                 li { span.quiet { (super::parts::role(reader, Role::PublicFqdn)) } " " (mark(reader, &seen.public)) } }
                        } }
                    } } }
                } }
            }
        }
    }
}
