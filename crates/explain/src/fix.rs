//! Fixes: what to do about a cause, in order of effort. Each has been tried on the model: the changes
//! it stands for are applied to the estate, and only what then connects is offered.

use std::net::Ipv4Addr;

use azure::{
    Estate, Kind, ResourceId, aks,
    model::{Model, PrivateDnsZoneMode},
};
use network::{AZURE_DNS, Cluster, Disposition, Host, Network, Responder, Vantage};
use serde::Serialize;

use crate::{
    cause::Code,
    edit::{Command, Edit, hosts_line, in_group, quoted, resolver_address},
    place,
    question::{self, Explanation, Role, Verdict},
};

/// How many steps a fix has at most.
const STEPS_MAX: usize = 4;
/// How many fixes are offered at most.
const FIXES_MAX: usize = 6;

/// One step of a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client's kubeconfig names the public FQDN.
    UsePublicFqdn,
    /// The client's hosts file has the name in the kubeconfig, with this address.
    HostsLine(Ipv4Addr),
    /// A change of the estate.
    Edit(Edit),
}

impl Step {
    /// The step in words, in the imperative.
    pub fn describe(&self) -> String {
        match self {
            Self::UsePublicFqdn => "use the public FQDN in the kubeconfig".to_owned(),
            Self::HostsLine(address) => format!("put {address} into the client's hosts file"),
            Self::Edit(edit) => edit.describe(),
        }
    }
}

/// What to do, in this order, and the client connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// In words.
    pub title: String,
    /// How much it takes: 1 the client alone, 2 a setting, 3 new resources.
    pub effort: u8,
    /// The commands, step by step.
    pub commands: Vec<Command>,
    /// The steps.
    #[serde(skip)]
    pub steps: Vec<Step>,
}

/// The fixes of what `explanation` says does not work, the least effort first.
pub fn fixes(network: &Network, explanation: &Explanation) -> Vec<Fix> {
    if explanation.verdict == Verdict::Connects {
        return Vec::new();
    }
    let mut search = Search { vantage: &explanation.vantage, cluster: &explanation.cluster, found: Vec::new() };
    let start = State { network: network.clone(), client: Client::default() };
    for step in search.candidates(&start) {
        if let Some(steps) = search.complete(&start, vec![], step, STEPS_MAX) {
            search.found.push(steps);
        }
    }
    let mut fixes: Vec<Fix> = Vec::new();
    let mut found = std::mem::take(&mut search.found);
    found.sort_by_key(|steps| (effort(steps), steps.len()));
    for steps in found {
        // What another fix does with less is not offered.
        let contains = |fix: &Fix| fix.steps.iter().all(|step| steps.contains(step));
        if fixes.len() < FIXES_MAX && !fixes.iter().any(contains) {
            fixes.extend(written(network, explanation, steps));
        }
    }
    fixes
}

/// What the client itself does differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Client {
    public_fqdn: bool,
    hosts: Option<Ipv4Addr>,
}

#[derive(Clone)]
struct State {
    network: Network,
    client: Client,
}

struct Search<'a> {
    vantage: &'a Vantage,
    cluster: &'a ResourceId,
    found: Vec<Vec<Step>>,
}

impl Search<'_> {
    /// The steps from `step` on that make the client connect, the first that are found.
    fn complete(&self, state: &State, mut taken: Vec<Step>, step: Step, left: usize) -> Option<Vec<Step>> {
        let next = Self::take(state, &step)?;
        taken.push(step);
        if connects(&next, self.vantage, self.cluster) {
            return Some(taken);
        }
        if left <= 1 || next.client != Client::default() {
            return None;
        }
        self.candidates(&next)
            .into_iter()
            .filter(|candidate| !taken.contains(candidate) && !self.is_more_than_enough(&taken, candidate))
            .find_map(|candidate| self.complete(&next, taken.clone(), candidate, left - 1))
    }

    /// Whether less than these steps is known to do.
    fn is_more_than_enough(&self, taken: &[Step], step: &Step) -> bool {
        self.found.iter().any(|fix| fix.iter().all(|held| held == step || taken.contains(held)))
    }

    fn take(state: &State, step: &Step) -> Option<State> {
        let mut next = state.clone();
        match step {
            Step::UsePublicFqdn => next.client.public_fqdn = true,
            Step::HostsLine(address) => next.client.hosts = Some(*address),
            Step::Edit(edit) => {
                let (estate, changed) = edit.apply(state.network.estate()).ok()?;
                next.network = state.network.advance(&estate, &changed);
            }
        }
        Some(next)
    }

    /// What could help against the cause as it is in `state`, the least effort first.
    fn candidates(&self, state: &State) -> Vec<Step> {
        let Some(explanation) = question::explain(&state.network, self.vantage, self.cluster) else {
            return Vec::new();
        };
        let Some(cluster) = state.network.cluster(self.cluster) else { return Vec::new() };
        let Some(cause) = &explanation.cause else { return Vec::new() };
        Candidates { network: &state.network, vantage: self.vantage, cluster, explanation: &explanation }.of(cause.code)
    }
}

