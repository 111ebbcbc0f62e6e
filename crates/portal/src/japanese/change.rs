//! Changes: what a fix does and what could be otherwise. English: `Edit::describe`.

use std::net::Ipv4Addr;

use explain::{Edit, fix::Step};

use super::{list, parent};

/// A step of a fix.
pub fn change(step: &Step) -> String {
    match step {
        Step::UsePublicFqdn => "kubeconfig でパブリック FQDN を使用する".to_owned(),
        Step::HostsLine(address) => format!("クライアントの hosts ファイルに {address} を追加する"),
        Step::Edit(change) => edit(change),
    }
}

fn edit(edit: &Edit) -> String {
    match edit {
        Edit::Link { zone, network } => {
            format!(
                "プライベート DNS ゾーン {} に {} への仮想ネットワーク リンクを追加する",
                zone.name(),
                network.name()
            )
        }
        Edit::Unlink { link } => {
            format!("プライベート DNS ゾーン {} から仮想ネットワーク リンク {} を削除する", parent(link), link.name())
        }
        Edit::MakeZone { zone } => format!("プライベート DNS ゾーン {} を作成する", zone.name()),
        Edit::Record { zone, name, address } => {
            format!("プライベート DNS ゾーン {} の {name} の A レコードを {address} にする", zone.name())
        }
        Edit::Peer { a, b } => format!("{} と {} を双方向でピアリングする", a.name(), b.name()),
        Edit::Unpeer { a, b } => format!("{} と {} のピアリングを削除する", a.name(), b.name()),
        Edit::Transit { hub, spoke } => {
            format!("{} が {} の VPN ゲートウェイを使用できるようにする", spoke.name(), hub.name())
        }
        Edit::AcceptForwarded { peering } => {
            format!("{} のピアリング {} で転送されたトラフィックを許可する", parent(peering), peering.name())
        }
        Edit::PublicFqdn { cluster, enabled } => {
            format!("{} のパブリック FQDN を{}にする", cluster.name(), if *enabled { "有効" } else { "無効" })
        }
        Edit::Start { cluster } => format!("クラスター {} を開始する", cluster.name()),
        Edit::Stop { cluster } => format!("クラスター {} を停止する", cluster.name()),
        Edit::Authorize { cluster, source } => format!("{} の承認済み IP 範囲に {source} を追加する", cluster.name()),
        Edit::Approve { endpoint } => format!("プライベート エンドポイント {} の接続を承認する", endpoint.name()),
        Edit::MakeEndpoint { cluster, subnet } => format!(
            "{}/{} に {} のプライベート エンドポイントを作成する",
            parent(subnet),
            subnet.name(),
            cluster.name()
        ),
        Edit::Allow { group, inbound, source, destination } => format!(
            "ネットワーク セキュリティ グループ {} で {source} から {destination} への TCP 443 の{}を許可する",
            group.name(),
            if *inbound { "受信" } else { "送信" }
        ),
        Edit::RemoveRoute { route } => {
            format!("ルート テーブル {} からルート {} を削除する", parent(route), route.name())
        }
        Edit::Forwarding { interface } => {
            format!("ネットワーク インターフェイス {} で IP 転送を有効にする", interface.name())
        }
        Edit::StartMachine { machine } => format!("仮想マシン {} を開始する", machine.name()),
        Edit::DnsServers { network, servers } => servers_of(network.name(), servers),
        Edit::MakeResolver { network } => format!("{} に DNS Private Resolver を作成する", network.name()),
        Edit::ClientDns { client, servers } => servers_of(client.name(), servers),
        Edit::Hosts { client, name, address } => {
            format!("{} の hosts ファイルに「{address} {name}」を追加する", client.name())
        }
    }
}

fn servers_of(name: &str, servers: &[Ipv4Addr]) -> String {
    if servers.is_empty() {
        return format!("{name} の DNS サーバーを既定 (Azure 提供) にする");
    }
    format!("{name} の DNS サーバーを {} にする", list(servers))
}
