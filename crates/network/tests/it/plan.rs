//! What the kernel is told to look like, and that steps lead there.

use std::collections::{BTreeMap, BTreeSet};

use azure::{Kind, sketch::Sketch};
use network::{
    Network,
    plan::{Fabric, Filter, Listener, Place, Plan, Route, RouteTarget, Step, Veth},
};
use proptest::prelude::*;
use serde_json::json;

use crate::edits::{changes, edit};

/// A kernel that only remembers.
#[derive(Debug, Default, PartialEq)]
struct Kernel {
    places: BTreeMap<Place, Remembered>,
    veths: BTreeSet<Veth>,
}

#[derive(Debug, Default, PartialEq)]
struct Remembered {
    forwarding: bool,
    routes: BTreeSet<Route>,
    filter: Filter,
    listeners: BTreeMap<std::net::SocketAddrV4, Listener>,
}

impl Kernel {
    fn carry_out(&mut self, plan: &Plan) {
        for step in &plan.steps {
            match step.clone() {
                Step::CreateNamespace(place) => {
                    let old = self.places.insert(place, Remembered::default());
                    assert!(old.is_none(), "{step}: it is there already");
                }
                Step::RemoveNamespace(place) => {
                    assert!(self.places.remove(&place).is_some(), "{step}");
                    assert!(
                        self.veths.iter().all(|veth| veth.near.place != place && veth.far.place != place),
                        "{step}"
                    );
                }
                Step::CreateVeth(veth) => {
                    for end in [&veth.near, &veth.far] {
                        assert!(self.places.contains_key(&end.place), "{step}: no such place");
                        let taken = |other: &Veth| {
                            [&other.near, &other.far]
                                .iter()
                                .any(|held| held.place == end.place && held.name == end.name)
                        };
                        assert!(!self.veths.iter().any(taken), "{step}: the name is taken");
                    }
                    self.veths.insert(veth);
                }
                Step::RemoveVeth(veth) => {
                    assert!(self.veths.remove(&veth), "{step}");
                    for end in [&veth.near, &veth.far] {
                        let over = |route: &Route| match &route.target {
                            RouteTarget::Link(link) | RouteTarget::Via(link, _) => *link == end.name,
                            _ => false,
                        };
                        self.at(&end.place).routes.retain(|route| !over(route));
                    }
                }
                Step::SetForwarding(place, forwarding) => self.at(&place).forwarding = forwarding,
                Step::SetFilter(place, filter) => self.at(&place).filter = filter,
                Step::AddRoute(place, route) => {
                    if let RouteTarget::Link(link) | RouteTarget::Via(link, _) = &route.target {
                        let held = |veth: &Veth| {
                            [&veth.near, &veth.far].iter().any(|end| end.place == place && end.name == *link)
                        };
                        assert!(self.veths.iter().any(held), "{step}: no such link");
                    }
                    let same =
                        |held: &Route| held.table == route.table && held.to == route.to && held.target != route.target;
                    assert!(!self.at(&place).routes.iter().any(same), "{step}: another route has that prefix");
                    self.at(&place).routes.insert(route);
                }
                Step::RemoveRoute(place, route) => _ = self.at(&place).routes.remove(&route),
                Step::Listen(place, at, listener) => {
                    assert!(self.at(&place).listeners.insert(at, listener).is_none(), "{step}");
                }
                Step::Close(place, at) => assert!(self.at(&place).listeners.remove(&at).is_some(), "{step}"),
            }
        }
    }

    fn at(&mut self, place: &Place) -> &mut Remembered {
        self.places.get_mut(place).unwrap_or_else(|| panic!("{place} does not exist"))
    }

