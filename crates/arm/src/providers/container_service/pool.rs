//! One agent pool: its document with its defaults, and the rules of its size, mode and version.

use std::net::Ipv4Addr;

use azure::{ArmError, Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{
    fields::{self, Fields},
    naming, refusal,
    state::PoolState,
    versions::{Choice, Version},
};
use crate::{provider::Entropy, providers::compute::sizes};

/// What a pool gets that leaves `vmSize` open.
const DEFAULT_VM_SIZE: &str = "Standard_D8ds_v4";
/// The most nodes of a pool.
const NODES_MAX: u32 = 1000;
/// The least and the most `maxPods`.
const PODS_PER_NODE: std::ops::RangeInclusive<u32> = 10..=250;

/// Properties that are the service's.
const READ_ONLY: &[&str] = &["provisioningState", "currentOrchestratorVersion", "nodeImageVersion", "eTag", "name"];

/// Properties that keep their first value.
const IMMUTABLE: &[&str] =
    &["vmSize", "osType", "osDiskSizeGB", "osDiskType", "maxPods", "type", "vnetSubnetID", "podSubnetID"];

/// The order in which AKS shows the properties; unknown ones follow.
const ORDER: &[&str] = &[
    "eTag",
    "count",
    "vmSize",
    "osDiskSizeGB",
    "osDiskType",
    "kubeletDiskType",
    "vnetSubnetID",
    "maxPods",
    "type",
    "availabilityZones",
    "maxCount",
    "minCount",
    "enableAutoScaling",
    "scaleDownMode",
    "provisioningState",
    "powerState",
    "orchestratorVersion",
    "currentOrchestratorVersion",
    "enableNodePublicIP",
    "tags",
    "nodeLabels",
    "nodeTaints",
    "mode",
    "enableEncryptionAtHost",
    "enableUltraSSD",
    "osType",
    "osSKU",
    "nodeImageVersion",
    "upgradeSettings",
    "enableFIPS",
    "securityProfile",
];

/// An agent pool in the making.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    /// Its id.
    pub(super) id: ResourceId,
    /// Its `properties`.
    pub(super) properties: Fields,
    /// What is not shown.
    pub(super) state: PoolState,
    /// Its Kubernetes version.
    pub(super) version: Choice,
}

/// What a pool's defaults depend on.
pub(super) struct PoolContext<'a> {
    /// The cluster.
    pub(super) cluster: &'a ResourceId,
    /// The cluster's region.
    pub(super) region: &'a str,
    /// The control plane's version.
    pub(super) control_plane: &'a Choice,
    /// The cluster's `networkProfile`.
    pub(super) network: &'a Fields,
    /// When the pool is written: which node image is the newest then.
    pub(super) now: jiff::Timestamp,
}

impl PoolContext<'_> {
    /// Whether pods have addresses of the nodes' subnet: Azure CNI without overlay.
    fn pods_in_subnet(&self) -> bool {
        let is = |name: &str, value: &str| {
            fields::text(self.network, name).is_some_and(|text| text.eq_ignore_ascii_case(value))
        };
        is("networkPlugin", "azure") && !is("networkPluginMode", "overlay")
    }

    fn default_max_pods(&self) -> u32 {
        if self.pods_in_subnet() {
            30
        } else if fields::text(self.network, "networkPlugin") == Some("kubenet") {
            110
        } else {
            250
        }
    }
}

impl Pool {
    /// A pool as it is.
    pub(super) fn of(pool: &Resource) -> Self {
        let document = pool.document().value();
        let properties = document.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let text = |name: &str| fields::text(&properties, name).unwrap_or_default().to_owned();
        let current = Version::find(&text("currentOrchestratorVersion")).unwrap_or_else(Version::newest_default);
        let version = Choice { asked: text("orchestratorVersion"), current };
        Self { id: pool.id().clone(), properties, state: PoolState::of(pool), version }
    }

