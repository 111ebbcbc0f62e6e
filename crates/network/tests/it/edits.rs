//! Random estates: edits, and the changes of resources that they make.

use azure::{Change, Kind, sketch::Sketch};
use proptest::prelude::*;
use serde_json::json;

/// One edit of an estate with three networks and what can stand in them.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Network {
        name: usize,
        second_octet: u8,
        dns: bool,
    },
    DropNetwork(usize),
    /// A subnet's group, route table and endpoint policies.
    Subnet {
        network: usize,
        group: bool,
        table: bool,
        policies: usize,
    },
    Group {
        deny: bool,
        rule: usize,
    },
    DropGroup,
    Rule {
        name: usize,
        deny: bool,
    },
    DropRule(usize),
    Table {
        next_hop: usize,
        prefix: usize,
        propagate: bool,
    },
    DropTable,
    Nic {
        name: usize,
        network: usize,
        host: u8,
        forwarding: bool,
        public: bool,
        group: bool,
    },
    DropNic(usize),
    Public(u8),
    DropPublic,
    Machine {
        nic: usize,
        running: bool,
    },
    DropMachine,
    Site {
        prefix: usize,
    },
    DropSite,
    DropConnection,
    Resolver {
        network: usize,
    },
    DropInbound,
    DropOutbound,
    Ruleset {
        target: usize,
    },
    DropRuleset,
    DropForwardingRule,
    RulesetLink(usize),
    DropRulesetLink(usize),
    Peer {
        from: usize,
        to: usize,
        transit: bool,
        forwarded: bool,
        access: bool,
    },
    DropPeering {
        from: usize,
        to: usize,
    },
    Zone(usize),
    DropZone(usize),
    Link {
        zone: usize,
        network: usize,
        registration: bool,
        redirect: bool,
    },
    DropLink {
        zone: usize,
        network: usize,
    },
    Record {
        zone: usize,
        name: usize,
        host: u8,
    },
    DropRecord {
        zone: usize,
        name: usize,
    },
    Cluster {
        name: usize,
        network: usize,
        host: u8,
        public_fqdn: bool,
    },
    DropCluster(usize),
    Gateway {
        network: usize,
    },
    DropGateway,
}

const NETWORKS: [&str; 3] = ["n0", "n1", "n2"];
const ZONES: [&str; 2] = ["z.example", "sub.z.example"];
const RECORDS: [&str; 4] = ["@", "www", "*.apps", "a.b"];
const CLUSTERS: [&str; 2] = ["c0", "c1"];
const NEXT_HOPS: [&str; 5] = ["10.0.0.5", "10.1.0.5", "None", "VirtualNetworkGateway", "Internet"];
const PREFIXES: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/24"];
const SITES: [&str; 3] = ["192.168.0.0/24", "10.0.0.0/8", "10.1.0.0/16"];
const POLICIES: [&str; 3] = ["Disabled", "RouteTableEnabled", "Enabled"];
const TARGETS: [&str; 4] = ["10.0.8.4", "10.1.0.5", "192.168.0.10", "168.63.129.16"];

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let (n, z, r, c) = (0..NETWORKS.len(), 0..ZONES.len(), 0..RECORDS.len(), 0..CLUSTERS.len());
    prop_oneof![
        (n.clone(), 0..4_u8, any::<bool>()).prop_map(|(name, second_octet, dns)| Edit::Network {
            name,
            second_octet,
            dns
        }),
        n.clone().prop_map(Edit::DropNetwork),
        (n.clone(), any::<bool>(), any::<bool>(), 0..POLICIES.len())
            .prop_map(|(network, group, table, policies)| { Edit::Subnet { network, group, table, policies } }),
        (any::<bool>(), 0..3_usize).prop_map(|(deny, rule)| Edit::Group { deny, rule }),
        Just(Edit::DropGroup),
        (0..3_usize, any::<bool>()).prop_map(|(name, deny)| Edit::Rule { name, deny }),
        (0..3_usize).prop_map(Edit::DropRule),
        (0..NEXT_HOPS.len(), 0..PREFIXES.len(), any::<bool>()).prop_map(|(next_hop, prefix, propagate)| Edit::Table {
            next_hop,
            prefix,
            propagate
        }),
        Just(Edit::DropTable),
        (0..3_usize, n.clone(), 4..9_u8, any::<[bool; 3]>()).prop_map(|(name, network, host, flags)| Edit::Nic {
            name,
            network,
            host,
            forwarding: flags[0],
            public: flags[1],
            group: flags[2]
        }),
        (0..3_usize).prop_map(Edit::DropNic),
        (1..4_u8).prop_map(Edit::Public),
        Just(Edit::DropPublic),
        (0..3_usize, any::<bool>()).prop_map(|(nic, running)| Edit::Machine { nic, running }),
        Just(Edit::DropMachine),
        (0..SITES.len()).prop_map(|prefix| Edit::Site { prefix }),
        Just(Edit::DropSite),
        Just(Edit::DropConnection),
        n.clone().prop_map(|network| Edit::Resolver { network }),
        Just(Edit::DropInbound),
        Just(Edit::DropOutbound),
        (0..TARGETS.len()).prop_map(|target| Edit::Ruleset { target }),
        Just(Edit::DropRuleset),
        Just(Edit::DropForwardingRule),
        n.clone().prop_map(Edit::RulesetLink),
        n.clone().prop_map(Edit::DropRulesetLink),
        (n.clone(), n.clone(), any::<[bool; 3]>()).prop_map(|(from, to, flags)| Edit::Peer {
            from,
            to,
            transit: flags[0],
            forwarded: flags[1],
            access: flags[2]
        }),
        (n.clone(), n.clone()).prop_map(|(from, to)| Edit::DropPeering { from, to }),
        z.clone().prop_map(Edit::Zone),
        z.clone().prop_map(Edit::DropZone),
        (z.clone(), n.clone(), any::<bool>(), any::<bool>()).prop_map(|(zone, network, registration, redirect)| {
            Edit::Link { zone, network, registration, redirect }
        }),
        (z.clone(), n.clone()).prop_map(|(zone, network)| Edit::DropLink { zone, network }),
        (z.clone(), r.clone(), 4..9_u8).prop_map(|(zone, name, host)| Edit::Record { zone, name, host }),
        (z, r).prop_map(|(zone, name)| Edit::DropRecord { zone, name }),
        (c.clone(), n.clone(), 4..9_u8, any::<bool>()).prop_map(|(name, network, host, public_fqdn)| Edit::Cluster {
            name,
            network,
            host,
            public_fqdn
        }),
        c.prop_map(Edit::DropCluster),
        n.prop_map(|network| Edit::Gateway { network }),
        Just(Edit::DropGateway),
    ]
}

