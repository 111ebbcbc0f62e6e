//! Estates in a few words, for tests and benchmarks: each call adds resources as ARM would have
//! written them, with the defaults that do not matter left out.

use serde_json::{Value, json};

use crate::{Change, Estate, Kind, Resource, ResourceId, aks};

/// An estate being sketched; everything lies in one resource group of one subscription.
#[derive(Debug, Clone)]
pub struct Sketch {
    group: ResourceId,
    changes: Vec<Change>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// An empty estate with one resource group, `rg`.
    pub fn new() -> Self {
        let group = ResourceId::group("00000000-0000-0000-0000-000000000001", "rg");
        let sketch = Self { group: group.clone(), changes: Vec::new() };
        sketch.put(group, &json!({"location": "japaneast"}))
    }

    /// The id of the resource of `kind` called `name`; children are `parent/child`.
    pub fn id(&self, kind: Kind, name: &str) -> ResourceId {
        let path = kind.arm_type();
        let mut parts = path.splitn(3, '/');
        let top = format!("{}/{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match (parts.next(), name.split_once('/')) {
            (Some(child), Some((parent, name))) => self.group.resource(&top, parent).child(child, name),
            _ => self.group.resource(&top, name),
        }
    }

    /// Puts any document.
    #[must_use]
    pub fn put(mut self, id: ResourceId, document: &Value) -> Self {
        self.changes.push(Change::put(Resource::new(id, document)));
        self
    }

    /// Adds to, or replaces, properties of a resource sketched before.
    #[must_use]
    pub fn amend(mut self, id: ResourceId, options: Value) -> Self {
        let before = self.changes.iter().rev().find_map(|change| match change {
            Change::Put(resource) if *resource.id() == id => Some(resource),
            _ => None,
        });
        let (mut document, hidden) = before.map_or_else(
            || (json!({"properties": {}}), json!({})),
            |before| (before.document().value(), before.hidden().value()),
        );
        if let (Value::Object(properties), Value::Object(options)) = (&mut document["properties"], options) {
            properties.extend(options);
        }
        self.changes.push(Change::put(Resource::with_hidden(id, &document, &hidden)));
        self
    }

    /// Deletes a resource.
    #[must_use]
    pub fn delete(mut self, id: ResourceId) -> Self {
        self.changes.push(Change::Delete(id));
        self
    }

    /// A virtual network with one subnet, `default`, as large as itself.
    #[must_use]
    pub fn network(self, name: &str, prefix: &str) -> Self {
        self.network_with_dns(name, prefix, &[])
    }

    /// The same, with custom DNS servers.
    #[must_use]
    pub fn network_with_dns(self, name: &str, prefix: &str, servers: &[&str]) -> Self {
        let network = self.id(Kind::VirtualNetwork, name);
        let subnet = network.child("subnets", "default");
        self.put(
            network,
            &json!({"properties": {
                "addressSpace": {"addressPrefixes": [prefix]},
                "dhcpOptions": {"dnsServers": servers},
            }}),
        )
        .put(subnet, &json!({"properties": {"addressPrefix": prefix}}))
    }

    /// A network interface in the network's `default` subnet.
    #[must_use]
    pub fn nic(self, name: &str, network: &str, address: &str) -> Self {
        let id = self.id(Kind::NetworkInterface, name);
        let subnet = self.id(Kind::VirtualNetwork, network).child("subnets", "default");
        self.put(
            id,
            &json!({"properties": {"ipConfigurations": [
                {"name": "ipconfig1", "properties": {"privateIPAddress": address, "subnet": {"id": subnet}}}
            ]}}),
        )
    }

    /// A subnet of a network.
    #[must_use]
    pub fn subnet(self, network: &str, name: &str, prefix: &str) -> Self {
        let id = self.id(Kind::Subnet, &format!("{network}/{name}"));
        self.put(id, &json!({"properties": {"addressPrefix": prefix}}))
    }

    /// A network interface in any subnet, with what else it has.
    #[must_use]
    pub fn nic_in(self, name: &str, network: &str, subnet: &str, address: &str, options: Value) -> Self {
        let id = self.id(Kind::NetworkInterface, name);
        let subnet = self.id(Kind::Subnet, &format!("{network}/{subnet}"));
        self.put(
            id.clone(),
            &json!({"properties": {"ipConfigurations": [
                {"name": "ipconfig1", "properties": {"privateIPAddress": address, "subnet": {"id": subnet}}}
            ]}}),
        )
        .amend(id, options)
    }

