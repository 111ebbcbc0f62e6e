//! Every cause that a machine can stage for itself, staged with real servers on loopback; and health, which must not
//! raise an alarm.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use doctor::Depth;
use futures_util::future::join_all;

use crate::stage::{
    Api, Cluster, Machine, PRIVATE, PUBLIC, Says, TOKEN, ZONE, deaf, dns, narrow, nobody, now, proxy, says,
};

const HERE: [u8; 4] = [127, 0, 0, 1];

fn token() -> String {
    format!("{{token: {TOKEN}}}")
}

#[tokio::test]
async fn a_sound_cluster_is_healthy_by_every_way_of_naming_it() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE, PUBLIC], Api::Sound).await;
    let linked = dns(&[(PRIVATE, Says::A(HERE)), (PUBLIC, Says::A(HERE))]).await;
    let (certificate, key) = cluster.client(30);
    let certified = format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}");
    let machine = |name: &str| Machine { servers: vec![linked], public: vec![linked], ..Machine::told(name) };
    for (case, machine, host, more, user) in [
        ("private name", machine(PRIVATE), PRIVATE, "", token()),
        ("public name", machine(PUBLIC), PUBLIC, "", token()),
        ("client certificate", machine(PRIVATE), PRIVATE, "", certified),
        ("hosts entry", Machine { hosts: format!("127.0.0.1 {PRIVATE}"), ..Machine::default() }, PRIVATE, "", token()),
        ("tunnel", Machine::default(), "127.0.0.1", &format!("    tls-server-name: {PRIVATE}\n"), token()),
    ] {
        let kubeconfig = cluster.kubeconfig(&format!("https://{host}:{port}"), more, &user);
        assert_eq!(machine.verdict(&kubeconfig).await, "healthy", "{case}");
    }
    let through = proxy(port).await;
    let behind =
        Machine { variables: vec![("https_proxy".into(), format!("127.0.0.1:{through}"))], ..Machine::default() };
    assert_eq!(
        behind.verdict(&cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &token())).await,
        "healthy"
    );
}

#[tokio::test]
async fn a_name_that_does_not_lead_there_is_traced_to_who_is_to_blame() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE, PUBLIC], Api::Sound).await;
    let knows = dns(&[(PRIVATE, Says::A(HERE)), (PUBLIC, Says::A(HERE))]).await;
    let public = dns(&[(PUBLIC, Says::A(HERE))]).await;
    let ignorant = dns(&[]).await;
    let silent = dns(&[
        (PRIVATE, Says::Silence),
        (PUBLIC, Says::Silence),
        (ZONE, Says::Silence),
        ("", Says::Silence),
        ("privatelink.japaneast.azmk8s.io", Says::Silence),
    ])
    .await;
    let failing = dns(&[(PRIVATE, Says::Failure)]).await;
    let emptied = dns(&[(PRIVATE, Says::Nothing(ZONE))]).await;
    let shadowed = dns(&[(PRIVATE, Says::Nothing("privatelink.japaneast.azmk8s.io"))]).await;
    let halfway = dns(&[("privatelink.japaneast.azmk8s.io", Says::PrivateZone)]).await;
    let unsteady = dns(&[(PRIVATE, Says::InTurn(Box::new([Says::A(HERE), Says::Nothing("azmk8s.io")])))]).await;
    let at = |servers: &[std::net::SocketAddr], public| Machine {
        servers: servers.to_vec(),
        public: vec![public],
        ..Machine::default()
    };
    let azure = |server| Machine { azure: Some(knows), ..at(&[server], public) };
    let vpn = Machine { routed: Some((knows, "corp.example".into())), ..at(&[public], public) };
    let cases = [
        ("nothing public", at(&[ignorant], ignorant), PRIVATE, "PRIVATE_NAME_NOT_RESOLVABLE"),
        (
            "public name resolves",
            at(&[public], public),
            PRIVATE,
            "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES",
        ),
        ("public name is off", at(&[ignorant], ignorant), PUBLIC, "PUBLIC_FQDN_DISABLED"),
        ("own DNS server in Azure", azure(public), PRIVATE, "CUSTOM_DNS_BYPASSES_ZONE"),
        ("forwards into the void", at(&[failing], public), PRIVATE, "ON_PREM_FORWARD_TO_168"),
        ("forwards the parent only", at(&[halfway], public), PRIVATE, "CONDITIONAL_FORWARD_WRONG_ZONE"),
        ("forwards now and then", at(&[unsteady], public), PRIVATE, "CONDITIONAL_FORWARD_WRONG_ZONE"),
        ("VPN resolver for other names", vpn, PRIVATE, "SPLIT_DNS_CLIENT_IGNORES_VPN_RESOLVER"),
        ("VPN resolver second", at(&[public, knows], public), PRIVATE, "SPLIT_DNS_CLIENT_IGNORES_VPN_RESOLVER"),
        ("record is gone", at(&[emptied], public), PRIVATE, "ZONE_LINKED_RECORD_MISSING"),
        ("another zone shadows", at(&[shadowed], public), PRIVATE, "ZONE_LINKED_RECORD_MISSING"),
        ("servers are silent", at(&[silent], public), PRIVATE, "DNS_SERVERS_SILENT"),
        ("servers are silent, public name", at(&[silent], public), PUBLIC, "DNS_SERVERS_SILENT"),
        ("no such name", at(&[ignorant], ignorant), "k8s.corp.example", "NAME_NOT_RESOLVABLE"),
    ];
    // Side by side: most of them wait.
    join_all(cases.into_iter().map(|(case, machine, host, expected)| {
        let kubeconfig = cluster.kubeconfig(&format!("https://{host}:{port}"), "", &token());
        async move { assert_eq!(machine.verdict(&kubeconfig).await, expected, "{case}") }
    }))
    .await;
    assert_eq!(cluster.heard().iter().filter(|head| head.contains(TOKEN)).count(), 0, "nobody was to hear the token");
}

