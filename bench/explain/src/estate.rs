//! Landing zones of any size: hubs with a firewall, a DNS server and a VPN gateway; a hundred networks
//! to a hub, each peered with it, half of them with four private clusters; machines everywhere.

use azure::{Change, Estate, Kind, Resource, ResourceId, aks};
use serde_json::{Value, json};

/// Clusters for each network, on average.
const CLUSTERS_EACH: usize = 2;
/// Networks of one hub, the hub among them.
const NETWORKS_PER_HUB: usize = 100;
/// Clusters in a network that has clusters.
const CLUSTERS_PER_NETWORK: usize = 4;
/// Machines in a network.
const MACHINES_PER_NETWORK: usize = 10;
/// Every which spoke asks the hub's DNS server; every other uses Azure's own.
const ASKS_HUB: usize = 2;

/// How large an estate is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) clusters: usize,
    pub(crate) networks: usize,
    pub(crate) links: usize,
    pub(crate) machines: usize,
    pub(crate) resources: usize,
}

/// An estate being made.
struct Maker {
    subscription: String,
    changes: Vec<Change>,
    size: Size,
}

/// An estate of `clusters` private clusters.
pub(crate) fn landing_zones(clusters: usize) -> (Estate, Size) {
    let networks = clusters / CLUSTERS_EACH;
    let mut maker = Maker {
        subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
        changes: Vec::new(),
        size: Size::default(),
    };
    for hub in 0..networks.div_ceil(NETWORKS_PER_HUB) {
        maker.hub(hub);
        let spokes = NETWORKS_PER_HUB.min(networks - hub * NETWORKS_PER_HUB);
        for spoke in 1..spokes {
            maker.spoke(hub, spoke, clusters);
        }
    }
    maker.size.resources = maker.changes.len();
    (Estate::default().apply(1, &maker.changes), maker.size)
}

/// The network `index` of a hub has 10.x.y.0/22, its own in the whole estate.
fn prefix(hub: usize, spoke: usize, host: usize) -> String {
    let at = ((hub * NETWORKS_PER_HUB + spoke) << 10) + host;
    format!("10.{}.{}.{}", at >> 16, (at >> 8) & 255, at & 255)
}

impl Maker {
    fn group(&self, hub: usize, spoke: usize) -> ResourceId {
        ResourceId::group(&self.subscription, &format!("rg-{hub}-{spoke}"))
    }

    fn network(&self, hub: usize, spoke: usize) -> ResourceId {
        self.group(hub, spoke).resource(Kind::VirtualNetwork.arm_type(), &format!("net-{hub}-{spoke}"))
    }

    fn put(&mut self, id: ResourceId, document: &Value) {
        self.changes.push(Change::put(Resource::new(id, document)));
    }

    fn net(&mut self, hub: usize, spoke: usize, dns: &[String], subnets: &[(&str, Value)]) {
        let id = self.network(hub, spoke);
        self.put(
            id.clone(),
            &json!({"location": "japaneast", "properties": {
                "addressSpace": {"addressPrefixes": [format!("{}/22", prefix(hub, spoke, 0))]},
                "dhcpOptions": {"dnsServers": dns},
            }}),
        );
        for (name, properties) in subnets {
            self.put(id.child("subnets", name), &json!({"properties": properties}));
        }
        self.size.networks += 1;
    }

    fn nic(&mut self, hub: usize, spoke: usize, name: &str, host: usize, forwarding: bool) {
        let subnet = self.network(hub, spoke).child("subnets", "default");
        let nic = self.group(hub, spoke).resource(Kind::NetworkInterface.arm_type(), name);
        self.put(nic, &json!({"properties": {"enableIPForwarding": forwarding, "ipConfigurations": [
            {"name": "ipconfig1", "properties": {"privateIPAddress": prefix(hub, spoke, host), "subnet": {"id": subnet}}}
        ]}}));
        self.size.machines += 1;
    }

    fn hub(&mut self, hub: usize) {
        let subnets = [
            ("default", json!({"addressPrefix": format!("{}/24", prefix(hub, 0, 0))})),
            ("GatewaySubnet", json!({"addressPrefix": format!("{}/27", prefix(hub, 0, 256))})),
        ];
        self.net(hub, 0, &[], &subnets);
        self.nic(hub, 0, &format!("firewall-{hub}"), 4, true);
        self.nic(hub, 0, &format!("dns-{hub}"), 5, false);
        let gateway = self.group(hub, 0).resource(Kind::VirtualNetworkGateway.arm_type(), &format!("vpn-{hub}"));
        let subnet = self.network(hub, 0).child("subnets", "GatewaySubnet");
        self.put(
            gateway,
            &json!({"properties": {
                "ipConfigurations": [{"properties": {"subnet": {"id": subnet}}}],
                "vpnClientConfiguration": {"vpnClientAddressPool": {"addressPrefixes": ["172.16.0.0/24"]}},
            }}),
        );
        let table = self.group(hub, 0).resource(Kind::RouteTable.arm_type(), "to-firewall");
        let appliance = |prefix: &str| {
            json!({"name": prefix.replace('/', "-"), "properties": {
                "addressPrefix": prefix, "nextHopType": "VirtualAppliance", "nextHopIpAddress": self::prefix(hub, 0, 4),
            }})
        };
        self.put(table, &json!({"properties": {"routes": [appliance("0.0.0.0/0"), appliance("10.0.0.0/8")]}}));
        let group = self.group(hub, 0).resource(Kind::NetworkSecurityGroup.arm_type(), "standard");
        self.put(group, &json!({"properties": {"securityRules": [{"name": "no-ssh", "properties": {
            "priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "Tcp",
            "sourceAddressPrefix": "Internet", "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "22",
        }}]}}));
    }

