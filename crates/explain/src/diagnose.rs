//! From how a question ended to why: the one cause, out of the disposition, the steps before it and
//! what the estate says of the cluster and of the client's network.
//!
//! Decides no reachability: that something would connect is asked of `network` like any question.

use std::net::Ipv4Addr;

use azure::{
    DnsName, Estate, ResourceId, addressing, aks,
    model::{ConnectionStatus, ManagedCluster, PrivateDnsZoneMode},
};
use network::{
    AZURE_DNS, Cluster, Disposition, Hop, Host, Network, PeeringFault, Responder, Trace, Vantage, VirtualNetwork,
};

use crate::{
    cause::{Cause, Code, Diagnosis},
    place::{self, Endpoint},
    question::{self, NameAnswer, Role, Verdict},
};

/// Why the kubeconfig of `cluster` does not work at `vantage`: as a [`Cause`] or as its [`Code`] alone.
pub(crate) fn cause<C: Diagnosis>(network: &Network, vantage: &Vantage, cluster: &Cluster, names: &[NameAnswer]) -> C {
    let Some(declared) = network.estate().managed_cluster(&cluster.id) else {
        return C::of(Code::EndpointMissing, || "there is no such cluster");
    };
    let case = Case {
        network,
        estate: network.estate(),
        vantage,
        cluster,
        declared,
        here: place::network_of(network, vantage),
        endpoints: place::endpoints(network.estate(), &cluster.id),
        public: names.iter().find(|name| name.role == Role::PublicFqdn),
    };
    case.cause(names.iter().find(|name| name.in_kubeconfig))
}

/// What else does not work: the portal's own name, where the cluster itself is reached or is not.
pub(crate) fn notes(cluster: &Cluster, verdict: Verdict, names: &[NameAnswer]) -> Vec<Cause> {
    let portal = names.iter().find(|name| name.role == Role::PortalFqdn && name.addresses().is_empty());
    let cause = portal.filter(|_| cluster.running && verdict != Verdict::Fails).map(|portal| {
        Cause::of(
            Code::PortalFqdnNotResolvable,
            || "a browser here does not get the cluster's Kubernetes pages in the Azure portal",
        )
        .because(|| format!("the portal calls {}", portal.name))
        .because(|| portal.trace.disposition.sentence())
    });
    cause.into_iter().collect()
}

struct Case<'a> {
    network: &'a Network,
    estate: &'a Estate,
    vantage: &'a Vantage,
    cluster: &'a Cluster,
    declared: &'a ManagedCluster,
    /// The network the client's traffic enters by.
    here: Option<&'a VirtualNetwork>,
    endpoints: Vec<Endpoint>,
    public: Option<&'a NameAnswer>,
}

