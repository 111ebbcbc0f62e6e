//! Estates in pieces: some networks, whose spaces may overlap, and what can stand in them. A piece
//! that Azure would refuse beside the others is left out.

use std::fmt;

use azure::{Kind, ResourceId, sketch::Sketch};
use serde_json::{Value, json};

/// The second octets of the networks' spaces, 10.x.0.0/16, and what stands in them.
#[derive(Debug, Clone)]
pub(crate) struct Estate {
    pub(crate) spaces: Vec<u8>,
    pub(crate) pieces: Vec<Piece>,
}

/// One thing more. Numbers of networks are taken modulo how many there are.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Dns {
        network: usize,
        servers: &'static [&'static str],
    },
    Policies {
        network: usize,
        subnet: usize,
        policies: &'static str,
    },
    /// A security group of a subnet.
    SubnetGroup {
        network: usize,
        subnet: usize,
        rules: Vec<Rule>,
    },
    /// A security group of a machine's interface.
    MachineGroup {
        network: usize,
        slot: usize,
        rules: Vec<Rule>,
    },
    /// A route table of a subnet.
    Routes {
        network: usize,
        subnet: usize,
        routes: Vec<(&'static str, &'static str)>,
        propagate: bool,
    },
    Machine {
        network: usize,
        slot: usize,
        options: Machine,
    },
    Peering {
        from: usize,
        to: usize,
        both: bool,
        access: bool,
        forwarded: bool,
    },
    Cluster {
        name: usize,
        network: usize,
        public_fqdn: bool,
        running: bool,
        status: &'static str,
    },
    Endpoint {
        name: usize,
        network: usize,
        cluster: usize,
        status: &'static str,
    },
    PublicCluster {
        running: bool,
        ranges: &'static [&'static str],
    },
    Zone {
        zone: usize,
        records: bool,
    },
    Link {
        zone: usize,
        network: usize,
        registration: bool,
        redirect: bool,
    },
    Resolver {
        network: usize,
    },
    Ruleset {
        target: &'static str,
        network: usize,
    },
    Gateway {
        network: usize,
    },
    Transit {
        network: usize,
    },
    Site {
        servers: &'static [&'static str],
    },
    Client {
        vpn: bool,
        hosts: bool,
    },
}

/// What else a machine is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) stopped: bool,
    pub(crate) forwarding: bool,
    pub(crate) public: bool,
    pub(crate) servers: &'static [&'static str],
}

/// A security rule; its priority is its place.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) inbound: bool,
    pub(crate) allow: bool,
    pub(crate) protocol: &'static str,
    pub(crate) source: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) port: &'static str,
}

pub(crate) const ZONES: [&str; 4] = [
    "z.example",
    "sub.z.example",
    "c0-zone.privatelink.japaneast.azmk8s.io",
    "c1-zone.privatelink.japaneast.azmk8s.io",
];

/// Names that something is known of in some estate, and some of which nothing ever is.
pub(crate) const NAMES: [&str; 13] = [
    "z.example",
    "www.z.example",
    "x.apps.z.example",
    "b.sub.z.example",
    "nothing.z.example",
    "alias.z.example",
    "vm-0-0.z.example",
    "c0.hcp.japaneast.azmk8s.io",
    "c1.hcp.japaneast.azmk8s.io",
    "c0.c0-zone.privatelink.japaneast.azmk8s.io",
    "c1.c1-zone.privatelink.japaneast.azmk8s.io",
    "p.hcp.japaneast.azmk8s.io",
    "nothing.example",
];

impl fmt::Display for Estate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "spaces {:?}", self.spaces)?;
        self.pieces.iter().try_for_each(|piece| writeln!(f, "{piece:?}"))
    }
}

impl Estate {
    /// As ARM would have it.
    pub(crate) fn sketch(&self) -> Sketch {
        let mut build = Build { sketch: Sketch::new(), spaces: &self.spaces, halves: Vec::new(), gateway: None };
        for network in 0..self.spaces.len() {
            build.network(network, &[]);
        }
        for network in 0..self.spaces.len() {
            for slot in 0..3 {
                build.machine(network, slot, &Machine { forwarding: slot == 1, ..Machine::default() });
            }
        }
        // What others refer to comes first: where a machine stands decides about a gateway's transit.
        for piece in &self.pieces {
            if let Piece::Gateway { network } = piece {
                build.gateway = Some(network % self.spaces.len());
            }
        }
        for piece in &self.pieces {
            build.add(piece);
        }
        build.sketch
    }
}