/// The changes an edit makes; the sketch's own resource group is left out.
pub(crate) fn changes(edit: &Edit) -> Vec<Change> {
    let blank = Sketch::new();
    let id = |kind, name: &str| blank.id(kind, name);
    let record_id = |zone: usize, name: usize| id(Kind::PrivateDnsZone, ZONES[zone]).child("A", RECORDS[name]);
    let sketched = |sketch: Sketch| sketch.changes()[1..].to_vec();
    match *edit {
        Edit::Network { name, second_octet, dns } => {
            let servers: &[&str] = if dns { &["10.0.0.5"] } else { &[] };
            sketched(Sketch::new().network_with_dns(NETWORKS[name], &format!("10.{second_octet}.0.0/16"), servers))
        }
        Edit::DropNetwork(name) => {
            let network = id(Kind::VirtualNetwork, NETWORKS[name]);
            vec![Change::Delete(network.child("subnets", "default")), Change::Delete(network)]
        }
        Edit::Subnet { network, group, table, policies } => {
            let reference = |kind, name, wanted: bool| wanted.then(|| json!({"id": id(kind, name)}));
            let prefix = format!("10.{network}.0.0/16");
            let subnet = id(Kind::Subnet, &format!("{}/default", NETWORKS[network]));
            sketched(Sketch::new().put(
                subnet,
                &json!({"properties": {
                    "addressPrefix": prefix,
                    "networkSecurityGroup": reference(Kind::NetworkSecurityGroup, "nsg", group),
                    "routeTable": reference(Kind::RouteTable, "table", table),
                    "privateEndpointNetworkPolicies": POLICIES[policies],
                }}),
            ))
        }
        Edit::Group { deny, rule } => {
            let access = if deny { "Deny" } else { "Allow" };
            let rules = [(100 + u32::try_from(rule).unwrap(), "Inbound", access, "*", "*", "*")];
            sketched(Sketch::new().security_group("nsg", &rules))
        }
        Edit::DropGroup => vec![Change::Delete(id(Kind::NetworkSecurityGroup, "nsg"))],
        Edit::Rule { name, deny } => {
            let rule = id(Kind::SecurityRule, &format!("nsg/rule-10{name}"));
            sketched(Sketch::new().put(
                rule,
                &json!({"properties": {
                    "priority": 110 + name, "direction": "Outbound", "access": if deny { "Deny" } else { "Allow" },
                    "protocol": "*", "sourceAddressPrefix": "VirtualNetwork", "sourcePortRange": "*",
                    "destinationAddressPrefix": "*", "destinationPortRange": "443",
                }}),
            ))
        }
        Edit::DropRule(name) => vec![Change::Delete(id(Kind::SecurityRule, &format!("nsg/rule-10{name}")))],
        Edit::Table { next_hop, prefix, propagate } => {
            let sketch = Sketch::new().route_table("table", &[(PREFIXES[prefix], NEXT_HOPS[next_hop])]);
            let options = json!({"disableBgpRoutePropagation": !propagate});
            sketched(sketch.amend(id(Kind::RouteTable, "table"), options))
        }
        Edit::DropTable => vec![Change::Delete(id(Kind::RouteTable, "table"))],
        Edit::Nic { name, network, host, forwarding, public, group } => {
            let name = format!("vm{name}");
            let (public, nsg) = (public.then_some("ip"), group.then(|| id(Kind::NetworkSecurityGroup, "nsg")));
            let public = public.map(|name| json!({"id": id(Kind::PublicIpAddress, name)}));
            let subnet = id(Kind::Subnet, &format!("{}/default", NETWORKS[network]));
            sketched(Sketch::new().put(
                id(Kind::NetworkInterface, &name),
                &json!({"properties": {
                    "enableIPForwarding": forwarding,
                    "networkSecurityGroup": nsg.map(|id| json!({"id": id})),
                    "ipConfigurations": [{"name": "c", "properties": {
                        "privateIPAddress": format!("10.{network}.0.{host}"),
                        "subnet": {"id": subnet},
                        "publicIPAddress": public,
                    }}],
                }}),
            ))
        }
        Edit::Public(host) => {
            let document = json!({"properties": {"ipAddress": format!("198.19.0.{host}")}});
            sketched(Sketch::new().put(id(Kind::PublicIpAddress, "ip"), &document))
        }
        Edit::DropPublic => vec![Change::Delete(id(Kind::PublicIpAddress, "ip"))],
        Edit::Machine { nic, running } => sketched(Sketch::new().machine("box", &[&format!("vm{nic}")], running)),
        Edit::DropMachine => vec![Change::Delete(id(Kind::VirtualMachine, "box"))],
        Edit::Site { prefix } => sketched(Sketch::new().site("site", "vpn", SITES[prefix]).site_client(
            "desk",
            "site",
            "192.168.0.10",
            &["10.0.8.4"],
        )),
        Edit::DropSite => vec![Change::Delete(id(Kind::LocalNetworkGateway, "site"))],
        Edit::DropConnection => vec![Change::Delete(id(Kind::Connection, "to-site"))],
        Edit::Resolver { network } => {
            sketched(Sketch::new().resolver("resolver", NETWORKS[network], &format!("10.{network}.8.4")))
        }
        Edit::DropInbound => {
            vec![Change::Delete(id(Kind::DnsResolver, "resolver").child("inboundEndpoints", "in"))]
        }
        Edit::DropOutbound => {
            vec![Change::Delete(id(Kind::DnsResolver, "resolver").child("outboundEndpoints", "out"))]
        }
        Edit::Ruleset { target } => {
            sketched(Sketch::new().ruleset("rules", "resolver", "z.example.", &[(TARGETS[target], 53)]))
        }
        Edit::DropRuleset => vec![Change::Delete(id(Kind::ForwardingRuleset, "rules"))],
        Edit::DropForwardingRule => {
            vec![Change::Delete(id(Kind::ForwardingRuleset, "rules").child("forwardingRules", "rule"))]
        }
        Edit::RulesetLink(network) => sketched(Sketch::new().ruleset_link("rules", NETWORKS[network])),
        Edit::DropRulesetLink(network) => {
            let link = format!("to-{}", NETWORKS[network]);
            vec![Change::Delete(id(Kind::ForwardingRuleset, "rules").child("virtualNetworkLinks", &link))]
        }
        Edit::DropNic(name) => vec![Change::Delete(id(Kind::NetworkInterface, &format!("vm{name}")))],
        Edit::Peer { from, to, transit, forwarded, access } => sketched(Sketch::new().half_peering(
            NETWORKS[from],
            NETWORKS[to],
            json!({
                "allowGatewayTransit": transit,
                "useRemoteGateways": transit,
                "allowForwardedTraffic": forwarded,
                "allowVirtualNetworkAccess": access,
            }),
        )),
        Edit::DropPeering { from, to } => {
            vec![Change::Delete(id(Kind::Peering, &format!("{}/to-{}", NETWORKS[from], NETWORKS[to])))]
        }
        Edit::Zone(zone) => sketched(Sketch::new().zone(ZONES[zone])),
        Edit::DropZone(zone) => vec![Change::Delete(id(Kind::PrivateDnsZone, ZONES[zone]))],
        Edit::Link { zone, network, registration, redirect } => sketched(Sketch::new().link(
            ZONES[zone],
            NETWORKS[network],
            json!({
                "registrationEnabled": registration,
                "resolutionPolicy": if redirect { "NxDomainRedirect" } else { "Default" },
            }),
        )),
        Edit::DropLink { zone, network } => {
            vec![Change::Delete(id(Kind::VirtualNetworkLink, &format!("{}/to-{}", ZONES[zone], NETWORKS[network])))]
        }
        Edit::Record { zone, name, host } => {
            sketched(Sketch::new().a_record(ZONES[zone], RECORDS[name], &format!("10.0.0.{host}")))
        }
        Edit::DropRecord { zone, name } => vec![Change::Delete(record_id(zone, name))],
        Edit::Cluster { name, network, host, public_fqdn } => sketched(Sketch::new().private_cluster(
            CLUSTERS[name],
            NETWORKS[network],
            &format!("10.{network}.0.{host}"),
            public_fqdn,
        )),
        Edit::DropCluster(name) => vec![Change::Delete(id(Kind::ManagedCluster, CLUSTERS[name]))],
        Edit::Gateway { network } => sketched(Sketch::new().vpn_gateway("vpn", NETWORKS[network])),
        Edit::DropGateway => vec![Change::Delete(id(Kind::VirtualNetworkGateway, "vpn"))],
    }
}