/// Whether the client connects, doing what it does differently.
fn connects(state: &State, vantage: &Vantage, cluster: &ResourceId) -> bool {
    let Some(cluster) = state.network.cluster(cluster) else { return false };
    let name = match state.client {
        Client { hosts: Some(address), .. } => {
            return cluster.running && reaches(&state.network, vantage, cluster, &Host::Address(address));
        }
        Client { public_fqdn: true, .. } => cluster.fqdn.as_ref(),
        Client { .. } => crate::diagnose::kubeconfig_name(cluster).map(|(_, name)| name),
    };
    name.is_some_and(|name| reaches(&state.network, vantage, cluster, &Host::Name(name.clone())))
}

fn reaches(network: &Network, vantage: &Vantage, cluster: &Cluster, host: &Host) -> bool {
    let end = network.connect(vantage, host, aks::API_SERVER_PORT, &mut network::Silent);
    matches!(end, Disposition::Connected { cluster: reached, .. } if reached == cluster.id)
}

struct Candidates<'a> {
    network: &'a Network,
    vantage: &'a Vantage,
    cluster: &'a Cluster,
    explanation: &'a Explanation,
}

impl Candidates<'_> {
    fn of(&self, code: Code) -> Vec<Step> {
        let edits = match code {
            Code::PrivateNameNotResolvable
            | Code::KubeconfigHasPrivateName
            | Code::PublicFqdnDisabled
            | Code::ZoneNotLinkedToClientVnet
            | Code::AutoLinkConflict
            | Code::CustomDnsBypassesZone
            | Code::OnPremForwardTo168
            | Code::DnsServerUnreachable
            | Code::ForwarderUnreachable
            | Code::NameWithoutAddress
            | Code::ZoneNoneButNameCached
            | Code::RecordNotManagedForExtraPe
            | Code::StaleRecordAfterStopStart
            | Code::DuplicateZoneOverlap
            | Code::ZoneLinkedRecordMissing => return self.names(),
            Code::ClusterStopped => vec![Edit::Start { cluster: self.cluster.id.clone() }],
            Code::ClientStopped => self.machines(self.vantage.resource()),
            Code::PeConnectionPending | Code::PeConnectionRejected | Code::PeConnectionDisconnected => self.approve(),
            Code::NotInAuthorizedRanges => self.authorize(),
            _ => self.ways(),
        };
        edits.into_iter().map(Step::Edit).collect()
    }

    fn estate(&self) -> &Estate {
        self.network.estate()
    }

    // Names.

    fn names(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.explanation.kubeconfig().is_some_and(|asked| asked.role == Role::PrivateFqdn)
            && self.cluster.fqdn.is_some()
        {
            steps.push(Step::UsePublicFqdn);
        }
        let endpoints = place::endpoints(self.estate(), &self.cluster.id);
        steps.extend(
            self.cluster.address.into_iter().chain(endpoints.iter().map(|end| end.address)).map(Step::HostsLine),
        );
        let mut edits = self.zone_edits();
        if self.cluster.private && self.cluster.fqdn.is_none() {
            edits.push(Edit::PublicFqdn { cluster: self.cluster.id.clone(), enabled: true });
        }
        edits.extend(self.resolvers());
        steps.extend(edits.into_iter().map(Step::Edit));
        steps
    }

    /// Links and records.
    fn zone_edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let Some(asked) = self.explanation.kubeconfig() else { return edits };
        let Some(declared) = self.estate().managed_cluster(&self.cluster.id) else { return edits };
        let asked_in = match asked.responder() {
            Some(
                Responder::AzureDns { network }
                | Responder::CustomServer { network, .. }
                | Responder::InboundEndpoint { network, .. },
            ) => Some(network),
            _ => None,
        };
        let zone = place::zone_of(self.estate(), declared);
        if let (Some(zone), Some(network)) = (&zone, &asked_in) {
            edits.push(Edit::Link { zone: zone.clone(), network: network.clone() });
        }
        if let Some((answered, link)) = crate::diagnose::linked_zone(&asked.trace) {
            let (answered, link) = (answered.clone(), link.clone());
            let endpoints = place::endpoints(self.estate(), &self.cluster.id);
            let reachable = endpoints
                .iter()
                .find(|end| reaches(self.network, self.vantage, self.cluster, &Host::Address(end.address)));
            let address = reachable.map(|end| end.address).or(self.cluster.address);
            edits.extend(address.map(|address| Edit::Record { zone: answered, name: asked.name.clone(), address }));
            // `NxDomainRedirect` is no cure: Azure heeds it in `privatelink` zones only, and public DNS has no such names.
            edits.push(Edit::Unlink { link });
        } else if zone.is_none()
            && let (Some(name), Some(network), PrivateDnsZoneMode::System | PrivateDnsZoneMode::None) =
                (place::zone_name(declared), &asked_in, &declared.zone)
            && let Some(group) = network.group_id()
        {
            let own = group.resource(Kind::PrivateDnsZone.arm_type(), name.as_str());
            if self.estate().contains(&own) {
                edits.push(Edit::Link { zone: own, network: network.clone() });
            } else {
                edits.push(Edit::MakeZone { zone: own });
            }
        }
        edits
    }

    /// Somebody to ask for those who ask the wrong one.
    fn resolvers(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let Some(here) = place::network_of(self.network, self.vantage) else { return edits };
        let asked = self.network.dns_servers(self.vantage);
        if place::is_inside(self.vantage) {
            if !here.dns_servers.is_empty() {
                edits.push(Edit::DnsServers { network: here.id.clone(), servers: Vec::new() });
            }
            return edits;
        }
        let answers_here = here.inbound_endpoints.keys().next().copied();
        match (answers_here, self.vantage) {
            (Some(address), Vantage::Client(client)) if !asked.contains(&address) => {
                edits.push(Edit::ClientDns { client: client.clone(), servers: vec![address] });
                if self.network.client(client).is_some_and(|client| client.gateway.is_some()) {
                    edits.push(Edit::DnsServers { network: here.id.clone(), servers: vec![address] });
                }
            }
            (Some(address), _) if !here.dns_servers.contains(&address) => {
                edits.push(Edit::DnsServers { network: here.id.clone(), servers: vec![address] });
            }
            (None, _)
                if resolver_address(self.estate(), &here.id).is_some()
                    && !asked.iter().any(|held| *held != AZURE_DNS) =>
            {
                edits.push(Edit::MakeResolver { network: here.id.clone() });
            }
            _ => {}
        }
        edits
    }

    // Ways.

    fn ways(&self) -> Vec<Edit> {
        let Some(asked) =
            self.explanation.names.iter().find(|name| !name.addresses().is_empty() && name.role != Role::PortalFqdn)
        else {
            return Vec::new();
        };
        let mut edits = self.against(&asked.trace.disposition);
        let Some(here) = place::network_of(self.network, self.vantage) else { return edits };
        for endpoint in place::endpoints(self.estate(), &self.cluster.id) {
            if endpoint.network == here.id {
                continue;
            }
            if !place::is_inside(self.vantage) {
                edits.push(Edit::Transit { hub: here.id.clone(), spoke: endpoint.network.clone() });
            }
            edits.push(Edit::Peer { a: here.id.clone(), b: endpoint.network.clone() });
        }
        let subnet = match self.vantage {
            Vantage::Subnet(id) => Some(id.clone()),
            Vantage::Interface(id) => {
                self.estate().network_interface(id).and_then(|nic| Some(nic.ip_configurations.first()?.subnet.clone()))
            }
            _ => here.subnets.iter().find(|subnet| subnet.id.name() != "GatewaySubnet").map(|subnet| subnet.id.clone()),
        };
        if self.cluster.private {
            edits.extend(subnet.map(|subnet| Edit::MakeEndpoint { cluster: self.cluster.id.clone(), subnet }));
        }
        edits
    }

    /// What takes away the very thing that stopped the packet.
    fn against(&self, end: &Disposition) -> Vec<Edit> {
        match end {
            Disposition::SecurityRuleDenies { to, source, group, direction, .. } => vec![Edit::Allow {
                group: group.clone(),
                inbound: *direction == azure::model::Direction::Inbound,
                source: *source,
                destination: *to,
            }],
            Disposition::RouteDrops { route, .. } | Disposition::NoGateway { route: Some(route), .. } => {
                vec![Edit::RemoveRoute { route: route.clone() }]
            }
            Disposition::NoAppliance { route, appliance, .. } => {
                let nics = self.estate().of_kind(Kind::NetworkInterface).filter(|nic| match nic.model() {
                    Model::NetworkInterface(nic) => {
                        nic.ip_configurations.iter().any(|held| held.address == Some(*appliance))
                    }
                    _ => false,
                });
                let mut edits: Vec<Edit> = Vec::new();
                for nic in nics {
                    edits.extend(self.machines(Some(nic.id())));
                    edits.push(Edit::Forwarding { interface: nic.id().clone() });
                }
                edits.extend(route.clone().map(|route| Edit::RemoveRoute { route }));
                edits
            }
            Disposition::ForwardedTrafficRefused { peering, .. } => {
                vec![Edit::AcceptForwarded { peering: peering.clone() }]
            }
            Disposition::PeeringBlocks { peering, .. } => {
                let remote = self.estate().get(peering).and_then(|half| match half.model() {
                    Model::Peering(declared) => Some(declared.remote.clone()),
                    _ => None,
                });
                let pair = peering.parent().zip(remote);
                pair.into_iter().map(|(a, b)| Edit::Peer { a, b }).collect()
            }
            Disposition::MachineStopped { interface } => self.machines(Some(interface)),
            Disposition::ReplyLost { why, .. } => {
                let mut edits = self.against(why);
                // The user-defined route by which the request leaves its own network.
                let routes =
                    self.explanation.names.iter().flat_map(|name| &name.trace.hops).filter_map(|hop| match hop {
                        network::Hop::Route { route, .. } if route.source == network::RouteSource::User => {
                            route.because.clone()
                        }
                        _ => None,
                    });
                for route in routes {
                    let edit = Edit::RemoveRoute { route };
                    if !edits.contains(&edit) {
                        edits.push(edit);
                    }
                }
                edits
            }
            _ => Vec::new(),
        }
    }

    /// The stopped machines of an interface.
    fn machines(&self, interface: Option<&ResourceId>) -> Vec<Edit> {
        let Some(interface) = interface else { return Vec::new() };
        let holders = self.estate().referrers(interface).map(|holder| holder.id());
        let stopped = holders.filter(|id| self.estate().virtual_machine(id).is_some_and(|machine| !machine.running));
        stopped.map(|machine| Edit::StartMachine { machine: machine.clone() }).collect()
    }

    fn approve(&self) -> Vec<Edit> {
        let endpoints = place::endpoints(self.estate(), &self.cluster.id).into_iter();
        let waiting = endpoints.filter(|endpoint| endpoint.status != azure::model::ConnectionStatus::Approved);
        waiting.map(|endpoint| Edit::Approve { endpoint: endpoint.id }).collect()
    }

    fn authorize(&self) -> Vec<Edit> {
        let ends = self.explanation.names.iter().filter_map(|name| match &name.trace.disposition {
            Disposition::SourceNotAuthorized { source, .. } => Some(*source),
            _ => None,
        });
        let cluster = || self.cluster.id.clone();
        ends.take(1).map(|source| Edit::Authorize { cluster: cluster(), source }).collect()
    }
}

