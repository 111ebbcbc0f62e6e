//! What several pages have: links, marks, search fields.

use azure::{Kind, ResourceId};
use explain::{Role, Verdict};
use form_urlencoded::Serializer;
use maud::{Markup, html};
use network::Vantage;

use super::{Reader, told};
use crate::view::seen::{Mark, Seen};

/// Lines of a list on one page: as many as the Azure portal shows, and few enough to be ready at once.
const LINES_SHOWN: usize = 100;

/// The part of a list that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Words that a line must have.
    pub search: &'a str,
    /// The first line that is shown.
    pub first: usize,
}

impl Part<'_> {
    /// The lines that are shown.
    pub(super) fn of<T>(self, all: &[T]) -> &[T] {
        let first = self.first.min(all.len());
        &all[first..all.len().min(first + LINES_SHOWN)]
    }

    /// Which lines of `all` are shown, and the way to those before and after.
    pub(super) fn pages(self, reader: &Reader, path: &str, all: usize) -> Markup {
        let to = |first: usize| href(path, &[("q", self.search), ("first", &first.to_string())]);
        let first = self.first.min(all);
        let after = first + LINES_SHOWN;
        html! {
            @if all > LINES_SHOWN {
                nav.pages aria-label=(reader.say("Pages", "ページ")) {
                    @if first > 0 { a href=(to(first.saturating_sub(LINES_SHOWN))) rel="prev" { (reader.say("← Previous", "← 前へ")) } }
                    span.quiet { (first + 1) "–" (after.min(all)) (reader.say(" of ", " / ")) (all) }
                    @if after < all { a href=(to(after)) rel="next" { (reader.say("Next →", "次へ →")) } }
                }
            }
        }
    }
}

/// A path with a query.
pub fn href(path: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// A resource's name, as a link where it has a page.
pub(super) fn link(id: &ResourceId) -> Markup {
    let page = match Kind::of(id) {
        Kind::ManagedCluster => Some("/cluster"),
        Kind::VirtualNetwork => Some("/network"),
        Kind::PrivateDnsZone => Some("/zone"),
        _ => None,
    };
    html! {
        @match page {
            Some(page) => { a href=(href(page, &[("id", id.as_str())])) title=(id) { (id.name()) } },
            None => { span title=(id) { (id.name()) } },
        }
    }
}

/// Links, one after the other.
pub(super) fn links<'a>(reader: &Reader, ids: impl IntoIterator<Item = &'a ResourceId>) -> Markup {
    let mut ids = ids.into_iter().peekable();
    html! {
        @if ids.peek().is_none() { span.quiet { (reader.say("none", "なし")) } }
        @for (index, id) in ids.enumerate() { @if index > 0 { ", " } (link(id)) }
    }
}

/// What a role is called.
pub(super) const fn role(reader: &Reader, role: Role) -> &'static str {
    match role {
        Role::PublicFqdn => reader.language.say("Public FQDN", "パブリック FQDN"),
        Role::PrivateFqdn => reader.language.say("Private FQDN", "プライベート FQDN"),
        Role::PortalFqdn => reader.language.say("Portal's FQDN", "ポータル用 FQDN"),
    }
}

/// A role as a query has it.
pub(super) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::PublicFqdn => "public",
        Role::PrivateFqdn => "private",
        Role::PortalFqdn => "portal",
    }
}

/// A vantage's name; the Internet's in the reader's language.
pub(super) fn vantage_name(reader: &Reader, vantage: &Vantage) -> String {
    match vantage {
        Vantage::Internet => vantage_kind(reader, vantage).to_owned(),
        other => other.name(),
    }
}

/// A vantage's name and what it is.
pub(super) fn vantage(reader: &Reader, vantage: &Vantage) -> Markup {
    html! {
        (vantage_name(reader, vantage))
        @if *vantage != Vantage::Internet { " " span.quiet { (vantage_kind(reader, vantage)) } }
    }
}

