//! Which lists there are to read.

use std::collections::{BTreeMap, BTreeSet};

use azure::{Json, Kind, ResourceId};
use serde_json::{Value, json};

use crate::{SourceFinding, draft::Draft};

const NETWORK: &str = "2024-05-01";
const PRIVATE_DNS: &str = "2024-06-01";
const DNS_RESOLVER: &str = "2022-07-01";
const COMPUTE: &str = "2024-07-01";
const CONTAINER_SERVICE: &str = "2025-05-01";
const RESOURCES: &str = "2021-04-01";
const LAB: &str = "2024-11-01";

/// Types that ARM lists for a whole subscription.
const OF_SUBSCRIPTION: &[(Kind, &str)] = &[
    (Kind::VirtualNetwork, NETWORK),
    (Kind::NetworkInterface, NETWORK),
    (Kind::NetworkSecurityGroup, NETWORK),
    (Kind::RouteTable, NETWORK),
    (Kind::PublicIpAddress, NETWORK),
    (Kind::PrivateEndpoint, NETWORK),
    (Kind::PrivateDnsZone, PRIVATE_DNS),
    (Kind::DnsResolver, DNS_RESOLVER),
    (Kind::ForwardingRuleset, DNS_RESOLVER),
    (Kind::VirtualMachine, COMPUTE),
    (Kind::ManagedCluster, CONTAINER_SERVICE),
];

/// Types that ARM lists within a group only.
pub(super) const PAGED_BY_GROUP: &[(Kind, &str)] =
    &[(Kind::VirtualNetworkGateway, NETWORK), (Kind::LocalNetworkGateway, NETWORK), (Kind::Connection, NETWORK)];

/// What lies below what, and is listed there.
const BELOW: &[(Kind, &str, &str)] = &[
    (Kind::PrivateDnsZone, "ALL", PRIVATE_DNS),
    (Kind::PrivateDnsZone, "virtualNetworkLinks", PRIVATE_DNS),
    (Kind::DnsResolver, "inboundEndpoints", DNS_RESOLVER),
    (Kind::DnsResolver, "outboundEndpoints", DNS_RESOLVER),
    (Kind::ForwardingRuleset, "forwardingRules", DNS_RESOLVER),
    (Kind::ForwardingRuleset, "virtualNetworkLinks", DNS_RESOLVER),
];

/// How a list is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Taking {
    /// Its items are documents.
    Documents,
    /// Its items say which resources there are, without their properties.
    Inventory,
    /// Its one item is the instance view of a machine.
    InstanceView(ResourceId),
}

/// One list.
#[derive(Debug)]
pub(super) struct Job {
    /// What it lists, for people.
    pub(super) what: String,
    /// Where it lies: a subscription, a group, a zone.
    pub(super) place: ResourceId,
    /// Path and query.
    pub(super) path: String,
    taking: Taking,
}

impl Job {
    fn documents(what: &str, place: &ResourceId, rest: &str, version: &str) -> Self {
        let path = format!("{place}{rest}?api-version={version}");
        Self { what: what.to_owned(), place: place.clone(), path, taking: Taking::Documents }
    }

    /// All resources of a subscription, without their properties.
    pub(super) fn resources(scope: &ResourceId) -> Self {
        Self { taking: Taking::Inventory, ..Self::documents("the list of resources", scope, "/resources", RESOURCES) }
    }

    /// Takes in what the list has.
    pub(super) fn take_in(self, draft: &mut Draft, items: Vec<Value>) {
        match self.taking {
            Taking::Documents => items.into_iter().for_each(|item| add(draft, item)),
            Taking::Inventory => inventory(draft, &self.place, &items),
            Taking::InstanceView(machine) => {
                for view in items {
                    add(draft, super::with_id(&machine, &json!({"instanceView": view})));
                }
            }
        }
    }
}

fn add(draft: &mut Draft, item: Value) {
    let id = Json::new(&item).get("id").parsed();
    if let (Some(id), Value::Object(object)) = (id, item) {
        draft.add(id, object);
    }
}