#[tokio::test]
async fn an_old_address_in_the_hosts_file_is_told_from_the_new_one() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE], Api::Sound).await;
    let knows = dns(&[(PRIVATE, Says::A(HERE))]).await;
    let machine = Machine { hosts: format!("127.0.0.2 {PRIVATE}\n"), servers: vec![knows], ..Machine::default() };
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &token());
    let (_, diagnosis) = machine.diagnose(&kubeconfig, Depth::Plain).await;
    let cause = diagnosis.cause.unwrap();
    assert_eq!(cause.code.name(), "STALE_RECORD_AFTER_STOP_START");
    let commands: Vec<String> = cause.fixes.into_iter().filter_map(|fix| fix.command).collect();
    assert!(commands.contains(&format!("echo '127.0.0.1 {PRIVATE}' | sudo tee -a /etc/hosts")), "{commands:?}");
}

#[tokio::test]
async fn a_dead_end_is_named_by_its_kind() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE], Api::Sound).await;
    let (closed, (deaf, _listener), plain) =
        (nobody().await, deaf().await, says("HTTP/1.1 400 Bad Request\r\n\r\n").await);
    let machine = Machine::told(PRIVATE);
    for (case, host, port, expected) in [
        ("nobody listens", PRIVATE, closed, "CONNECTION_REFUSED"),
        ("no TLS", PRIVATE, plain, "TLS_NOT_SPOKEN"),
        ("accepts and says nothing", PRIVATE, deaf, "TLS_HANDSHAKE_CUT"),
        ("tunnel is closed", "127.0.0.1", closed, "TUNNEL_KUBECONFIG"),
        ("tunnel leads nowhere", "localhost", deaf, "TUNNEL_KUBECONFIG"),
    ] {
        let machine = if host == "localhost" { Machine::told("localhost") } else { machine.clone() };
        let kubeconfig = cluster.kubeconfig(&format!("https://{host}:{port}"), "", &token());
        assert_eq!(machine.verdict(&kubeconfig).await, expected, "{case}");
    }
    let refusing = says("HTTP/1.1 403 Forbidden by the office\r\nContent-Length: 0\r\n\r\n").await;
    let garbage = says("no proxy at all").await;
    for (case, proxy, expected) in [
        ("refuses", refusing, "PROXY_IN_THE_WAY"),
        ("speaks no HTTP", garbage, "PROXY_IN_THE_WAY"),
        ("is not there", closed, "PROXY_IN_THE_WAY"),
    ] {
        let variables = vec![("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{proxy}"))];
        let machine = Machine { variables, ..machine.clone() };
        let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &token());
        let (_, diagnosis) = machine.diagnose(&kubeconfig, Depth::Plain).await;
        let cause = diagnosis.cause.unwrap();
        assert_eq!(cause.code.name(), expected, "{case}");
        assert!(cause.evidence.iter().any(|line| line.contains("answers at 127.0.0.1")), "{case}: {cause:?}");
    }
    let asking = says("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
    for (user, expected) in [("", "PROXY_IN_THE_WAY"), ("me:s3cret@", "healthy")] {
        let more = format!("    proxy-url: http://{user}127.0.0.1:{asking}\n");
        let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), &more, &token());
        let (_, diagnosis) = machine.diagnose(&kubeconfig, Depth::Plain).await;
        assert_eq!(diagnosis.cause.map_or("healthy", |cause| cause.code.name()), expected, "407 for `{user}`");
        assert_eq!(diagnosis.notes.iter().any(|note| note.code.name() == "CREDENTIALS_NOT_TRIED"), !user.is_empty());
    }
    for scheme in ["http", "https", "socks5"] {
        let gone = format!("    proxy-url: {scheme}://127.0.0.1:{closed}\n");
        let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), &gone, &token());
        assert_eq!(machine.verdict(&kubeconfig).await, "TUNNEL_KUBECONFIG");
    }
}