    /// A pool as a client wants it: a new one, or `existing` with what is left open as it was.
    ///
    /// # Errors
    /// Azure's refusals of names, counts, versions and changes.
    pub(super) fn wish(
        context: &PoolContext<'_>,
        name: &str,
        mut properties: Fields,
        existing: Option<&Resource>,
        entropy: &mut Entropy,
    ) -> Result<Self, ArmError> {
        for read_only in READ_ONLY {
            properties.shift_remove(*read_only);
        }
        fields::drop_open(&mut properties);
        let before = existing.map(Self::of);
        if let Some(before) = &before {
            check_unchanged(&properties, &before.properties)?;
            fields::inherit(&mut properties, &before.properties);
        }
        let asked = fields::text(&properties, "orchestratorVersion").map(str::to_owned);
        let find = || Choice::of_pool(asked.as_deref(), context.control_plane);
        let version = match &before {
            None => find()?,
            Some(before) => {
                let next = before.version.after(asked.as_deref(), find)?;
                before.version.current.check_step(next.current)?;
                next
            }
        };
        let id = existing.map_or_else(|| context.cluster.child("agentPools", name), |pool| pool.id().clone());
        let before_version = before.as_ref().map(|before| before.version.current);
        let state = before.map_or_else(PoolState::default, |before| before.state);
        let mut pool = Self { id, properties, state, version };
        pool.complete(context)?;
        if before_version != Some(pool.version.current) {
            pool.renew_image(context.now);
        }
        pool.check(context)?;
        if before_version.is_none() {
            pool.check_size(context)?;
        }
        pool.state.reserved = pool.reserved(context);
        let now = context.now.as_second();
        pool.state.born.resize(pool.count(), now);
        pool.properties.insert("eTag".to_owned(), json!(entropy.guid()));
        Ok(pool)
    }

    fn complete(&mut self, context: &PoolContext<'_>) -> Result<(), ArmError> {
        let properties = &mut self.properties;
        let chosen = fields::is_open(properties.get("vmSize"));
        fields::default(properties, "count", json!(1));
        fields::default(properties, "vmSize", json!(DEFAULT_VM_SIZE));
        fields::default(properties, "osDiskSizeGB", json!(if chosen { 200 } else { 128 }));
        fields::default(properties, "osDiskType", json!(if chosen { "Ephemeral" } else { "Managed" }));
        fields::default(properties, "kubeletDiskType", json!("OS"));
        fields::default(properties, "maxPods", json!(context.default_max_pods()));
        fields::default(properties, "type", json!("VirtualMachineScaleSets"));
        fields::default(properties, "scaleDownMode", json!("Delete"));
        for off in ["enableAutoScaling", "enableNodePublicIP", "enableEncryptionAtHost", "enableUltraSSD", "enableFIPS"]
        {
            fields::default(properties, off, json!(false));
        }
        fields::default(properties, "mode", json!("User"));
        fields::default(properties, "osType", json!("Linux"));
        let windows = fields::text(properties, "osType") == Some("Windows");
        fields::default(properties, "osSKU", json!(if windows { "Windows2022" } else { "Ubuntu" }));
        fields::default(fields::object(properties, "powerState"), "code", json!("Running"));
        let upgrades = fields::object(properties, "upgradeSettings");
        fields::default(upgrades, "maxSurge", json!("10%"));
        fields::default(upgrades, "maxUnavailable", json!("0"));
        let security = fields::object(properties, "securityProfile");
        fields::default(security, "enableVTPM", json!(false));
        fields::default(security, "enableSecureBoot", json!(false));
        // AKS shows neither what regular nodes have no use for nor an empty list of taints.
        let regular =
            fields::text(properties, "scaleSetPriority").is_none_or(|text| text.eq_ignore_ascii_case("regular"));
        if regular {
            for spot in ["scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice"] {
                properties.shift_remove(spot);
            }
        }
        if properties.get("nodeTaints").is_some_and(|taints| taints == &json!([])) {
            properties.shift_remove("nodeTaints");
        }
        let autoscaling = properties.get("enableAutoScaling") == Some(&json!(true));
        if !autoscaling {
            properties.shift_remove("minCount");
            properties.shift_remove("maxCount");
        }
        properties.insert("orchestratorVersion".to_owned(), json!(self.version.asked));
        properties.insert("currentOrchestratorVersion".to_owned(), json!(self.version.current.to_string()));
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        if let Some(given) = fields::text(properties, "vnetSubnetID") {
            let subnet = ResourceId::parse(given).ok().filter(|id| Kind::of(id) == Kind::Subnet);
            self.state.subnet = Some(subnet.ok_or_else(|| refusal::subnet_id(given))?);
        }
        Ok(())
    }