    /// What `fabric` says it should be.
    fn wanted(fabric: &Fabric) -> Self {
        let remembered = |namespace: &network::plan::Namespace| Remembered {
            forwarding: namespace.forwarding,
            routes: namespace.routes.iter().cloned().collect(),
            filter: namespace.filter.clone(),
            listeners: namespace.listeners.iter().map(|(at, listener)| (*at, listener.clone())).collect(),
        };
        Self {
            places: fabric.namespaces.iter().map(|(place, held)| (place.clone(), remembered(held))).collect(),
            veths: fabric.veths.iter().cloned().collect(),
        }
    }
}

/// A hub with a gateway, a site, a resolver and a client; a spoke that uses it; a cluster.
fn everything() -> Sketch {
    Sketch::new()
        .network("hub", "10.0.0.0/16")
        .network("spoke", "10.1.0.0/16")
        .half_peering("hub", "spoke", json!({"allowGatewayTransit": true}))
        .half_peering("spoke", "hub", json!({"useRemoteGateways": true}))
        .vpn_gateway("gw", "hub")
        .site("office", "gw", "192.168.0.0/16")
        .site_client("desk", "office", "192.168.0.9", &[])
        .resolver("r", "hub", "10.0.9.4")
        .nic("vm", "spoke", "10.1.0.4")
        .private_cluster("c", "spoke", "10.1.0.5", true)
}

#[test]
fn a_network_with_a_cluster_a_peer_and_a_machine_is_planned() {
    let estate = Sketch::new()
        .network("a", "10.224.0.0/16")
        .network("b", "10.1.0.0/16")
        .peering("a", "b")
        .nic("vm", "b", "10.1.0.4")
        .private_cluster("c", "a", "10.224.0.4", true)
        .estate();
    let fabric = Fabric::compile(&Network::compile(&estate));
    insta::assert_snapshot!(Plan::between(&Fabric::default(), &fabric));
}

#[test]
fn a_visitor_stands_at_a_free_address_and_whoever_is_asked_for_names_has_a_stand_in() {
    let sketch = Sketch::new().network_with_dns("v", "10.1.0.0/24", &["10.1.0.4"]).nic("dns", "v", "10.1.0.4");
    let network = Network::compile(&sketch.clone().nic("vm", "v", "10.1.0.5").estate());
    let subnet = network.virtual_networks().values().next().unwrap().subnets[0].id.clone();
    let [visitor, dns, vm] = [
        Place::Visitor(subnet.clone()),
        Place::Machine(sketch.id(Kind::NetworkInterface, "dns")),
        Place::Machine(sketch.id(Kind::NetworkInterface, "vm")),
    ];
    let before = Fabric::compile(&network);
    assert!(!before.namespaces.contains_key(&visitor), "nobody visits");
    assert!(matches!(&before.namespaces[&dns].filter, Filter::NameServer(filter) if filter.ports.contains(&53)));
    assert_eq!((before.namespaces[&dns].listeners.len(), before.namespaces[&vm].listeners.len()), (1, 0));

    let after = before.advance_with(&network, &imbl::OrdSet::unit(subnet));
    let link = after.veths.iter().find(|veth| veth.far.place == visitor || veth.near.place == visitor).unwrap();
    let end = if link.far.place == visitor { &link.far } else { &link.near };
    assert_eq!(end.addresses, ["10.1.0.254".parse::<std::net::Ipv4Addr>().unwrap()]);
    let gone = after.advance_with(&network, &imbl::OrdSet::new());
    assert!(!gone.namespaces.contains_key(&visitor));
    let unnamed = gone.advance(&Network::compile(&sketch.network("v", "10.1.0.0/24").estate()));
    assert_eq!(unnamed.namespaces[&dns].filter, Filter::None, "nobody is told to ask it any more");
}

#[test]
fn nothing_is_to_be_done_between_a_fabric_and_itself() {
    let fabric = Fabric::compile(&Network::compile(&everything().estate()));
    assert_eq!(Plan::between(&fabric, &fabric), Plan::default());
}

