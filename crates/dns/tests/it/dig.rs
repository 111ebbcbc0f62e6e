//! What `dig` shows of every kind of answer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    sync::Arc,
};

use arc_swap::ArcSwap;
use azure::{Kind, sketch::Sketch};
use dns::{ServedView, Server};
use network::{Network, ViewId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const ZONE: &str = "corp.example";

/// A view that is served for as long as this lives.
struct Lab {
    address: SocketAddr,
    current: dns::CurrentNetwork,
    _served: ServedView,
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn start(sketch: &Sketch, view: ViewId) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let current: dns::CurrentNetwork = Arc::new(ArcSwap::from_pointee(Network::compile(&sketch.estate())));
        let bound = Server::bind(view, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = bound.address();
        let dns = Server::new(Arc::clone(&current), CancellationToken::new());
        let served = runtime.block_on(async { dns.serve(bound) });
        Self { address, current, _served: served, _runtime: runtime }
    }

    /// What `dig` prints; `None` where there is no `dig`.
    #[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
    fn dig(&self, arguments: &str) -> Option<String> {
        let output = Command::new("dig")
            .args([format!("@{}", self.address.ip()), format!("-p{}", self.address.port())])
            .args(["-r", "+tries=1", "+time=5"])
            .args(arguments.split(' '))
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: there is no `dig` here (Debian: bind9-dnsutils); nothing was asked with {arguments}");
            return None;
        };
        assert!(output.status.success(), "dig {arguments}: {output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// The records `dig` shows under a heading (`ANSWER`, `AUTHORITY`), blanks made one.
    fn section(&self, heading: &str, arguments: &str) -> Option<Vec<String>> {
        let shown = self.dig(arguments)?;
        let lines = shown.lines().skip_while(|line| *line != format!(";; {heading} SECTION:")).skip(1);
        let records = lines.take_while(|line| !line.is_empty());
        Some(records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
    }

    fn check(&self, heading: &str, arguments: &str, expected: &[&str]) {
        if let Some(shown) = self.section(heading, arguments) {
            assert_eq!(shown, expected, "dig {arguments}");
        }
    }

    fn shows(&self, arguments: &str, expected: &[&str]) {
        if let Some(shown) = self.dig(arguments) {
            for text in expected {
                assert!(shown.contains(text), "dig {arguments} does not show `{text}`:\n{shown}");
            }
        }
    }
}

fn sketch() -> Sketch {
    let cname = |to: &str| json!({"ttl": 60, "cnameRecord": {"cname": to}});
    let many: Vec<Value> = (0..120).map(|n| json!({"ipv4Address": format!("10.9.0.{n}")})).collect();
    Sketch::new()
        .network("v", "10.0.0.0/16")
        .private_cluster("aks", "v", "10.0.0.4", true)
        .zone(ZONE)
        .link(ZONE, "v", json!({}))
        .a_record(ZONE, "db", "10.0.0.9")
        .a_record(ZONE, "*.apps", "10.0.0.7")
        .a_record(ZONE, "deep.down.apps", "10.0.0.8")
        .record(Kind::RecordA, ZONE, "many", &json!({"ttl": 5, "aRecords": many}))
        .record(Kind::RecordAaaa, ZONE, "db", &json!({"ttl": 7, "aaaaRecords": [{"ipv6Address": "fd00::1"}]}))
        .record(Kind::RecordCname, ZONE, "www", &cname("web.corp.example"))
        .record(Kind::RecordCname, ZONE, "web", &cname("aks.hcp.japaneast.azmk8s.io"))
        .record(Kind::RecordCname, ZONE, "lost", &cname("nobody.corp.example"))
        .record(Kind::RecordCname, ZONE, "loop", &cname("loop.corp.example"))
        .record(Kind::RecordTxt, ZONE, "text", &json!({"ttl": 9, "txtRecords": [{"value": ["one", "two words"]}]}))
        .record(
            Kind::RecordSrv,
            ZONE,
            "_s._tcp",
            &json!({"ttl": 9, "srvRecords": [{"priority": 1, "weight": 2, "port": 443, "target": "db.corp.example"}]}),
        )
}

fn lab() -> Lab {
    let sketch = sketch();
    let view = ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, "v"));
    Lab::start(&sketch, view)
}

/// The zone's start of authority as it goes with a negative answer, with its negative TTL.
const AUTHORITY: &str = "corp.example. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. \
                         1 3600 300 2419200 10";

#[test]
fn records_of_every_type_are_shown_as_they_were_written() {
    let lab = lab();
    lab.check("ANSWER", "db.corp.example", &["db.corp.example. 300 IN A 10.0.0.9"]);
    lab.check("ANSWER", "db.corp.example AAAA", &["db.corp.example. 7 IN AAAA fd00::1"]);
    lab.check("ANSWER", "text.corp.example TXT", &[r#"text.corp.example. 9 IN TXT "one" "two words""#]);
    lab.check("ANSWER", "_s._tcp.corp.example SRV", &["_s._tcp.corp.example. 9 IN SRV 1 2 443 db.corp.example."]);
}

#[test]
fn a_name_comes_back_in_the_letters_it_was_asked_with() {
    lab().check("ANSWER", "dB.CoRp.eXample", &["dB.CoRp.eXample. 300 IN A 10.0.0.9"]);
}

#[test]
fn aliases_are_followed_into_public_dns() {
    let chain = [
        "www.corp.example. 60 IN CNAME web.corp.example.",
        "web.corp.example. 60 IN CNAME aks.hcp.japaneast.azmk8s.io.",
        "aks.hcp.japaneast.azmk8s.io. 300 IN A 10.0.0.4",
    ];
    let lab = lab();
    lab.check("ANSWER", "www.corp.example", &chain);
    lab.check("ANSWER", "www.corp.example CNAME", &chain[..1]);
}

#[test]
fn an_alias_of_nothing_is_nxdomain_with_the_alias_and_the_authority() {
    let lab = lab();
    lab.shows("lost.corp.example", &["status: NXDOMAIN"]);
    lab.check("ANSWER", "lost.corp.example", &["lost.corp.example. 60 IN CNAME nobody.corp.example."]);
    lab.check("AUTHORITY", "lost.corp.example", &[AUTHORITY]);
}

#[test]
fn an_alias_loop_is_a_servers_failure() {
    lab().shows("loop.corp.example", &["status: SERVFAIL"]);
}

#[test]
fn a_name_that_does_not_exist_is_nxdomain_with_the_zones_authority_and_negative_ttl() {
    let lab = lab();
    lab.shows("nobody.corp.example", &["status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1"]);
    lab.check("AUTHORITY", "nobody.corp.example", &[AUTHORITY]);
}

#[test]
fn a_zone_may_say_how_long_a_negative_answer_is_kept() {
    let soa = json!({"ttl": 3600, "soaRecord": {
        "host": "ns.corp.example", "email": "admin.corp.example", "serialNumber": 7, "refreshTime": 3600,
        "retryTime": 300, "expireTime": 2_419_200, "minimumTtl": 42,
    }});
    let sketch = sketch().record(Kind::RecordSoa, ZONE, "@", &soa);
    let lab = Lab::start(&sketch, ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, "v")));
    let authority = "corp.example. 42 IN SOA ns.corp.example. admin.corp.example. 7 3600 300 2419200 42";
    lab.check("AUTHORITY", "nobody.corp.example", &[authority]);
}

#[test]
fn a_type_that_a_name_does_not_have_is_no_error_with_the_authority() {
    let lab = lab();
    for kind in ["MX", "NS", "HTTPS", "TYPE65300"] {
        lab.shows(&format!("db.corp.example {kind}"), &["status: NOERROR", "ANSWER: 0, AUTHORITY: 1"]);
    }
    lab.check("AUTHORITY", "db.corp.example MX", &[AUTHORITY]);
}

#[test]
fn any_shows_all_that_a_name_has() {
    let both = ["db.corp.example. 300 IN A 10.0.0.9", "db.corp.example. 7 IN AAAA fd00::1"];
    lab().check("ANSWER", "+notcp db.corp.example ANY", &both);
}

#[test]
fn wildcards_stand_in_below_the_closest_name_that_exists() {
    let lab = lab();
    lab.check("ANSWER", "a.b.apps.corp.example", &["a.b.apps.corp.example. 300 IN A 10.0.0.7"]);
    lab.shows("down.apps.corp.example", &["status: NOERROR", "ANSWER: 0"]);
    lab.shows("x.down.apps.corp.example", &["status: NXDOMAIN"]);
    lab.check("ANSWER", r"one\032two.apps.corp.example", &[r"one\032two.apps.corp.example. 300 IN A 10.0.0.7"]);
}

#[test]
fn edns_is_answered_with_edns_and_its_absence_with_none() {
    let lab = lab();
    lab.shows("+edns=0 db.corp.example", &["; EDNS: version: 0, flags:; udp: 1232"]);
    lab.shows("+edns=0 +nocookie +subnet=10.0.0.0/8 db.corp.example", &["status: NOERROR", "10.0.0.9"]);
    lab.shows("+edns=1 +noednsnegotiation db.corp.example", &["status: BADVERS", "; EDNS: version: 0"]);
    if let Some(shown) = lab.dig("+noedns db.corp.example") {
        assert!(shown.contains("10.0.0.9") && !shown.contains("EDNS"), "{shown}");
    }
}

#[test]
fn what_does_not_fit_is_cut_and_asked_again_over_tcp() {
    let lab = lab();
    lab.shows("+ignore +noedns many.corp.example", &["flags: qr tc rd ra;", "ANSWER: 0"]);
    lab.shows("+ignore +bufsize=4096 many.corp.example", &["flags: qr tc rd ra;", "; EDNS: version: 0"]);
    lab.shows("many.corp.example", &["Truncated, retrying in TCP mode", "ANSWER: 120", "10.9.0.119", "(TCP)"]);
}

#[test]
fn several_questions_on_one_tcp_connection_are_all_answered() {
    let lab = lab();
    lab.shows("+tcp +keepopen db.corp.example apps.corp.example AAAA", &["10.0.0.9", "status: NOERROR"]);
}

#[test]
fn transfers_and_other_classes_are_refused_and_other_operations_are_not_implemented() {
    let lab = lab();
    lab.shows("corp.example AXFR", &["; Transfer failed."]);
    lab.shows("-c CH version.bind TXT", &["status: REFUSED"]);
    lab.shows("+opcode=NOTIFY corp.example SOA", &["status: NOTIMP"]);
}

#[test]
fn public_dns_has_the_public_name_and_not_the_private_ones() {
    let lab = Lab::start(&sketch(), ViewId::Public);
    lab.check("ANSWER", "aks.hcp.japaneast.azmk8s.io", &["aks.hcp.japaneast.azmk8s.io. 300 IN A 10.0.0.4"]);
    lab.shows("aks.aks-zone.privatelink.japaneast.azmk8s.io", &["status: NXDOMAIN", "azmk8s.io."]);
    lab.shows("db.corp.example", &["status: NXDOMAIN"]);
}

#[test]
fn the_next_question_is_answered_out_of_the_newest_network() {
    let lab = lab();
    lab.shows("new.corp.example", &["status: NXDOMAIN"]);
    let changed = sketch().a_record(ZONE, "new", "10.0.0.77");
    lab.current.store(Arc::new(Network::compile(&changed.estate())));
    lab.check("ANSWER", "new.corp.example", &["new.corp.example. 300 IN A 10.0.0.77"]);
}