#[tokio::test]
async fn whoever_answers_in_the_clusters_place_is_recognised_and_told_no_secret() {
    let cluster = Cluster::new();
    let (other, office) = (Cluster::new(), Cluster::new());
    let sound = cluster.api(&[PRIVATE], Api::Sound).await;
    let recreated = other.api(&[PRIVATE], Api::Sound).await;
    let another = other.api(&["b-rg-11111111.hcp.japaneast.azmk8s.io"], Api::Sound).await;
    let intercepting = office.serve(&[PRIVATE.to_owned()], Api::Sound).await;
    let expired = cluster.api(&[PRIVATE], Api::Expired).await;
    let alias = Machine::told("api.corp.example");
    for (case, machine, host, port, more, expected) in [
        ("made anew", Machine::told(PRIVATE), PRIVATE, recreated, "", "CLUSTER_DELETED_OR_RECREATED"),
        ("another cluster", Machine::told(PRIVATE), PRIVATE, another, "", "STALE_RECORD_AFTER_STOP_START"),
        ("intercepted", Machine::told(PRIVATE), PRIVATE, intercepting, "", "TLS_INTERCEPTED"),
        ("an alias", alias, "api.corp.example", sound, "", "TLS_NAME_MISMATCH"),
        ("through a tunnel by address", Machine::default(), "127.0.0.1", sound, "", "TLS_NAME_MISMATCH"),
        (
            "wrong tls-server-name",
            Machine::told(PRIVATE),
            PRIVATE,
            sound,
            "    tls-server-name: x.example\n",
            "TLS_NAME_MISMATCH",
        ),
        ("expired", Machine::told(PRIVATE), PRIVATE, expired, "", "SERVER_CERTIFICATE_EXPIRED"),
    ] {
        let kubeconfig = cluster.kubeconfig(&format!("https://{host}:{port}"), more, &token());
        assert_eq!(machine.verdict(&kubeconfig).await, expected, "{case}");
    }
    let heard = [cluster.heard(), other.heard(), office.heard()].concat();
    assert!(
        !heard.is_empty() && heard.iter().all(|head| !head.contains(TOKEN)),
        "the token went to a server that is not believed"
    );

    let unreadable = cluster.kubeconfig(&format!("https://{PRIVATE}:{sound}"), "", &token());
    let unreadable = unreadable.replace("certificate-authority-data: ", "certificate-authority-data: '!' #");
    let empty = unreadable.replace("'!'", "bm9uZQ==");
    for kubeconfig in [unreadable, empty] {
        assert_eq!(Machine::told(PRIVATE).verdict(&kubeconfig).await, "KUBECONFIG_AUTHORITY_UNREADABLE");
    }
}