    fn spoke(&mut self, hub: usize, spoke: usize, clusters: usize) {
        let (table, group) = (
            self.group(hub, 0).resource(Kind::RouteTable.arm_type(), "to-firewall"),
            self.group(hub, 0).resource(Kind::NetworkSecurityGroup.arm_type(), "standard"),
        );
        let dns = if spoke.is_multiple_of(ASKS_HUB) { vec![prefix(hub, 0, 5)] } else { Vec::new() };
        let subnets = [
            (
                "default",
                json!({
                    "addressPrefix": format!("{}/24", prefix(hub, spoke, 0)),
                    "routeTable": {"id": table}, "networkSecurityGroup": {"id": group},
                }),
            ),
            ("aks", json!({"addressPrefix": format!("{}/24", prefix(hub, spoke, 256))})),
        ];
        self.net(hub, spoke, &dns, &subnets);
        let (near, far) = (self.network(hub, 0), self.network(hub, spoke));
        let half = |remote: &ResourceId, transit: &str| {
            json!({"properties": {
                "remoteVirtualNetwork": {"id": remote}, "allowVirtualNetworkAccess": true, "allowForwardedTraffic": true, transit: true,
            }})
        };
        self.put(near.child("virtualNetworkPeerings", &format!("to-{spoke}")), &half(&far, "allowGatewayTransit"));
        self.put(far.child("virtualNetworkPeerings", "to-hub"), &half(&near, "useRemoteGateways"));
        for machine in 0..MACHINES_PER_NETWORK {
            self.nic(hub, spoke, &format!("vm-{hub}-{spoke}-{machine}"), 10 + machine, false);
        }
        if !spoke.is_multiple_of(2) {
            for number in 0..CLUSTERS_PER_NETWORK {
                if self.size.clusters < clusters {
                    self.cluster(hub, spoke, number);
                }
            }
        }
    }

    /// AKS's own things: the endpoint, the zone with its record, linked to the own network; and to the hub.
    fn cluster(&mut self, hub: usize, spoke: usize, number: usize) {
        let name = format!("aks-{hub}-{spoke}-{number}");
        let zone_name = format!("{name}-zone.privatelink.japaneast.azmk8s.io");
        let id = self.group(hub, spoke).resource(Kind::ManagedCluster.arm_type(), &name);
        let group = ResourceId::group(&self.subscription, &format!("MC_{name}"));
        let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
        let nic = group.resource(Kind::NetworkInterface.arm_type(), "kube-apiserver.nic");
        let subnet = self.network(hub, spoke).child("subnets", "aks");
        let (zone, address) =
            (group.resource(Kind::PrivateDnsZone.arm_type(), &zone_name), prefix(hub, spoke, 256 + 4 + number));
        let public = number.is_multiple_of(2);
        let mut properties = json!({
            "kubernetesVersion": "1.33.2", "privateFQDN": format!("{name}.{zone_name}"), "nodeResourceGroup": group.name(),
            "apiServerAccessProfile": {"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": public},
        });
        if public {
            properties["fqdn"] = json!(format!("{name}.hcp.japaneast.azmk8s.io"));
        }
        self.put(id.clone(), &json!({"location": "japaneast", "properties": properties}));
        self.put(
            nic.clone(),
            &json!({"properties": {"privateEndpoint": {"id": endpoint}, "ipConfigurations": [
                {"name": "c", "properties": {"privateIPAddress": address, "subnet": {"id": subnet}}}
            ]}}),
        );
        self.put(
            endpoint,
            &json!({"properties": {
                "subnet": {"id": subnet}, "networkInterfaces": [{"id": nic}],
                "privateLinkServiceConnections": [{"properties": {
                    "privateLinkServiceId": id, "privateLinkServiceConnectionState": {"status": "Approved"},
                }}],
            }}),
        );
        self.put(zone.clone(), &json!({"location": "global", "properties": {}}));
        self.put(zone.child("A", &name), &json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": address}]}}));
        for (link, network) in [("own", self.network(hub, spoke)), ("hub", self.network(hub, 0))] {
            self.put(
                zone.child("virtualNetworkLinks", link),
                &json!({"location": "global", "properties": {"virtualNetwork": {"id": network}}}),
            );
            self.size.links += 1;
        }
        self.size.clusters += 1;
    }
}
