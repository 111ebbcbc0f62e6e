//! JSON documents → the typed model. Total: what cannot be read becomes a [`Finding`].

mod compute;
mod dns_resolver;
mod routing;
mod security;
mod vpn;

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::{
    DnsName, Finding, Json, Kind, ResourceId,
    model::{
        AgentPool, ConnectionStatus, HostsEntry, IpConfiguration, LabClient, ManagedCluster, Model, NetworkInterface,
        Peering, PrivateDnsZone, PrivateDnsZoneMode, PrivateEndpoint, PrivateEndpointPolicies, PublicIpAddress,
        RecordData, RecordSet, ResolutionPolicy, RoleAssignment, Soa, Subnet, UserAssignedIdentity, VirtualNetwork,
        VirtualNetworkLink,
    },
};

/// Reads the typed view of the resource `id` from its document.
///
/// `hidden` is what the service knows of the resource and does not show (see [`crate::Resource`]).
/// A document that lacks what its kind cannot do without lowers to [`Model::Unmodelled`] with a
/// finding that says so.
pub fn lower(id: &ResourceId, document: &Value, hidden: &Value) -> (Model, Vec<Finding>) {
    let properties = Json::new(document).get("properties");
    let kind = Kind::of(id);
    let mut findings = Vec::new();
    let model = match kind {
        Kind::ResourceGroup => Some(Model::ResourceGroup),
        Kind::VirtualNetwork => Some(Model::VirtualNetwork(virtual_network(properties))),
        Kind::Subnet => Some(Model::Subnet(subnet(properties))),
        Kind::Peering => peering(properties).map(Model::Peering),
        Kind::NetworkInterface => Some(Model::NetworkInterface(network_interface(properties))),
        Kind::PublicIpAddress => {
            Some(Model::PublicIpAddress(PublicIpAddress { address: properties.get("ipAddress").parsed() }))
        }
        Kind::VirtualMachine => Some(Model::VirtualMachine(compute::virtual_machine(properties, Json::new(hidden)))),
        Kind::NetworkSecurityGroup => Some(Model::NetworkSecurityGroup(security::group(id, properties, &mut findings))),
        Kind::SecurityRule => security::rule(id, id.name(), properties, &mut findings).map(Model::SecurityRule),
        Kind::RouteTable => Some(Model::RouteTable(routing::table(id, properties, &mut findings))),
        Kind::Route => match routing::route(id, id.name(), properties, &mut findings) {
            Some(route) => Some(Model::Route(route)),
            None => return (Model::Unmodelled, findings),
        },
        Kind::PrivateEndpoint => Some(Model::PrivateEndpoint(private_endpoint(properties, Json::new(hidden)))),
        Kind::PrivateDnsZone => id.name().parse().ok().map(|name| Model::PrivateDnsZone(PrivateDnsZone { name })),
        Kind::VirtualNetworkLink => link(id, properties).map(Model::VirtualNetworkLink),
        kind if kind.is_record_set() => Some(Model::RecordSet(record_set(kind, properties))),
        Kind::ManagedCluster => Some(Model::ManagedCluster(cluster(id, properties, Json::new(hidden)))),
        Kind::AgentPool => Some(Model::AgentPool(agent_pool(properties, Json::new(hidden)))),
        Kind::VirtualNetworkGateway => Some(Model::VirtualNetworkGateway(vpn::gateway(properties, Json::new(hidden)))),
        Kind::LocalNetworkGateway => Some(Model::LocalNetworkGateway(vpn::local_gateway(properties))),
        Kind::Connection if !vpn::is_site_to_site(properties) => {
            let finding = Finding::unmodelled(id, "a connection that is not site-to-site (`IPsec`)");
            return (Model::Unmodelled, vec![finding]);
        }
        Kind::Connection => vpn::connection(properties).map(Model::Connection),
        Kind::DnsResolver => dns_resolver::resolver(properties).map(Model::DnsResolver),
        Kind::InboundEndpoint => dns_resolver::inbound(properties).map(Model::InboundEndpoint),
        Kind::OutboundEndpoint => dns_resolver::outbound(properties).map(Model::OutboundEndpoint),
        Kind::ForwardingRuleset => Some(Model::ForwardingRuleset(dns_resolver::ruleset(properties))),
        Kind::ForwardingRule => dns_resolver::rule(properties).map(Model::ForwardingRule),
        Kind::RulesetLink => dns_resolver::link(properties).map(Model::RulesetLink),
        Kind::UserAssignedIdentity => identity(properties).map(Model::UserAssignedIdentity),
        Kind::RoleAssignment => role_assignment(properties).map(Model::RoleAssignment),
        Kind::LabClient => Some(Model::LabClient(lab_client(properties))),
        _ => return (Model::Unmodelled, Vec::new()),
    };
    match model {
        Some(model) => (model, findings),
        None => (Model::Unmodelled, vec![Finding::unreadable(id)]),
    }
}