    /// A virtual machine with these network interfaces, the primary one first; running or not.
    #[must_use]
    pub fn machine(mut self, name: &str, interfaces: &[&str], running: bool) -> Self {
        let id = self.id(Kind::VirtualMachine, name);
        let interfaces: Vec<Value> =
            interfaces.iter().map(|nic| json!({"id": self.id(Kind::NetworkInterface, nic)})).collect();
        let document = json!({"properties": {"networkProfile": {"networkInterfaces": interfaces}}});
        let hidden = json!({"powerState": if running { "running" } else { "deallocated" }});
        self.changes.push(Change::put(Resource::with_hidden(id, &document, &hidden)));
        self
    }

    /// A public cluster with this address, public FQDN `<name>.hcp.japaneast.azmk8s.io`, open to
    /// these ranges or, without any, to everybody.
    #[must_use]
    pub fn public_cluster(mut self, name: &str, address: &str, ranges: &[&str]) -> Self {
        let id = self.id(Kind::ManagedCluster, name);
        let document = json!({"properties": {
            "kubernetesVersion": "1.33.2",
            "fqdn": format!("{name}.hcp.japaneast.azmk8s.io"),
            "apiServerAccessProfile": {"authorizedIPRanges": ranges},
        }});
        self.changes.push(Change::put(Resource::with_hidden(id, &document, &json!({"publicAddress": address}))));
        self
    }

    /// Gives a network interface a public address, by a public IP address called `<nic>-ip`.
    #[must_use]
    pub fn public_address(self, nic: &str, address: &str) -> Self {
        let (nic_id, public) =
            (self.id(Kind::NetworkInterface, nic), self.id(Kind::PublicIpAddress, &format!("{nic}-ip")));
        let sketch = self.put(public.clone(), &json!({"properties": {"ipAddress": address}}));
        let before = sketch.changes.iter().rev().find_map(|change| match change {
            Change::Put(resource) if *resource.id() == nic_id => Some(resource.document().value()),
            _ => None,
        });
        let mut document = before.unwrap_or_else(|| json!({}));
        document["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"] = json!({"id": public});
        sketch.put(nic_id, &document)
    }

    /// A route table with routes `(prefix, next hop)`, called `r0`, `r1`, …; the next hop is an
    /// appliance's address or the name of a next hop type.
    #[must_use]
    pub fn route_table(self, name: &str, routes: &[(&str, &str)]) -> Self {
        let id = self.id(Kind::RouteTable, name);
        let route = |(index, (prefix, next_hop)): (usize, &(&str, &str))| {
            let mut properties = json!({"addressPrefix": prefix, "nextHopType": next_hop});
            if next_hop.parse::<std::net::Ipv4Addr>().is_ok() {
                properties = json!({
                    "addressPrefix": prefix, "nextHopType": "VirtualAppliance", "nextHopIpAddress": next_hop,
                });
            }
            json!({"name": format!("r{index}"), "properties": properties})
        };
        let routes: Vec<Value> = routes.iter().enumerate().map(route).collect();
        self.put(id, &json!({"properties": {"routes": routes}}))
    }

    /// Puts a subnet, `<network>/<subnet>`, under a route table.
    #[must_use]
    pub fn routed_by(self, subnet: &str, table: &str) -> Self {
        let (id, table) = (self.id(Kind::Subnet, subnet), self.id(Kind::RouteTable, table));
        self.amend(id, json!({"routeTable": {"id": table}}))
    }

    /// A network security group with rules `(priority, "Inbound" or "Outbound", "Allow" or "Deny",
    /// source, destination, port)`, called `rule-<priority>`, for every protocol.
    #[must_use]
    pub fn security_group(self, name: &str, rules: &[(u32, &str, &str, &str, &str, &str)]) -> Self {
        let id = self.id(Kind::NetworkSecurityGroup, name);
        let rule = |(priority, direction, access, source, destination, port): &(u32, &str, &str, &str, &str, &str)| {
            json!({"name": format!("rule-{priority}"), "properties": {
                "priority": priority, "direction": direction, "access": access, "protocol": "*",
                "sourceAddressPrefix": source, "sourcePortRange": "*",
                "destinationAddressPrefix": destination, "destinationPortRange": port,
            }})
        };
        let rules: Vec<Value> = rules.iter().map(rule).collect();
        self.put(id, &json!({"properties": {"securityRules": rules}}))
    }

