//! The estate: every resource that is declared, at one revision.
//!
//! Immutable and persistent: applying a change costs the size of the change (times a logarithm),
//! never the size of the estate, and older estates stay valid. Four indexes are kept: by id
//! (in tree order, so children are a range), by kind, *who refers to whom*, and public addresses.

use std::{net::Ipv4Addr, ops::Bound, sync::Arc};

use imbl::{OrdMap, OrdSet, ordmap::DiffItem};

use crate::{
    ById, Kind, Resource, ResourceId,
    by_id::ByHash,
    model::{
        AgentPool, Connection, DnsResolver, ForwardingRule, ForwardingRuleset, InboundEndpoint, LocalNetworkGateway,
        ManagedCluster, Model, NetworkInterface, NetworkSecurityGroup, OutboundEndpoint, PrivateDnsZone,
        PrivateEndpoint, PublicIpAddress, RecordSet, RouteTable, RulesetLink, Subnet, UserAssignedIdentity,
        VirtualMachine, VirtualNetwork, VirtualNetworkGateway,
    },
    public_addresses::PublicAddresses,
};

/// What is declared, at one revision.
#[derive(Debug, Clone, Default)]
pub struct Estate {
    revision: u64,
    resources: ById<Arc<Resource>>,
    by_kind: OrdMap<Kind, OrdSet<ResourceId>>,
    referrers: ByHash<OrdSet<ResourceId>>,
    public_addresses: PublicAddresses,
}

/// One change of one resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Create or replace.
    Put(Arc<Resource>),
    /// Remove, if it is there. Children are not removed with it.
    Delete(ResourceId),
}

impl Change {
    /// Create or replace `resource`.
    pub fn put(resource: Resource) -> Self {
        Self::Put(Arc::new(resource))
    }

    /// The resource that changes.
    pub fn id(&self) -> &ResourceId {
        match self {
            Self::Put(resource) => resource.id(),
            Self::Delete(id) => id,
        }
    }
}

impl Estate {
    /// The revision this estate is of; revisions only grow.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The estate after `changes`, in order, at `revision`.
    #[must_use]
    pub fn apply<'a>(&self, revision: u64, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut next = self.clone();
        next.revision = revision;
        for change in changes {
            match change {
                Change::Put(resource) => next.insert(resource),
                Change::Delete(id) => next.remove(id),
            }
        }
        next
    }

    fn insert(&mut self, resource: &Arc<Resource>) {
        let id = resource.id().clone();
        if let Some(old) = self.resources.insert(id.clone(), Arc::clone(resource)) {
            self.forget(&old);
        }
        for target in resource.references() {
            self.referrers.entry(target.clone()).or_default().insert(id.clone());
        }
        self.public_addresses.insert(resource);
        self.by_kind.entry(resource.kind()).or_default().insert(id);
    }

    fn remove(&mut self, id: &ResourceId) {
        if let Some(old) = self.resources.remove(id) {
            self.forget(&old);
        }
    }

    /// Takes a resource that is no longer there out of the indexes.
    fn forget(&mut self, old: &Resource) {
        if let Some(ids) = self.by_kind.get_mut(&old.kind()) {
            ids.remove(old.id());
        }
        self.public_addresses.remove(old);
        for target in old.references() {
            if let Some(ids) = self.referrers.get_mut(target) {
                ids.remove(old.id());
                if ids.is_empty() {
                    self.referrers.remove(target);
                }
            }
        }
    }

    /// The resources that differ in `next`: costs what differs, where one came about by changes of the other.
    pub fn differing<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a ResourceId> + 'a {
        self.resources.diff(&next.resources).map(|item| match item {
            DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { old: (id, _), .. } => id,
        })
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The resource `id`.
    pub fn get(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    /// Whether `id` exists.
    pub fn contains(&self, id: &ResourceId) -> bool {
        self.resources.contains_key(id)
    }

    /// Every resource, parents before children.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Everything strictly below `scope` (a group, a subscription, a parent resource).
    pub fn below<'a>(&'a self, scope: &'a ResourceId) -> impl Iterator<Item = &'a Arc<Resource>> + 'a {
        self.resources
            .range((Bound::Excluded(scope.clone()), Bound::Unbounded))
            .map(|(_, resource)| resource)
            .take_while(move |resource| resource.id().is_below(scope))
    }

    /// The direct children of `parent` of one kind, extensions of it included (role assignments at a scope). Costs
    /// what lies below those.
    pub fn children<'a>(&'a self, parent: &ResourceId, kind: Kind) -> impl Iterator<Item = &'a Arc<Resource>> + 'a {
        let collection = parent.collection(kind.arm_type());
        let parent = parent.clone();
        self.resources
            .range((Bound::Excluded(collection.clone()), Bound::Unbounded))
            .map(|(_, resource)| resource)
            .take_while(move |resource| resource.id().is_below(&collection))
            .filter(move |resource| resource.kind() == kind && resource.id().is_child_of(&parent))
    }

    /// Every resource of one kind, in id order.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
        self.by_kind.get(&kind).into_iter().flatten().filter_map(|id| self.resources.get(id))
    }

    /// The resources that refer to `target`, in id order.
    pub fn referrers<'a>(&'a self, target: &ResourceId) -> impl Iterator<Item = &'a Arc<Resource>> + 'a {
        self.referrers.get(target).into_iter().flatten().filter_map(|id| self.resources.get(id))
    }

    /// A resource that has the public address `address`: a public IP address, a cluster or a lab client.
    pub fn public_address_holder(&self, address: Ipv4Addr) -> Option<&ResourceId> {
        self.public_addresses.holder(address)
    }

    /// The lowest public address from `first` to `last` that nobody has.
    pub fn free_public_address(&self, first: Ipv4Addr, last: Ipv4Addr) -> Option<Ipv4Addr> {
        self.public_addresses.lowest_free(first, last)
    }

    /// Every subnet of a virtual network, with its id.
    pub fn subnets<'a>(&'a self, network: &ResourceId) -> impl Iterator<Item = (&'a ResourceId, &'a Subnet)> + 'a {
        self.children(network, Kind::Subnet).filter_map(|resource| match resource.model() {
            Model::Subnet(subnet) => Some((resource.id(), subnet)),
            _ => None,
        })
    }
}