#[tokio::test]
async fn a_user_who_is_not_accepted_is_told_that_the_network_is_fine() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE], Api::Sound).await;
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp": {}}}"#, now().0 - 60));
    let (certificate, key) = cluster.client(-1);
    let (foreign, foreign_key) = Cluster::new().client(30);
    let pair =
        |certificate: &str, key: &str| format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}");
    let exec = |command: &str| format!("{{exec: {{command: {command}}}}}");
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("kubelogin"), "").unwrap();
    let path = vec![("PATH".to_owned(), directory.path().display().to_string())];
    let machine = Machine { variables: path, ..Machine::told(PRIVATE) };
    for (case, user, expected, evidence) in [
        ("wrong token", "{token: wrong}".to_owned(), "AUTH_NOT_NETWORK", "401"),
        ("token has ended", format!("{{token: h.{claims}.s}}"), "AUTH_NOT_NETWORK", "the token ended at"),
        ("certificate has ended", pair(&certificate, &key), "AUTH_NOT_NETWORK", "the client certificate ended at"),
        ("another cluster's certificate", pair(&foreign, &foreign_key), "AUTH_NOT_NETWORK", "401"),
        ("no plugin", exec("nosuch"), "AUTH_NOT_NETWORK", "`nosuch`, which gets the token, is not on the PATH"),
        ("a plugin", exec("kubelogin"), "healthy", ""),
        ("nothing", "{}".to_owned(), "AUTH_NOT_NETWORK", "no credentials"),
        ("auth provider", "{auth-provider: {name: azure}}".to_owned(), "AUTH_NOT_NETWORK", "auth provider `azure`"),
    ] {
        let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &user);
        let (_, diagnosis) = machine.diagnose(&kubeconfig, Depth::Plain).await;
        let text = format!("{:?}", diagnosis.cause);
        assert_eq!(diagnosis.cause.map_or("healthy", |cause| cause.code.name()), expected, "{case}");
        assert!(text.contains(evidence), "{case}: {text}");
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_refused_in_the_handshake_is_no_fault_of_the_network() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE], Api::Strict).await;
    let (certificate, key) = Cluster::new().client(30);
    let user = format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}");
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &user);
    let (_, diagnosis) = Machine::told(PRIVATE).diagnose(&kubeconfig, Depth::Plain).await;
    let cause = diagnosis.cause.unwrap();
    assert_eq!(cause.code.name(), "AUTH_NOT_NETWORK");
    assert!(cause.evidence[0].contains("refuses the client certificate"), "{cause:?}");
}

#[tokio::test]
async fn an_api_server_that_is_ill_and_a_clock_that_is_wrong_are_told_from_the_network() {
    let cluster = Cluster::new();
    let ill = cluster.api(&[PRIVATE], Api::Ill).await;
    let ahead = cluster.api(&[PRIVATE], Api::Ahead).await;
    let machine = Machine::told(PRIVATE);
    let kubeconfig = |port: u16, user: &str| cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", user);
    assert_eq!(machine.verdict(&kubeconfig(ill, &token())).await, "API_SERVER_UNHEALTHY");
    assert_eq!(machine.verdict(&kubeconfig(ahead, "{token: not-yet-valid}")).await, "CLOCK_SKEW");
    let (_, diagnosis) = machine.diagnose(&kubeconfig(ahead, &token()), Depth::Plain).await;
    assert!(diagnosis.cause.is_none());
    assert_eq!(diagnosis.notes.iter().map(|note| note.code.name()).collect::<Vec<_>>(), ["CLOCK_SKEW"]);
}