struct Build<'a> {
    sketch: Sketch,
    spaces: &'a [u8],
    /// The halves of peerings there are.
    halves: Vec<(usize, usize)>,
    gateway: Option<usize>,
}

fn network_name(network: usize) -> String {
    format!("n{network}")
}

fn subnet_name(slot: usize) -> &'static str {
    ["default", "apps"][slot]
}

impl Build<'_> {
    fn edit(&mut self, edit: impl FnOnce(Sketch) -> Sketch) {
        self.sketch = edit(std::mem::take(&mut self.sketch));
    }

    fn address(&self, network: usize, rest: &str) -> String {
        format!("10.{}.{rest}", self.spaces[network])
    }

    fn network(&mut self, network: usize, servers: &[&str]) {
        let id = self.sketch.id(Kind::VirtualNetwork, &network_name(network));
        let document = json!({"properties": {
            "addressSpace": {"addressPrefixes": [self.address(network, "0.0/16")]},
            "dhcpOptions": {"dnsServers": servers},
        }});
        let fresh = servers.is_empty();
        self.edit(|sketch| sketch.put(id, &document));
        for slot in 0..2 {
            let prefix = self.address(network, &format!("{slot}.0/24"));
            if fresh {
                self.edit(|sketch| sketch.subnet(&network_name(network), subnet_name(slot), &prefix));
            }
        }
    }

    fn subnet(&self, network: usize, subnet: usize) -> ResourceId {
        self.sketch.id(Kind::Subnet, &format!("{}/{}", network_name(network), subnet_name(subnet)))
    }

    /// Puts a subnet or an interface under a security group.
    fn guard(&mut self, guarded: ResourceId, name: &str, rules: &[Rule]) {
        let rules: Vec<Value> = rules.iter().enumerate().map(rule_document).collect();
        let id = self.sketch.id(Kind::NetworkSecurityGroup, name);
        self.edit(|sketch| {
            sketch
                .put(id.clone(), &json!({"properties": {"securityRules": rules}}))
                .amend(guarded, json!({"networkSecurityGroup": {"id": id}}))
        });
    }

    /// Whether Azure would take this half: no two spaces that a network knows overlap.
    fn fits(&self, from: usize, to: usize) -> bool {
        let knows = self.halves.iter().filter(|half| half.0 == from && half.1 != to).map(|half| half.1);
        let mut held = knows.chain([from]);
        held.all(|held| self.spaces[held] != self.spaces[to])
    }

    fn peer(&mut self, from: usize, to: usize, access: bool, forwarded: bool) {
        if !self.halves.contains(&(from, to)) {
            self.halves.push((from, to));
        }
        // Both sides' flags follow who has the gateway; whether a half uses it is said by `Transit`.
        let transit = self.gateway == Some(from);
        self.edit(|sketch| {
            sketch.half_peering(
                &network_name(from),
                &network_name(to),
                json!({
                    "allowVirtualNetworkAccess": access,
                    "allowForwardedTraffic": forwarded,
                    "allowGatewayTransit": transit,
                }),
            )
        });
    }

    fn add(&mut self, piece: &Piece) {
        let count = self.spaces.len();
        match piece {
            Piece::Dns { network, servers } => {
                let id = self.sketch.id(Kind::VirtualNetwork, &network_name(network % count));
                self.edit(|sketch| sketch.amend(id, json!({"dhcpOptions": {"dnsServers": servers}})));
            }
            Piece::Policies { network, subnet, policies } => {
                let id = self.subnet(network % count, *subnet);
                self.edit(|sketch| sketch.amend(id, json!({"privateEndpointNetworkPolicies": policies})));
            }
            Piece::SubnetGroup { network, subnet, rules } => {
                let id = self.subnet(network % count, *subnet);
                self.guard(id, &format!("nsg-{}-{subnet}", network % count), rules);
            }
            Piece::MachineGroup { network, slot, rules } => {
                let machine = format!("vm-{}-{slot}", network % count);
                let id = self.sketch.id(Kind::NetworkInterface, &machine);
                self.guard(id, &format!("nsg-of-{machine}"), rules);
            }
            Piece::Routes { network, subnet, routes, propagate } => {
                let mut routes = routes.clone();
                routes.sort_unstable();
                routes.dedup_by_key(|(prefix, _)| *prefix);
                let id = self.subnet(network % count, *subnet);
                let name = format!("table-{}-{subnet}", network % count);
                let table = self.sketch.id(Kind::RouteTable, &name);
                let options = json!({"disableBgpRoutePropagation": !propagate});
                self.edit(|sketch| {
                    sketch
                        .route_table(&name, &routes)
                        .amend(table.clone(), options)
                        .amend(id, json!({"routeTable": {"id": table}}))
                });
            }
            Piece::Machine { network, slot, options } => self.machine(network % count, *slot, options),
            Piece::Peering { from, to, both, access, forwarded } => {
                let (from, to) = (from % count, to % count);
                if from != to && self.fits(from, to) {
                    self.peer(from, to, *access, *forwarded);
                    if *both && self.fits(to, from) {
                        self.peer(to, from, true, *forwarded);
                    }
                }
            }
            Piece::Cluster { name, network, public_fqdn, running, status } => {
                self.cluster(*name, network % count, *public_fqdn, *running, status);
            }
            Piece::Endpoint { name, network, cluster, status } => {
                self.endpoint(*name, network % count, *cluster, status);
            }
            Piece::PublicCluster { running, ranges } => {
                let id = self.sketch.id(Kind::ManagedCluster, "p");
                let state = if *running { "Running" } else { "Stopped" };
                self.edit(|sketch| {
                    sketch.public_cluster("p", "198.18.0.1", ranges).amend(id, json!({"powerState": {"code": state}}))
                });
            }
            Piece::Zone { zone, records } => {
                let zone = ZONES[*zone];
                self.edit(|sketch| sketch.zone(zone));
                if *records {
                    let alias = json!({"ttl": 60, "cnameRecord": {"cname": "c0.hcp.japaneast.azmk8s.io"}});
                    self.edit(|sketch| {
                        sketch
                            .a_record(zone, "@", "10.0.0.4")
                            .a_record(zone, "www", "10.0.0.5")
                            .a_record(zone, "b", "10.0.1.4")
                            .a_record(zone, "*.apps", "10.1.0.4")
                            .record(Kind::RecordCname, zone, "alias", &alias)
                    });
                }
            }
            Piece::Link { zone, network, registration, redirect } => {
                let options = json!({
                    "registrationEnabled": registration,
                    "resolutionPolicy": if *redirect { "NxDomainRedirect" } else { "Default" },
                });
                self.edit(|sketch| sketch.link(ZONES[*zone], &network_name(network % count), options));
            }
            Piece::Resolver { network } => {
                let network = network % count;
                let address = self.address(network, "8.4");
                self.edit(|sketch| sketch.resolver(&format!("resolver{network}"), &network_name(network), &address));
            }
            Piece::Ruleset { target, network } => {
                let network = network_name(network % count);
                self.edit(|sketch| {
                    sketch.ruleset("rules", "resolver0", "z.example.", &[(target, 53)]).ruleset_link("rules", &network)
                });
            }
            Piece::Gateway { .. } => {
                let Some(network) = self.gateway else { return };
                let prefix = self.address(network, "255.0/27");
                let name = network_name(network);
                self.edit(|sketch| sketch.vpn_gateway("vpn", &name).subnet(&name, "GatewaySubnet", &prefix));
            }
            Piece::Transit { network } => {
                let (Some(gateway), network) = (self.gateway, network % count) else { return };
                // Only where there is a peering already, to a network with a gateway, from one without.
                if self.halves.contains(&(network, gateway)) {
                    let id = self.sketch.id(Kind::Peering, &format!("n{network}/to-n{gateway}"));
                    self.edit(|sketch| sketch.amend(id, json!({"useRemoteGateways": true})));
                }
            }
            Piece::Site { servers } => {
                if self.gateway.is_some() {
                    self.edit(|sketch| {
                        sketch.site("office", "vpn", "192.168.0.0/24").site_client(
                            "desk",
                            "office",
                            "192.168.0.10",
                            servers,
                        )
                    });
                }
            }
            Piece::Client { vpn, hosts } => {
                let hosts: &[_] =
                    if *hosts { &[("10.0.0.20", "c0.c0-zone.privatelink.japaneast.azmk8s.io")] } else { &[] };
                if *vpn && self.gateway.is_some() {
                    self.edit(|sketch| sketch.client("home", Some("vpn"), hosts));
                } else {
                    self.edit(|sketch| sketch.client("cafe", None, hosts));
                }
            }
        }
    }

    fn machine(&mut self, network: usize, slot: usize, options: &Machine) {
        let (subnet, host) = [("default", "0.4"), ("default", "0.5"), ("apps", "1.4")][slot];
        let (name, address) = (format!("vm-{network}-{slot}"), self.address(network, host));
        let properties = json!({
            "enableIPForwarding": options.forwarding,
            "dnsSettings": {"dnsServers": options.servers},
        });
        let machine = format!("m-{network}-{slot}");
        self.edit(|sketch| {
            sketch.nic_in(&name, &network_name(network), subnet, &address, properties).machine(
                &machine,
                &[&name],
                !options.stopped,
            )
        });
        if options.public {
            self.edit(|sketch| sketch.public_address(&name, &format!("198.19.{network}.{}", slot + 1)));
        }
    }

    fn cluster(&mut self, name: usize, network: usize, public_fqdn: bool, running: bool, status: &str) {
        let address = self.address(network, &format!("0.{}", 20 + name));
        let name = format!("c{name}");
        let id = self.sketch.id(Kind::ManagedCluster, &name);
        self.edit(|sketch| sketch.private_cluster(&name, &network_name(network), &address, public_fqdn));
        let state = if running { "Running" } else { "Stopped" };
        self.edit(|sketch| sketch.amend(id.clone(), json!({"powerState": {"code": state}})));
        let subscription = id.subscription().unwrap_or_default();
        let endpoint = ResourceId::group(subscription, &format!("MC_{name}"))
            .resource(Kind::PrivateEndpoint.arm_type(), azure::aks::PRIVATE_ENDPOINT_NAME);
        self.edit(|sketch| sketch.amend(endpoint, connection(&id, status)));
    }

    /// A user's own endpoint to a cluster.
    fn endpoint(&mut self, name: usize, network: usize, cluster: usize, status: &str) {
        let subnet_slot = name;
        let address = self.address(network, &format!("{subnet_slot}.{}", 30 + name));
        let nic_name = format!("pe{name}.nic");
        let endpoint = self.sketch.id(Kind::PrivateEndpoint, &format!("pe{name}"));
        let subnet = self.sketch.id(Kind::Subnet, &format!("n{network}/{}", subnet_name(subnet_slot)));
        let nic = self.sketch.id(Kind::NetworkInterface, &nic_name);
        let cluster = self.sketch.id(Kind::ManagedCluster, &format!("c{cluster}"));
        let owner = json!({"privateEndpoint": {"id": endpoint}});
        self.edit(|sketch| {
            sketch
                .nic_in(&nic_name, &network_name(network), subnet_name(subnet_slot), &address, owner)
                .put(
                    endpoint.clone(),
                    &json!({"properties": {"subnet": {"id": subnet}, "networkInterfaces": [{"id": nic}]}}),
                )
                .amend(endpoint, connection(&cluster, status))
        });
    }
}

fn connection(cluster: &ResourceId, status: &str) -> Value {
    json!({"privateLinkServiceConnections": [{"properties": {
        "privateLinkServiceId": cluster,
        "privateLinkServiceConnectionState": {"status": status},
    }}]})
}

fn rule_document((index, rule): (usize, &Rule)) -> Value {
    json!({"name": format!("rule-{index}"), "properties": {
        "priority": 100 + index,
        "direction": if rule.inbound { "Inbound" } else { "Outbound" },
        "access": if rule.allow { "Allow" } else { "Deny" },
        "protocol": rule.protocol,
        "sourceAddressPrefix": rule.source,
        "sourcePortRange": "*",
        "destinationAddressPrefix": rule.destination,
        "destinationPortRange": rule.port,
    }})
}