/// Remembers what is listed within groups only, and says what is there and not modelled.
fn inventory(draft: &mut Draft, scope: &ResourceId, items: &[Value]) {
    let mut unmodelled: BTreeMap<String, usize> = BTreeMap::new();
    for id in items.iter().filter_map(|item| Json::new(item).get("id").parsed::<ResourceId>()) {
        let arm_type = id.resource_type();
        // Only what has to do with networks can change an answer; AKS's own load balancers do not.
        let made_by_aks = id.group_name().is_some_and(|group| group.to_ascii_lowercase().starts_with("mc_"));
        let of_networks = arm_type.to_ascii_lowercase().starts_with("microsoft.network/");
        if Kind::of(&id) == Kind::Other && of_networks && !made_by_aks {
            *unmodelled.entry(arm_type).or_default() += 1;
        }
        draft.seen.insert(id);
    }
    for (arm_type, count) in unmodelled {
        let message = format!("{count} of type {arm_type}: not acted on");
        draft.find(SourceFinding::note("NotModelled", message).at(scope.to_string()));
    }
}

/// The lists of a subscription.
pub(super) fn of_subscription(scope: &ResourceId, is_public_cloud: bool) -> impl Iterator<Item = Job> {
    let job = |(kind, version): &(Kind, &str)| {
        Job::documents(kind.arm_type(), scope, &format!("/providers/{}", kind.arm_type()), version)
    };
    let mut jobs: Vec<Job> = OF_SUBSCRIPTION.iter().map(job).collect();
    let machines = format!("/providers/{}", Kind::VirtualMachine.arm_type());
    let mut states = Job::documents("the states of virtual machines", scope, &machines, COMPUTE);
    states.path.push_str("&statusOnly=true");
    jobs.push(states);
    if !is_public_cloud {
        jobs.push(job(&(Kind::LabClient, LAB)));
    }
    jobs.into_iter()
}

/// The lists of `types` in those groups of `scope` that have any.
pub(super) fn within_groups(
    draft: &Draft,
    scope: &ResourceId,
    types: &'static [(Kind, &str)],
) -> impl Iterator<Item = Job> {
    let group = |kind: Kind, id: &ResourceId| (Kind::of(id) == kind && id.is_below(scope)).then(|| id.group_id())?;
    let jobs = types.iter().flat_map(|(kind, version)| {
        let groups: BTreeSet<ResourceId> = draft.seen.iter().filter_map(|id| group(*kind, id)).collect();
        let rest = format!("/providers/{}", kind.arm_type());
        groups.into_iter().map(move |group| Job::documents(kind.arm_type(), &group, &rest, version)).collect::<Vec<_>>()
    });
    jobs.collect::<Vec<_>>().into_iter()
}

/// The lists below the zones, resolvers and rulesets of `scope`.
pub(super) fn below(draft: &Draft, scope: &ResourceId) -> impl Iterator<Item = Job> {
    let mut jobs = Vec::new();
    for id in draft.entries.keys().filter(|id| id.is_below(scope)) {
        let kind = Kind::of(id);
        for (_, collection, version) in BELOW.iter().filter(|(parent, ..)| *parent == kind) {
            let what = if *collection == "ALL" {
                "record sets".to_owned()
            } else {
                format!("{}/{collection}", kind.arm_type())
            };
            jobs.push(Job::documents(&what, id, &format!("/{collection}"), version));
        }
    }
    jobs.into_iter()
}

/// The instance views of up to `most` machines of `scope` whose state is not known.
pub(super) fn states(draft: &Draft, scope: &ResourceId, most: usize) -> Vec<Job> {
    let unknown = draft
        .entries
        .iter()
        .filter(|(id, entry)| Kind::of(id) == Kind::VirtualMachine && id.is_below(scope) && entry.hidden.is_empty());
    let job = |id: &ResourceId| Job {
        taking: Taking::InstanceView(id.clone()),
        ..Job::documents("the state of a virtual machine", id, "/instanceView", COMPUTE)
    };
    unknown.take(most).map(|(id, _)| job(id)).collect()
}