/// What kind of place a vantage is.
pub(super) const fn vantage_kind(reader: &Reader, vantage: &Vantage) -> &'static str {
    match vantage {
        Vantage::Internet => reader.language.say("Internet", "インターネット"),
        Vantage::Interface(_) => reader.language.say("machine", "マシン"),
        Vantage::Subnet(_) => reader.language.say("subnet", "サブネット"),
        Vantage::VpnClient(_) => reader.language.say("VPN client", "VPN クライアント"),
        Vantage::Client(_) => reader.language.say("outside Azure", "Azure の外"),
    }
}

/// What became of a name.
pub(super) fn mark(reader: &Reader, mark: &Mark) -> Markup {
    let (class, sign, words) = match mark {
        Mark::Connects(_) => ("yes", "✓", reader.say("connects", "接続可")),
        Mark::Resolves(_) => ("no", "✗", reader.say("resolves, does not connect", "解決可・接続不可")),
        Mark::Unresolved => ("no", "✗", reader.say("does not resolve", "解決不可")),
        Mark::Absent => ("none", "–", reader.say("no such address", "アドレスなし")),
    };
    html! {
        span class={ "mark " (class) } { span aria-hidden="true" { (sign) } " " (words) }
        @if let Mark::Connects(Some(address)) | Mark::Resolves(Some(address)) = mark { " " code { (address) } }
    }
}

/// How a client fares.
pub(super) const fn verdict(reader: &Reader, verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Connects => reader.language.say("Connects", "接続できる"),
        Verdict::ConnectsByPublicFqdn => reader.language.say("By the public FQDN only", "パブリック FQDN でのみ"),
        Verdict::Fails => reader.language.say("Does not connect", "接続できない"),
    }
}

/// The class of a verdict's mark.
pub(super) const fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Connects => "yes",
        Verdict::ConnectsByPublicFqdn => "part",
        Verdict::Fails => "no",
    }
}

/// How a cluster looks from places, as a table whose rows lead to the path.
pub(super) fn seen(reader: &Reader, cluster: &ResourceId, rows: &[Seen]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(reader.say("Who reaches this cluster", "到達性")) {
            table #seen {
                thead { tr {
                    th scope="col" { (reader.say("From", "接続元")) }
                    th scope="col" { (role(reader, Role::PrivateFqdn)) }
                    th scope="col" { (role(reader, Role::PublicFqdn)) }
                    th scope="col" { (reader.say("Names answered by", "名前の応答元")) }
                    th scope="col" { "kubectl" }
                    th scope="col" { (reader.say("Why", "理由")) }
                } }
                tbody {
                    @for row in rows {
                        tr data-vantage=(row.vantage.name()) {
                            th scope="row" { (vantage(reader, &row.vantage)) }
                            td { (mark(reader, &row.private)) }
                            td { (mark(reader, &row.public)) }
                            td { @if let Some(who) = &row.answered_by { (told::responder(reader, who)) } }
                            td { a class={ "mark " (verdict_class(row.verdict)) }
                                href=(path_href(cluster, &row.vantage, Role::PrivateFqdn)) { (verdict(reader, row.verdict)) } }
                            td { @if let Some((code, sentence)) = &row.cause { (told::cause(reader, *code, sentence)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Where a question's path is shown.
pub(super) fn path_href(cluster: &ResourceId, vantage: &Vantage, role: Role) -> String {
    href("/path", &[("id", cluster.as_str()), ("from", &vantage.key()), ("by", role_word(role))])
}

/// A search field that keeps what was typed.
pub(super) fn search(reader: &Reader, held: &str) -> Markup {
    html! {
        form.bar method="get" role="search" data-auto {
            label for="q" { (reader.say("Filter", "フィルター")) }
            input #q type="search" name="q" value=(held) autocomplete="off";
            button { (reader.say("Apply", "適用")) }
        }
    }
}

/// A text with a button that copies it.
pub(super) fn copied(reader: &Reader, text: &str) -> Markup {
    html! {
        span.copied {
            code { (text) }
            button type="button" data-copy=(text) aria-label={ (reader.say("Copy", "コピー")) ": " (text) } { (reader.say("Copy", "コピー")) }
        }
    }
}
