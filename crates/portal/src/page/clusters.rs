//! The list of clusters.

use maud::html;

use super::{
    Page, Reader, Section,
    parts::{Part, link, search},
    told,
};
use crate::view::clusters::Line;

/// The page.
pub fn clusters(reader: &Reader, lines: &[Line], part: Part<'_>) -> Page {
    let content = html! {
        (search(reader, part.search))
        @if lines.is_empty() {
            p { (reader.say("No cluster here. Create one:", "クラスターがありません。作成するには:")) }
            pre { code { "az group create -n rg -l japaneast\naz aks create -g rg -n a --enable-private-cluster --no-ssh-key" } }
        } @else {
            div.scroll tabindex="0" role="group" aria-label=(reader.say("Clusters", "クラスター")) {
                table {
                    thead { tr {
                        th scope="col" { (reader.say("Name", "名前")) }
                        th scope="col" { (reader.say("Resource group", "リソース グループ")) }
                        th scope="col" { (reader.say("Location", "場所")) }
                        th scope="col" { (reader.say("Kubernetes version", "Kubernetes バージョン")) }
                        th scope="col" { (reader.say("Power state", "電源の状態")) }
                        th scope="col" { (reader.say("API server address", "API サーバー アドレス")) }
                    } }
                    tbody {
                        @for line in part.of(lines) {
                            tr {
                                th scope="row" { (link(&line.id)) }
                                td { (line.id.group_name().unwrap_or_default()) }
                                td { (line.location) }
                                td { (line.version) }
                                td { (if line.running { reader.say("Running", "実行中") } else { reader.say("Stopped", "停止済み") })
                                    @if line.provisioning != "Succeeded" { " (" (told::provisioning(reader, &line.provisioning)) ")" } }
                                td { @if let Some(shown) = &line.shown { code { (shown) } } @else { "–" }
                                    @if !line.private { " " span.quiet { (reader.say("public cluster", "パブリック クラスター")) } } }
                            }
                        }
                    }
                }
            }
            (part.pages(reader, "/", lines.len()))
        }
    };
    Page {
        title: reader.say("Kubernetes services", "Kubernetes サービス").to_owned(),
        kind: reader.say("All resources", "すべてのリソース"),
        section: Section::Clusters,
        refused: None,
        content,
    }
}
