//! Verdicts on observations that this machine cannot make for itself: private networks, clocks, nodes. One sound
//! observation, and in each case what differs.

use std::net::{IpAddr, SocketAddr};

use doctor::{
    Code, Observations, address, diagnose,
    observation::{
        Certificate, Connection, Deep, NameObservation, Origin, Place, Reply, Request, RequestOutcome, Route,
        ServerAnswer, SystemReply, Target, Tcp, Tls, Verdict,
    },
    proxy,
    resolvers::Configuration,
};
use jiff::Timestamp;

use crate::stage::{PRIVATE, PUBLIC};

const ENDPOINT: [u8; 4] = [10, 224, 0, 4];
const LAPTOP: [u8; 4] = [192, 168, 1, 7];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn certificate(names: &[&str], issuer: &str) -> Certificate {
    Certificate {
        subject: "CN=apiserver".into(),
        issuer: issuer.into(),
        names: names.iter().map(ToString::to_string).collect(),
        not_before: at("2026-01-01T00:00:00Z"),
        not_after: at("2028-01-01T00:00:00Z"),
    }
}

/// A laptop behind a VPN that reaches the cluster by `host`: all is well.
fn sound(host: &str) -> Observations {
    let endpoint = IpAddr::from(ENDPOINT);
    let answer = |server: [u8; 4], origin| ServerAnswer {
        server: SocketAddr::from((server, 53)),
        origin,
        reply: Reply::Addresses { addresses: vec![endpoint], aliases: Vec::new() },
        then: None,
    };
    Observations {
        at: at("2027-01-01T00:00:00Z"),
        target: Target {
            context: "aks-public".into(),
            cluster: doctor::observation::Cluster::of_user("clusterUser_rg-1_aks-public", "aks-public"),
            server: format!("https://{host}:443"),
            host: host.into(),
            port: 443,
            kind: address::recognise(host),
            tls_server_name: None,
            insecure: false,
            authority_error: None,
        },
        place: Place::default(),
        dns: Configuration::default(),
        names: vec![NameObservation {
            name: host.into(),
            hosts: Vec::new(),
            system: SystemReply::Addresses { addresses: vec![endpoint] },
            servers: vec![answer([10, 0, 0, 10], Origin::Configured), answer([8, 8, 8, 8], Origin::Public)],
        }],
        zones: Vec::new(),
        proxy: None,
        connections: vec![Connection {
            address: endpoint,
            chosen: true,
            route: Some(Route {
                source: LAPTOP.into(),
                interface: Some("tun0".into()),
                prefix: Some("10.224.0.0/12".parse().unwrap()),
                on_link: false,
            }),
            tcp: Tcp::Connected { took_ms: 12 },
            tls: Some(Tls {
                verdict: Verdict::Verified,
                expected_name: host.into(),
                certificate: Some(certificate(&[host, "kubernetes"], "CN=ca")),
            }),
        }],
        requests: vec![request(false, 401, "Unauthorized"), request(true, 200, "v1.33.2")],
        credentials: Vec::new(),
        deep: None,
    }
}

fn request(with_credentials: bool, status: u16, message: &str) -> Request {
    let outcome = RequestOutcome::Answered { status, message: Some(message.into()), kubernetes: true };
    Request { with_credentials, outcome, server_time: Some(at("2027-01-01T00:00:00Z")) }
}

/// The only connection, which fails.
fn fails(seen: &mut Observations, tcp: Tcp) {
    seen.connections[0].tcp = tcp;
    seen.connections[0].tls = None;
    seen.requests.clear();
}

/// The only connection, by the default route of a home network.
fn by_default(seen: &mut Observations) {
    let route = seen.connections[0].route.as_mut().unwrap();
    route.interface = Some("wlp1s0".into());
    route.prefix = Some("0.0.0.0/0".parse().unwrap());
}

/// The only connection, in a home network of the same addresses.
fn at_home(seen: &mut Observations) {
    let route = seen.connections[0].route.as_mut().unwrap();
    (route.source, route.on_link) = ([10, 224, 0, 77].into(), true);
    route.prefix = Some("10.224.0.0/24".parse().unwrap());
}

fn unreachable() -> Tcp {
    Tcp::Unreachable { error: "No route to host (os error 113)".into() }
}

fn shows(seen: &mut Observations, verdict: Verdict, certificate: Certificate) {
    let tls = seen.connections[0].tls.as_mut().unwrap();
    (tls.verdict, tls.certificate) = (verdict, Some(certificate));
}

type Change = fn(&mut Observations);

