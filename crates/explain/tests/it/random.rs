//! Random estates in which much can go wrong: networks that overlap or not, peerings of every kind,
//! clusters with every kind of zone, links that are there or not, routes, security groups, custom
//! DNS, gateways, clients with hosts files.

use azure::{Kind, ResourceId, sketch::Sketch};
use proptest::prelude::*;
use serde_json::json;

use crate::stage::zone;

const CENTRAL: &str = "privatelink.japaneast.azmk8s.io";

/// One thing that is there.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Peer { from: usize, to: usize, both: bool, access: bool, transit: bool, forwarded: bool },
    Cluster { name: usize, network: usize, public_fqdn: bool, kind: usize, stopped: bool, status: usize, record: usize },
    Link { cluster: usize, network: usize, redirect: bool },
    Central { network: usize, redirect: bool },
    Deny { network: usize, inbound: bool, prefix: usize },
    Route { network: usize, prefix: usize, next_hop: usize },
    Dns { network: usize, server: usize },
    Policies { network: usize },
    Machine { network: usize, running: bool },
    Hosts { client: usize, cluster: usize, stale: bool },
    Extra { cluster: usize, network: usize },
    Gateway { network: usize },
    Site { server: usize },
    Resolver { network: usize },
    Public { name: usize, ranges: bool },
}

const NETWORKS: usize = 6;
const CLUSTERS: usize = 6;

/// The second octet of each network: two of them are twins.
const OCTETS: [usize; NETWORKS] = [0, 1, 2, 3, 4, 1];
const SERVERS: [&str; 5] = ["168.63.129.16", "8.8.8.8", "10.0.0.5", "10.2.0.5", "10.3.8.4"];
const PREFIXES: [&str; 5] = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.20/32", "10.3.0.0/24"];
const NEXT_HOPS: [&str; 5] = ["10.0.0.5", "10.2.0.5", "None", "VirtualNetworkGateway", "Internet"];
const STATES: [&str; 4] = ["Approved", "Approved", "Approved", "Pending"];

pub(crate) fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec(piece(), 4..40)
}

fn piece() -> impl Strategy<Value = Piece> {
    let (n, c) = (0..NETWORKS, 0..CLUSTERS);
    let peer = (n.clone(), n.clone(), any::<[bool; 4]>(), 0..4_usize).prop_map(
        |(from, to, [both, transit, forwarded, _], access)| Piece::Peer {
            from,
            to,
            both: both || transit,
            access: access > 0,
            transit,
            forwarded,
        },
    );
    let cluster = (c.clone(), n.clone(), any::<bool>(), 0..5_usize, (0..6_usize, 0..STATES.len(), 0..5_usize))
        .prop_map(|(name, network, public_fqdn, kind, (stopped, status, record))| Piece::Cluster {
            name,
            network,
            public_fqdn,
            kind,
            stopped: stopped == 0,
            status,
            record,
        });
    prop_oneof![
        6 => peer,
        6 => cluster,
        4 => (c.clone(), n.clone(), any::<bool>()).prop_map(|(cluster, network, redirect)| Piece::Link { cluster, network, redirect }),
        1 => (n.clone(), any::<bool>()).prop_map(|(network, redirect)| Piece::Central { network, redirect }),
        1 => (n.clone(), any::<bool>(), 0..PREFIXES.len()).prop_map(|(network, inbound, prefix)| Piece::Deny { network, inbound, prefix }),
        2 => (n.clone(), 0..PREFIXES.len(), 0..NEXT_HOPS.len()).prop_map(|(network, prefix, next_hop)| Piece::Route { network, prefix, next_hop }),
        1 => (n.clone(), 0..SERVERS.len()).prop_map(|(network, server)| Piece::Dns { network, server }),
        1 => n.clone().prop_map(|network| Piece::Policies { network }),
        2 => (n.clone(), any::<bool>()).prop_map(|(network, running)| Piece::Machine { network, running }),
        1 => (0..3_usize, c.clone(), any::<bool>()).prop_map(|(client, cluster, stale)| Piece::Hosts { client, cluster, stale }),
        1 => (c.clone(), n.clone()).prop_map(|(cluster, network)| Piece::Extra { cluster, network }),
        1 => n.clone().prop_map(|network| Piece::Gateway { network }),
        1 => (0..SERVERS.len()).prop_map(|server| Piece::Site { server }),
        1 => n.prop_map(|network| Piece::Resolver { network }),
        1 => (c, any::<bool>()).prop_map(|(name, ranges)| Piece::Public { name, ranges }),
    ]
}

