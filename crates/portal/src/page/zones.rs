//! Private DNS zones: the list, and one with its record sets and links.

use maud::html;

use super::{
    Page, Reader, Section,
    parts::{Part, link, links, search},
};
use crate::view::zone::{Line, Zone};

/// The list.
pub fn zones(reader: &Reader, lines: &[Line], part: Part<'_>) -> Page {
    let content = html! {
        (search(reader, part.search))
        div.scroll tabindex="0" role="group" aria-label=(reader.say("Zones", "ゾーン")) {
            table {
                thead { tr {
                    th scope="col" { (reader.say("Zone", "ゾーン")) }
                    th scope="col" { (reader.say("Resource group", "リソース グループ")) }
                    th scope="col" { (reader.say("Record sets", "レコード セット")) }
                    th scope="col" { (reader.say("Virtual network links", "仮想ネットワーク リンク")) }
                } }
                tbody { @for line in part.of(lines) { tr {
                    th scope="row" { (link(&line.id)) }
                    td { (line.id.group_name().unwrap_or_default()) }
                    td { (line.records) }
                    td { (line.links) }
                } } }
            }
        }
        (part.pages(reader, "/zones", lines.len()))
    };
    Page {
        title: reader.say("Private DNS zones", "プライベート DNS ゾーン").to_owned(),
        kind: reader.language.say("All resources", "すべてのリソース"),
        section: Section::Zones,
        refused: None,
        content,
    }
}

/// One zone.
pub fn zone(reader: &Reader, view: &Zone) -> Page {
    let content = html! {
        dl.essentials {
            div { dt { (reader.say("Resource group", "リソース グループ")) } dd { (view.id.group_name().unwrap_or_default()) } }
            div { dt { (reader.say("Clusters named in it", "このゾーンの名前を持つクラスター")) } dd { (links(reader, &view.clusters)) } }
        }
        section aria-labelledby="sets" {
            h2 #sets { (reader.say("Record sets", "レコード セット")) }
            div.scroll tabindex="0" role="group" aria-labelledby="sets" {
                table #record-sets {
                    thead { tr {
                        th scope="col" { (reader.say("Name", "名前")) } th scope="col" { (reader.say("Type", "種類")) }
                        th scope="col" { "TTL" } th scope="col" { (reader.say("Value", "値")) }
                    } }
                    tbody { @for record in &view.records { tr {
                        th scope="row" { code { (record.name) } }
                        td { (record.kind) }
                        td { (record.ttl_s) }
                        td { @for value in &record.values { code { (value) } " " } }
                    } } }
                }
            }
        }
        section aria-labelledby="vlinks" {
            h2 #vlinks { (reader.say("Virtual network links", "仮想ネットワーク リンク")) }
            p { (reader.say("Only these networks ask this zone; peering is not a link.", "このゾーンを参照するのはこれらのネットワークだけです。ピアリングはリンクではありません。")) }
            div.scroll tabindex="0" role="group" aria-labelledby="vlinks" {
                table {
                    thead { tr {
                        th scope="col" { (reader.say("Link", "リンク")) } th scope="col" { (reader.say("Virtual network", "仮想ネットワーク")) }
                        th scope="col" { (reader.say("Auto-registration", "自動登録")) } th scope="col" { "resolutionPolicy" }
                    } }
                    tbody { @for held in &view.links { tr {
                        th scope="row" { (held.id.name()) }
                        td { (link(&held.network)) }
                        td { (if held.registration { reader.say("Enabled", "有効") } else { reader.say("Disabled", "無効") }) }
                        td { (if held.redirects { "NxDomainRedirect" } else { "Default" }) }
                    } } }
                }
            }
        }
    };
    Page {
        title: view.name.to_string(),
        kind: reader.language.say("Private DNS zone", "プライベート DNS ゾーン"),
        section: Section::Zones,
        refused: None,
        content,
    }
}
