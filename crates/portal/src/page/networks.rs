//! Virtual networks: the list, and one with its subnets, peerings, endpoints and DNS.

use std::net::Ipv4Addr;

use maud::{Markup, html};
use network::PeeredNetwork;

use super::{
    Page, Reader, Section,
    parts::{Part, link, search},
};
use crate::view::network::{Line, Page as View};

/// The list.
pub fn networks(reader: &Reader, lines: &[Line], part: Part<'_>) -> Page {
    let content = html! {
        (search(reader, part.search))
        div.scroll tabindex="0" role="group" aria-label=(reader.say("Virtual networks", "仮想ネットワーク")) {
            table {
                thead { tr {
                    th scope="col" { (reader.say("Name", "名前")) } th scope="col" { (reader.say("Resource group", "リソース グループ")) }
                    th scope="col" { (reader.say("Address space", "アドレス空間")) } th scope="col" { (reader.say("Subnets", "サブネット")) }
                    th scope="col" { (reader.say("Peerings", "ピアリング")) } th scope="col" { (reader.say("DNS servers", "DNS サーバー")) }
                } }
                tbody { @for line in part.of(lines) { tr {
                    th scope="row" { (link(&line.id)) }
                    td { (line.id.group_name().unwrap_or_default()) }
                    td { @for prefix in &line.space { code { (prefix) } " " } }
                    td { (line.subnets) }
                    td { (line.peers) }
                    td { (dns(reader, &line.dns_servers)) }
                } } }
            }
        }
        (part.pages(reader, "/networks", lines.len()))
    };
    Page {
        title: reader.say("Virtual networks", "仮想ネットワーク").to_owned(),
        kind: reader.language.say("All resources", "すべてのリソース"),
        section: Section::Networks,
        refused: None,
        content,
    }
}

fn dns(reader: &Reader, servers: &[Ipv4Addr]) -> Markup {
    html! {
        @if servers.is_empty() { (reader.say("Azure-provided", "Azure 提供")) " " code { "168.63.129.16" } }
        @for server in servers { code { (server) } " " }
    }
}

/// One network.
pub fn network(reader: &Reader, view: &View) -> Page {
    let held = &view.network;
    let content = html! {
        dl.essentials {
            div { dt { (reader.say("Resource group", "リソース グループ")) } dd { (held.id.group_name().unwrap_or_default()) } }
            div { dt { (reader.say("Address space", "アドレス空間")) } dd { @for prefix in &held.address_space { code { (prefix) } " " } } }
            div { dt { (reader.say("DNS servers", "DNS サーバー")) } dd { (dns(reader, &held.dns_servers)) } }
            @if let Some(gateway) = &held.gateway {
                div { dt { (reader.say("VPN gateway", "VPN ゲートウェイ")) } dd { (gateway.id.name()) } }
            }
            div { dt { (reader.say("Private DNS zones asked", "参照するプライベート DNS ゾーン")) }
                dd { @if held.linked_zones.is_empty() { (reader.say("none", "なし")) } ul { @for zone in held.linked_zones.values() { li { (link(&zone.zone)) } } } } }
        }
        section aria-labelledby="subnets" {
            h2 #subnets { (reader.say("Subnets", "サブネット")) }
            div.scroll tabindex="0" role="group" aria-labelledby="subnets" { table {
                thead { tr { th scope="col" { (reader.say("Name", "名前")) } th scope="col" { (reader.say("Prefix", "プレフィックス")) }
                    th scope="col" { (reader.say("Network security group", "ネットワーク セキュリティ グループ")) } th scope="col" { (reader.say("Route table", "ルート テーブル")) } } }
                tbody { @for (subnet, _) in &view.subnets { tr {
                    th scope="row" { (subnet.id.name()) }
                    td { @for prefix in &subnet.prefixes { code { (prefix) } " " } }
                    td { @if let Some(group) = &subnet.network_security_group { (link(group)) } @else { "–" } }
                    td { @if let Some(table) = &subnet.route_table { (link(table)) } @else { "–" } }
                } } }
            } }
        }
        section aria-labelledby="peerings" {
            h2 #peerings { (reader.say("Peerings", "ピアリング")) }
            @if held.peers.is_empty() { p { (reader.say("none", "なし")) } } @else {
                div.scroll tabindex="0" role="group" aria-labelledby="peerings" { table {
                    thead { tr { th scope="col" { (reader.say("Peering", "ピアリング")) } th scope="col" { (reader.say("Remote network", "リモート ネットワーク")) }
                        th scope="col" { (reader.say("Remote address space", "リモート アドレス空間")) } th scope="col" { (reader.say("State", "状態")) } } }
                    tbody { @for peer in &held.peers { tr {
                        th scope="row" { (peer.peering.name()) }
                        td { (link(&peer.network)) }
                        td { @for prefix in &peer.prefixes { code { (prefix) } " " } }
                        td { (state(reader, peer)) }
                    } } }
                } }
            }
        }
        section aria-labelledby="inside" {
            h2 #inside { (reader.say("Connected devices", "接続済みデバイス")) }
            @if view.endpoints.is_empty() && view.interfaces.is_empty() { p { (reader.say("none", "なし")) } } @else {
            div.scroll tabindex="0" role="group" aria-labelledby="inside" { table {
                thead { tr { th scope="col" { (reader.say("Address", "アドレス")) } th scope="col" { (reader.say("Device", "デバイス")) } th scope="col" { (reader.say("Leads to", "接続先")) } } }
                tbody {
                    @for (address, endpoint, service) in &view.endpoints { tr {
                        th scope="row" { code { (address) } }
                        td { (link(endpoint)) " " span.quiet { (reader.say("private endpoint", "プライベート エンドポイント")) } }
                        td { @if let Some(service) = service { (link(service)) } @else { "–" } }
                    } }
                    @for (address, nic) in &view.interfaces { tr {
                        th scope="row" { code { (address) } } td { (link(nic)) } td { "–" }
                    } }
                }
            } }
            }
        }
    };
    Page {
        title: held.id.name().to_owned(),
        kind: reader.language.say("Virtual network", "仮想ネットワーク"),
        section: Section::Networks,
        refused: None,
        content,
    }
}

fn state(reader: &Reader, peer: &PeeredNetwork) -> Markup {
    let (class, text) = match (peer.connected, peer.access) {
        (false, _) => ("no", reader.say("not connected", "未接続")),
        (true, false) => ("no", reader.say("connected, access not allowed", "接続済み・アクセス不許可")),
        (true, true) => ("yes", reader.say("connected", "接続済み")),
    };
    html! {
        span class={ "mark " (class) } { (text) }
        @if peer.transit { " · " (reader.say("lends its gateway", "ゲートウェイを提供")) }
        @if peer.uses_remote_gateway { " · " (reader.say("uses the remote gateway", "リモート ゲートウェイを使用")) }
    }
}