fn network(index: usize) -> String {
    format!("n{index}")
}

fn cluster(index: usize) -> String {
    format!("c{index}")
}

/// The estate of these pieces.
pub(crate) fn sketch(pieces: &[Piece]) -> Sketch {
    let mut sketch = Sketch::new().client("out", None, &[]);
    for (index, octet) in OCTETS.into_iter().enumerate() {
        sketch = sketch
            .network(&network(index), &format!("10.{octet}.0.0/16"))
            .subnet(&network(index), "default", &format!("10.{octet}.0.0/20"))
            .nic_in(
                &format!("fw{index}"),
                &network(index),
                "default",
                &format!("10.{octet}.0.5"),
                json!({"enableIPForwarding": true}),
            )
            .nic(&format!("vm{index}"), &network(index), &format!("10.{octet}.0.{}", 10 + index))
            .nic(&format!("twin{index}"), &network(index), &format!("10.{octet}.0.{}", 20 + index));
    }
    pieces.iter().fold(sketch, add)
}

fn add(sketch: Sketch, piece: &Piece) -> Sketch {
    match *piece {
        Piece::Peer { from, to, .. } if from == to => sketch,
        Piece::Peer { from, to, both, access, transit, forwarded } => {
            let half = |transit: bool, remote: bool| {
                json!({
                    "allowVirtualNetworkAccess": access, "allowGatewayTransit": transit, "useRemoteGateways": remote,
                    "allowForwardedTraffic": forwarded,
                })
            };
            let sketch = sketch.half_peering(&network(from), &network(to), half(transit, false));
            if both { sketch.half_peering(&network(to), &network(from), half(false, transit)) } else { sketch }
        }
        Piece::Cluster { name, network: at, public_fqdn, kind, stopped, status, record } => {
            private(sketch, &cluster(name), at, 30 + name, public_fqdn, kind, stopped, STATES[status], record)
        }
        Piece::Link { cluster: of, network: to, redirect } => {
            let policy = if redirect { "NxDomainRedirect" } else { "Default" };
            sketch.zone(&zone(&cluster(of))).link(
                &zone(&cluster(of)),
                &network(to),
                json!({"resolutionPolicy": policy}),
            )
        }
        Piece::Central { network: to, redirect } => {
            let policy = if redirect { "NxDomainRedirect" } else { "Default" };
            sketch.zone(CENTRAL).link(CENTRAL, &network(to), json!({"resolutionPolicy": policy}))
        }
        Piece::Deny { network: at, inbound, prefix } => {
            let way = if inbound { "Inbound" } else { "Outbound" };
            sketch.security_group("nsg", &[(200, way, "Deny", PREFIXES[prefix], "*", "*")]).guarded_by(
                Kind::Subnet,
                &format!("{}/default", network(at)),
                "nsg",
            )
        }
        Piece::Route { network: at, prefix, next_hop } => {
            let table = format!("t{at}");
            sketch
                .route_table(&table, &[(PREFIXES[prefix], NEXT_HOPS[next_hop])])
                .routed_by(&format!("{}/default", network(at)), &table)
        }
        Piece::Dns { network: at, server } => {
            let id = sketch.id(Kind::VirtualNetwork, &network(at));
            sketch.amend(id, json!({"dhcpOptions": {"dnsServers": [SERVERS[server]]}}))
        }
        Piece::Policies { network: at } => {
            let id = sketch.id(Kind::Subnet, &format!("{}/default", network(at)));
            sketch.amend(id, json!({"privateEndpointNetworkPolicies": "Enabled"}))
        }
        Piece::Machine { network: at, running } => sketch.machine(&format!("m{at}"), &[&format!("vm{at}")], running),
        Piece::Hosts { client, cluster: of, stale } => {
            let address =
                if stale { "10.9.9.9".to_owned() } else { format!("10.{}.0.{}", OCTETS[of % NETWORKS], 30 + of) };
            let name = format!("{}.{}", cluster(of), zone(&cluster(of)));
            sketch.client(&format!("client{client}"), Some("gw"), &[(&address, &name)])
        }
        Piece::Extra { cluster: of, network: at } => extra(sketch, &cluster(of), at),
        Piece::Gateway { network: at } => sketch.vpn_gateway("gw", &network(at)),
        Piece::Site { server } => sketch.site("office", "gw", "192.168.0.0/24").site_client(
            "desk",
            "office",
            "192.168.0.10",
            &[SERVERS[server]],
        ),
        Piece::Resolver { network: at } => {
            sketch.resolver("resolver", &network(at), &format!("10.{}.128.4", OCTETS[at]))
        }
        Piece::Public { name, ranges } => {
            let ranges: &[&str] = if ranges { &["203.0.113.0/24"] } else { &[] };
            sketch.public_cluster(&format!("p{name}"), &format!("198.18.0.{}", name + 1), ranges)
        }
    }
}

