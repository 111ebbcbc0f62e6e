//! Kubernetes resources as a client at a vantage gets them, or the portal's own error where it does not.

use explain::Role;
use maud::{Markup, html};
use network::{Disposition, Network, Vantage};

use super::{
    Page, Reader, Section,
    parts::{link, path_href},
    question::{addresses, choice},
    told,
};
use crate::{
    lab::{Refusal, Unreachable},
    view::{
        cluster::Overview,
        kubernetes::{Group, List, Table},
    },
};

/// What the API server, or the way there, said.
pub enum Answer {
    /// The lists, each with its rows or why there are none.
    Tables(Vec<(List, Result<Table, Refusal>)>),
    /// No answer, and how the question ends in the model.
    Unreachable(Unreachable, Option<Disposition>),
}

/// The page.
pub fn kubernetes(
    reader: &Reader,
    network: &Network,
    view: &Overview,
    (vantage, by): (&Vantage, Role),
    answer: &Answer,
) -> Page {
    let content = html! {
        p { (link(&view.id)) }
        form.bar method="get" {
            input type="hidden" name="id" value=(view.id);
            (choice(reader, network, vantage))
            (addresses(reader, view, by))
            button { (reader.say("Look", "表示")) }
        }
        @match answer {
            Answer::Tables(tables) => { (lists(reader, tables)) },
            Answer::Unreachable(unreachable, end) => { (error(reader, view, (vantage, by), unreachable, end.as_ref())) },
        }
    };
    Page {
        title: view.id.name().to_owned(),
        kind: reader.language.say("Kubernetes resources", "Kubernetes リソース"),
        section: Section::Clusters,
        refused: None,
        content,
    }
}

/// The lists below the Azure portal's own headings; a line of links leads to each.
fn lists(reader: &Reader, tables: &[(List, Result<Table, Refusal>)]) -> Markup {
    let groups = tables.chunk_by(|(one, _), (next, _)| one.group() == next.group());
    html! {
        nav.jump aria-label=(reader.say("Lists", "一覧")) {
            @for (list, answer) in tables { a href={ "#" (anchor(*list)) } { (name(reader, *list)) " " (count(answer)) } }
        }
        @for group in groups {
            @if let [alone] = group { (list(reader, alone, true)) } @else if let Some((first, _)) = group.first() {
                h2 { (heading(reader, first.group())) }
                @for table in group { (list(reader, table, false)) }
            }
        }
    }
}

fn count(answer: &Result<Table, Refusal>) -> Markup {
    html! {
        @match answer {
            Ok(table) => { span.quiet { (table.rows.len() + table.more) } },
            Err(_) => { span.mark.no { "!" } },
        }
    }
}

fn list(reader: &Reader, (list, answer): &(List, Result<Table, Refusal>), alone: bool) -> Markup {
    let name = name(reader, *list);
    let title = html! { (name) " " (count(answer)) };
    html! {
        section #(anchor(*list)) aria-label=(name) {
            @if alone { h2 { (title) } } @else { h3 { (title) } }
            @match answer {
                Ok(table) => { (rows(reader, name, table)) },
                // Others may be there all the same.
                Err(refusal) => { div.refused { strong { (refusal.code) } p { (refusal.message) } } },
            }
        }
    }
}

fn rows(reader: &Reader, name: &str, table: &Table) -> Markup {
    html! {
        @if table.rows.is_empty() { p.quiet { (reader.say("None.", "ありません。")) } } @else {
            div.scroll tabindex="0" role="group" aria-label=(name) { table {
                thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
                tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
            } }
        }
        @if table.more > 0 { p.quiet { "+ " (table.more) (reader.say(" more", " 件")) } }
    }
}

/// A list as the Azure portal calls it.
const fn name(reader: &Reader, list: List) -> &'static str {
    let (english, japanese) = match list {
        List::Namespaces => ("Namespaces", "名前空間"),
        List::Deployments => ("Deployments", "デプロイ"),
        List::Pods => ("Pods", "ポッド"),
        List::ReplicaSets => ("Replica sets", "レプリカ セット"),
        List::StatefulSets => ("Stateful sets", "ステートフル セット"),
        List::DaemonSets => ("Daemon sets", "デーモン セット"),
        List::Jobs => ("Jobs", "ジョブ"),
        List::CronJobs => ("Cron jobs", "Cron ジョブ"),
        List::Services => ("Services", "サービス"),
        List::Ingresses => ("Ingresses", "イングレス"),
        List::ConfigMaps => ("Config maps", "構成マップ"),
        List::Nodes => ("Nodes", "ノード"),
    };
    reader.language.say(english, japanese)
}

const fn heading(reader: &Reader, group: Group) -> &'static str {
    let (english, japanese) = match group {
        Group::Namespaces => ("Namespaces", "名前空間"),
        Group::Workloads => ("Workloads", "ワークロード"),
        Group::Services => ("Services and ingresses", "サービスとイングレス"),
        Group::Configuration => ("Configuration", "構成"),
        Group::Nodes => ("Nodes", "ノード"),
    };
    reader.language.say(english, japanese)
}

/// The last word of a list's path, which no other list has.
fn anchor(list: List) -> &'static str {
    list.path().rsplit('/').next().unwrap_or_default()
}

/// The error of the Azure portal's resource view, whose requests are the browser's own. Source: "Client IP
/// address can't access the API server", learn.microsoft.com.
fn error(
    reader: &Reader,
    view: &Overview,
    (vantage, by): (&Vantage, Role),
    unreachable: &Unreachable,
    end: Option<&Disposition>,
) -> Markup {
    let server = unreachable.server.as_deref().unwrap_or_else(|| view.id.name());
    html! {
        div.unreachable role="alert" {
            h2 { (reader.say("Network error", "ネットワーク エラー")) }
            p {
                @match reader.language {
                    crate::Language::English => { "Unable to reach the api server '" (server) "' or api server is too busy to respond. Check your network settings and refresh to try again." },
                    crate::Language::Japanese => { "API サーバー '" (server) "' に到達できないか、API サーバーがビジー状態で応答できません。ネットワーク設定を確認し、最新の情報に更新してもう一度お試しください。" },
                }
            }
            @if view.private {
                p { (reader.say("This is a private cluster: its resources can be shown only from a machine with access to its private network.",
                    "これはプライベート クラスターです。リソースは、プライベート ネットワークにアクセスできるマシンからのみ表示できます。")) }
            }
            p.why { strong { (reader.say("Why: ", "理由: ")) } span #why { (told::unreachable(reader, &unreachable.why, end)) } }
            p { a.button href=(path_href(&view.id, vantage, by)) { (reader.say("Show the path hop by hop", "経路をホップごとに表示")) } }
        }
    }
}
