//! Edits as commands that can be pasted: `az`, Terraform, a hosts line.
//!
//! Source of the spellings: `az … --help` of Azure CLI 2.80, the azurerm provider's documentation (4.x).

use std::net::Ipv4Addr;

use azure::{
    Estate, Kind, ResourceId,
    model::{Model, ResolutionPolicy},
};
use serde::Serialize;

use super::{Edit, documents, refusal};

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    /// Azure's command line, in a shell.
    Az,
    /// Terraform's azurerm provider: a resource to add or an attribute to set.
    Terraform,
    /// A shell on the client.
    Shell,
    /// Words, where no command can say it.
    Note,
}

/// A way to make an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// What it is for.
    pub tool: Tool,
    /// The text to paste.
    pub text: String,
}

impl Command {
    pub(crate) fn az(text: impl Into<String>) -> Self {
        Self { tool: Tool::Az, text: text.into() }
    }

    pub(crate) fn terraform(text: impl Into<String>) -> Self {
        Self { tool: Tool::Terraform, text: text.into() }
    }

    pub(crate) fn shell(text: impl Into<String>) -> Self {
        Self { tool: Tool::Shell, text: text.into() }
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self { tool: Tool::Note, text: text.into() }
    }
}

/// `-g <group>`, with the subscription where the estate has more than one.
pub(crate) fn in_group(estate: &Estate, id: &ResourceId) -> String {
    let subscription = |end: Option<&std::sync::Arc<azure::Resource>>| end?.id().subscription().map(str::to_owned);
    let several = subscription(estate.iter().next()) != subscription(estate.iter().next_back());
    let group = quoted(id.group_name().unwrap_or_default());
    match id.subscription() {
        Some(subscription) if several => format!("-g {group} --subscription {subscription}"),
        _ => format!("-g {group}"),
    }
}

/// A name as a POSIX shell takes it.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A name as Terraform takes it for a label.
fn label(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let label: String = text.chars().map(plain).collect();
    if label.starts_with(|first: char| first.is_ascii_digit()) { format!("r_{label}") } else { label }
}

fn resource(kind: &str, name: &str, attributes: &[(&str, String)]) -> Command {
    let width = attributes.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let mut text = format!("resource \"{kind}\" \"{}\" {{\n", label(name));
    for (key, value) in attributes {
        text += &format!("  {key:<width$} = {value}\n");
    }
    Command::terraform(text + "}")
}

fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

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
            Self::Redirect { link, policy } => {
                let zone = parent(link);
                let policy = if *policy == ResolutionPolicy::NxDomainRedirect { "NxDomainRedirect" } else { "Default" };
                vec![
                    Command::az(format!(
                        "az network private-dns link vnet update {} -z {} -n {} --resolution-policy {policy}",
                        group(&zone),
                        quoted(zone.name()),
                        quoted(link.name())
                    )),
                    Command::terraform(format!(
                        "resolution_policy = \"{policy}\" # azurerm_private_dns_zone_virtual_network_link of {}",
                        link.name()
                    )),
                ]
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
            Self::Approve { endpoint } => {
                let service = estate.private_endpoint(endpoint).and_then(|declared| declared.service.clone());
                let service = service.as_ref().map_or("", ResourceId::as_str);
                vec![Command::az(format!(
                    "az network private-endpoint-connection approve --id \"$(az network private-endpoint-connection list --id {service} \
                     --query \"[?properties.privateEndpoint.id=='{endpoint}'].id | [0]\" -o tsv)\""
                ))]
            }
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

fn make_endpoint(estate: &Estate, cluster: &ResourceId, subnet: &ResourceId) -> Vec<Command> {
    let network = parent(subnet);
    let name = documents::endpoint_name(cluster, &network);
    let block = format!(
        "resource \"azurerm_private_endpoint\" \"{}\" {{\n  name                = \"{name}\"\n  resource_group_name = {}\n  location            = \
         \"<region>\"\n  subnet_id           = {}\n  private_service_connection {{\n    name                           = \"{name}\"\n    \
         private_connection_resource_id = {}\n    subresource_names              = [\"management\"]\n    is_manual_connection           = false\n  }}\n}}",
        label(&name),
        text(network.group_name().unwrap_or_default()),
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
    let name = documents::rule_name(inbound, destination);
    let (priority, direction) = (documents::free_priority(estate, group), if inbound { "Inbound" } else { "Outbound" });
    vec![
        Command::az(format!(
            "az network nsg rule create {} --nsg-name {} -n {name} --priority {priority} --direction {direction} --access Allow --protocol Tcp \
             --source-address-prefixes {source} --destination-address-prefixes {destination} --destination-port-ranges 443",
            in_group(estate, group),
            quoted(group.name())
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
    ]
}

fn make_resolver(estate: &Estate, network: &ResourceId) -> Vec<Command> {
    let Some(prefix) = documents::free_subnet(estate, network) else { return Vec::new() };
    let (group, name) = (in_group(estate, network), format!("{}-resolver", network.name()));
    let subnet = network.child(Kind::Subnet.collection(), documents::RESOLVER_SUBNET);
    let address = azure::addressing::first_usable(prefix);
    let location = estate
        .get(network)
        .and_then(|resource| resource.document().value()["location"].as_str().map(str::to_owned))
        .unwrap_or_else(|| "<region>".to_owned());
    vec![Command::az(format!(
        "az network vnet subnet create {group} --vnet-name {} -n {} --address-prefixes {prefix} --delegations Microsoft.Network/dnsResolvers\n\
         az dns-resolver create {group} -n {name} -l {location} --id {}\n\
         az dns-resolver inbound-endpoint create {group} --dns-resolver-name {name} -n in -l {location} \
         --ip-configurations \"[{{private-ip-address:'{address}',private-ip-allocation-method:'Static',id:'{subnet}'}}]\"",
        quoted(network.name()),
        documents::RESOLVER_SUBNET,
        quoted(network.as_str())
    ))]
}
