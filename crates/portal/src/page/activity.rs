//! The activity log: what ARM was asked to do and how far it is.

use maud::{Markup, html};

use super::{Page, Reader, Section, parts::link};
use crate::lab::{Operation, OperationState};

/// The page; `number` tells this log from a later one.
pub fn activity(reader: &Reader, number: u64, operations: &[Operation]) -> Page {
    let content = html! {
        @if operations.is_empty() {
            p data-activity=(number) { (reader.say("Nothing has been written, deleted or started yet.", "操作はまだありません。")) }
        } @else {
            div.scroll tabindex="0" role="group" aria-label=(reader.say("Operations", "操作")) data-activity=(number) {
                table #operations {
                    thead { tr {
                        th scope="col" { (reader.say("Operation", "操作名")) } th scope="col" { (reader.say("Resource", "リソース")) }
                        th scope="col" { (reader.say("Status", "状態")) } th scope="col" { (reader.say("Started (UTC)", "開始 (UTC)")) } th scope="col" { (reader.say("Ended (UTC)", "終了 (UTC)")) }
                    } }
                    tbody { @for operation in operations { tr {
                        th scope="row" {
                            @for (index, part) in operation.name.split('/').enumerate() { @if index > 0 { "/" wbr; } (part) }
                        }
                        td { (link(&operation.resource)) }
                        td { (state(reader, &operation.state)) }
                        td { (time(&operation.started)) }
                        td { @if let Some(ended) = &operation.ended { (time(ended)) } @else { "–" } }
                    } } }
                }
            }
        }
    };
    Page {
        title: reader.say("Activity log", "アクティビティ ログ").to_owned(),
        kind: reader.language.say("Operations", "操作"),
        section: Section::Activity,
        refused: None,
        content,
    }
}

fn state(reader: &Reader, state: &OperationState) -> Markup {
    html! {
        @match state {
            OperationState::InProgress => { progress aria-label=(reader.say("In progress", "進行中")) {} " " (reader.say("In progress", "進行中")) },
            OperationState::Succeeded => { span.mark.yes { (reader.say("Succeeded", "成功")) } },
            OperationState::Canceled => { span.mark.none { (reader.say("Canceled", "取り消し")) } },
            OperationState::Failed(refusal) => { span.mark.no { (reader.say("Failed", "失敗")) } " " code.code { (refusal.code) } " " (refusal.message) },
        }
    }
}

/// A time of RFC 3339 in UTC, to the second.
fn time(text: &str) -> Markup {
    let (day, clock) = text.split_once('T').unwrap_or((text, ""));
    let to_the_second = clock.split(['.', 'Z']).next().unwrap_or_default();
    html! { time datetime=(text) { (day) " " (to_the_second) } }
}