/// A private cluster with a system zone, no zone, or the central one.
#[expect(clippy::too_many_arguments, reason = "a piece, spelt out")]
fn private(
    sketch: Sketch,
    name: &str,
    at: usize,
    host: usize,
    public: bool,
    kind: usize,
    stopped: bool,
    status: &str,
    record: usize,
) -> Sketch {
    let address = format!("10.{}.0.{host}", OCTETS[at]);
    let group = ResourceId::group("00000000-0000-0000-0000-000000000001", &format!("MC_{name}"));
    let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), "kube-apiserver");
    let id = sketch.id(Kind::ManagedCluster, name);
    let mut sketch = sketch.private_cluster(name, &network(at), &address, public || kind == 3);
    let connection = json!([{"properties": {
        "privateLinkServiceId": id, "privateLinkServiceConnectionState": {"status": status},
    }}]);
    sketch = sketch.amend(endpoint, json!({"privateLinkServiceConnections": connection}));
    match kind {
        3 => {
            let access = json!({"enablePrivateCluster": true, "privateDNSZone": "none"});
            sketch = sketch.amend(id.clone(), json!({"apiServerAccessProfile": access}));
        }
        4 => {
            let own = sketch.id(Kind::PrivateDnsZone, CENTRAL);
            let access =
                json!({"enablePrivateCluster": true, "privateDNSZone": own, "enablePrivateClusterPublicFQDN": public});
            let fqdn = format!("{name}.{CENTRAL}");
            sketch =
                sketch.amend(id.clone(), json!({"apiServerAccessProfile": access, "privateFQDN": fqdn})).zone(CENTRAL);
            sketch = sketch.a_record(CENTRAL, name, &address);
        }
        _ => {}
    }
    if stopped {
        sketch = sketch.amend(id, json!({"powerState": {"code": "Stopped"}}));
    }
    match record {
        0 => {
            let gone = sketch.id(Kind::PrivateDnsZone, &zone(name)).child("A", name);
            sketch.delete(gone)
        }
        1 => sketch.a_record(&zone(name), name, "10.3.0.99"),
        _ => sketch,
    }
}

fn extra(sketch: Sketch, cluster: &str, at: usize) -> Sketch {
    sketch.private_endpoint("mine", &network(at), &format!("10.{}.0.60", OCTETS[at]), cluster)
}