macro_rules! typed {
    ($($(#[$doc:meta])* $get:ident: $model:ident,)*) => {
        impl Estate {
            $($(#[$doc])*
            pub fn $get(&self, id: &ResourceId) -> Option<&$model> {
                match self.get(id)?.model() {
                    Model::$model(model) => Some(model),
                    _ => None,
                }
            })*
        }
    };
}

typed! {
    /// The virtual network `id`.
    virtual_network: VirtualNetwork,
    /// The subnet `id`.
    subnet: Subnet,
    /// The network interface `id`.
    network_interface: NetworkInterface,
    /// The public IP address `id`.
    public_ip_address: PublicIpAddress,
    /// The virtual machine `id`.
    virtual_machine: VirtualMachine,
    /// The network security group `id`.
    network_security_group: NetworkSecurityGroup,
    /// The route table `id`.
    route_table: RouteTable,
    /// The private endpoint `id`.
    private_endpoint: PrivateEndpoint,
    /// The private DNS zone `id`.
    private_dns_zone: PrivateDnsZone,
    /// The record set `id`.
    record_set: RecordSet,
    /// The managed cluster `id`.
    managed_cluster: ManagedCluster,
    /// The agent pool `id`.
    agent_pool: AgentPool,
    /// The virtual network gateway `id`.
    virtual_network_gateway: VirtualNetworkGateway,
    /// The site `id`.
    local_network_gateway: LocalNetworkGateway,
    /// The site-to-site connection `id`.
    connection: Connection,
    /// The DNS private resolver `id`.
    dns_resolver: DnsResolver,
    /// The inbound endpoint `id`.
    inbound_endpoint: InboundEndpoint,
    /// The outbound endpoint `id`.
    outbound_endpoint: OutboundEndpoint,
    /// The DNS forwarding ruleset `id`.
    forwarding_ruleset: ForwardingRuleset,
    /// The forwarding rule `id`.
    forwarding_rule: ForwardingRule,
    /// The ruleset's link `id`.
    ruleset_link: RulesetLink,
    /// The user-assigned identity `id`.
    user_assigned_identity: UserAssignedIdentity,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vnet(name: &str) -> ResourceId {
        ResourceId::group("s", "rg").resource(Kind::VirtualNetwork.arm_type(), name)
    }

    fn peering(from: &str, to: &str) -> Change {
        let document = json!({"properties": {"remoteVirtualNetwork": {"id": vnet(to).as_str()}}});
        Change::put(Resource::new(vnet(from).child("virtualNetworkPeerings", "p"), &document))
    }

    #[test]
    fn who_refers_to_whom_follows_every_change() {
        let estate = Estate::default().apply(1, &[peering("a", "b"), peering("c", "b")]);
        let names = |estate: &Estate, name: &str| estate.referrers(&vnet(name)).count();
        assert_eq!(names(&estate, "B"), 2);

        let moved = estate.apply(2, &[peering("a", "x")]);
        assert_eq!((names(&moved, "b"), names(&moved, "x")), (1, 1));
        assert_eq!(names(&estate, "b"), 2, "an older estate stays as it was");

        let removed = moved.apply(3, &[Change::Delete(vnet("a").child("virtualNetworkPeerings", "p"))]);
        assert_eq!((names(&removed, "x"), removed.len(), removed.revision()), (0, 1, 3));
    }

    #[test]
    fn children_are_the_direct_ones_of_the_kind() {
        let subnet = |name: &str| Change::put(Resource::new(vnet("a").child("subnets", name), &json!({})));
        let changes = [Change::put(Resource::new(vnet("a"), &json!({}))), subnet("x"), subnet("y"), peering("a", "b")];
        let estate = Estate::default().apply(1, &changes);
        let network = vnet("A");
        let names: Vec<_> = estate.subnets(&network).map(|(id, _)| id.name().to_owned()).collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(estate.below(&network).count(), 3);

        let assignments = |estate: &Estate, scope: &ResourceId| estate.children(scope, Kind::RoleAssignment).count();
        let at = |scope: &ResourceId| {
            Change::put(Resource::new(scope.resource(Kind::RoleAssignment.arm_type(), "g"), &json!({})))
        };
        let group = network.parent().unwrap();
        let assigned = estate.apply(2, &[at(&network), at(&group)]);
        assert_eq!((assignments(&assigned, &network), assignments(&assigned, &group)), (1, 1));
    }
}
