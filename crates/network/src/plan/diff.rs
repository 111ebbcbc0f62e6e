//! Two fabrics → the steps from the one to the other.
//!
//! Costs the size of the difference. The order is such that nothing passes that must not: what
//! goes is taken away first, filters stand before the links that they filter, routes come last.

use std::{collections::BTreeSet, fmt, net::SocketAddrV4, sync::Arc};

use imbl::{OrdSet, ordmap, ordset};
use serde::{Deserialize, Serialize};

use super::{
    fabric::Fabric,
    filter::Filter,
    types::{LinkName, Listener, Namespace, Place, Route, RouteTarget, Veth},
};

/// One step. Carrying it out twice changes nothing the second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Stops listening.
    Close(Place, SocketAddrV4),
    /// Removes a veth pair, and with it the routes over it.
    RemoveVeth(Veth),
    /// Removes a namespace with all that is in it.
    RemoveNamespace(Place),
    /// Makes a namespace that lets nothing through.
    CreateNamespace(Place),
    /// Whether it forwards.
    SetForwarding(Place, bool),
    /// Replaces the whole filter at once.
    SetFilter(Place, Filter),
    /// Makes a veth pair, its addresses and neighbours.
    CreateVeth(Veth),
    /// Removes a route.
    RemoveRoute(Place, Route),
    /// Adds a route; the first of a table other than the main one also makes its mark's rule.
    AddRoute(Place, Route),
    /// Opens a socket for the lab.
    Listen(Place, SocketAddrV4, Listener),
}

/// Steps, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// From `before` to `after`.
    pub fn between(before: &Fabric, after: &Fabric) -> Self {
        let mut plan = Phases::default();
        let mut remade = BTreeSet::new();
        for item in before.veths.diff(&after.veths) {
            match item {
                ordset::DiffItem::Add(veth) => {
                    remade.extend([&veth.near, &veth.far].map(|end| (end.place.clone(), end.name.clone())));
                    plan.made.push(Step::CreateVeth(veth.clone()));
                }
                ordset::DiffItem::Remove(veth) => plan.gone.push(Step::RemoveVeth(veth.clone())),
            }
        }
        for item in before.namespaces.diff(&after.namespaces) {
            match item {
                ordmap::DiffItem::Add(place, namespace) => {
                    plan.created.push(Step::CreateNamespace(place.clone()));
                    plan.change(place, &Namespace::default(), namespace);
                }
                ordmap::DiffItem::Remove(place, namespace) => {
                    plan.closed.extend(namespace.listeners.keys().map(|at| Step::Close(place.clone(), *at)));
                    plan.removed.push(Step::RemoveNamespace(place.clone()));
                }
                ordmap::DiffItem::Update { old: (place, old), new: (_, new) } if !Arc::ptr_eq(old, new) => {
                    plan.change(place, old, new);
                }
                ordmap::DiffItem::Update { .. } => {}
            }
        }
        plan.restore_routes(before, after, &remade);
        Self {
            steps: [
                plan.closed,
                plan.gone,
                plan.removed,
                plan.created,
                plan.filters,
                plan.made,
                plan.routes,
                plan.opened,
            ]
            .concat(),
        }
    }
}

/// The steps by phase.
#[derive(Default)]
struct Phases {
    closed: Vec<Step>,
    gone: Vec<Step>,
    removed: Vec<Step>,
    created: Vec<Step>,
    filters: Vec<Step>,
    made: Vec<Step>,
    routes: Vec<Step>,
    opened: Vec<Step>,
}

impl Phases {
    fn change(&mut self, place: &Place, old: &Namespace, new: &Namespace) {
        let place = || place.clone();
        if old.forwarding != new.forwarding {
            self.created.push(Step::SetForwarding(place(), new.forwarding));
        }
        if old.filter != new.filter {
            self.filters.push(Step::SetFilter(place(), new.filter.clone()));
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for item in old.routes.diff(&new.routes) {
            match item {
                ordset::DiffItem::Add(route) => come.push(Step::AddRoute(place(), route.clone())),
                ordset::DiffItem::Remove(route) => gone.push(Step::RemoveRoute(place(), route.clone())),
            }
        }
        self.routes.extend(gone);
        self.routes.extend(come);
        for item in old.listeners.diff(&new.listeners) {
            match item {
                ordmap::DiffItem::Add(at, listener) => {
                    self.opened.push(Step::Listen(place(), *at, listener.clone()));
                }
                ordmap::DiffItem::Remove(at, _) => self.closed.push(Step::Close(place(), *at)),
                ordmap::DiffItem::Update { old: (at, _), new: (_, listener) } => {
                    self.closed.push(Step::Close(place(), *at));
                    self.opened.push(Step::Listen(place(), *at, listener.clone()));
                }
            }
        }
    }

    /// A pair that was made anew has lost the routes over it, also those that did not change.
    fn restore_routes(&mut self, before: &Fabric, after: &Fabric, remade: &BTreeSet<(Place, LinkName)>) {
        let places: BTreeSet<&Place> = remade.iter().map(|(place, _)| place).collect();
        for place in places {
            let (Some(old), Some(new)) = (before.namespaces.get(place), after.namespaces.get(place)) else { continue };
            let kept: OrdSet<Route> = old.routes.clone().intersection(new.routes.clone());
            for route in kept {
                let over = match &route.target {
                    RouteTarget::Link(link) | RouteTarget::Via(link, _) => link,
                    RouteTarget::Local | RouteTarget::Blackhole | RouteTarget::Throw => continue,
                };
                if remade.contains(&(place.clone(), over.clone())) {
                    self.routes.push(Step::AddRoute(place.clone(), route));
                }
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(place, at) => write!(f, "{place}: close {at}"),
            Self::RemoveVeth(veth) => write!(f, "{}: remove link {}", veth.near.place, veth.near.name),
            Self::RemoveNamespace(place) => write!(f, "{place}: remove"),
            Self::CreateNamespace(place) => write!(f, "{place}: create"),
            Self::SetForwarding(place, forwards) => write!(f, "{place}: forwarding {forwards}"),
            Self::SetFilter(place, filter) => write!(f, "{place}: filter {filter:?}"),
            Self::CreateVeth(Veth { near, far }) => write!(
                f,
                "{}: link {} {:?} to {}: link {} {:?}",
                near.place, near.name, near.addresses, far.place, far.name, far.addresses
            ),
            Self::RemoveRoute(place, route) => write!(f, "{place}: remove route {route}"),
            Self::AddRoute(place, route) => write!(f, "{place}: route {route}"),
            Self::Listen(place, at, listener) => write!(f, "{place}: listen {at} for {listener:?}"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            RouteTarget::Link(link) => write!(f, "{} dev {link}", self.to)?,
            RouteTarget::Via(link, hop) => write!(f, "{} via {hop} dev {link}", self.to)?,
            RouteTarget::Local => write!(f, "local {}", self.to)?,
            RouteTarget::Blackhole => write!(f, "blackhole {}", self.to)?,
            RouteTarget::Throw => write!(f, "throw {}", self.to)?,
        }
        if self.table == super::types::MAIN_TABLE { Ok(()) } else { write!(f, " table {}", self.table) }
    }
}
