//! A cluster's overview, as the Azure portal lays it out, with the reason beside every address.

use explain::Role;
use maud::{Markup, html};

use super::{
    Page, Reader, Section,
    parts::{copied, href, link, links, role, seen},
    told,
};
use crate::{
    lab::Refusal,
    view::cluster::{Address, Overview},
};

/// The page.
pub fn cluster(reader: &Reader, view: &Overview, refused: Option<Refusal>) -> Page {
    let content = html! {
        (commands(reader, view))
        section aria-labelledby="essentials" {
            h2 #essentials { (reader.say("Essentials", "要点")) }
            dl.essentials {
                div.wide { dt { (reader.say("API server address", "API サーバー アドレス")) } dd {
                    @match &view.shown {
                        Some(shown) => { span #shown { (copied(reader, shown.as_str())) } },
                        None => "–",
                    }
                    p.why #because { (reader.say("This one, because ", "これが表示される理由: ")) (told::because(reader, view.because)) (reader.say(".", "。")) }
                } }
                (item(reader.say("Resource group", "リソース グループ"), &html! { (view.group) }))
                (item(reader.say("Power state", "電源の状態"), &html! { span #power { (power(reader, view.running)) } }))
                (item(reader.say("Provisioning state", "プロビジョニングの状態"), &html! { (told::provisioning(reader, &view.provisioning)) }))
                (item(reader.say("Location", "場所"), &html! { (view.location) }))
                (item(reader.say("Kubernetes version", "Kubernetes バージョン"), &html! { (view.version) }))
                (item(reader.say("Private cluster", "プライベート クラスター"), &html! { (enabled(reader, view.private)) }))
                @if view.private {
                    (item("enablePrivateClusterPublicFQDN", &html! { span #setting { code { (view.public_fqdn) } } }))
                }
                (item(reader.say("Virtual network", "仮想ネットワーク"), &links(reader, &view.networks)))
            }
        }
        section aria-labelledby="addresses" {
            h2 #addresses { (reader.say("Addresses, and who can resolve them", "アドレスと、解決できる場所")) }
            @for address in &view.addresses { (one(reader, view, address)) }
            @if view.private && !view.addresses.iter().any(|held| held.role == Role::PublicFqdn) {
                article.address { h3 { (role(reader, Role::PublicFqdn)) }
                    p #no-public { code { "null" } " – " (reader.say(
                        "the public FQDN is disabled: public DNS has nothing.",
                        "パブリック FQDN は無効です。パブリック DNS には何も登録されていません。")) } }
            }
        }
        (placed(reader, view))
        section aria-labelledby="reach" {
            h2 #reach { (reader.say("Seen from", "各場所からの見え方")) }
            (seen(reader, &view.id, &view.seen))
            @if view.unseen > 0 {
                p { a href=(href("/matrix", &[("cluster", view.id.as_str())])) {
                    (view.unseen) (reader.say(" more vantages in the matrix", " 件をマトリックスで表示")) } }
            }
        }
        (connect(reader, view))
    };
    Page {
        title: view.id.name().to_owned(),
        kind: reader.language.say("Kubernetes service", "Kubernetes サービス"),
        section: Section::Clusters,
        refused,
        content,
    }
}

fn item(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn enabled(reader: &Reader, is: bool) -> &'static str {
    if is { reader.language.say("Enabled", "有効") } else { reader.language.say("Disabled", "無効") }
}

fn power(reader: &Reader, running: bool) -> &'static str {
    if running { reader.language.say("Running", "実行中") } else { reader.language.say("Stopped", "停止済み") }
}

/// What can be done: each button is a form that goes through ARM.
fn commands(reader: &Reader, view: &Overview) -> Markup {
    let button = |act: &str, text: &str| {
        html! {
            form method="post" action="/act" {
                input type="hidden" name="csrf" value=(reader.csrf);
                input type="hidden" name="id" value=(view.id);
                button name="act" value=(act) { (text) }
            }
        }
    };
    html! {
        div.commands role="group" aria-label=(reader.say("Commands", "コマンド")) {
            a.button href=(href("/kubernetes", &[("id", view.id.as_str())])) { (reader.say("Kubernetes resources", "Kubernetes リソース")) }
            a.button href="#connect" { (reader.say("Connect", "接続")) }
            @if view.running {
                (button("stop", reader.say("Stop", "停止")))
            } @else {
                (button("start", reader.say("Start", "開始")))
            }
            @if view.private && view.running {
                @if view.public_fqdn {
                    (button("disablePublicFqdn", reader.say("Disable public FQDN", "パブリック FQDN を無効化")))
                } @else {
                    (button("enablePublicFqdn", reader.say("Enable public FQDN", "パブリック FQDN を有効化")))
                }
            }
        }
    }
}

fn one(reader: &Reader, view: &Overview, address: &Address) -> Markup {
    html! {
        article.address {
            h3 { (role(reader, address.role)) }
            p { (copied(reader, address.name.as_str())) }
            ul {
                li {
                    (reader.say("Public DNS: ", "パブリック DNS: "))
                    @match address.in_public_dns {
                        Some(found) => { code { (found) }
                            @if view.private { " – " (reader.say(
                                "everybody resolves it, to the endpoint's private address: only who has a route there connects",
                                "誰でも解決できますが、プライベート エンドポイントのプライベート IP です。経路がある場所からしか接続できません")) } },
                        None => { (reader.say("no such name (NXDOMAIN)", "名前なし (NXDOMAIN)")) },
                    }
                }
                @if address.role == Role::PrivateFqdn {
                    li {
                        (reader.say("Private DNS zone: ", "プライベート DNS ゾーン: "))
                        @if address.in_zone.is_empty() { (reader.say("no record", "レコードなし")) }
                        @for found in &address.in_zone { code { (found) } " " }
                        @if !address.in_zone.is_empty() {
                            "– " (reader.say("answered in the networks linked to it: ", "リンクされたネットワーク内でのみ応答: "))
                            (links(reader, &address.resolved_in))
                        }
                    }
                }
                @if address.in_kubeconfig {
                    li { (reader.say("The kubeconfig of ", "")) code { "az aks get-credentials" }
                        (reader.say(" names this one.", " の kubeconfig はこの名前を使います。")) }
                }
            }
        }
    }
}

/// Endpoint, zone and records.
fn placed(reader: &Reader, view: &Overview) -> Markup {
    html! {
        section aria-labelledby="private-link" {
            h2 #private-link { (reader.say("Private endpoint and DNS", "プライベート エンドポイントと DNS")) }
            dl.essentials {
                @for endpoint in &view.endpoints {
                    (item(reader.say("Private endpoint", "プライベート エンドポイント"), &html! {
                        code { (endpoint.address) } " " (endpoint.id.name()) " – " (told::connection(reader, endpoint.status)) " · "
                        (reader.say("subnet ", "サブネット ")) (endpoint.subnet.name())
                        @if let Some(network) = endpoint.subnet.parent() { " · " (link(&network)) }
                        @if !endpoint.own { " " span.quiet { (reader.say("not made by AKS", "AKS 以外が作成")) } }
                    }))
                }
                @if view.endpoints.is_empty() {
                    (item(reader.say("Private endpoint", "プライベート エンドポイント"), &html! { (reader.say("none", "なし")) }))
                }
                @if let Some(zone) = &view.zone {
                    (item(reader.say("Private DNS zone", "プライベート DNS ゾーン"), &link(&zone.id)))
                    (item(reader.say("Records", "レコード"), &html! {
                        ul #records { @for record in zone.records.iter().filter(|record| record.kind == "A") {
                            li { code { (record.name) " A " (record.values.join(", ")) } }
                        } }
                        @if !zone.records.iter().any(|record| record.kind == "A") { (reader.say("no address", "アドレスなし")) }
                    }))
                    (item(reader.say("Virtual network links", "仮想ネットワーク リンク"), &links(reader, &zone.linked)))
                }
            }
        }
    }
}

/// What to type to connect.
fn connect(reader: &Reader, view: &Overview) -> Markup {
    let (group, name) = (&view.group, view.id.name());
    let get = format!("az aks get-credentials -g {group} -n {name}");
    html! {
        section aria-labelledby="connect" {
            h2 #connect { (reader.say("Connect", "接続")) }
            @for address in &view.addresses {
                h3 { (role(reader, address.role)) }
                @match address.role {
                    Role::PrivateFqdn => { p { (copied(reader, &get)) } },
                    Role::PublicFqdn if view.private => { p { (copied(reader, &format!("{get} --public-fqdn"))) } },
                    Role::PublicFqdn | Role::PortalFqdn => { p { (copied(reader, &get)) } },
                }
            }
            h3 { (reader.say("Without any route", "経路がない場合")) }
            p { (copied(reader, &format!("az aks command invoke -g {group} -n {name} --command \"kubectl get nodes\""))) }
        }
    }
}
