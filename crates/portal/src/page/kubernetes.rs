//! Kubernetes resources as a client at a vantage gets them, or the portal's own error where it does not.

use explain::Role;
use maud::{Markup, html};
use network::{Network, Vantage};

use super::{
    Page, Reader, Section,
    parts::{link, path_href, role},
};
use crate::{
    lab::Unreachable,
    view::{cluster::Overview, kubernetes::Table},
};

/// Vantages that one can choose from; others are reached by typing a name.
const CHOICES_MAX: usize = 200;

/// What the API server, or the way there, said.
pub enum Answer {
    /// The lists.
    Tables(Vec<Table>),
    /// No answer.
    Unreachable(Unreachable),
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
            (choices(reader, network, vantage))
            (addresses(reader, view, by))
            button { (reader.say("Look", "表示")) }
        }
        @match answer {
            Answer::Tables(tables) => { @for table in tables { (list(reader, table)) } },
            Answer::Unreachable(unreachable) => { (error(reader, view, (vantage, by), unreachable)) },
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

/// A choice of vantages.
pub(super) fn choices(reader: &Reader, network: &Network, chosen: &Vantage) -> Markup {
    let first = network.vantages().iter().take(CHOICES_MAX);
    let missing = (!network.vantages().iter().take(CHOICES_MAX).any(|held| held == chosen)).then_some(chosen);
    html! {
        label for="from" { (reader.say("Seen from", "接続元")) }
        select #from name="from" {
            @for held in first.chain(missing) {
                option value=(held.key()) selected[held == chosen] {
                    (held.name()) " (" (super::parts::vantage_kind(reader, held)) ")"
                }
            }
        }
    }
}

/// A choice of a cluster's addresses.
pub(super) fn addresses(reader: &Reader, view: &Overview, by: Role) -> Markup {
    html! {
        label for="by" { (reader.say("By", "アドレス")) }
        select #by name="by" {
            @for address in &view.addresses {
                option value=(super::parts::role_word(address.role)) selected[address.role == by] { (role(reader, address.role)) }
            }
        }
    }
}

fn list(reader: &Reader, table: &Table) -> Markup {
    html! {
        section aria-label=(table.title) {
            h2 { (table.title) " " span.quiet { (table.rows.len() + table.more) } }
            div.scroll tabindex="0" role="group" aria-label=(table.title) { table {
                thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
                tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
            } }
            @if table.more > 0 { p.quiet { "+ " (table.more) (reader.say(" more", " 件")) } }
        }
    }
}

/// The error of the Azure portal's resource view, whose requests are the browser's own. Source: "Client IP
/// address can't access the API server", learn.microsoft.com.
fn error(reader: &Reader, view: &Overview, (vantage, by): (&Vantage, Role), unreachable: &Unreachable) -> Markup {
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
            p.why { strong { (reader.say("Why: ", "理由: ")) } span #why { (unreachable.why) } }
            p { a.button href=(path_href(&view.id, vantage, by)) { (reader.say("Show the path hop by hop", "経路をホップごとに表示")) } }
        }
    }
}