    /// Puts a subnet, `<network>/<subnet>`, or a network interface under a network security group.
    #[must_use]
    pub fn guarded_by(self, kind: Kind, name: &str, group: &str) -> Self {
        let (id, group) = (self.id(kind, name), self.id(Kind::NetworkSecurityGroup, group));
        self.amend(id, json!({"networkSecurityGroup": {"id": group}}))
    }

    /// One half of a peering, `to-<to>` in `from`.
    #[must_use]
    pub fn half_peering(self, from: &str, to: &str, options: Value) -> Self {
        let id = self.id(Kind::Peering, &format!("{from}/to-{to}"));
        let mut properties = json!({"remoteVirtualNetwork": {"id": self.id(Kind::VirtualNetwork, to)}});
        if let (Value::Object(properties), Value::Object(options)) = (&mut properties, options) {
            properties.extend(options);
        }
        self.put(id, &json!({"properties": properties}))
    }

    /// Both halves of a peering.
    #[must_use]
    pub fn peering(self, a: &str, b: &str) -> Self {
        self.half_peering(a, b, json!({})).half_peering(b, a, json!({}))
    }

    /// A private DNS zone.
    #[must_use]
    pub fn zone(self, name: &str) -> Self {
        let id = self.id(Kind::PrivateDnsZone, name);
        self.put(id, &json!({"location": "global", "properties": {}}))
    }

    /// A link from a zone to a network.
    #[must_use]
    pub fn link(self, zone: &str, network: &str, options: Value) -> Self {
        let id = self.id(Kind::VirtualNetworkLink, &format!("{zone}/to-{network}"));
        let mut properties = json!({"virtualNetwork": {"id": self.id(Kind::VirtualNetwork, network)}});
        if let (Value::Object(properties), Value::Object(options)) = (&mut properties, options) {
            properties.extend(options);
        }
        self.put(id, &json!({"location": "global", "properties": properties}))
    }

    /// A record set; `properties` as ARM spells them (`{"aRecords": […]}`).
    #[must_use]
    pub fn record(self, kind: Kind, zone: &str, name: &str, properties: &Value) -> Self {
        let id = self.id(Kind::PrivateDnsZone, zone).child(kind.collection(), name);
        self.put(id, &json!({"properties": properties}))
    }

    /// An `A` record.
    #[must_use]
    pub fn a_record(self, zone: &str, name: &str, address: &str) -> Self {
        self.record(Kind::RecordA, zone, name, &json!({"ttl": 300, "aRecords": [{"ipv4Address": address}]}))
    }

    /// A running private cluster `name` whose endpoint stands at `address` of `network`: the
    /// endpoint with its interface and the system zone `<name>-zone.privatelink.japaneast.azmk8s.io`,
    /// linked to the network. With `public_fqdn`, also `<name>.hcp.japaneast.azmk8s.io`.
    #[must_use]
    pub fn private_cluster(self, name: &str, network: &str, address: &str, public_fqdn: bool) -> Self {
        let zone = format!("{name}-zone.privatelink.japaneast.azmk8s.io");
        let subscription = self.group.subscription().unwrap_or_default().to_owned();
        let node_group = ResourceId::group(&subscription, &format!("MC_{name}"));
        let endpoint = node_group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
        let nic = node_group.resource(Kind::NetworkInterface.arm_type(), "kube-apiserver.nic");
        let cluster = self.id(Kind::ManagedCluster, name);
        let subnet = self.id(Kind::VirtualNetwork, network).child("subnets", "default");
        let mut properties = json!({
            "kubernetesVersion": "1.33.2",
            "privateFQDN": format!("{name}.{zone}"),
            "nodeResourceGroup": node_group.name(),
            "apiServerAccessProfile": {"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": public_fqdn},
        });
        if public_fqdn {
            properties["fqdn"] = json!(format!("{name}.hcp.japaneast.azmk8s.io"));
        }
        self.put(cluster.clone(), &json!({"location": "japaneast", "properties": properties}))
            .connected(&endpoint, &nic, &subnet, &cluster, address)
            .zone(&zone)
            .link(&zone, network, json!({}))
            .a_record(&zone, name, address)
    }