fn virtual_network(properties: Json<'_>) -> VirtualNetwork {
    VirtualNetwork {
        address_space: properties.at("addressSpace.addressPrefixes").prefixes(),
        dns_servers: properties.at("dhcpOptions.dnsServers").list(),
    }
}

fn subnet(properties: Json<'_>) -> Subnet {
    let mut prefixes = properties.get("addressPrefixes").prefixes();
    prefixes.extend(properties.get("addressPrefix").text().and_then(crate::parse_prefix));
    prefixes.dedup();
    let policies =
        |network_security_groups, route_tables| PrivateEndpointPolicies { network_security_groups, route_tables };
    Subnet {
        prefixes,
        network_security_group: properties.get("networkSecurityGroup").id(),
        route_table: properties.get("routeTable").id(),
        private_endpoint_policies: match properties.get("privateEndpointNetworkPolicies").text() {
            Some(text) if text.eq_ignore_ascii_case("Enabled") => policies(true, true),
            Some(text) if text.eq_ignore_ascii_case("NetworkSecurityGroupEnabled") => policies(true, false),
            Some(text) if text.eq_ignore_ascii_case("RouteTableEnabled") => policies(false, true),
            _ => PrivateEndpointPolicies::default(),
        },
    }
}

fn peering(properties: Json<'_>) -> Option<Peering> {
    let flag = |name, default| properties.get(name).flag().unwrap_or(default);
    Some(Peering {
        remote: properties.get("remoteVirtualNetwork").id()?,
        allow_virtual_network_access: flag("allowVirtualNetworkAccess", true),
        allow_forwarded_traffic: flag("allowForwardedTraffic", false),
        allow_gateway_transit: flag("allowGatewayTransit", false),
        use_remote_gateways: flag("useRemoteGateways", false),
        disconnected: properties.get("peeringState").text().is_some_and(|s| s.eq_ignore_ascii_case("disconnected")),
        remote_address_space: properties.at("remoteAddressSpace.addressPrefixes").prefixes(),
    })
}

fn network_interface(properties: Json<'_>) -> NetworkInterface {
    let mut configurations: Vec<(bool, IpConfiguration)> = properties
        .get("ipConfigurations")
        .items()
        .filter_map(|configuration| {
            let properties = configuration.get("properties");
            let primary = properties.get("primary").flag().unwrap_or(false);
            let subnet = properties.get("subnet").id()?;
            Some((
                primary,
                IpConfiguration {
                    subnet,
                    address: properties.get("privateIPAddress").parsed(),
                    public_address: properties.get("publicIPAddress").id(),
                },
            ))
        })
        .collect();
    configurations.sort_by_key(|(primary, _)| !primary);
    NetworkInterface {
        ip_configurations: configurations.into_iter().map(|(_, configuration)| configuration).collect(),
        dns_servers: properties.at("dnsSettings.dnsServers").list(),
        private_endpoint: properties.get("privateEndpoint").id(),
        network_security_group: properties.get("networkSecurityGroup").id(),
        ip_forwarding: properties.get("enableIPForwarding").flag().unwrap_or(false),
    }
}

