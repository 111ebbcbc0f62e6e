//! Steps and ends of a path. English: `explain::render::words` and `Disposition::sentence`.

use azure::{
    ResourceId,
    model::{ConnectionStatus, Direction},
};
use network::{ApplianceFault, Disposition, Hop, NextHop, PeeringFault, Responder, RouteSource};

use super::{list, parent};

/// Who answers a name.
pub fn responder(who: &Responder) -> String {
    match who {
        Responder::HostsFile => "hosts ファイル".to_owned(),
        Responder::AzureDns { network } => format!("{} 内の 168.63.129.16", network.name()),
        Responder::CustomServer { address, network } => format!("{} 内の DNS サーバー {address}", network.name()),
        Responder::InboundEndpoint { endpoint, network } => {
            format!("{} 内の受信エンドポイント {}", network.name(), endpoint.name())
        }
        Responder::SiteServer { address, machine } => format!("{} が使う DNS サーバー {address}", machine.name()),
        Responder::PublicDns => "パブリック DNS".to_owned(),
    }
}

/// A step.
pub fn step(hop: &Hop) -> String {
    match hop {
        Hop::HostsEntry { name, address } => format!("hosts ファイルでは {name} は {address} です"),
        Hop::Ask { responder: who } => format!("{}に問い合わせます", spaced(&responder(who))),
        Hop::ServerUnreachable { address } => format!("DNS サーバー {address} に到達できません"),
        Hop::LinkedZone { zone, link } => {
            format!("プライベート DNS ゾーン {} が応答します (仮想ネットワーク リンク {})", zone.name(), link.name())
        }
        Hop::NoLinkedZone { network } => {
            format!("{} にリンクされたプライベート DNS ゾーンに、この名前を含むものはありません", network.name())
        }
        Hop::ForwardingRule { rule } => format!("転送ルール {} がこの名前に一致します", rule.name()),
        Hop::RedirectedToPublic { link } => format!(
            "仮想ネットワーク リンク {} の設定 (NxDomainRedirect) により、ゾーンにない名前はパブリック DNS に問い合わせます",
            link.name()
        ),
        Hop::Alias { name, target } => format!("{name} は {target} の別名 (CNAME) です"),
        Hop::Addresses { name, addresses } => format!("{name} のアドレスは {} です", list(addresses)),
        Hop::Route { to, subnet, route } => {
            let whose = subnet.as_ref().map_or_else(
                || "クライアント自身のルート".to_owned(),
                |id| format!("{}/{} の有効なルート", parent(id), id.name()),
            );
            let source = match route.source {
                RouteSource::Default => "既定",
                RouteSource::Gateway => "仮想ネットワーク ゲートウェイ",
                RouteSource::User => "ユーザー",
            };
            format!("{whose}: {to} は {} (ソース: {source}) に一致 → {}", route.prefix, next_hop(&route.next_hop))
        }
        Hop::SecurityRule { group, rule, direction, allowed } => format!(
            "ネットワーク セキュリティ グループ {} の{}規則 {rule} により{}されます",
            group.name(),
            way(*direction),
            if *allowed { "許可" } else { "拒否" }
        ),
        Hop::Appliance { interface, address } => {
            format!("仮想アプライアンス {} ({address}) が転送します", interface.name())
        }
        Hop::Reply { from, to } => format!("到達しました。{from} から {to} への応答:"),
        Hop::PrivateEndpoint { endpoint, service } => {
            format!("プライベート エンドポイント {} は {} につながっています", endpoint.name(), service.name())
        }
        Hop::PublicAddress { address, private } => format!("{address} は {private} のパブリック IP アドレスです"),
        Hop::PublicEndpoint { cluster } => format!("{} のパブリック API サーバーです", cluster.name()),
    }
}

fn next_hop(next: &NextHop) -> String {
    match next {
        NextHop::VirtualNetwork { network } => format!("仮想ネットワーク {} 内", network.name()),
        NextHop::Peering { peering, network } => format!("ピアリング {} 経由で {}", peering.name(), network.name()),
        NextHop::InterfaceEndpoint { network } => format!("{} 内のプライベート エンドポイント", network.name()),
        NextHop::Gateway { gateway } => format!("ゲートウェイ {} 経由", gateway.name()),
        NextHop::NoGateway => "仮想ネットワーク ゲートウェイ (存在しません)".to_owned(),
        NextHop::VirtualAppliance { address } => format!("仮想アプライアンス {address}"),
        NextHop::Internet => "インターネット".to_owned(),
        NextHop::None => "なし (破棄)".to_owned(),
    }
}