fn effort(steps: &[Step]) -> u8 {
    let of = |step: &Step| match step {
        Step::UsePublicFqdn | Step::HostsLine(_) => 1,
        Step::Edit(Edit::MakeEndpoint { .. } | Edit::MakeResolver { .. } | Edit::MakeZone { .. }) => 3,
        Step::Edit(_) => 2,
    };
    steps.iter().map(of).max().unwrap_or(0)
}

/// A fix in words and commands; each step's commands are those for the estate that it finds.
fn written(network: &Network, explanation: &Explanation, steps: Vec<Step>) -> Option<Fix> {
    let cluster = network.cluster(&explanation.cluster)?;
    let mut commands = Vec::new();
    let mut estate = network.estate().clone();
    for step in &steps {
        match step {
            Step::UsePublicFqdn => {
                commands.push(Command::az(format!(
                    "az aks get-credentials {} -n {} --public-fqdn --overwrite-existing",
                    in_group(&estate, &cluster.id),
                    quoted(cluster.id.name())
                )));
            }
            Step::HostsLine(address) => {
                let (_, name) = crate::diagnose::kubeconfig_name(cluster)?;
                commands.push(hosts_line(name.as_str(), *address));
            }
            Step::Edit(edit) => {
                commands.extend(edit.commands(&estate));
                estate = edit.apply(&estate).ok()?.0;
            }
        }
    }
    let title = steps.iter().map(Step::describe).collect::<Vec<_>>().join(", then ");
    Some(Fix { title, effort: effort(&steps), commands, steps })
}

/// A way to get work done without any connection from here: `az aks command invoke`, where it works.
pub fn meanwhile(network: &Network, explanation: &Explanation) -> Option<Command> {
    let (estate, cluster) = (network.estate(), network.cluster(&explanation.cluster)?);
    let enabled = !place::run_command_disabled(estate, &cluster.id);
    (explanation.verdict == Verdict::Fails && cluster.running && enabled).then(|| {
        Command::az(format!(
            "az aks command invoke {} -n {} --command 'kubectl get nodes'",
            in_group(estate, &cluster.id),
            quoted(cluster.id.name())
        ))
    })
}