#[test]
fn a_change_to_one_network_is_planned_for_that_network_only() {
    let sketch = (0..50).fold(Sketch::new(), |sketch, n| sketch.network(&format!("n{n}"), "10.0.0.0/16"));
    let before = Network::compile(&sketch.clone().estate());
    let after = Network::compile(&sketch.nic("vm", "n7", "10.0.0.4").estate());
    let fabric = Fabric::compile(&before);
    let plan = Plan::between(&fabric, &fabric.advance(&after));
    assert!(plan.steps.iter().all(|step| step.to_string().contains("n7") || step.to_string().contains("vm")), "{plan}");
}

#[test]
fn an_endpoint_or_a_machine_that_stands_in_another_network_now_is_there_and_nowhere_else() {
    let (here, there) = ("first", "second");
    let stands_in = |network| {
        let networks = Sketch::new().network(here, "10.1.0.0/16").network(there, "10.2.0.0/16");
        let (endpoint, machine) = if network == here { ("10.1.0.4", "10.1.0.9") } else { ("10.2.0.4", "10.2.0.9") };
        let sketch = networks.private_cluster("a", network, endpoint, true).nic("vm", network, machine);
        Network::compile(&sketch.estate())
    };
    for (from, to) in [(here, there), (there, here)] {
        let fabric = Fabric::compile(&stands_in(from)).advance(&stands_in(to));
        let wanted = Kernel::wanted(&Fabric::compile(&stands_in(to)));
        let places = |kernel: Kernel| kernel.places.into_keys().collect::<Vec<_>>();
        assert_eq!(places(Kernel::wanted(&fabric)), places(wanted), "{from} to {to}");
        let routers = fabric.namespaces.values().filter_map(|namespace| match &namespace.filter {
            Filter::Router(filter) => Some(filter.endpoints.values()),
            _ => None,
        });
        let clusters: Vec<_> = routers.flatten().map(|endpoint| fabric.cluster_at(*endpoint.server.ip())).collect();
        assert_eq!(
            clusters.iter().map(|id| id.map(azure::ResourceId::name)).collect::<Vec<_>>(),
            [Some("a")],
            "{from} to {to}"
        );
    }
}

#[test]
fn an_endpoint_that_is_no_longer_approved_leads_nowhere() {
    let sketch = Sketch::new().network("a", "10.224.0.0/16").private_cluster("c", "a", "10.224.0.4", true);
    let endpoints = |sketch: Sketch| {
        let fabric = Fabric::compile(&Network::compile(&sketch.clone().estate()));
        let router = Place::Network(sketch.id(Kind::VirtualNetwork, "a"));
        match &fabric.namespaces[&router].filter {
            Filter::Router(router) => router.endpoints.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(endpoints(sketch.clone()), 1);
    let endpoint = sketch.estate().of_kind(Kind::PrivateEndpoint).next().unwrap().clone();
    let mut document = endpoint.document().value().clone();
    document["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"] =
        json!({"status": "Rejected"});
    assert_eq!(endpoints(sketch.put(endpoint.id().clone(), &document)), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn steps_lead_from_any_fabric_to_the_next(edits in proptest::collection::vec(edit(), 1..40)) {
        let (mut estate, mut network, mut fabric) = (azure::Estate::default(), Network::default(), Fabric::default());
        let mut kernel = Kernel::default();
        for (revision, edit) in edits.iter().enumerate() {
            let changes = changes(edit);
            estate = estate.apply(revision as u64 + 1, &changes);
            network = network.advance(&estate, changes.iter().map(azure::Change::id));
            let next = fabric.advance(&network);
            kernel.carry_out(&Plan::between(&fabric, &next));
            prop_assert_eq!(&kernel, &Kernel::wanted(&next));
            fabric = next;
        }
        let fresh = Fabric::compile(&network);
        prop_assert_eq!(fresh.namespaces.keys().collect::<Vec<_>>(), fabric.namespaces.keys().collect::<Vec<_>>());
        prop_assert_eq!(fresh.veths.len(), fabric.veths.len());
    }
}
