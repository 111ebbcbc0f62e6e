//! Edits as commands that can be pasted: `az`, Terraform, a hosts line.
//!
//! Every kind of `az` command that a fix may have is typed in a story, into the real `az` (2.91), and cures there; what is
//! for Terraform is parsed, and its names are those of the azurerm provider's documentation (4.x). `docs/explain.md` lists both.

use std::net::Ipv4Addr;

use azure::{Estate, Kind, ResourceId, model::Model};
use ipnet::Ipv4Net;
use serde_json::json;

use super::{
    Edit,
    command::{Command, in_group, label, quoted, resource, text},
    documents, refusal, room,
};

/// Of `Microsoft.ContainerService`, where `az` has no words of its own.
const AKS_API_VERSION: &str = "2025-05-01";
/// Of `Microsoft.Network/dnsResolvers`, for which `az` has an extension only.
const RESOLVER_API_VERSION: &str = "2022-07-01";

fn parent(id: &ResourceId) -> ResourceId {
    id.parent().unwrap_or_else(|| id.clone())
}

impl Edit {
    /// The commands that make this edit of `estate`: each tool's are a way of their own.
    pub fn commands(&self, estate: &Estate) -> Vec<Command> {
        let group = |id: &ResourceId| in_group(estate, id);
        match self {
            Self::Link { zone, network } => link(estate, zone, network),
            Self::Unlink { link } => {
                let zone = parent(link);
                vec![Command::az(format!(
                    "az network private-dns link vnet delete {} -z {} -n {} --yes",
                    group(&zone),
                    quoted(zone.name()),
                    quoted(link.name())
                ))]
            }
            Self::MakeZone { zone } => vec![
                Command::az(format!("az network private-dns zone create {} -n {}", group(zone), quoted(zone.name()))),
                resource(
                    "azurerm_private_dns_zone",
                    zone.name(),
                    &[
                        ("name", text(zone.name())),
                        ("resource_group_name", text(zone.group_name().unwrap_or_default())),
                    ],
                ),
            ],
            Self::Record { zone, name, address } => record(estate, zone, name.as_str(), *address),
            Self::Peer { a, b } => [(a, b), (b, a)].into_iter().flat_map(|(from, to)| peer(estate, from, to)).collect(),
            Self::Unpeer { a, b } => [(a, b), (b, a)]
                .into_iter()
                .filter_map(|(from, to)| Some((from, refusal::half(estate, from, to)?)))
                .map(|(from, half)| {
                    Command::az(format!(
                        "az network vnet peering delete {} --vnet-name {} -n {}",
                        group(from),
                        quoted(from.name()),
                        quoted(half.name())
                    ))
                })
                .collect(),
            Self::Transit { hub, spoke } => transit(estate, hub, spoke),
            Self::AcceptForwarded { peering } => {
                vec![
                    update_peering(estate, peering, "allowForwardedTraffic"),
                    Command::terraform("allow_forwarded_traffic = true # azurerm_virtual_network_peering"),
                ]
            }
            Self::PublicFqdn { cluster, enabled } => {
                let word = if *enabled { "enable" } else { "disable" };
                vec![
                    Command::az(format!(
                        "az aks update {} -n {} --{word}-public-fqdn",
                        group(cluster),
                        quoted(cluster.name())
                    )),
                    Command::terraform(format!(
                        "private_cluster_public_fqdn_enabled = {enabled} # azurerm_kubernetes_cluster"
                    )),
                ]
            }
            Self::Start { cluster } => {
                vec![Command::az(format!("az aks start {} -n {}", group(cluster), quoted(cluster.name())))]
            }
            Self::Stop { cluster } => {
                vec![Command::az(format!("az aks stop {} -n {}", group(cluster), quoted(cluster.name())))]
            }
            Self::Authorize { cluster, source } => {
                let held = estate
                    .managed_cluster(cluster)
                    .map(|declared| declared.authorized_ranges.clone())
                    .unwrap_or_default();
                let ranges: Vec<String> =
                    held.iter().map(ToString::to_string).chain([format!("{source}/32")]).collect();
                vec![
                    Command::az(format!(
                        "az aks update {} -n {} --api-server-authorized-ip-ranges {}",
                        group(cluster),
                        quoted(cluster.name()),
                        ranges.join(",")
                    )),
                    Command::terraform(format!(
                        "api_server_access_profile {{ authorized_ip_ranges = {ranges:?} }} # azurerm_kubernetes_cluster"
                    )),
                ]
            }
            Self::Approve { endpoint } => approve(estate, endpoint),
            Self::MakeEndpoint { cluster, subnet } => make_endpoint(estate, cluster, subnet),
            Self::Allow { group: nsg, inbound, source, destination } => {
                allow(estate, nsg, *inbound, *source, *destination)
            }
            Self::RemoveRoute { route } => {
                let table = parent(route);
                vec![Command::az(format!(
                    "az network route-table route delete {} --route-table-name {} -n {}",
                    group(&table),
                    quoted(table.name()),
                    quoted(route.name())
                ))]
            }
            Self::Forwarding { interface } => vec![
                Command::az(format!(
                    "az network nic update {} -n {} --ip-forwarding true",
                    group(interface),
                    quoted(interface.name())
                )),
                Command::terraform("ip_forwarding_enabled = true # azurerm_network_interface"),
            ],
            Self::StartMachine { machine } => {
                vec![Command::az(format!("az vm start {} -n {}", group(machine), quoted(machine.name())))]
            }
            Self::DnsServers { network, servers } => {
                let list: Vec<String> = servers.iter().map(Ipv4Addr::to_string).collect();
                let argument = if list.is_empty() { "\"\"".to_owned() } else { list.join(" ") };
                vec![
                    Command::az(format!(
                        "az network vnet update {} -n {} --dns-servers {argument}",
                        group(network),
                        quoted(network.name())
                    )),
                    Command::terraform(format!("dns_servers = {list:?} # azurerm_virtual_network")),
                    Command::note(format!(
                        "machines in {} take the new servers when they renew their lease or restart; VPN clients need a fresh profile",
                        network.name()
                    )),
                ]
            }
            Self::MakeResolver { network } => make_resolver(estate, network),
            Self::ClientDns { client, servers } => {
                let list: Vec<String> = servers.iter().map(Ipv4Addr::to_string).collect();
                vec![Command::note(format!(
                    "on {}, or on the DNS server it asks: forward `azmk8s.io` to {}",
                    client.name(),
                    list.join(", ")
                ))]
            }
            Self::Hosts { name, address, .. } => vec![hosts_line(name.as_str(), *address)],
        }
    }
}

