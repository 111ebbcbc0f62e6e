//! The fields of a question: from where, and by which of a cluster's addresses.

use explain::Role;
use maud::{Markup, html};
use network::{Network, Vantage};

use super::{
    Reader,
    parts::{role, role_word, vantage_kind, vantage_name},
};
use crate::view::{
    cluster::Overview,
    vantages::{self, CHOICES_MAX, Choices},
};

/// A choice of vantages; of many, with a field that searches all of them.
pub(super) fn choice(reader: &Reader, network: &Network, chosen: &Vantage) -> Markup {
    let choices = vantages::find(network, "", Some(chosen));
    html! {
        label for="from" { (reader.say("Seen from", "接続元")) }
        select #from name="from" { (places(reader, &choices)) }
        @if choices.all > CHOICES_MAX {
            input type="search" data-finds="from" autocomplete="off" placeholder=(reader.say("find a place", "場所を検索"))
                aria-label=(reader.say("Find a place among all", "すべての接続元から検索"));
        }
    }
}

/// The places that were found, as a choice has them.
pub fn places(reader: &Reader, choices: &Choices) -> Markup {
    html! {
        @for place in &choices.places {
            option value=(place.key()) selected[Some(place) == choices.chosen.as_ref()] {
                (vantage_name(reader, place)) @if *place != Vantage::Internet { " (" (vantage_kind(reader, place)) ")" }
            }
        }
        @if choices.found > CHOICES_MAX {
            option disabled { "… " (choices.found - CHOICES_MAX) (reader.say(" more: search", " 件は検索できます")) }
        }
        @if choices.found == 0 { option disabled { (reader.say("nothing found", "見つかりません")) } }
    }
}

/// A choice of a cluster's addresses.
pub(super) fn addresses(reader: &Reader, view: &Overview, by: Role) -> Markup {
    html! {
        label for="by" { (reader.say("By", "アドレス")) }
        select #by name="by" {
            @for address in &view.addresses {
                option value=(role_word(address.role)) selected[address.role == by] { (role(reader, address.role)) }
            }
        }
    }
}
