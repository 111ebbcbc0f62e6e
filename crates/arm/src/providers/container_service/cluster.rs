//! A managed cluster in the making: read from a client's wish or from what is stored, changed, and
//! then realised: nodes placed, API server exposed, documents written. Every write of a cluster or
//! one of its agent pools ends in [`Cluster::realise`], so that they all keep the same invariants.

use std::net::Ipv4Addr;

use azure::{ArmError, Resource, ResourceId, aks};
use serde_json::{Value, json};

use super::{
    access::Access,
    fields::{self, Fields},
    identity::{self, ControlPlane},
    keys, naming,
    naming::Labels,
    node_resources::NodeResources,
    placement,
    pool::{self, Pool, PoolContext},
    private_access as private, profile, refusal,
    site::Site,
    state::ClusterState,
    versions::{Choice, Version},
};
use crate::{
    entra::stable_guid,
    provider::{Draft, Entropy, Request},
    providers::groups,
    stage::Stage,
};

/// A managed cluster, before it is written.
pub(super) struct Cluster {
    /// Where it stands.
    pub(super) site: Site,
    /// Who can reach it.
    access: Access,
    /// Its document without `properties`.
    envelope: Fields,
    /// Its `properties`, without the pools'.
    properties: Fields,
    /// What is not shown.
    pub(super) state: ClusterState,
    /// Its pools, in their order.
    pub(super) pools: Vec<Pool>,
    /// The control plane's version.
    version: Choice,
    /// Who the control plane acts as; `None` when the write does not touch that.
    control_plane: Option<ControlPlane>,
    /// Whether the node resource group has to be made.
    new: bool,
}

impl Cluster {
    /// The cluster as it is.
    ///
    /// # Errors
    /// `ResourceNotFound` for what this provider did not make.
    pub(super) fn load(request: &Request<'_>, cluster: &Resource) -> Result<Self, ArmError> {
        let state = ClusterState::of(cluster).ok_or_else(|| crate::provider::not_found(cluster.id()))?;
        let (envelope, properties) = split(cluster.document().value());
        let access = Access::read(&properties)?;
        let pools = stored_pools(request, cluster);
        let version = version_of(&properties);
        let site = Site::of(cluster);
        Ok(Self { site, access, envelope, properties, state, pools, version, control_plane: None, new: false })
    }

    /// The cluster as the request's body wants it.
    ///
    /// # Errors
    /// Azure's refusals of what makes no sense, whatever else exists.
    pub(super) fn wish(
        request: &mut Request<'_>,
        existing: Option<&Resource>,
        stage: &mut Stage,
    ) -> Result<Self, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        if existing.is_none() {
            naming::check_cluster_name(id.name())?;
        }
        let before = existing.map(|cluster| cluster.document().value());
        let before_properties = before.as_ref().and_then(|before| before.get("properties")).and_then(Value::as_object);
        let (mut envelope, mut properties) = split(Draft::new(request, existing).document);
        let wished_pools = properties.shift_remove("agentPoolProfiles");
        profile::wish(&mut properties, before_properties)?;
        properties.shift_remove("agentPoolProfiles");

        let access = Access::read(&properties)?;
        if let Some(before) = before_properties {
            Access::read(before)?.check_change(&access)?;
        }
        check_host(&properties, &access)?;
        let asked = fields::text(&properties, "kubernetesVersion").map(str::to_owned);
        let version = match before_properties {
            None => Choice::of_cluster(id.name(), asked.as_deref())?,
            Some(before) => {
                let before = version_of(before);
                let next = before.after(asked.as_deref(), || Choice::of_cluster(id.name(), asked.as_deref()))?;
                before.current.check_step(next.current)?;
                next
            }
        };