    /// A private endpoint of somebody's own, `name` with its interface `<name>.nic`, at `address` in the network's
    /// subnet `default`, approved by the cluster.
    #[must_use]
    pub fn private_endpoint(self, name: &str, network: &str, address: &str, cluster: &str) -> Self {
        let endpoint = self.id(Kind::PrivateEndpoint, name);
        let nic = self.id(Kind::NetworkInterface, &format!("{name}.nic"));
        let subnet = self.id(Kind::VirtualNetwork, network).child("subnets", "default");
        let cluster = self.id(Kind::ManagedCluster, cluster);
        self.connected(&endpoint, &nic, &subnet, &cluster, address)
    }

    /// A private endpoint and its interface at `address`, whose connection to `service` is approved.
    fn connected(
        self,
        endpoint: &ResourceId,
        nic: &ResourceId,
        subnet: &ResourceId,
        service: &ResourceId,
        address: &str,
    ) -> Self {
        self.put(
            nic.clone(),
            &json!({"properties": {
                "privateEndpoint": {"id": endpoint},
                "ipConfigurations": [
                    {"name": "c", "properties": {"privateIPAddress": address, "subnet": {"id": subnet}}}
                ],
            }}),
        )
        .put(
            endpoint.clone(),
            &json!({"properties": {
                "subnet": {"id": subnet},
                "networkInterfaces": [{"id": nic}],
                "privateLinkServiceConnections": [{"properties": {
                    "privateLinkServiceId": service,
                    "privateLinkServiceConnectionState": {"status": "Approved"},
                }}],
            }}),
        )
    }

    /// The article's question: private clusters `a` (public FQDN on) and `b` (off) in network `aks`; a peered network
    /// with both zones linked and one without, a machine in each; a VPN gateway with a client.
    #[must_use]
    pub fn article() -> Self {
        let zone = |cluster: &str| format!("{cluster}-zone.privatelink.japaneast.azmk8s.io");
        Self::new()
            .network("aks", "10.224.0.0/16")
            .network("linked", "10.1.0.0/16")
            .network("unlinked", "10.2.0.0/16")
            .private_cluster("a", "aks", "10.224.0.4", true)
            .private_cluster("b", "aks", "10.224.0.5", false)
            .peering("aks", "linked")
            .peering("aks", "unlinked")
            .link(&zone("a"), "linked", json!({}))
            .link(&zone("b"), "linked", json!({}))
            .nic("vm-linked", "linked", "10.1.0.4")
            .nic("vm-unlinked", "unlinked", "10.2.0.4")
            .vpn_gateway("vpn", "aks")
            .client("laptop", Some("vpn"), &[])
    }