    fn check(&self, context: &PoolContext<'_>) -> Result<(), ArmError> {
        let text = |name: &str| fields::text(&self.properties, name).unwrap_or_default();
        let windows = text("osType") == "Windows";
        if !windows && text("osType") != "Linux" {
            return Err(refusal::invalid_parameter("agentPoolProfile.osType", "it must be Linux or Windows."));
        }
        naming::check_pool_name(self.id.name(), windows)?;
        if !self.is_system() && !text("mode").eq_ignore_ascii_case("user") {
            return Err(refusal::invalid_parameter("agentPoolProfile.mode", "it must be System or User."));
        }
        if self.is_system() && windows {
            return Err(ArmError::bad_request("SystemPoolMustBeLinux", "System node pool must be linux."));
        }
        if self.is_system() && text("scaleSetPriority").eq_ignore_ascii_case("spot") {
            return Err(ArmError::bad_request("SystemPoolMustBeRegular", "System node pool must be regular."));
        }
        let counts = |name: &str| match self.properties.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().and_then(|count| u32::try_from(count).ok()).map(Some).ok_or_else(|| {
                refusal::invalid_parameter(&format!("agentPoolProfile.{name}"), "it must be a whole number.")
            }),
        };
        let count = counts("count")?.unwrap_or(1);
        let least = u32::from(self.is_system());
        if !(least..=NODES_MAX).contains(&count) {
            return Err(refusal::node_count(count, least));
        }
        if self.properties.get("enableAutoScaling") == Some(&json!(true)) {
            let (min, max) = (counts("minCount")?, counts("maxCount")?);
            let (Some(min), Some(max)) = (min, max) else {
                return Err(refusal::missing_parameter("agentPoolProfile.minCount"));
            };
            if min < least || max > NODES_MAX || min > max || !(min..=max).contains(&count) {
                return Err(refusal::invalid_parameter(
                    "agentPoolProfile.count",
                    &format!("count {count} must be between minCount {min} and maxCount {max} when autoscaling is on."),
                ));
            }
        }
        let pods = counts("maxPods")?.unwrap_or_default();
        if pods < *PODS_PER_NODE.start() {
            let message = format!("AgentPool maxPods {pods} is less than the minimum {}.", PODS_PER_NODE.start());
            return Err(ArmError::bad_request("InsufficientMaxPods", message).with_target("agentPoolProfile.maxPods"));
        }
        if pods > *PODS_PER_NODE.end() {
            let message = format!("AgentPool maxPods {pods} exceeds the maximum {}.", PODS_PER_NODE.end());
            return Err(ArmError::bad_request("MaxPodsLimitExceeded", message).with_target("agentPoolProfile.maxPods"));
        }
        self.version.current.check_skew(context.control_plane.current)
    }

    /// Azure has machines of the pool's size.
    fn check_size(&self, context: &PoolContext<'_>) -> Result<(), ArmError> {
        let size = fields::text(&self.properties, "vmSize").unwrap_or_default();
        if sizes::find(size).is_some() {
            return Ok(());
        }
        let subscription = context.cluster.subscription().unwrap_or_default();
        Err(refusal::vm_size_not_supported(size, subscription, context.region, &sizes::offered().to_ascii_lowercase()))
    }

    /// The newest node image for this pool.
    pub(super) fn latest_image(&self, now: jiff::Timestamp) -> String {
        self.version.current.latest_node_image(fields::text(&self.properties, "osSKU").unwrap_or_default(), now)
    }

    /// Puts the newest image on the nodes.
    pub(super) fn renew_image(&mut self, now: jiff::Timestamp) {
        let image = self.latest_image(now);
        self.properties.insert("nodeImageVersion".to_owned(), json!(image));
    }

    /// The operating system of the nodes.
    pub(super) fn os_type(&self) -> &str {
        fields::text(&self.properties, "osType").unwrap_or("Linux")
    }

    /// Whether system pods may run here.
    pub(super) fn is_system(&self) -> bool {
        fields::text(&self.properties, "mode").is_some_and(|mode| mode.eq_ignore_ascii_case("system"))
    }

    /// Whether its machines are a scale set's.
    pub(super) fn has_scale_set(&self) -> bool {
        fields::text(&self.properties, "type") == Some("VirtualMachineScaleSets")
    }

    /// The number of nodes.
    pub(super) fn count(&self) -> usize {
        self.properties.get("count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
    }

    /// Whether the client chose the subnet.
    pub(super) fn has_own_subnet(&self) -> bool {
        self.properties.contains_key("vnetSubnetID")
    }

    fn reserved(&self, context: &PoolContext<'_>) -> u64 {
        let number = |name: &str| self.properties.get(name).and_then(Value::as_u64).unwrap_or(0);
        let nodes = number("count").max(number("maxCount"));
        let settings = Value::Object(self.properties.clone());
        let surge = Json::new(&settings).at("upgradeSettings.maxSurge").text().unwrap_or("10%").to_owned();
        let surge = match surge.strip_suffix('%') {
            Some(percent) => (nodes * percent.trim().parse().unwrap_or(10)).div_ceil(100),
            None => surge.trim().parse().unwrap_or(1),
        };
        let own_pod_subnet = self.properties.contains_key("podSubnetID");
        let pods = if context.pods_in_subnet() && !own_pod_subnet { number("maxPods") } else { 0 };
        if nodes == 0 { 0 } else { (nodes + surge).saturating_mul(1 + pods) }
    }

    /// Sets whether the pool's machines run.
    pub(super) fn set_power(&mut self, code: &str) {
        fields::object(&mut self.properties, "powerState").insert("code".to_owned(), json!(code));
    }

    /// Gives each node an address, keeping those that have one. `free` hands out addresses.
    pub(super) fn assign(&mut self, mut free: impl FnMut() -> Result<Ipv4Addr, ArmError>) -> Result<(), ArmError> {
        let count = self.count();
        self.state.addresses.truncate(count);
        while self.state.addresses.len() < count {
            self.state.addresses.push(free()?);
        }
        Ok(())
    }

    /// The resource.
    pub(super) fn into_resource(self) -> Resource {
        let document = json!({
            "id": self.id,
            "name": self.id.name(),
            "type": Kind::AgentPool.arm_type(),
            "properties": fields::ordered(self.properties, ORDER),
        });
        Resource::with_hidden(self.id, &document, &self.state.document())
    }
}