        let region = fields::text(&envelope, "location").unwrap_or_default().to_owned();
        if region.is_empty() {
            return Err(ArmError::bad_request(
                "LocationRequired",
                "The location property is required for this definition.",
            ));
        }
        let site = Site::new(&id, &region, fields::text(&properties, "nodeResourceGroup"));
        properties.insert("nodeResourceGroup".to_owned(), json!(site.node_group.name()));
        let hidden = match existing.and_then(ClusterState::of) {
            Some(hidden) => hidden,
            None => ClusterState {
                uid: request.entropy.hex(24),
                hash: naming::hash(request.entropy),
                digits: request.entropy.digits(8),
                portal_hash: request.entropy.hex(32),
                public_address: None,
                zone: None,
                link: None,
                endpoint_address: None,
                stopped_at: None,
                credentials: keys::issue(request.now)?,
            },
        };
        let control_plane = ControlPlane::settle(
            request.estate,
            &mut envelope,
            &mut properties,
            before.as_ref(),
            request.lab,
            request.entropy,
        )?;
        profile::complete(&mut properties, &request.lab.tenant, &region, &hidden.uid)?;
        profile::complete_sku(&mut envelope);
        if existing.is_none() {
            site.make_node_group(stage)?;
        }
        identity::settle_kubelet(stage, &mut properties, &site, &control_plane, request.lab, request.entropy)?;
        let running = before_properties.and_then(|before| before.get("powerState")).cloned();
        properties.insert("powerState".to_owned(), running.unwrap_or_else(|| json!({"code": "Running"})));