/// A line for the client's own hosts file.
pub(crate) fn hosts_line(name: &str, address: Ipv4Addr) -> Command {
    Command::shell(format!("echo '{address} {name}' | sudo tee -a /etc/hosts"))
}

fn link(estate: &Estate, zone: &ResourceId, network: &ResourceId) -> Vec<Command> {
    let name = documents::link_name(network);
    vec![
        Command::az(format!(
            "az network private-dns link vnet create {} -z {} -n {} -v {} -e false",
            in_group(estate, zone),
            quoted(zone.name()),
            quoted(&name),
            quoted(network.as_str())
        )),
        resource(
            "azurerm_private_dns_zone_virtual_network_link",
            &name,
            &[
                ("name", text(&name)),
                ("resource_group_name", text(zone.group_name().unwrap_or_default())),
                ("private_dns_zone_name", text(zone.name())),
                ("virtual_network_id", text(network.as_str())),
            ],
        ),
    ]
}

fn record(estate: &Estate, zone: &ResourceId, name: &str, address: Ipv4Addr) -> Vec<Command> {
    let relative = name.strip_suffix(zone.name()).map_or(name, |label| label.trim_end_matches('.'));
    let relative = if relative.is_empty() { "@" } else { relative };
    let place = format!("{} -z {} -n {}", in_group(estate, zone), quoted(zone.name()), quoted(relative));
    let there = estate.contains(&zone.child(Kind::RecordA.collection(), relative));
    vec![
        Command::az(if there {
            format!("az network private-dns record-set a update {place} --set aRecords[0].ipv4Address={address}")
        } else {
            format!("az network private-dns record-set a add-record {place} -a {address}")
        }),
        resource(
            "azurerm_private_dns_a_record",
            relative,
            &[
                ("name", text(relative)),
                ("resource_group_name", text(zone.group_name().unwrap_or_default())),
                ("zone_name", text(zone.name())),
                ("ttl", "300".to_owned()),
                ("records", format!("[\"{address}\"]")),
            ],
        ),
    ]
}