fn check_unchanged(wished: &Fields, before: &Fields) -> Result<(), ArmError> {
    for name in IMMUTABLE {
        let Some(wished) = wished.get(*name) else { continue };
        let same = match (wished.as_str(), before.get(*name).and_then(Value::as_str)) {
            (Some(wished), Some(before)) => wished.eq_ignore_ascii_case(before),
            _ => Some(wished) == before.get(*name),
        };
        if !same {
            return Err(refusal::change_not_allowed(&format!("properties.{name}")));
        }
    }
    Ok(())
}

/// The pools in their order, one of them a system pool, names unique.
///
/// # Errors
/// `MustDefineAtLeastOneSystemPool` and its like.
pub(super) fn check_set(pools: &[Pool]) -> Result<(), ArmError> {
    if pools.is_empty() {
        return Err(refusal::no_pool());
    }
    if pools.len() > super::profile::AGENT_POOLS_MAX {
        return Err(ArmError::bad_request(
            "MaxAgentPoolCountReached",
            format!("The cluster cannot have more than {} agent pools.", super::profile::AGENT_POOLS_MAX),
        ));
    }
    for (index, pool) in pools.iter().enumerate() {
        if pools.iter().skip(index + 1).any(|other| other.id == pool.id) {
            return Err(refusal::invalid_parameter(
                "agentPoolProfile.name",
                &format!("the name '{}' is used more than once.", pool.id.name()),
            ));
        }
    }
    if !pools.iter().any(Pool::is_system) {
        return Err(refusal::no_system_pool());
    }
    Ok(())
}