#[test]
fn every_difference_from_a_sound_observation_has_its_verdict() {
    let cases: &[(&str, &str, Change, Option<Code>)] = &[
        ("all is well", PRIVATE, |_| (), None),
        ("all is well by the public name", PUBLIC, |_| (), None),
        (
            "default route, silence",
            PRIVATE,
            |seen| {
                by_default(seen);
                fails(seen, Tcp::Silent);
            },
            Some(Code::NoRoute),
        ),
        (
            "no route at all",
            PRIVATE,
            |seen| {
                seen.connections[0].route = None;
                fails(seen, unreachable());
            },
            Some(Code::NoRoute),
        ),
        (
            "default route, silence, hosted agent",
            PUBLIC,
            |seen| {
                by_default(seen);
                fails(seen, Tcp::Silent);
                seen.place.hosted_agent = Some("GitHub Actions".into());
            },
            Some(Code::HostedCiAgent),
        ),
        ("a route of its own, silence", PRIVATE, |seen| fails(seen, Tcp::Silent), Some(Code::Blocked)),
        (
            "in Azure beside it, silence",
            PRIVATE,
            |seen| {
                at_home(seen);
                seen.place.azure = true;
                fails(seen, Tcp::Silent);
            },
            Some(Code::Blocked),
        ),
        (
            "a route of its own, silence, hosts file",
            PRIVATE,
            |seen| {
                fails(seen, Tcp::Silent);
                seen.names[0].hosts = vec![ENDPOINT.into()];
                seen.names[0].servers.clear();
            },
            Some(Code::StaleRecord),
        ),
        (
            "hosts file against DNS",
            PRIVATE,
            |seen| {
                by_default(seen);
                fails(seen, Tcp::Silent);
                seen.names[0].hosts = vec![ENDPOINT.into()];
                seen.names[0].servers.truncate(1);
                seen.names[0].servers[0].reply =
                    Reply::Addresses { addresses: vec![[10, 224, 0, 9].into()], aliases: vec![] };
            },
            Some(Code::StaleRecord),
        ),
        (
            "the same addresses at home, silence",
            PRIVATE,
            |seen| {
                at_home(seen);
                fails(seen, Tcp::Silent);
            },
            Some(Code::AddressOverlap),
        ),
        (
            "the same addresses at home, nobody there",
            PRIVATE,
            |seen| {
                at_home(seen);
                fails(seen, unreachable());
            },
            Some(Code::AddressOverlap),
        ),
        (
            "the same addresses at home, a printer there",
            PRIVATE,
            |seen| {
                at_home(seen);
                shows(seen, Verdict::UnknownAuthority, certificate(&["printer.lan"], "CN=printer"));
            },
            Some(Code::AddressOverlap),
        ),
        ("refused", PRIVATE, |seen| fails(seen, Tcp::Refused), Some(Code::ConnectionRefused)),
        (
            "public address, silence",
            PUBLIC,
            |seen| {
                by_default(seen);
                fails(seen, Tcp::Silent);
                let public = vec![IpAddr::from([20, 1, 0, 4])];
                seen.connections[0].address = public[0];
                seen.names[0].system = SystemReply::Addresses { addresses: public };
            },
            Some(Code::AuthorizedIpRanges),
        ),
        (
            "withheld by the router at home",
            PUBLIC,
            |seen| {
                seen.names[0].system = SystemReply::Failed { error: "Name or service not known".into() };
                seen.names[0].servers[0].reply = Reply::NoData { authority: None };
                seen.connections[0].chosen = false;
                seen.requests.clear();
            },
            Some(Code::RebindProtection),
        ),
        (
            "intercepted",
            PUBLIC,
            |seen| {
                shows(seen, Verdict::UnknownAuthority, certificate(&[PUBLIC], "CN=Office Firewall"));
            },
            Some(Code::TlsIntercepted),
        ),
        (
            "certificate of tomorrow",
            PRIVATE,
            |seen| {
                shows(seen, Verdict::NotYetValid, certificate(&[PRIVATE, "kubernetes"], "CN=ca"));
            },
            Some(Code::ClockSkew),
        ),
        (
            "ended, and so says the server's clock",
            PRIVATE,
            |seen| {
                shows(seen, Verdict::Expired, certificate(&[PRIVATE, "kubernetes"], "CN=ca"));
            },
            Some(Code::ServerCertificateExpired),
        ),
        (
            "ended, but not by the server's clock",
            PRIVATE,
            |seen| {
                shows(seen, Verdict::Expired, certificate(&[PRIVATE, "kubernetes"], "CN=ca"));
                seen.requests[0].server_time = Some(at("2026-06-01T00:00:00Z"));
            },
            Some(Code::ClockSkew),
        ),
        (
            "unacceptable",
            PRIVATE,
            |seen| {
                let verdict = Verdict::Unacceptable { error: "the key is too short".into() };
                shows(seen, verdict, certificate(&[PRIVATE], "CN=ca"));
            },
            Some(Code::TlsUnacceptable),
        ),
        ("forbidden", PRIVATE, |seen| seen.requests[1] = request(true, 403, "forbidden"), Some(Code::AuthNotNetwork)),
        (
            "fails for users only",
            PRIVATE,
            |seen| {
                seen.requests[1] = request(true, 500, "webhook");
            },
            Some(Code::ApiServerUnhealthy),
        ),
        (
            "no way to the nodes",
            PRIVATE,
            |seen| {
                let logs = RequestOutcome::Answered {
                    status: 500,
                    message: Some("No agent available".into()),
                    kubernetes: true,
                };
                seen.deep = Some(Deep { large_request: Some(true), logs: Some(logs), ..Deep::default() });
            },
            Some(Code::LogsExecFail),
        ),
        (
            "may not read logs",
            PRIVATE,
            |seen| {
                let logs = RequestOutcome::Answered { status: 403, message: None, kubernetes: true };
                seen.deep = Some(Deep { large_request: Some(true), logs: Some(logs), ..Deep::default() });
            },
            None,
        ),
        (
            "has no logs",
            PRIVATE,
            |seen| {
                let logs = RequestOutcome::Answered { status: 501, message: None, kubernetes: true };
                seen.deep = Some(Deep { large_request: Some(true), logs: Some(logs), ..Deep::default() });
            },
            None,
        ),
        (
            "large packets are lost",
            PRIVATE,
            |seen| {
                seen.deep = Some(Deep { large_request: Some(false), ..Deep::default() });
            },
            Some(Code::LargePacketsLost),
        ),
    ];
    for (case, host, change, expected) in cases {
        let mut seen = sound(host);
        change(&mut seen);
        let diagnosis = diagnose(&seen);
        assert_eq!(diagnosis.cause.as_ref().map(|cause| cause.code), *expected, "{case}: {diagnosis:#?}");
        let text = doctor::text(&seen, &diagnosis);
        assert_eq!(text.contains("nothing wrong"), expected.is_none(), "{case}: {text}");
        assert!(
            diagnosis.cause.is_none_or(|cause| !cause.evidence.is_empty() && !cause.fixes.is_empty()),
            "{case}: {text}"
        );
    }
}

