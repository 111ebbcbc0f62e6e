//! The matrix.

use explain::{Role, Verdict};
use maud::{Markup, html};
use network::Vantage;

use super::{
    Page, Reader, Section,
    parts::{href, link, mark, path_href, role, vantage, verdict, verdict_class},
    told,
};
use crate::view::matrix::{CLUSTERS_SHOWN, COLUMNS_SHOWN, Cell, Filter, Page as Matrix, Row};

/// How many clusters of a row are named before one has to open it.
const NAMED: usize = 3;
/// How many clusters of a row, and vantages of a column, are named there; the filter finds the others.
const ALIKE_NAMED: usize = 50;

/// The page.
pub fn matrix(reader: &Reader, view: &Matrix, filter: &Filter) -> Page {
    let content = html! {
        (bar(reader, filter))
        p #found { (view.clusters_found) (reader.say(" clusters, ", " クラスター、")) (view.columns_found) (reader.say(" kinds of vantages. Clusters that look alike share a row, vantages that behave alike a column.", " 種類の接続元。見え方が同じクラスターは 1 行に、振る舞いが同じ接続元は 1 列にまとめています。")) }
        div.scroll tabindex="0" role="group" aria-label=(reader.say("Matrix", "マトリックス")) {
            table.matrix {
                thead { tr {
                    th scope="col" { (reader.say("Cluster", "クラスター")) }
                    @for places in &view.columns { th scope="col" { (column(reader, places)) } }
                } }
                tbody {
                    @for row in &view.rows { (line(reader, view, row)) }
                }
            }
        }
        (pages(reader, view, filter))
    };
    Page {
        title: reader.say("Who reaches what", "到達性マトリックス").to_owned(),
        kind: reader.language.say("Clusters × vantages × addresses", "クラスター × 接続元 × アドレス"),
        section: Section::Matrix,
        refused: None,
        content,
    }
}

fn bar(reader: &Reader, filter: &Filter) -> Markup {
    let choice = |value: &str, text: &str, is: bool| html! { option value=(value) selected[is] { (text) } };
    html! {
        form.bar method="get" role="search" data-auto {
            label for="cluster" { (reader.say("Cluster", "クラスター")) }
            input #cluster type="search" name="cluster" value=(filter.cluster) autocomplete="off";
            label for="vantage" { (reader.say("From", "接続元")) }
            input #vantage type="search" name="vantage" value=(filter.vantage) autocomplete="off";
            label for="outcome" { (reader.say("Outcome", "結果")) }
            select #outcome name="outcome" {
                (choice("", reader.say("any", "すべて"), filter.outcome.is_none()))
                @for held in [Verdict::Connects, Verdict::ConnectsByPublicFqdn, Verdict::Fails] {
                    (choice(word(held), verdict(reader, held), filter.outcome == Some(held)))
                }
            }
            button { (reader.say("Apply", "適用")) }
        }
    }
}

/// A verdict as a query has it.
const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Connects => "connects",
        Verdict::ConnectsByPublicFqdn => "public",
        Verdict::Fails => "fails",
    }
}

fn line(reader: &Reader, view: &Matrix, row: &Row) -> Markup {
    let first = row.clusters.first();
    html! {
        tr {
            th scope="row" {
                @for (index, id) in row.clusters.iter().take(NAMED).enumerate() { @if index > 0 { ", " } (link(id)) }
                @if row.clusters.len() > NAMED {
                    details {
                        summary { (row.clusters.len() - NAMED) (reader.say(" more", " 件")) }
                        ul { @for id in row.clusters[NAMED..].iter().take(ALIKE_NAMED) { li { (link(id)) } } }
                        (left_out(reader, row.clusters.len() - NAMED))
                    }
                }
            }
            @for (place, cell) in view.columns.iter().filter_map(|places| places.first()).zip(&row.cells) {
                td class=(verdict_class(cell.verdict)) {
                    @if let Some(cluster) = first {
                        a href=(path_href(cluster, place, Role::PrivateFqdn)) { (verdict(reader, cell.verdict)) }
                    }
                    (names(reader, cell))
                    @if let Some(code) = cell.cause { code.code title=(told::title(reader, code)) { (code) } }
                }
            }
        }
    }
}

/// Vantages that behave alike: the first by name, the others to be opened.
fn column(reader: &Reader, places: &[Vantage]) -> Markup {
    html! {
        @if let Some((first, others)) = places.split_first() {
            (vantage(reader, first))
            @if !others.is_empty() {
                details {
                    summary { (others.len()) (reader.say(" alike", " 件同様")) }
                    ul { @for place in others.iter().take(ALIKE_NAMED) { li { (vantage(reader, place)) } } }
                    (left_out(reader, others.len()))
                }
            }
        }
    }
}

fn left_out(reader: &Reader, all: usize) -> Markup {
    html! {
        @if all > ALIKE_NAMED {
            p.quiet { "+ " (all - ALIKE_NAMED) (reader.say("; the filter finds them", " 件はフィルターで検索できます")) }
        }
    }
}

fn names(reader: &Reader, cell: &Cell) -> Markup {
    html! {
        ul {
            li { span.quiet { (role(reader, Role::PrivateFqdn)) } " " (mark(reader, &cell.private)) }
            li { span.quiet { (role(reader, Role::PublicFqdn)) } " " (mark(reader, &cell.public)) }
        }
    }
}

fn pages(reader: &Reader, view: &Matrix, filter: &Filter) -> Markup {
    let to = |first_column: usize, first_cluster: usize| {
        let (vantage, cluster) = (first_column.to_string(), first_cluster.to_string());
        let outcome = filter.outcome.map_or("", word);
        href(
            "/matrix",
            &[
                ("cluster", &filter.cluster),
                ("vantage", &filter.vantage),
                ("outcome", outcome),
                ("v", &vantage),
                ("c", &cluster),
            ],
        )
    };
    let (v, c) = (filter.first_column, filter.first_cluster);
    html! {
        nav.pages aria-label=(reader.say("Pages", "ページ")) {
            @if v > 0 { a href=(to(v.saturating_sub(COLUMNS_SHOWN), c)) rel="prev" { (reader.say("← vantages before", "← 前の接続元")) } }
            @if v + COLUMNS_SHOWN < view.columns_found { a href=(to(v + COLUMNS_SHOWN, c)) rel="next" { (reader.say("vantages after →", "次の接続元 →")) } }
            @if c > 0 { a href=(to(v, c.saturating_sub(CLUSTERS_SHOWN))) { (reader.say("↑ clusters before", "↑ 前のクラスター")) } }
            @if c + CLUSTERS_SHOWN < view.clusters_found { a href=(to(v, c + CLUSTERS_SHOWN)) { (reader.say("clusters after ↓", "次のクラスター ↓")) } }
        }
    }
}
