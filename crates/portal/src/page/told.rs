//! What other crates say, in the reader's language: their own English, or this crate's Japanese of the same value.

use azure::model::ConnectionStatus;
use explain::{Cause, Code, Fix, ShownBecause, fix::Step, render::words};
use maud::{Markup, html};
use network::{Disposition, Hop, Responder};

use super::Reader;
use crate::{
    japanese,
    language::Language::{English, Japanese},
    view::path::WhatIf,
};

/// A step of a path.
pub(super) fn step(reader: &Reader, hop: &Hop) -> String {
    match reader.language {
        English => words::name_step(hop).or_else(|| words::packet_step(hop)).unwrap_or_default(),
        Japanese => japanese::step(hop),
    }
}

/// How a path ends.
pub(super) fn end(reader: &Reader, end: &Disposition) -> String {
    match reader.language {
        English => end.sentence(),
        Japanese => japanese::end(end),
    }
}

/// Who answers a name.
pub(super) fn responder(reader: &Reader, who: &Responder) -> String {
    match reader.language {
        English => who.describe(),
        Japanese => japanese::responder(who),
    }
}

/// Why an address is shown.
pub(super) const fn because(reader: &Reader, reason: ShownBecause) -> &'static str {
    match reader.language {
        English => reason.sentence(),
        Japanese => japanese::shown_because(reason),
    }
}

/// The state of a private endpoint's connection.
pub(super) const fn connection(reader: &Reader, status: ConnectionStatus) -> &'static str {
    match (reader.language, status) {
        (Japanese, _) => japanese::connection(status),
        (English, ConnectionStatus::Approved) => "Approved",
        (English, ConnectionStatus::Pending) => "Pending",
        (English, ConnectionStatus::Rejected) => "Rejected",
        (English, ConnectionStatus::Disconnected) => "Disconnected",
    }
}

/// `provisioningState`; a state of which this page knows no other name is ARM's own word.
pub(super) fn provisioning<'a>(reader: &Reader, state: &'a str) -> &'a str {
    let japanese = match state {
        "Succeeded" => "成功",
        "Failed" => "失敗",
        "Canceled" => "取り消し",
        "Creating" => "作成中",
        "Updating" => "更新中",
        "Deleting" => "削除中",
        "Starting" => "開始中",
        "Stopping" => "停止中",
        other => other,
    };
    reader.say(state, japanese)
}

/// Why no API server answered: what the way there said, and in Japanese `end`, which is the same of the model.
pub(super) fn unreachable(reader: &Reader, said: &str, end: Option<&Disposition>) -> Markup {
    html! {
        @if let (Japanese, Some(end)) = (reader.language, end) { (japanese::end(end)) } @else { span lang="en" { (said) } }
    }
}

/// What a cause's code means.
pub(super) const fn title(reader: &Reader, code: Code) -> &'static str {
    match reader.language {
        English => code.title(),
        Japanese => japanese::title(code),
    }
}

/// A cause: in English as it is in this estate, in Japanese what it means wherever it is found.
pub(super) fn cause(reader: &Reader, code: Code, sentence: &str) -> Markup {
    html! {
        (match reader.language { English => sentence, Japanese => japanese::title(code) })
        " " code.code { (code) }
    }
}

/// What proves a cause. Its sentences are of this estate and in English alone.
pub(super) fn evidence(reader: &Reader, cause: &Cause) -> Markup {
    let lines = || html! { ul { @for line in &cause.evidence { li { (line) } } } };
    html! {
        @match reader.language {
            English => { @if !cause.evidence.is_empty() { (lines()) } },
            Japanese => {
                details { summary { "この環境での根拠 (英語)" } div lang="en" { p { (cause.sentence) } (lines()) } }
            },
        }
    }
}

/// What a fix does.
pub(super) fn fix(reader: &Reader, fix: &Fix) -> String {
    match reader.language {
        English => fix.title.clone(),
        Japanese => in_turn(&fix.steps),
    }
}

/// What could be otherwise.
pub(super) fn what_if(reader: &Reader, offer: &WhatIf) -> String {
    match reader.language {
        English => offer.key(),
        Japanese => in_turn(&offer.edits.iter().cloned().map(Step::Edit).collect::<Vec<Step>>()),
    }
}

fn in_turn(steps: &[Step]) -> String {
    steps.iter().map(japanese::change).collect::<Vec<_>>().join("、次に ")
}
