//! What users find in the node resource group beside the API server's own things: a scale set for each agent pool, the
//! load balancer with its public address, the nodes' security group, kubenet's route table.
//!
//! They say how the cluster is built and take no part in what the network does: nodes have addresses and no interfaces
//! here. Written with every write of the cluster, so that what somebody deleted comes back.
//!
//! Source: `az resource list` and `az vmss list` of node resource groups in azure-cli's recordings of `aks` tests.

use azure::{Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{
    fields::{self, Fields},
    pool::Pool,
    site::Site,
};
use crate::{provider::Entropy, providers::public_side, stage::Stage};

const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
const LOAD_BALANCER: &str = "Microsoft.Network/loadBalancers";
/// The balancer's frontend that connections from nodes leave by.
const OUTBOUND_RULE: &str = "aksOutboundRule";
/// The balancer's backend pool with all nodes in it.
const BACKEND_POOL: &str = "aksOutboundBackendPool";
/// Scale sets have this tag with the name of their pool.
const POOL_TAG: &str = "aks-managed-poolName";

/// A cluster's node resource group, being filled.
pub(super) struct NodeResources<'a> {
    /// Where it is.
    pub(super) site: &'a Site,
    /// The eight digits in the names.
    pub(super) digits: &'a str,
}

impl NodeResources<'_> {
    /// Writes what is missing or has changed and removes what is no longer needed; completes `networkProfile`.
    pub(super) fn settle(
        &self,
        stage: &mut Stage,
        pools: &[Pool],
        kubelet: Option<&str>,
        properties: &mut Fields,
        entropy: &mut Entropy,
    ) {
        let network = fields::object(properties, "networkProfile");
        let balanced =
            fields::text(network, "outboundType").is_some_and(|kind| kind.eq_ignore_ascii_case("loadBalancer"));
        let routed = fields::text(network, "networkPlugin").is_some_and(|name| name.eq_ignore_ascii_case("kubenet"));
        self.once(stage, Kind::NetworkSecurityGroup, "nsg", json!({"securityRules": []}));
        if routed {
            let table = json!({"disableBgpRoutePropagation": false, "routes": []});
            self.once(stage, Kind::RouteTable, "routetable", table);
        }
        if balanced && fields::text(network, "loadBalancerSku") == Some("standard") {
            self.balance(stage, fields::object(network, "loadBalancerProfile"), entropy);
        }
        let gone: Vec<ResourceId> = stage
            .estate()
            .below(&self.site.node_group)
            .filter(|resource| resource.id().resource_type().eq_ignore_ascii_case(SCALE_SET))
            .map(|resource| resource.id().clone())
            .filter(|id| !pools.iter().any(|pool| self.scale_set(pool) == *id))
            .collect();
        for id in gone {
            stage.delete_tree(&id);
        }
        for pool in pools.iter().filter(|pool| pool.has_scale_set()) {
            put_changed(stage, self.scale_set_document(pool, balanced, kubelet));
        }
    }

    fn scale_set(&self, pool: &Pool) -> ResourceId {
        self.site.node_group.resource(SCALE_SET, &format!("aks-{}-{}-vmss", pool.id.name(), self.digits))
    }

    fn balancer(&self) -> ResourceId {
        self.site.node_group.resource(LOAD_BALANCER, "kubernetes")
    }

    /// `aks-agentpool-<digits>-<what>`, unless it is there.
    fn once(&self, stage: &mut Stage, kind: Kind, what: &str, properties: Value) {
        let id = self.site.node_group.resource(kind.arm_type(), &format!("aks-agentpool-{}-{what}", self.digits));
        if !stage.estate().contains(&id) {
            stage.put(self.resource(id, None, properties));
        }
    }

    /// The balancer and its first public address, unless the user gave addresses of his own.
    fn balance(&self, stage: &mut Stage, profile: &mut Fields, entropy: &mut Entropy) {
        let id = self.balancer();
        if let Some(balancer) = stage.estate().get(&id) {
            let document = balancer.document().value();
            let frontends = Json::new(&document).at("properties.frontendIPConfigurations").items();
            let addresses = frontends.filter_map(|one| one.at("properties.publicIPAddress").value().cloned());
            profile.insert("effectiveOutboundIPs".to_owned(), addresses.collect());
            return;
        }
        let first = |list: Option<&Value>| Some(list?.get(0)?.get("id")?.as_str()?.to_owned());
        let own = first(profile.get("outboundIPs").and_then(|own| own.get("publicIPs")));
        // Of a balancer that was deleted.
        let left = first(profile.get("effectiveOutboundIPs"));
        let left = left.filter(|id| ResourceId::parse(id).is_ok_and(|id| stage.estate().contains(&id)));
        let address = if let Some(known) = own.or(left) {
            known
        } else {
            let Some(address) = public_side::free_address(stage.estate()) else { return };
            let id = self.site.node_group.resource(Kind::PublicIpAddress.arm_type(), &entropy.guid());
            let properties = json!({
                "ipAddress": address,
                "publicIPAddressVersion": "IPv4",
                "publicIPAllocationMethod": "Static",
                "idleTimeoutInMinutes": 4,
                "ipTags": [],
            });
            stage.put(self.resource(id.clone(), Some(json!({"name": "Standard", "tier": "Regional"})), properties));
            id.to_string()
        };
        profile.insert("effectiveOutboundIPs".to_owned(), json!([{"id": address}]));
        let frontend = address.rsplit('/').next().unwrap_or_default();
        let part = |kind: &str, name: &str| json!({"id": format!("{id}/{kind}/{name}")});
        let properties = json!({
            "frontendIPConfigurations": [{
                "id": format!("{id}/frontendIPConfigurations/{frontend}"),
                "name": frontend,
                "properties": {"publicIPAddress": {"id": address}, "provisioningState": "Succeeded"},
            }],
            "backendAddressPools": [
                {"id": format!("{id}/backendAddressPools/{BACKEND_POOL}"), "name": BACKEND_POOL},
                {"id": format!("{id}/backendAddressPools/kubernetes"), "name": "kubernetes"},
            ],
            "loadBalancingRules": [],
            "probes": [],
            "inboundNatRules": [],
            "outboundRules": [{
                "id": format!("{id}/outboundRules/{OUTBOUND_RULE}"),
                "name": OUTBOUND_RULE,
                "properties": {
                    "allocatedOutboundPorts": 0,
                    "backendAddressPool": part("backendAddressPools", BACKEND_POOL),
                    "enableTcpReset": true,
                    "frontendIPConfigurations": [part("frontendIPConfigurations", frontend)],
                    "idleTimeoutInMinutes": 30,
                    "protocol": "All",
                },
            }],
        });
        stage.put(self.resource(id, Some(json!({"name": "Standard", "tier": "Regional"})), properties));
    }

    fn scale_set_document(&self, pool: &Pool, balanced: bool, kubelet: Option<&str>) -> Resource {
        let id = self.scale_set(pool);
        let text = |name: &str| fields::text(&pool.properties, name).unwrap_or_default();
        let mut configuration = json!({"name": "ipconfig1", "properties": {
            "primary": true,
            "privateIPAddressVersion": "IPv4",
            "subnet": {"id": pool.state.subnet},
        }});
        if balanced {
            let nodes = format!("{}/backendAddressPools/{BACKEND_POOL}", self.balancer());
            configuration["properties"]["loadBalancerBackendAddressPools"] = json!([{"id": nodes}]);
        }
        let interface = json!({"name": id.name(), "properties": {
            "primary": true,
            "enableAcceleratedNetworking": true,
            "enableIPForwarding": true,
            "ipConfigurations": [configuration],
        }});
        let properties = json!({
            "orchestrationMode": "Uniform",
            "overprovision": false,
            "platformFaultDomainCount": 1,
            "singlePlacementGroup": false,
            "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": id.name(), "adminUsername": "azureuser"},
                "storageProfile": {"osDisk": {
                    "osType": text("osType"),
                    "diskSizeGB": pool.properties.get("osDiskSizeGB"),
                    "createOption": "FromImage",
                }},
                "networkProfile": {"networkInterfaceConfigurations": [interface]},
            },
        });
        let sku = json!({"name": text("vmSize"), "tier": "Standard", "capacity": pool.count()});
        let mut document = self.document(&id, Some(sku), properties);
        document["tags"][POOL_TAG] = json!(pool.id.name());
        if let Some(zones) = pool.properties.get("availabilityZones").filter(|zones| zones.is_array()) {
            document["zones"] = zones.clone();
        }
        if let Some(kubelet) = kubelet {
            let ids = Fields::from_iter([(kubelet.to_owned(), json!({}))]);
            document["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": ids});
        }
        Resource::new(id, &document)
    }

    fn resource(&self, id: ResourceId, sku: Option<Value>, properties: Value) -> Resource {
        let document = self.document(&id, sku, properties);
        Resource::new(id, &document)
    }

    fn document(&self, id: &ResourceId, sku: Option<Value>, mut properties: Value) -> Value {
        properties["provisioningState"] = json!("Succeeded");
        let mut document = json!({
            "id": id,
            "name": id.name(),
            "type": id.resource_type(),
            "location": self.site.region,
            "tags": {"aks-managed-cluster-name": self.site.cluster.name(), "aks-managed-cluster-rg": self.site.cluster.group_name()},
        });
        document["properties"] = properties;
        if let Some(sku) = sku {
            document["sku"] = sku;
        }
        document
    }
}

fn put_changed(stage: &mut Stage, resource: Resource) {
    let same = stage.estate().get(resource.id()).is_some_and(|held| held.document() == resource.document());
    if !same {
        stage.put(resource);
    }
}