    /// A VPN gateway with a client address pool in the network's `GatewaySubnet`.
    #[must_use]
    pub fn vpn_gateway(self, name: &str, network: &str) -> Self {
        let id = self.id(Kind::VirtualNetworkGateway, name);
        let subnet = self.id(Kind::VirtualNetwork, network).child("subnets", "GatewaySubnet");
        self.put(subnet.clone(), &json!({"properties": {"addressPrefix": "10.255.0.0/27"}})).put(
            id,
            &json!({"properties": {
                "ipConfigurations": [{"properties": {"subnet": {"id": subnet}}}],
                "vpnClientConfiguration": {"vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]}},
            }}),
        )
    }

    /// A site outside Azure with this address space, tunnelled to a gateway by `to-<name>`.
    #[must_use]
    pub fn site(self, name: &str, gateway: &str, prefix: &str) -> Self {
        let site = self.id(Kind::LocalNetworkGateway, name);
        let connection = self.id(Kind::Connection, &format!("to-{name}"));
        let gateway = self.id(Kind::VirtualNetworkGateway, gateway);
        self.put(
            site.clone(),
            &json!({"properties": {
                "gatewayIpAddress": "198.19.255.1",
                "localNetworkAddressSpace": {"addressPrefixes": [prefix]},
            }}),
        )
        .put(
            connection,
            &json!({"properties": {
                "connectionType": "IPsec",
                "virtualNetworkGateway1": {"id": gateway},
                "localNetworkGateway2": {"id": site},
            }}),
        )
    }

    /// A machine in a site, at `address`, asking these DNS servers.
    #[must_use]
    pub fn site_client(self, name: &str, site: &str, address: &str, servers: &[&str]) -> Self {
        let id = self.id(Kind::LabClient, name);
        let site = self.id(Kind::LocalNetworkGateway, site);
        let properties = json!({"localNetworkGateway": {"id": site}, "ipAddress": address, "dnsServers": servers});
        self.put(id, &json!({"properties": properties}))
    }

    /// A DNS private resolver of a network: inbound endpoint `in` at `address`, in the subnet
    /// `inbound` (the /28 around it), and outbound endpoint `out`, in the subnet `outbound` (the next /28).
    #[must_use]
    pub fn resolver(self, name: &str, network: &str, address: &str) -> Self {
        let resolver = self.id(Kind::DnsResolver, name);
        let network = self.id(Kind::VirtualNetwork, network);
        let (inbound, outbound) = (network.child("subnets", "inbound"), network.child("subnets", "outbound"));
        let next = address.parse().map_or(0, |address: std::net::Ipv4Addr| u32::from(address) + 16);
        let after = format!("{}/28", std::net::Ipv4Addr::from(next));
        self.put(resolver.clone(), &json!({"properties": {"virtualNetwork": {"id": network}}}))
            .put(inbound.clone(), &json!({"properties": {"addressPrefix": format!("{address}/28")}}))
            .put(outbound.clone(), &json!({"properties": {"addressPrefix": after}}))
            .put(
                resolver.child("inboundEndpoints", "in"),
                &json!({"properties": {"ipConfigurations": [
                    {"subnet": {"id": inbound}, "privateIpAddress": address}
                ]}}),
            )
            .put(resolver.child("outboundEndpoints", "out"), &json!({"properties": {"subnet": {"id": outbound}}}))
    }

    /// A forwarding ruleset over a resolver's endpoint `out`, with one rule, `rule`.
    #[must_use]
    pub fn ruleset(self, name: &str, resolver: &str, domain: &str, targets: &[(&str, u16)]) -> Self {
        let ruleset = self.id(Kind::ForwardingRuleset, name);
        let endpoint = self.id(Kind::DnsResolver, resolver).child("outboundEndpoints", "out");
        let targets: Vec<Value> =
            targets.iter().map(|(address, port)| json!({"ipAddress": address, "port": port})).collect();
        self.put(ruleset.clone(), &json!({"properties": {"dnsResolverOutboundEndpoints": [{"id": endpoint}]}})).put(
            ruleset.child("forwardingRules", "rule"),
            &json!({"properties": {"domainName": domain, "targetDnsServers": targets}}),
        )
    }

    /// A link from a forwarding ruleset to a network.
    #[must_use]
    pub fn ruleset_link(self, ruleset: &str, network: &str) -> Self {
        let id = self.id(Kind::ForwardingRuleset, ruleset).child("virtualNetworkLinks", &format!("to-{network}"));
        let network = self.id(Kind::VirtualNetwork, network);
        self.put(id, &json!({"properties": {"virtualNetwork": {"id": network}}}))
    }

    /// A machine outside Azure: a VPN client of `gateway`, or on the Internet; with a hosts file.
    #[must_use]
    pub fn client(self, name: &str, gateway: Option<&str>, hosts: &[(&str, &str)]) -> Self {
        let id = self.id(Kind::LabClient, name);
        let hosts: Vec<Value> =
            hosts.iter().map(|(address, name)| json!({"ipAddress": address, "names": [name]})).collect();
        let gateway = gateway.map(|name| json!({"id": self.id(Kind::VirtualNetworkGateway, name)}));
        self.put(id, &json!({"properties": {"virtualNetworkGateway": gateway, "hosts": hosts}}))
    }

    /// The changes sketched so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The estate.
    pub fn estate(&self) -> Estate {
        Estate::default().apply(1, &self.changes)
    }
}
