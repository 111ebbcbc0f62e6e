//! Causes by their codes, and why an address is shown. English: `Code::title` and `ShownBecause::sentence`.

use explain::{Code, ShownBecause};

/// Why the portal shows an address, as what follows 「理由:」.
pub const fn shown_because(reason: ShownBecause) -> &'static str {
    match reason {
        ShownBecause::ClusterIsPublic => "クラスターがパブリックであるため",
        ShownBecause::PublicFqdnEnabled => "パブリック FQDN が有効で、ある場合はポータルがそれを表示するため",
        ShownBecause::PublicFqdnDisabled => "パブリック FQDN が無効で、プライベート FQDN しかないため",
        ShownBecause::NamesUnknown => "クラスターの名前が不明であるため",
    }
}

/// What a cause means.
pub const fn title(code: Code) -> &'static str {
    match code {
        Code::PrivateNameNotResolvable => "プライベート名を、パブリック DNS しか応答しない場所で問い合わせています",
        Code::ZoneNotLinkedToClientVnet => {
            "プライベート DNS ゾーンが、クライアントが問い合わせる仮想ネットワークにリンクされていません"
        }
        Code::LinkedButNotPeered => "名前は解決できますが、クラスターの仮想ネットワークへのピアリングがありません",
        Code::CustomDnsBypassesZone => {
            "クライアントが使うカスタム DNS サーバーから、プライベート DNS ゾーンが見えません"
        }
        Code::OnPremForwardTo168 => "168.63.129.16 に Azure の外から問い合わせていますが、Azure の外では応答しません",
        Code::KubeconfigHasPrivateName => {
            "kubeconfig はプライベート FQDN を指していますが、ここで解決できるのはパブリック FQDN だけです"
        }
        Code::PublicFqdnDisabled => "パブリック FQDN が無効で、ここで解決できる名前がほかにありません",
        Code::ZoneNoneButNameCached => {
            "クラスターのプライベート DNS ゾーンはもうありませんが、プライベート名がまだ使われています"
        }
        Code::ZoneLinkedRecordMissing => {
            "リンクされたプライベート DNS ゾーンがこの名前を受け持ちますが、レコードがありません"
        }
        Code::DuplicateZoneOverlap => {
            "仮想ネットワークが、同じ名前の 2 つのプライベート DNS ゾーンにリンクされています"
        }
        Code::RecordNotManagedForExtraPe => {
            "到達できる別のプライベート エンドポイントがありますが、名前はそこを指していません"
        }
        Code::AutoLinkConflict => {
            "AKS が自動でリンクするはずのクラスター自身の仮想ネットワークに、プライベート DNS ゾーンがリンクされていません"
        }
        Code::StaleRecordAfterStopStart => "クラスターがもう使っていない古いアドレスが残っています",
        Code::ClusterDeletedOrRecreated => "すでに存在しないクラスターの名前です",
        Code::PortalFqdnNotResolvable => "Azure portal が呼び出す名前を、ここでは解決できません",
        Code::NoRouteFromHere => "クライアントからプライベート IP アドレスへのルートがありません",
        Code::NotGatewayTransit => {
            "クラスターの仮想ネットワークとのピアリングで、VPN ゲートウェイの転送が許可されていません"
        }
        Code::PeeringNotTransitive => {
            "仮想ネットワークは第三のネットワークを介してのみつながっており、ピアリングは推移的ではありません"
        }
        Code::PeeringIncomplete => "ピアリングの片側がないか、切断されています",
        Code::PeeringDeniesAccess => "ピアリングが仮想ネットワーク アクセスを許可していません",
        Code::PeeringRefusesForwarded => "ピアリングが、仮想アプライアンスから転送されたトラフィックを許可していません",
        Code::UdrNvaAsymmetric => "ユーザー定義ルートにより行きと帰りの経路が異なり、応答が失われます",
        Code::UdrDrops => "ユーザー定義ルートがクラスター宛ての通信を破棄しています",
        Code::UdrNvaBroken => "ユーザー定義ルートの先の仮想アプライアンスが、通信を転送しません",
        Code::UdrNoGateway => "ユーザー定義ルートの先の仮想ネットワーク ゲートウェイがありません",
        Code::UdrLoop => "ユーザー定義ルートが循環しています",
        Code::NsgBlocks443 => "ネットワーク セキュリティ グループが接続を拒否しています",
        Code::AddressSpaceOverlap => {
            "クライアントの仮想ネットワークのアドレス空間が、クラスターのエンドポイントのアドレスと重複しています"
        }
        Code::PeConnectionPending => "プライベート エンドポイントの接続が承認待ちです",
        Code::PeConnectionRejected => "プライベート エンドポイントの接続が拒否されました",
        Code::PeConnectionDisconnected => "プライベート エンドポイントの接続が切断されています",
        Code::NotInAuthorizedRanges => {
            "クライアントのパブリック IP アドレスが、API サーバーの承認済み IP 範囲に含まれていません"
        }
        Code::AuthorizedRangesWithPrivate => "承認済み IP 範囲は、プライベート クラスターではサポートされていません",
        Code::RunCommandFails => "このクラスターでは `az aks command invoke` が使えません",
        Code::ByoZonePermission => "クラスターの ID に、独自のプライベート DNS ゾーンに対する権限がありません",
        Code::ClusterStopped => "クラスターは停止しています",
        Code::ClientStopped => "クライアント自身のマシンが停止しています",
        Code::DnsServerUnreachable => "クライアントに構成された DNS サーバーのどれにも到達できません",
        Code::ForwarderUnreachable => "この名前に一致する転送ルールの転送先が、どれも応答しません",
        Code::NameWithoutAddress => "名前は存在しますが、アドレスにたどり着きません",
        Code::EndpointMissing => "アドレスには何もないか、プライベート エンドポイントの場所が不明です",
        Code::NameUnknown => "クラスターの名前が不明です",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_japanese_title_of_its_own() {
        let titles: BTreeSet<&str> = Code::ALL.iter().map(|code| title(*code)).collect();
        assert_eq!(titles.len(), Code::ALL.len(), "no two alike");
        for code in Code::ALL {
            assert!(title(*code).chars().any(|letter| ('ぁ'..='ん').contains(&letter)), "{code}: {}", title(*code));
            assert_ne!(title(*code), code.title());
        }
    }
}