/// `hidden.service` is what it really leads to, where its document names a private link service of AKS's own.
fn private_endpoint(properties: Json<'_>, hidden: Json<'_>) -> PrivateEndpoint {
    let connections = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
    let connection = connections.into_iter().flat_map(|list| properties.get(list).items()).next();
    let status = connection
        .and_then(|connection| connection.at("properties.privateLinkServiceConnectionState.status").text())
        .unwrap_or("Pending");
    PrivateEndpoint {
        subnet: properties.get("subnet").id(),
        service: hidden
            .get("service")
            .id()
            .or_else(|| connection.and_then(|connection| connection.at("properties.privateLinkServiceId").id())),
        status: match status.to_ascii_lowercase().as_str() {
            "approved" => ConnectionStatus::Approved,
            "rejected" => ConnectionStatus::Rejected,
            "disconnected" => ConnectionStatus::Disconnected,
            _ => ConnectionStatus::Pending,
        },
        network_interfaces: properties.get("networkInterfaces").items().filter_map(Json::id).collect(),
    }
}

/// A link. Zones that are not Private Link's heed no resolution policy, whatever a description of them says.
fn link(id: &ResourceId, properties: Json<'_>) -> Option<VirtualNetworkLink> {
    let zone = id.parent().and_then(|zone| zone.name().parse::<DnsName>().ok());
    let says = |text: &str| text.eq_ignore_ascii_case("NxDomainRedirect");
    let redirect =
        properties.get("resolutionPolicy").text().is_some_and(says) && zone.is_some_and(|zone| zone.is_private_link());
    Some(VirtualNetworkLink {
        virtual_network: properties.get("virtualNetwork").id()?,
        registration_enabled: properties.get("registrationEnabled").flag().unwrap_or(false),
        resolution_policy: if redirect { ResolutionPolicy::NxDomainRedirect } else { ResolutionPolicy::Default },
    })
}

fn record_set(kind: Kind, properties: Json<'_>) -> RecordSet {
    let name = |json: Json<'_>| json.parsed::<DnsName>();
    let short = |json: Json<'_>| json.number().and_then(|number| u16::try_from(number).ok());
    let each = |list: &str, read: &dyn Fn(Json<'_>) -> Option<RecordData>| {
        properties.get(list).items().filter_map(read).collect::<Vec<_>>()
    };
    let records = match kind {
        Kind::RecordA => each("aRecords", &|json| json.get("ipv4Address").parsed().map(RecordData::A)),
        Kind::RecordAaaa => each("aaaaRecords", &|json| json.get("ipv6Address").parsed().map(RecordData::Aaaa)),
        Kind::RecordCname => name(properties.at("cnameRecord.cname")).map(RecordData::Cname).into_iter().collect(),
        Kind::RecordMx => each("mxRecords", &|json| {
            Some(RecordData::Mx { preference: short(json.get("preference"))?, exchange: name(json.get("exchange"))? })
        }),
        Kind::RecordPtr => each("ptrRecords", &|json| name(json.get("ptrdname")).map(RecordData::Ptr)),
        Kind::RecordSrv => each("srvRecords", &|json| {
            Some(RecordData::Srv {
                priority: short(json.get("priority"))?,
                weight: short(json.get("weight"))?,
                port: short(json.get("port"))?,
                target: name(json.get("target"))?,
            })
        }),
        Kind::RecordTxt => each("txtRecords", &|json| {
            let texts = json.get("value").items().filter_map(|text| text.value()?.as_str().map(str::to_owned));
            Some(RecordData::Txt(texts.collect()))
        }),
        Kind::RecordSoa => soa(properties.get("soaRecord")).map(RecordData::Soa).into_iter().collect(),
        _ => Vec::new(),
    };
    RecordSet { ttl_s: properties.get("ttl").number().unwrap_or(3600), records }
}

fn soa(record: Json<'_>) -> Option<Soa> {
    let seconds = |name, default| record.get(name).number().unwrap_or(default);
    Some(Soa {
        host: record.get("host").parsed()?,
        email: record.get("email").parsed()?,
        serial: seconds("serialNumber", 1),
        refresh_s: seconds("refreshTime", 3600),
        retry_s: seconds("retryTime", 300),
        expire_s: seconds("expireTime", 2_419_200),
        minimum_s: seconds("minimumTtl", 10),
    })
}