        let pools = existing.map(|cluster| stored_pools(request, cluster)).unwrap_or_default();
        let control_plane = Some(control_plane);
        let new = existing.is_none();
        let mut cluster =
            Self { site, access, envelope, properties, state: hidden, pools, version, control_plane, new };
        for pool in wished_pools.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let name = pool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let fields = pool.as_object().cloned().unwrap_or_default();
            cluster.put_pool(request, &name, fields)?;
        }
        for pool in &cluster.pools {
            pool.version.current.check_skew(cluster.version.current)?;
        }
        Ok(cluster)
    }

    /// Creates or changes one agent pool.
    ///
    /// # Errors
    /// Azure's refusals of names, counts, versions and changes.
    pub(super) fn put_pool(&mut self, request: &mut Request<'_>, name: &str, fields: Fields) -> Result<(), ArmError> {
        let at = self.pools.iter().position(|pool| pool.id.name() == name);
        let empty = Fields::new();
        let network = self.properties.get("networkProfile").and_then(Value::as_object).unwrap_or(&empty);
        let (now, region) = (request.now, self.site.region.as_str());
        let context = PoolContext { cluster: &self.site.cluster, region, control_plane: &self.version, network, now };
        let existing = at.and_then(|at| request.estate.get(&self.pools.get(at)?.id)).map(AsRef::as_ref);
        let wished = Pool::wish(&context, name, fields, existing, request.entropy)?;
        match at.and_then(|at| self.pools.get_mut(at)) {
            Some(slot) => *slot = wished,
            None => self.pools.push(wished),
        }
        Ok(())
    }

    /// The private link service that private endpoints lead to: in a subscription of AKS's own, one a region,
    /// where only Azure's network service sees it; none of a public cluster.
    pub(super) fn private_link_service(&self) -> Option<ResourceId> {
        let hidden = stable_guid(&["infrastructure", &self.site.region]);
        let group = ResourceId::group(&hidden, &self.state.uid);
        let service = || group.resource("Microsoft.Network/privateLinkServices", aks::PRIVATE_ENDPOINT_NAME);
        self.access.is_private().then(service)
    }

    /// Whether the cluster runs.
    pub(super) fn is_running(&self) -> bool {
        let code = self.properties.get("powerState").and_then(|power| power.get("code")).and_then(Value::as_str);
        code.is_none_or(|code| code.eq_ignore_ascii_case("running"))
    }

    /// Starts or stops control plane and nodes.
    pub(super) fn set_power(&mut self, code: &str) {
        fields::object(&mut self.properties, "powerState").insert("code".to_owned(), json!(code));
        for pool in &mut self.pools {
            pool.set_power(code);
        }
    }

    /// What the cluster's names are made of.
    fn labels(&self) -> Labels<'_> {
        let subdomain = fields::text(&self.properties, "fqdnSubdomain");
        let prefix = fields::text(&self.properties, "dnsPrefix").or(subdomain).unwrap_or_default();
        Labels {
            prefix,
            subdomain,
            hash: &self.state.hash,
            portal_hash: &self.state.portal_hash,
            region: &self.site.region,
        }
    }

    /// Places the nodes, exposes the API server and writes everything into `stage`.
    ///
    /// # Errors
    /// Azure's refusals of pools, subnets, zones and rights that do not fit.
    pub(super) fn realise(mut self, stage: &mut Stage, entropy: &mut Entropy) -> Result<(), ArmError> {
        pool::check_set(&self.pools)?;
        let network = self.properties.get("networkProfile").and_then(Value::as_object).cloned().unwrap_or_default();
        let digits = self.state.digits.clone();
        let needs = placement::Needs { network: &network, private: self.access.is_private(), digits: &digits };
        placement::settle(stage, &self.site, &mut self.pools, needs, entropy)?;
        match self.pools.first().and_then(|pool| pool.state.subnet.clone()) {
            Some(subnet) if self.access.is_private() => self.expose_privately(stage, &subnet, entropy)?,
            _ if self.state.public_address.is_none() && !self.access.is_private() => {
                self.state.public_address = Some(placement::public_address(stage.estate())?);
            }
            _ => {}
        }
        placement::assign_addresses(stage.estate(), &mut self.pools)?;
        let kubelet = kubelet_identity(&self.properties);
        let resources = NodeResources { site: &self.site, digits: &digits };
        resources.settle(stage, &self.pools, kubelet.as_deref(), &mut self.properties, entropy);
        self.write(stage, entropy)
    }

    fn expose_privately(
        &mut self,
        stage: &mut Stage,
        subnet: &ResourceId,
        entropy: &mut Entropy,
    ) -> Result<(), ArmError> {
        let zone = self.settle_zone(stage, subnet, entropy)?;
        if !self.is_running() {
            private::remove_endpoint(stage, &self.site);
            if let Some(zone) = &zone {
                stage.delete_tree(&private::record_id(zone, &self.labels()));
            }
            return Ok(());
        }
        if stage.estate().contains(&self.site.endpoint()) {
            self.point_record(stage, zone.as_ref(), entropy);
            return Ok(());
        }
        // A cluster that starts again may get another address: the search goes on behind the old one.
        let from = self.state.endpoint_address.map(|old| Ipv4Addr::from(u32::from(old).saturating_add(1)));
        let address = private::make_endpoint(stage, &self.site, subnet, from, entropy)?;
        self.state.endpoint_address = Some(address);
        self.point_record(stage, zone.as_ref(), entropy);
        Ok(())
    }

    fn point_record(&self, stage: &mut Stage, zone: Option<&ResourceId>, entropy: &mut Entropy) {
        if let (Some(zone), Some(address)) = (zone, self.state.endpoint_address) {
            private::put_record(stage, zone, &self.labels(), address, entropy);
        }
    }

    /// Makes, keeps or leaves the zone, and gives the one that holds the cluster's record.
    fn settle_zone(
        &mut self,
        stage: &mut Stage,
        subnet: &ResourceId,
        entropy: &mut Entropy,
    ) -> Result<Option<ResourceId>, ArmError> {
        if let (Access::OwnZone { zone, .. }, Some(control_plane)) = (&self.access, &self.control_plane) {
            let chosen = self.pools.first().is_some_and(Pool::has_own_subnet).then_some(subnet);
            private::check_own_zone(stage.estate(), zone, &self.site, control_plane, chosen)?;
        }
        match (self.access.clone(), self.state.zone.clone()) {
            (Access::NoZone | Access::Public, Some(zone)) => {
                private::leave_zone(stage, &self.site, &zone, self.state.link.as_ref(), &self.labels());
                self.state.zone = None;
                self.state.link = None;
            }
            (Access::NoZone | Access::Public, None) | (_, Some(_)) => {}
            (Access::SystemZone { .. }, None) => {
                let zone = private::make_system_zone(stage, &self.site, entropy);
                self.state.link = private::link(stage, &zone, subnet, &self.labels(), entropy)?;
                self.state.zone = Some(zone);
            }
            (Access::OwnZone { zone, .. }, None) => {
                let record = private::record_id(&zone, &self.labels());
                if self.new && stage.estate().contains(&record) {
                    return Err(refusal::subdomain_taken(&record));
                }
                self.state.link = private::link(stage, &zone, subnet, &self.labels(), entropy)?;
                self.state.zone = Some(zone);
            }
        }
        Ok(self.state.zone.clone())
    }

    fn write(mut self, stage: &mut Stage, entropy: &mut Entropy) -> Result<(), ArmError> {
        let labels = self.labels();
        let zone = self.state.zone.as_ref().map(ResourceId::name);
        let names = [
            ("fqdn", labels.public().filter(|_| self.access.has_fqdn())),
            ("privateFQDN", zone.and_then(|zone| labels.private(zone))),
            ("azurePortalFQDN", labels.portal(self.access.is_private())),
        ];
        for (property, name) in names {
            match name {
                Some(name) => self.properties.insert(property.to_owned(), json!(name.as_str())),
                None => self.properties.shift_remove(property),
            };
        }
        self.access.write(&mut self.properties)?;
        let pools: Vec<Value> = self.pools.iter().map(|pool| json!({"name": pool.id.name()})).collect();
        let settled = [
            ("kubernetesVersion", json!(self.version.asked)),
            ("currentKubernetesVersion", json!(self.version.current.to_string())),
            ("provisioningState", json!("Succeeded")),
            ("agentPoolProfiles", json!(pools)),
            ("resourceUID", json!(self.state.uid)),
        ];
        self.properties.extend(settled.map(|(name, value)| (name.to_owned(), value)));
        let mut document = self.envelope;
        document.shift_remove("etag");
        document.insert("eTag".to_owned(), json!(entropy.guid()));
        document.insert("properties".to_owned(), Value::Object(self.properties));
        let document = Value::Object(profile::in_order(document));
        stage.put(Resource::with_hidden(self.site.cluster.clone(), &document, &self.state.document()));
        for pool in self.pools {
            stage.put(pool.into_resource());
        }
        Ok(())
    }

    /// Removes the cluster with everything that AKS made for it and with what else lies in its node
    /// resource group, each by its own rules.
    ///
    /// # Errors
    /// When something outside the node resource group stands on what would go.
    pub(super) fn remove(&self, request: &mut Request<'_>, stage: &mut Stage) -> Result<(), ArmError> {
        if let Some(zone) = &self.state.zone {
            private::leave_zone(stage, &self.site, zone, self.state.link.as_ref(), &self.labels());
        }
        private::disconnect_others(stage, &self.site);
        private::remove_endpoint(stage, &self.site);
        stage.delete_tree(&self.site.cluster);
        if stage.estate().contains(&self.site.node_group) {
            let gone = groups::cascade(request, stage.estate(), &self.site.node_group);
            // AKS passes on why the first of the resources could not be deleted.
            let (changes, _) = gone.map_err(|error| error.details.first().cloned().unwrap_or(error))?;
            for change in changes {
                stage.change(change);
            }
        }
        Ok(())
    }

    /// The version in force.
    pub(super) fn current_version(&self) -> Version {
        self.version.current
    }
}