fn peer(estate: &Estate, from: &ResourceId, to: &ResourceId) -> Vec<Command> {
    let name = documents::link_name(to);
    let create = |name: &str| {
        format!(
            "az network vnet peering create {} --vnet-name {} -n {} --remote-vnet {} --allow-vnet-access",
            in_group(estate, from),
            quoted(from.name()),
            quoted(name),
            quoted(to.as_str())
        )
    };
    let half = refusal::half(estate, from, to);
    let declared = half.as_ref().and_then(|half| estate.get(half)).map(|half| half.model());
    match (half, declared) {
        (Some(half), Some(Model::Peering(declared))) if declared.disconnected => {
            let place =
                format!("{} --vnet-name {} -n {}", in_group(estate, from), quoted(from.name()), quoted(half.name()));
            vec![Command::az(format!("az network vnet peering delete {place}\n{}", create(half.name())))]
        }
        (Some(half), Some(Model::Peering(declared))) if !declared.allow_virtual_network_access => {
            vec![
                update_peering(estate, &half, "allowVirtualNetworkAccess"),
                Command::terraform("allow_virtual_network_access = true # azurerm_virtual_network_peering"),
            ]
        }
        (Some(_), _) => Vec::new(),
        (None, _) => vec![
            Command::az(create(&name)),
            resource(
                "azurerm_virtual_network_peering",
                &format!("{}_{name}", from.name()),
                &[
                    ("name", text(&name)),
                    ("resource_group_name", text(from.group_name().unwrap_or_default())),
                    ("virtual_network_name", text(from.name())),
                    ("remote_virtual_network_id", text(to.as_str())),
                ],
            ),
        ],
    }
}

fn update_peering(estate: &Estate, half: &ResourceId, flag: &str) -> Command {
    let network = parent(half);
    Command::az(format!(
        "az network vnet peering update {} --vnet-name {} -n {} --set {flag}=true",
        in_group(estate, half),
        quoted(network.name()),
        quoted(half.name())
    ))
}

fn transit(estate: &Estate, hub: &ResourceId, spoke: &ResourceId) -> Vec<Command> {
    let halves = [(hub, spoke, "allowGatewayTransit"), (spoke, hub, "useRemoteGateways")];
    let update = |(from, to, flag)| Some(update_peering(estate, &refusal::half(estate, from, to)?, flag));
    let mut commands: Vec<Command> = halves.into_iter().filter_map(update).collect();
    let subnet = hub.child(Kind::Subnet.collection(), "GatewaySubnet");
    let gateway = estate.referrers(&subnet).find(|referrer| referrer.kind() == Kind::VirtualNetworkGateway);
    commands.extend(gateway.map(|gateway| {
        Command::az(format!(
            "az network vnet-gateway vpn-client generate {} -n {} # a fresh profile for each client",
            in_group(estate, gateway.id()),
            quoted(gateway.id().name())
        ))
    }));
    commands.push(Command::terraform("allow_gateway_transit = true # the hub's azurerm_virtual_network_peering\nuse_remote_gateways   = true # the spoke's"));
    commands
}

/// `az network private-endpoint-connection` does not know AKS.
fn approve(estate: &Estate, endpoint: &ResourceId) -> Vec<Command> {
    let service = estate.private_endpoint(endpoint).and_then(|declared| declared.service.clone());
    let url = format!("{}/privateEndpointConnections", service.as_ref().map_or("", ResourceId::as_str));
    let found = format!("value[?ends_with(properties.privateEndpoint.id, '/{}')].id | [0]", endpoint.name());
    let body = r#"{"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}"#;
    vec![Command::az(format!(
        "connection=\"$(az rest --method get --url '{url}?api-version={AKS_API_VERSION}' --query \"{found}\" --output tsv)\"\n\
         az rest --method put --url \"$connection?api-version={AKS_API_VERSION}\" --body '{body}'"
    ))]
}

fn make_endpoint(estate: &Estate, cluster: &ResourceId, subnet: &ResourceId) -> Vec<Command> {
    let network = parent(subnet);
    let name = documents::endpoint_name(cluster, &network);
    let block = format!(
        "resource \"azurerm_private_endpoint\" \"{}\" {{\n  name                = \"{name}\"\n  resource_group_name = {}\n  location            = \
         {}\n  subnet_id           = {}\n  private_service_connection {{\n    name                           = \"{name}\"\n    \
         private_connection_resource_id = {}\n    subresource_names              = [\"management\"]\n    is_manual_connection           = false\n  }}\n}}",
        label(&name),
        text(network.group_name().unwrap_or_default()),
        text(&location(estate, &network)),
        text(subnet.as_str()),
        text(cluster.as_str())
    );
    vec![
        Command::az(format!(
            "az network private-endpoint create {} -n {} --subnet {} --private-connection-resource-id {} --group-id management --connection-name {}",
            in_group(estate, &network),
            quoted(&name),
            quoted(subnet.as_str()),
            quoted(cluster.as_str()),
            quoted(&name)
        )),
        Command::terraform(block),
    ]
}