impl Case<'_> {
    fn cause<C: Diagnosis>(&self, asked: Option<&NameAnswer>) -> C {
        let who = self.cluster.id.name();
        if !self.cluster.running {
            return C::of(Code::ClusterStopped, || format!("cluster {who} is stopped"))
                .because(|| "while a private cluster is stopped it has neither a name in DNS nor an endpoint")
                .because(|| "it may start with another address; hosts files and firewall rules with the old one are then stale");
        }
        let Some(asked) = asked else {
            return C::of(Code::NameUnknown, || format!("the names of cluster {who} are not known")).because(
                || "the source has neither `fqdn` nor `privateFQDN`, which Azure chooses when it makes the cluster",
            );
        };
        let cause: C = match self.wrong_address(asked) {
            Some(cause) => cause,
            None => self.of(&asked.name, &asked.trace),
        };
        cause.because(|| format!("{}: {}", asked.name, asked.trace.disposition.sentence()))
    }

    /// The name leads to an address that is none of the cluster's.
    fn wrong_address<C: Diagnosis>(&self, asked: &NameAnswer) -> Option<C> {
        let found = *asked.addresses().first()?;
        let who = self.cluster.id.name();
        let now = self.cluster.address?;
        let reachable = self.reachable_extra();
        if found == now && !asked.connects && reachable.is_some() {
            return reachable.map(|endpoint| Self::extra_endpoint(endpoint, &asked.name));
        }
        if self.endpoints.iter().any(|endpoint| endpoint.address == found) || found == now {
            return None;
        }
        let by =
            if asked.responder() == Some(Responder::HostsFile) { "the client's hosts file" } else { "a DNS record" };
        Some(
            C::of(Code::StaleRecordAfterStopStart, || {
                format!("{by} says {found} for cluster {who}, whose endpoint has {now}")
            })
            .because(|| "stopping and starting a private cluster makes its endpoint anew, with another address"),
        )
    }

    fn of<C: Diagnosis>(&self, name: &DnsName, trace: &Trace) -> C {
        match &trace.disposition {
            Disposition::NameNotFound { responder, .. } => self.not_found(name, trace, responder),
            Disposition::NoAddress { .. } if linked_zone(trace).is_some() => self.record_missing(name, trace),
            Disposition::NoAddress { .. } | Disposition::AliasLoop { .. } => {
                C::of(Code::NameWithoutAddress, || format!("{name} leads to no IPv4 address"))
            }
            Disposition::NoResolver { servers } => no_resolver(servers),
            Disposition::ForwarderUnreachable { rule, .. } => {
                let rule = rule.as_ref().map_or("of its ruleset", ResourceId::name);
                C::of(Code::ForwarderUnreachable, || {
                    format!("forwarding rule {rule} leads to servers that do not answer")
                })
            }
            other => self.no_connection(trace, other),
        }
    }

    // Names.

    fn not_found<C: Diagnosis>(&self, name: &DnsName, trace: &Trace, responder: &Responder) -> C {
        if let Some(endpoint) = self.reachable_extra() {
            return Self::extra_endpoint(endpoint, name);
        }
        if self.declared.zone == PrivateDnsZoneMode::None && self.declared.private_fqdn.as_ref() == Some(name) {
            return C::of(
                Code::ZoneNoneButNameCached, || format!("cluster {} has private DNS zone `none`, and {name} is still in use", self.cluster.id.name()))
            .because(|| "after a change from `system` to `none` nodes and kubeconfigs keep the private name until they are made anew");
        }
        if linked_zone(trace).is_some() {
            return self.record_missing(name, trace);
        }
        if self.cluster.private_fqdn.as_ref() != Some(name) {
            return C::of(Code::PublicFqdnDisabled, || format!("{name} is not in public DNS"));
        }
        let ruled = trace.hops.iter().any(|hop| matches!(hop, Hop::ForwardingRule { .. }));
        match responder {
            Responder::AzureDns { network } if !ruled => self.not_linked(network),
            Responder::PublicDns | Responder::SiteServer { .. } if !place::is_inside(self.vantage) => {
                self.outside(name, responder)
            }
            _ => {
                let cause = C::of(Code::CustomDnsBypassesZone, || {
                    format!("the client asks {}, which does not see zone {}", responder.describe(), self.zone_text())
                });
                let via = || match responder {
                    Responder::CustomServer { network, .. } | Responder::InboundEndpoint { network, .. } => {
                        format!("it answers as 168.63.129.16 of {}, to which the zone is not linked", network.name())
                    }
                    _ if ruled => {
                        "a forwarding rule sends the question to a server that does not see the zone".to_owned()
                    }
                    _ => "it answers from public DNS, which has no private names".to_owned(),
                };
                cause.because(via).because(|| self.links())
            }
        }
    }

    /// The name of the zone that holds the cluster's private name.
    fn zone_text(&self) -> String {
        place::zone_name(self.declared).map_or_else(String::new, |zone| zone.to_string())
    }

    /// Which networks that zone is linked to.
    fn links(&self) -> String {
        let Some(zone) = place::zone_of(self.estate, self.declared) else {
            return "the source has no such zone".to_owned();
        };
        let links: Vec<String> = self
            .estate
            .children(&zone, azure::Kind::VirtualNetworkLink)
            .filter_map(|link| match link.model() {
                azure::model::Model::VirtualNetworkLink(declared) => Some(declared.virtual_network.name().to_owned()),
                _ => None,
            })
            .collect();
        if links.is_empty() {
            "the zone is linked to no network".to_owned()
        } else {
            format!("the zone is linked to {}", links.join(", "))
        }
    }

    fn not_linked<C: Diagnosis>(&self, network: &ResourceId) -> C {
        let own =
            self.endpoints.iter().find(|endpoint| endpoint.own).is_some_and(|endpoint| endpoint.network == *network);
        if own {
            return C::of(Code::AutoLinkConflict, || {
                format!("zone {} is not linked to {}, the cluster's own network", self.zone_text(), network.name())
            })
            .because(|| "AKS makes this link itself, also for a zone of yours: a policy or somebody has removed it, or it collided")
            .because(|| self.links());
        }
        let cause = C::of(Code::ZoneNotLinkedToClientVnet, || {
            format!("zone {} is not linked to {}, where the client asks", self.zone_text(), network.name())
        });
        let peered = self.here.is_some_and(|here| self.endpoints.iter().any(|end| here.peer(&end.network).is_some()));
        let cause = if peered { cause.because(|| "the networks are peered, and peering is not a link") } else { cause };
        cause.because(|| self.links())
    }

    /// A client outside Azure, whose resolver knows public DNS only.
    fn outside<C: Diagnosis>(&self, name: &DnsName, responder: &Responder) -> C {
        let asked = || responder.describe();
        if self.public.is_some_and(|public| public.connects) {
            return C::of(Code::KubeconfigHasPrivateName, || {
                format!("the kubeconfig names {name}, which {} does not have; the public FQDN connects", asked())
            });
        }
        let reaches = self.cluster.address.is_some_and(|address| self.connects_at(address));
        if self.cluster.fqdn.is_none() && reaches {
            return C::of(Code::PublicFqdnDisabled, || {
                format!("the client reaches the endpoint, and has no name for it: {} does not have {name}", asked())
            })
            .because(|| format!("the public FQDN of cluster {} is disabled (`fqdn` is null)", self.cluster.id.name()));
        }
        if !reaches && self.public.is_some_and(|public| !public.addresses().is_empty()) {
            // The better-known name resolves here, so that the way is what is missing first.
            if let Some(public) = self.public {
                return self
                    .of::<C>(&public.name, &public.trace)
                    .because(|| format!("{name} is not known to {}", asked()));
            }
        }
        C::of(Code::PrivateNameNotResolvable, || format!("{} does not have {name}", asked())).because(|| {
            format!(
                "only zone {} has it, for the networks linked to it; 168.63.129.16 does not answer outside Azure",
                self.zone_text()
            )
        })
    }

    fn record_missing<C: Diagnosis>(&self, name: &DnsName, trace: &Trace) -> C {
        let Some((zone, link)) = linked_zone(trace) else {
            return C::of(Code::NameWithoutAddress, || format!("{name} leads to no IPv4 address"));
        };
        let asked_in = self.estate.virtual_network(&self.link_network(link)).map(|_| self.link_network(link));
        let asking = asked_in.as_ref().and_then(|network| self.network.virtual_network(network));
        let namesakes = asking
            .into_iter()
            .flat_map(|network| &network.silent_zones)
            .filter(|silent| silent.zone != *zone && silent.zone.name().eq_ignore_ascii_case(zone.name()));
        let mut with_record =
            namesakes.filter(|silent| !place::addresses_in(self.estate, &silent.zone, name).is_empty());
        let network = asked_in.as_ref().map_or("the network", ResourceId::name);
        if let Some(network::LinkedZone { zone: other, link: other_link, .. }) = with_record.next() {
            return C::of(Code::DuplicateZoneOverlap, || {
                format!(
                    "{network} is linked to two zones called {}, and the one that it asks has no {name}",
                    zone.name()
                )
            })
            .because(|| format!("asked: {zone}"))
            .because(|| format!("has the record: {other}, by link {}", other_link.name()))
            .because(|| "Azure refuses a second link to a zone of the same name");
        }
        C::of(Code::ZoneLinkedRecordMissing, || {
            format!("zone {} is linked to {network} and has no {name}", zone.name())
        })
        .because(|| {
            format!(
                "link {} makes {network} ask {zone}, which then answers for all that lies below {}",
                link.name(),
                zone.name()
            )
        })
        .because(|| self.links())
    }

    fn link_network(&self, link: &ResourceId) -> ResourceId {
        match self.estate.get(link).map(|resource| resource.model()) {
            Some(azure::model::Model::VirtualNetworkLink(declared)) => declared.virtual_network.clone(),
            _ => link.clone(),
        }
    }

    /// An endpoint that somebody else made, which connects from here.
    fn reachable_extra(&self) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| !endpoint.own && self.connects_at(endpoint.address))
    }

    fn extra_endpoint<C: Diagnosis>(endpoint: &Endpoint, name: &DnsName) -> C {
        C::of(
            Code::RecordNotManagedForExtraPe, || format!("private endpoint {} at {} connects from here, but {name} does not lead to it", endpoint.id.name(), endpoint.address))
        .because(|| "AKS writes the record of its own endpoint only; for another one nobody does, a DNS zone group has no effect")
    }

    /// Whether a connection to an address ends at this cluster.
    fn connects_at(&self, address: Ipv4Addr) -> bool {
        let end =
            self.network.connect(self.vantage, &Host::Address(address), aks::API_SERVER_PORT, &mut network::Silent);
        matches!(end, Disposition::Connected { cluster, .. } if cluster == self.cluster.id)
    }

    // Packets.

    fn no_connection<C: Diagnosis>(&self, trace: &Trace, end: &Disposition) -> C {
        let sentence = || end.sentence();
        match end {
            Disposition::NoRoute { to } => self.no_route(*to, trace),
            Disposition::PeeringBlocks { peering, why, .. } => {
                let code = match why {
                    PeeringFault::OneSided => Code::PeeringIncomplete,
                    PeeringFault::AccessDisallowed => Code::PeeringDeniesAccess,
                };
                C::of(code, sentence).because(|| format!("peering {peering}"))
            }
            Disposition::RouteDrops { route, .. } => {
                C::of(Code::UdrDrops, sentence).because(|| format!("route {route}"))
            }
            Disposition::NoGateway { .. } => C::of(Code::UdrNoGateway, sentence),
            Disposition::NoAppliance { .. } => C::of(Code::UdrNvaBroken, sentence),
            Disposition::RoutingLoop { .. } => C::of(Code::UdrLoop, sentence),
            Disposition::ForwardedTrafficRefused { peering, .. } => {
                C::of(Code::PeeringRefusesForwarded, sentence).because(|| format!("peering {peering}"))
            }
            Disposition::SecurityRuleDenies { group, .. } => {
                C::of(Code::NsgBlocks443, sentence).because(|| format!("network security group {group}"))
            }
            Disposition::ReplyLost { .. } => {
                let cause = C::of(Code::UdrNvaAsymmetric, sentence);
                if self.endpoints.iter().any(|endpoint| {
                    trace.hops.iter().any(
                        |hop| matches!(hop, Hop::PrivateEndpoint { endpoint: passed, .. } if *passed == endpoint.id),
                    )
                }) {
                    cause.because(|| "a private endpoint takes no notice of user-defined routes: its reply needs a way of the platform's own")
                } else {
                    cause
                }
            }
            Disposition::EndpointNotApproved { endpoint, status } => {
                let code = match status {
                    ConnectionStatus::Rejected => Code::PeConnectionRejected,
                    ConnectionStatus::Disconnected => Code::PeConnectionDisconnected,
                    ConnectionStatus::Pending | ConnectionStatus::Approved => Code::PeConnectionPending,
                };
                C::of(code, sentence).because(|| format!("private endpoint {endpoint}"))
            }
            Disposition::MachineStopped { interface } if self.vantage.resource() == Some(interface) => {
                C::of(Code::ClientStopped, sentence)
            }
            Disposition::SourceNotAuthorized { .. } => C::of(Code::NotInAuthorizedRanges, sentence).because(|| {
                let ranges: Vec<String> = self.cluster.authorized_ranges.iter().map(ToString::to_string).collect();
                format!("authorized: {}", ranges.join(", "))
            }),
            Disposition::ClusterStopped { .. } => C::of(Code::ClusterStopped, sentence),
            Disposition::NoVantage => {
                C::of(Code::ClientStopped, || "the client has no address in a network that exists")
            }
            Disposition::NothingThere { to }
            | Disposition::PortClosed { to, .. }
            | Disposition::NameServer { to, .. } => {
                self.somebody_elses(*to).unwrap_or_else(|| C::of(Code::EndpointMissing, sentence))
            }
            Disposition::Connected { address, .. } => self.somebody_elses(*address).unwrap_or_else(|| {
                C::of(Code::StaleRecordAfterStopStart, || {
                    format!("the name leads to another cluster: {}", end.sentence())
                })
            }),
            _ => C::of(Code::EndpointMissing, sentence),
        }
    }

    /// The client's own network has the address.
    fn somebody_elses<C: Diagnosis>(&self, to: Ipv4Addr) -> Option<C> {
        let here = self.here.filter(|here| here.contains(to))?;
        let there = self.endpoints.iter().find(|endpoint| endpoint.address == to && endpoint.network != here.id)?;
        Some(self.overlap(here, there, to))
    }

    fn overlap<C: Diagnosis>(&self, here: &VirtualNetwork, there: &Endpoint, to: Ipv4Addr) -> C {
        C::of(Code::AddressSpaceOverlap, || {
            format!("{to} lies in {} itself, so that nothing leaves for {}", here.id.name(), there.network.name())
        })
        .because(|| format!("{}: {}", here.id.name(), prefixes(&here.address_space)))
        .because(|| {
            self.network.virtual_network(&there.network).map_or_else(String::new, |network| {
                format!("{}: {}", network.id.name(), prefixes(&network.address_space))
            })
        })
        .because(|| "networks with overlapping address spaces cannot be peered")
    }

    fn no_route<C: Diagnosis>(&self, to: Ipv4Addr, trace: &Trace) -> C {
        let there = self.endpoints.iter().find(|endpoint| endpoint.address == to);
        let (Some(here), Some(there)) = (self.here, there) else {
            return C::of(Code::NoRouteFromHere, || {
                format!("{to} is a private address, and no route leads there from {}", self.vantage.name())
            })
            .because(
                || "public DNS may say a private address to everybody; a connection needs a network that reaches it",
            );
        };
        let (near, far) = (here.id.name(), there.network.name());
        let remote = self.network.virtual_network(&there.network);
        if here.id != there.network
            && let Some(remote) = remote
            && addressing::overlap(&here.address_space, &remote.address_space).is_some()
        {
            return self.overlap(here, there, to);
        }
        let peer = here.peer(&there.network);
        if let Some(peer) = peer.filter(|peer| !peer.transit && !place::is_inside(self.vantage)) {
            return C::of(Code::NotGatewayTransit, || {
                format!("the peering of {near} with {far} does not let clients of {near}'s gateway through")
            })
            .because(|| {
                format!("peering {} needs `allowGatewayTransit`, its other half `useRemoteGateways`", peer.peering)
            })
            .because(|| "point-to-site clients need a fresh profile afterwards");
        }
        if here.id != there.network && peer.is_none() {
            let between = here.open_peers().find(|middle| {
                self.network
                    .virtual_network(&middle.network)
                    .is_some_and(|middle| middle.peer(&there.network).is_some())
            });
            if let Some(middle) = between {
                return C::of(Code::PeeringNotTransitive, || {
                    format!("{near} and {far} are both peered with {}, and not with each other", middle.network.name())
                })
                .because(|| format!("peering {}", middle.peering));
            }
        }
        let by_zone = linked_zone(trace).is_some();
        if by_zone && peer.is_none() && place::is_inside(self.vantage) {
            return C::of(Code::LinkedButNotPeered, || {
                format!("the zone is linked to {near}, but no peering leads from {near} to {far}")
            })
            .because(|| "a link is not a route");
        }
        C::of(Code::NoRouteFromHere, || {
            format!("no route leads from {} by way of {near} to {to} in {far}", self.vantage.name())
        })
    }
}