/// A cluster has a DNS prefix, or a subdomain in a zone of the user's.
fn check_host(properties: &Fields, access: &Access) -> Result<(), ArmError> {
    let (prefix, subdomain) = (fields::text(properties, "dnsPrefix"), fields::text(properties, "fqdnSubdomain"));
    match (prefix, subdomain) {
        (None, None) => Err(refusal::missing_parameter("dnsPrefix")),
        (Some(_), Some(_)) => {
            Err(refusal::invalid_parameter("fqdnSubdomain", "dnsPrefix and fqdnSubdomain must not be given together."))
        }
        (Some(prefix), None) => naming::check_prefix("dnsPrefix", prefix),
        (None, Some(subdomain)) => {
            // After a move to no zone the subdomain stays: it is part of the public FQDN.
            if !matches!(access, Access::OwnZone { .. } | Access::NoZone) {
                return Err(refusal::invalid_parameter(
                    "fqdnSubdomain",
                    "it requires a private cluster with a custom private DNS zone.",
                ));
            }
            naming::check_prefix("fqdnSubdomain", subdomain)
        }
    }
}

/// The id of the identity that nodes act as.
fn kubelet_identity(properties: &Fields) -> Option<String> {
    let identity = properties.get("identityProfile")?.get("kubeletidentity")?.get("resourceId")?;
    identity.as_str().map(str::to_owned)
}

fn split(document: Value) -> (Fields, Fields) {
    let mut envelope = match document {
        Value::Object(envelope) => envelope,
        _ => Fields::new(),
    };
    let properties = match envelope.shift_remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Fields::new(),
    };
    (envelope, properties)
}

fn version_of(properties: &Fields) -> Choice {
    let current = fields::text(properties, "currentKubernetesVersion").and_then(Version::find);
    let current = current.unwrap_or_else(Version::newest_default);
    Choice { asked: fields::text(properties, "kubernetesVersion").unwrap_or_default().to_owned(), current }
}

fn stored_pools(request: &Request<'_>, cluster: &Resource) -> Vec<Pool> {
    let names = request.estate.managed_cluster(cluster.id()).map(|model| model.agent_pools.clone());
    let ids = names.unwrap_or_default().into_iter().map(|name| cluster.id().child("agentPools", &name));
    ids.filter_map(|id| request.estate.get(&id)).map(|pool| Pool::of(pool)).collect()
}