/// How the question ends.
pub fn end(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Connected { cluster, address } => {
            format!("クラスター {} に {address} で接続しました", cluster.name())
        }
        Disposition::NameNotFound { name, responder: who } => {
            format!("{}に {name} という名前はありません (NXDOMAIN)", spaced(&responder(who)))
        }
        Disposition::NoAddress { name } => format!("{name} は存在しますが、IPv4 アドレスがありません"),
        Disposition::NoResolver { servers } => {
            format!("構成された DNS サーバーのどれにも到達できません ({})", list(servers))
        }
        Disposition::ForwarderUnreachable { name, responder: who, rule } => {
            let rule = rule.as_ref().map_or_else(
                || "転送ルール".to_owned(),
                |rule| format!("転送ルールセット {} のルール {} ", parent(rule), rule.name()),
            );
            format!("{}は {name} に応答できません (SERVFAIL): {rule}の転送先が応答しません", spaced(&responder(who)))
        }
        Disposition::AliasLoop { name } => format!("{name} の別名 (CNAME) が循環しています"),
        Disposition::NoRoute { to } => format!("ここから {to} へのルートはありません"),
        Disposition::RouteDrops { to, prefix, route } => {
            format!("{} が {prefix} 宛てを破棄するため、{to} に届きません", named_route(Some(route)))
        }
        Disposition::NoGateway { to, route } => {
            let route = named_route(route.as_ref());
            format!("{route} が {to} 宛てを仮想ネットワーク ゲートウェイに送りますが、ゲートウェイがありません")
        }
        Disposition::NoAppliance { to, appliance, why, route } => {
            let why = match why {
                ApplianceFault::OutOfReach => {
                    "はこの仮想ネットワークにも直接ピアリングされたネットワークにもありません"
                }
                ApplianceFault::NothingThere => "を持つマシンがありません",
                ApplianceFault::Stopped => "の仮想マシンは停止しています",
                ApplianceFault::NotForwarding => "のネットワーク インターフェイスで IP 転送が有効になっていません",
            };
            format!("{} が {to} 宛てを {appliance} に送りますが、{appliance} {why}", named_route(route.as_ref()))
        }
        Disposition::RoutingLoop { to, through } => {
            format!("ユーザー定義ルートにより、{to} 宛てが {through} を通って循環します")
        }
        Disposition::ForwardedTrafficRefused { to, source, peering } => format!(
            "{} のピアリング {} は転送されたトラフィック ({source} から {to} など) を許可していません",
            parent(peering),
            peering.name()
        ),
        Disposition::SecurityRuleDenies { to, source, group, rule, direction } => format!(
            "ネットワーク セキュリティ グループ {} の{}規則 {rule} が {source} から {to} への通信を拒否します",
            group.name(),
            way(*direction)
        ),
        Disposition::ReplyLost { from, to, why } => {
            format!("要求は届きますが、{from} から {to} への応答が失われます: {}", end(why))
        }
        Disposition::PeeringBlocks { to, peering, why } => {
            let why = match why {
                PeeringFault::OneSided => "には相手側のピアリングがありません",
                PeeringFault::AccessDisallowed => "は仮想ネットワーク アクセスを許可していません",
            };
            format!("{to} はピアリング {} の先にありますが、このピアリング{why}", peering.name())
        }
        Disposition::NothingThere { to } => format!("{to} には何もありません"),
        Disposition::EndpointNotApproved { endpoint, status } => {
            format!("プライベート エンドポイント {} の接続の状態は「{}」です", endpoint.name(), connection(*status))
        }
        Disposition::MachineStopped { interface } => {
            format!("ネットワーク インターフェイス {} の仮想マシンは停止しています", interface.name())
        }
        Disposition::ClusterStopped { cluster } => format!("クラスター {} は停止しています", cluster.name()),
        Disposition::PortClosed { to, port } => format!("{to} のポート {port} では何も待ち受けていません"),
        Disposition::NameServer { to, .. } => format!("{to} は DNS サーバーで、名前解決以外には応答しません"),
        Disposition::SourceNotAuthorized { cluster, source } => {
            format!("クラスター {} の承認済み IP 範囲に {source} が含まれていません", cluster.name())
        }
        Disposition::NoVantage => "この接続元は存在しません".to_owned(),
    }
}

/// The state of a private endpoint's connection.
pub const fn connection(status: ConnectionStatus) -> &'static str {
    match status {
        ConnectionStatus::Approved => "承認済み",
        ConnectionStatus::Pending => "保留中",
        ConnectionStatus::Rejected => "拒否済み",
        ConnectionStatus::Disconnected => "切断済み",
    }
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "受信",
        Direction::Outbound => "送信",
    }
}

fn named_route(route: Option<&ResourceId>) -> String {
    route.map_or_else(|| "ルート".to_owned(), |id| format!("ルート テーブル {} のルート {}", parent(id), id.name()))
}

/// A text before a particle: Latin letters and digits are set off by a space.
fn spaced(text: &str) -> String {
    if text.ends_with(|last: char| last.is_ascii()) { format!("{text} ") } else { text.to_owned() }
}