fn no_resolver<C: Diagnosis>(servers: &[Ipv4Addr]) -> C {
    let list = || servers.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ");
    if servers.contains(&AZURE_DNS) {
        return C::of(
            Code::OnPremForwardTo168,
            || "the client asks 168.63.129.16, which answers only inside Azure networks",
        )
        .because(|| format!("DNS servers: {}", list()));
    }
    C::of(Code::DnsServerUnreachable, || format!("none of the DNS servers {} can be reached from here", list()))
}

/// The linked zone that answered last, with the link.
pub(crate) fn linked_zone(trace: &Trace) -> Option<(&ResourceId, &ResourceId)> {
    linked_zone_in(&trace.hops)
}

/// The same of steps alone.
pub(crate) fn linked_zone_in(hops: &[Hop]) -> Option<(&ResourceId, &ResourceId)> {
    let redirected = hops.iter().any(|hop| matches!(hop, Hop::RedirectedToPublic { .. }));
    let asked = hops.iter().rev().find_map(|hop| match hop {
        Hop::LinkedZone { zone, link } => Some((zone, link)),
        _ => None,
    });
    asked.filter(|_| !redirected)
}

fn prefixes(space: &[ipnet::Ipv4Net]) -> String {
    space.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The trace of the cluster's name in the kubeconfig, for those who have no [`NameAnswer`]s yet.
pub(crate) fn kubeconfig_name(cluster: &Cluster) -> Option<(Role, &DnsName)> {
    let role = question::kubeconfig_role(cluster);
    let name = match role {
        Role::PrivateFqdn => cluster.private_fqdn.as_ref(),
        Role::PublicFqdn | Role::PortalFqdn => cluster.fqdn.as_ref(),
    };
    Some((role, name?))
}
