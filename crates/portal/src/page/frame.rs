//! What surrounds every page: head, navigation, messages.

use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::parts::href;
use crate::{assets::Asset, lab::Refusal, language::Language};

/// Who reads.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Their language.
    pub language: Language,
    /// What their forms bring back.
    pub csrf: String,
    /// The revision that the page shows.
    pub revision: u64,
}

impl Reader {
    /// Whichever of the two the reader reads.
    pub const fn say<'a>(&self, english: &'a str, japanese: &'a str) -> &'a str {
        self.language.say(english, japanese)
    }
}

/// A part of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Clusters.
    Clusters,
    /// The matrix.
    Matrix,
    /// Virtual networks.
    Networks,
    /// Private DNS zones.
    Zones,
    /// The picture.
    Topology,
    /// Operations.
    Activity,
}

impl Section {
    const ALL: [Self; 6] = [Self::Clusters, Self::Matrix, Self::Networks, Self::Zones, Self::Topology, Self::Activity];

    const fn path(self) -> &'static str {
        match self {
            Self::Clusters => "/",
            Self::Matrix => "/matrix",
            Self::Networks => "/networks",
            Self::Zones => "/zones",
            Self::Topology => "/topology",
            Self::Activity => "/activity",
        }
    }

    const fn name(self, language: Language) -> &'static str {
        match self {
            Self::Clusters => language.say("Kubernetes services", "Kubernetes サービス"),
            Self::Matrix => language.say("Who reaches what", "到達性マトリックス"),
            Self::Networks => language.say("Virtual networks", "仮想ネットワーク"),
            Self::Zones => language.say("Private DNS zones", "プライベート DNS ゾーン"),
            Self::Topology => language.say("Topology", "トポロジ"),
            Self::Activity => language.say("Activity log", "アクティビティ ログ"),
        }
    }
}

/// A page.
pub struct Page {
    /// Its heading.
    pub title: String,
    /// What kind of thing it shows, above the heading.
    pub kind: &'static str,
    /// Where it belongs.
    pub section: Section,
    /// What ARM refused, if somebody has just tried something.
    pub refused: Option<Refusal>,
    /// What it shows.
    pub content: Markup,
}

/// The whole document of a page.
pub fn document(reader: &Reader, page: &Page) -> Markup {
    let language = reader.language;
    let body = html! {
        a.skip href="#main" { (language.say("Skip to content", "本文へ移動")) }
        header.top {
            a.brand href="/" { span aria-hidden="true" { "暖簾" } " noren" }
            nav aria-label=(language.say("Portal", "ポータル")) {
                ul {
                    @for section in Section::ALL {
                        li {
                            a href=(section.path()) aria-current=[(section == page.section).then_some("page")] {
                                (section.name(language))
                            }
                        }
                    }
                }
            }
        }
        main #main tabindex="-1" data-revision=(reader.revision) {
            p.kind { (page.kind) }
            h1 { (page.title) }
            @if let Some(refusal) = &page.refused {
                div.refused role="alert" {
                    strong { (refusal.code) }
                    p { (refusal.message) }
                }
            }
            (page.content)
        }
        footer {
            span #live role="status" aria-live="polite"
                data-live=(language.say("live", "ライブ更新中"))
                data-lost=(language.say("the lab does not answer", "ラボが応答しません")) {}
            " · "
            span { (language.say("revision ", "リビジョン ")) (reader.revision) }
        }
        // Before anything is drawn: the script says how large the picture is.
        script src=(Asset::Script.address()) defer blocking="render" {}
    };
    shell(language, &page.title, None, &body)
}

/// A document that is only a message: `text` is a sentence, `command` what to type.
pub fn message(language: Language, status: StatusCode, text: &str, command: Option<&str>) -> Markup {
    let title = match (language, status) {
        (Language::Japanese, StatusCode::NOT_FOUND) => "見つかりません",
        (Language::Japanese, StatusCode::UNAUTHORIZED) => "リンクが必要です",
        (Language::Japanese, StatusCode::FORBIDDEN) => "許可されていません",
        (Language::Japanese, StatusCode::MISDIRECTED_REQUEST) => "宛先が違います",
        _ => status.canonical_reason().unwrap_or("noren"),
    };
    let body = html! {
        main #main {
            h1 { (title) }
            p { (text) }
            @if let Some(command) = command { pre { code { (command) } } }
        }
    };
    shell(language, title, None, &body)
}

/// The document that somebody gets who has come in by a link: it goes on to the first page by itself.
/// A redirect would not do: after a link on another site's page the browser would follow it without
/// the new cookie, which is for same-site requests only.
pub fn entered(language: Language) -> Markup {
    let body = html! {
        main #main { p { a href=(href("/", &[])) { (language.say("To the portal", "ポータルへ")) } } }
    };
    shell(language, "noren", Some("0; url=/"), &body)
}

fn shell(language: Language, title: &str, refresh: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(refresh) = refresh { meta http-equiv="refresh" content=(refresh); }
                title { (title) " · noren" }
                link rel="icon" href=(Asset::Icon.address()) type="image/svg+xml";
                link rel="stylesheet" href=(Asset::Style.address());
            }
            body { (body) }
        }
    }
}