#[test]
fn a_person_reads_what_works_what_does_not_why_and_what_to_do() {
    let mut seen = sound(PRIVATE);
    seen.names[0].system = SystemReply::Failed { error: "Name or service not known".into() };
    for answer in &mut seen.names[0].servers {
        answer.reply = Reply::NoSuchName { authority: None };
    }
    let mut other = sound(PUBLIC).names.remove(0);
    other.servers.truncate(1);
    seen.names.push(other);
    seen.connections[0].chosen = false;
    seen.requests.clear();
    insta::assert_snapshot!("private_name_only", doctor::text(&seen, &diagnose(&seen)));
    let seen = sound(PUBLIC);
    insta::assert_snapshot!("healthy", doctor::text(&seen, &diagnose(&seen)));
    let json = doctor::json(&seen, &diagnose(&seen));
    assert_eq!((json["schema"].as_str(), json["healthy"].as_bool()), (Some(doctor::SCHEMA), Some(true)));
}

#[test]
fn codes_are_documented_and_none_is_said_twice() {
    let names: std::collections::BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    let manual = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md")).unwrap();
    for name in names {
        assert!(manual.contains(&format!("`{name}`")), "docs/doctor.md does not say what {name} is");
    }
}

#[test]
fn a_proxy_that_is_not_needed_is_told_from_the_direct_way() {
    let mut seen = sound(PRIVATE);
    let variables = [("HTTPS_PROXY".to_owned(), "proxy.corp:3128".to_owned())].into();
    let chosen = proxy::choose(None, &variables, (true, PRIVATE, 443)).unwrap();
    let outcome = doctor::observation::ProxyOutcome::Refused { answer: "502 Bad Gateway".into() };
    seen.proxy = Some(doctor::observation::ProxyObservation { proxy: chosen, outcome, tls: None });
    let cause = diagnose(&seen).cause.unwrap();
    assert_eq!(cause.code, Code::ProxyInTheWay);
    assert!(cause.evidence.contains(&"without it the API server answers at 10.224.0.4".to_owned()), "{cause:?}");
}

#[test]
fn addresses_of_the_other_family_that_are_not_reached_are_noted() {
    let mut seen = sound(PRIVATE);
    let mut six = seen.connections[0].clone();
    (six.address, six.tcp, six.tls, six.route) = ("fd00::4".parse().unwrap(), unreachable(), None, None);
    seen.connections.push(six);
    let diagnosis = diagnose(&seen);
    let notes: Vec<Code> = diagnosis.notes.iter().map(|note| note.code).collect();
    assert_eq!((diagnosis.cause, notes), (None, vec![Code::Ipv6NotReached]));
}