fn cluster(id: &ResourceId, properties: Json<'_>, hidden: Json<'_>) -> ManagedCluster {
    let access = properties.get("apiServerAccessProfile");
    let group = |name: &str| Some(ResourceId::group(id.subscription()?, name));
    let zone = match access.get("privateDNSZone").text() {
        None => PrivateDnsZoneMode::System,
        Some(text) if text.eq_ignore_ascii_case("system") => PrivateDnsZoneMode::System,
        Some(text) if text.eq_ignore_ascii_case("none") => PrivateDnsZoneMode::None,
        Some(text) => text.parse().map(PrivateDnsZoneMode::Own).unwrap_or_default(),
    };
    ManagedCluster {
        uid: hidden.get("uid").text().map(str::to_owned),
        running: properties.at("powerState.code").text().is_none_or(|code| code.eq_ignore_ascii_case("running")),
        kubernetes_version: [properties.get("currentKubernetesVersion"), properties.get("kubernetesVersion")]
            .into_iter()
            .find_map(Json::text)
            .unwrap_or_default()
            .to_owned(),
        fqdn: properties.get("fqdn").parsed(),
        private_fqdn: properties.get("privateFQDN").parsed(),
        portal_fqdn: properties.get("azurePortalFQDN").parsed(),
        private: access.get("enablePrivateCluster").flag().unwrap_or(false),
        public_fqdn: access.get("enablePrivateClusterPublicFQDN").flag().unwrap_or(true),
        zone,
        authorized_ranges: access.get("authorizedIPRanges").prefixes(),
        node_resource_group: properties.get("nodeResourceGroup").text().and_then(group),
        public_address: hidden.get("publicAddress").parsed::<Ipv4Addr>(),
        agent_pools: properties
            .get("agentPoolProfiles")
            .items()
            .filter_map(|pool| pool.get("name").text().map(str::to_owned))
            .collect(),
        service_cidr: properties.at("networkProfile.serviceCidr").text().and_then(crate::parse_prefix),
    }
}

fn agent_pool(properties: Json<'_>, hidden: Json<'_>) -> AgentPool {
    let text = |name: &str| properties.get(name).text().unwrap_or_default().to_owned();
    let labels = properties.get("nodeLabels").value().and_then(Value::as_object).into_iter().flatten();
    AgentPool {
        count: properties.get("count").number().unwrap_or(0),
        vm_size: text("vmSize"),
        mode: text("mode"),
        os_type: text("osType"),
        kubernetes_version: text("currentOrchestratorVersion"),
        node_image_version: text("nodeImageVersion"),
        running: properties.at("powerState.code").text().is_none_or(|code| code.eq_ignore_ascii_case("running")),
        subnet: properties.get("vnetSubnetID").id().or_else(|| hidden.get("subnet").id()),
        node_addresses: hidden.get("addresses").list(),
        zones: properties.get("availabilityZones").list(),
        labels: labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        taints: properties.get("nodeTaints").list(),
    }
}

fn identity(properties: Json<'_>) -> Option<UserAssignedIdentity> {
    Some(UserAssignedIdentity {
        principal_id: properties.get("principalId").text()?.to_owned(),
        client_id: properties.get("clientId").text()?.to_owned(),
    })
}

fn role_assignment(properties: Json<'_>) -> Option<RoleAssignment> {
    let role = properties.get("roleDefinitionId").text()?.rsplit('/').next()?.to_ascii_lowercase();
    Some(RoleAssignment {
        scope: properties.get("scope").id()?,
        principal_id: properties.get("principalId").text()?.to_owned(),
        role,
    })
}

fn lab_client(properties: Json<'_>) -> LabClient {
    LabClient {
        gateway: properties.get("virtualNetworkGateway").id(),
        site: properties.get("localNetworkGateway").id(),
        address: properties.get("ipAddress").parsed(),
        dns_servers: properties.get("dnsServers").list(),
        hosts: properties
            .get("hosts")
            .items()
            .filter_map(|entry| {
                Some(HostsEntry { address: entry.get("ipAddress").parsed()?, names: entry.get("names").list() })
            })
            .collect(),
        public_address: properties.get("publicIPAddress").parsed(),
    }
}