#[tokio::test]
async fn a_link_that_loses_large_packets_is_told_with_what_still_fits() {
    let cluster = Cluster::new();
    let port = narrow(cluster.api(&[PRIVATE], Api::Sound).await, 2000).await;
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &token());
    let machine = Machine::told(PRIVATE);
    assert_eq!(machine.verdict(&kubeconfig).await, "healthy", "small requests pass");
    let (seen, diagnosis) = machine.diagnose(&kubeconfig, Depth::Deep).await;
    assert_eq!(seen.deep.unwrap().largest_answered, Some(1250));
    let cause = diagnosis.cause.unwrap();
    assert_eq!(cause.code.name(), "LARGE_PACKETS_LOST");
    assert!(cause.fixes[0].command.as_ref().unwrap().ends_with(" mtu 1500"), "{cause:?}");
}

#[tokio::test]
async fn a_cluster_that_is_not_aks_gets_no_advice_about_aks() {
    let cluster = Cluster::new();
    let port = nobody().await;
    for (server, context, expected) in [
        ("127.0.0.1", "kind-kind", "LOCAL_CLUSTER_NOT_RUNNING"),
        ("k8s.corp.example", "corp", "CONNECTION_REFUSED"),
        ("127.0.0.1", "a", "TUNNEL_KUBECONFIG"),
    ] {
        let kubeconfig = cluster.kubeconfig(&format!("https://{server}:{port}"), "", &token());
        let kubeconfig = kubeconfig
            .replace("clusterUser_rg_a", "someone")
            .replace("name: a\n  context", &format!("name: {context}\n  context"));
        let kubeconfig = kubeconfig.replace("current-context: a", &format!("current-context: {context}"));
        let (seen, diagnosis) = Machine::told(server).diagnose(&kubeconfig, Depth::Plain).await;
        let said = doctor::text(&seen, &diagnosis);
        assert_eq!(diagnosis.cause.unwrap().code.name(), expected, "{said}");
        assert!(context == "a" || !said.contains("az "), "{said}");
    }
}

#[tokio::test]
async fn a_server_with_an_ipv6_address_only_gives_that() {
    let six = dns(&[(PRIVATE, Says::Six)]).await;
    let cluster = Cluster::new();
    let machine = Machine { servers: vec![six], ..Machine::told(PRIVATE) };
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{}", nobody().await), "", &token());
    let (seen, _) = machine.diagnose(&kubeconfig, Depth::Plain).await;
    let addresses = seen.names[0].servers[0].reply.addresses().unwrap();
    assert_eq!(addresses, [std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]);
}

#[tokio::test]
async fn nothing_secret_is_in_what_is_printed() {
    let cluster = Cluster::new();
    let port = cluster.api(&[PRIVATE], Api::Sound).await;
    let (certificate, key) = cluster.client(30);
    let user = format!(
        "{{token: {TOKEN}, client-certificate-data: {certificate}, client-key-data: {key}, username: me, password: s3cret}}"
    );
    let more = format!("    proxy-url: http://me:s3cret@127.0.0.1:{}\n", proxy(port).await);
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), &more, &user);
    let (seen, diagnosis) = Machine::told(PRIVATE).diagnose(&kubeconfig, Depth::Deep).await;
    assert!(diagnosis.cause.is_none(), "{diagnosis:?}");
    let printed = format!("{}{}{seen:?}", doctor::text(&seen, &diagnosis), doctor::json(&seen, &diagnosis));
    for secret in [TOKEN, "s3cret", key.as_str()] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn with_everything_down_it_takes_less_than_ten_seconds() {
    let cluster = Cluster::new();
    let silent = dns(&[(PRIVATE, Says::Silence), (PUBLIC, Says::Silence), (ZONE, Says::Silence)]).await;
    let (port, _listener) = deaf().await;
    let (proxy, _other) = deaf().await;
    let machine = Machine {
        servers: vec![silent],
        public: vec![silent],
        azure: Some(silent),
        variables: vec![("HTTPS_PROXY".into(), format!("127.0.0.1:{proxy}"))],
        ..Machine::told(PRIVATE)
    };
    let begun = Instant::now();
    let kubeconfig = cluster.kubeconfig(&format!("https://{PRIVATE}:{port}"), "", &token());
    assert_eq!(machine.verdict(&kubeconfig).await, "PROXY_IN_THE_WAY");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