fn allow(estate: &Estate, group: &ResourceId, inbound: bool, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<Command> {
    let name = room::rule_name(inbound, destination);
    let room = room::before_denials(estate, group, inbound, source, destination);
    let (priority, direction) = (room.priority, if inbound { "Inbound" } else { "Outbound" });
    let of_group = format!("{} --nsg-name {}", in_group(estate, group), quoted(group.name()));
    let moved = room.moved.iter().flat_map(|(rule, priority)| {
        [
            Command::az(format!("az network nsg rule update {of_group} -n {} --priority {priority}", quoted(rule))),
            Command::terraform(format!("priority = {priority} # azurerm_network_security_rule {rule}")),
        ]
    });
    let rule = [
        Command::az(format!(
            "az network nsg rule create {of_group} -n {name} --priority {priority} --direction {direction} --access Allow --protocol Tcp \
             --source-address-prefixes {source} --destination-address-prefixes {destination} --destination-port-ranges 443"
        )),
        resource(
            "azurerm_network_security_rule",
            &name,
            &[
                ("name", text(&name)),
                ("resource_group_name", text(group.group_name().unwrap_or_default())),
                ("network_security_group_name", text(group.name())),
                ("priority", priority.to_string()),
                ("direction", text(direction)),
                ("access", text("Allow")),
                ("protocol", text("Tcp")),
                ("source_address_prefix", text(&source.to_string())),
                ("source_port_range", text("*")),
                ("destination_address_prefix", text(&destination.to_string())),
                ("destination_port_range", text("443")),
            ],
        ),
    ];
    moved.chain(rule).collect()
}

/// Where a resource lies, in Azure's word.
fn location(estate: &Estate, id: &ResourceId) -> String {
    let document = estate.get(id).map(|resource| resource.document().value());
    let location = document.as_ref().and_then(|document| document["location"].as_str());
    location.unwrap_or("<region>").to_owned()
}

fn make_resolver(estate: &Estate, network: &ResourceId) -> Vec<Command> {
    let Some(prefix) = documents::free_subnet(estate, network) else { return Vec::new() };
    let (group, name) = (in_group(estate, network), format!("{}-resolver", network.name()));
    let subnet = network.child(Kind::Subnet.collection(), documents::RESOLVER_SUBNET);
    let address = azure::addressing::first_usable(prefix);
    let location = location(estate, network);
    let resolver = network
        .group_id()
        .map_or_else(String::new, |group| group.resource(Kind::DnsResolver.arm_type(), &name).to_string());
    let properties = json!({"virtualNetwork": {"id": network}});
    let configuration = json!({
        "privateIpAddress": address, "privateIpAllocationMethod": "Static", "subnet": {"id": subnet},
    });
    let endpoint = json!({"location": location, "properties": {"ipConfigurations": [configuration]}});
    vec![
        Command::az(format!(
            "az network vnet subnet create {group} --vnet-name {} -n {} --address-prefixes {prefix} --delegations \
             Microsoft.Network/dnsResolvers\n\
             az resource create --id {resolver} -l {location} --api-version {RESOLVER_API_VERSION} --properties \
             '{properties}'\n\
             az rest --method put --url '{resolver}/inboundEndpoints/in?api-version={RESOLVER_API_VERSION}' --body \
             '{endpoint}'",
            quoted(network.name()),
            documents::RESOLVER_SUBNET,
        )),
        terraform_resolver(network, &name, prefix, address, &location),
    ]
}

fn terraform_resolver(network: &ResourceId, name: &str, prefix: Ipv4Net, address: Ipv4Addr, location: &str) -> Command {
    let (group, label) = (text(network.group_name().unwrap_or_default()), label(name));
    let subnet = documents::RESOLVER_SUBNET;
    Command::terraform(format!(
        r#"resource "azurerm_subnet" "{label}" {{
  name                 = "{subnet}"
  resource_group_name  = {group}
  virtual_network_name = {network_name}
  address_prefixes     = ["{prefix}"]
  delegation {{
    name = "resolver"
    service_delegation {{
      name = "Microsoft.Network/dnsResolvers"
    }}
  }}
}}
resource "azurerm_private_dns_resolver" "{label}" {{
  name                = "{name}"
  resource_group_name = {group}
  location            = "{location}"
  virtual_network_id  = {network_id}
}}
resource "azurerm_private_dns_resolver_inbound_endpoint" "{label}" {{
  name                    = "in"
  private_dns_resolver_id = azurerm_private_dns_resolver.{label}.id
  location                = "{location}"
  ip_configurations {{
    subnet_id                    = azurerm_subnet.{label}.id
    private_ip_address           = "{address}"
    private_ip_allocation_method = "Static"
  }}
}}"#,
        network_name = text(network.name()),
        network_id = text(network.as_str()),
    ))
}
