//! Where a cluster's own resources stand: its node resource group.

use azure::{ArmError, Kind, Resource, ResourceId, aks};
use serde_json::json;

use super::refusal;
use crate::stage::Stage;

/// Longest name of a node resource group, in characters.
const NAME_LEN_MAX: usize = 80;

/// A cluster, its region and the group that AKS keeps its resources in.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The cluster.
    pub(super) cluster: ResourceId,
    /// The region, normalised.
    pub(super) region: String,
    /// The node resource group.
    pub(super) node_group: ResourceId,
}

impl Site {
    /// The site of a cluster, whose node resource group is `node_group` or, without that, has
    /// AKS's own name.
    pub(super) fn new(cluster: &ResourceId, region: &str, node_group: Option<&str>) -> Self {
        let default = || aks::node_resource_group(cluster.group_name().unwrap_or_default(), cluster.name(), region);
        let name = node_group.map_or_else(default, str::to_owned);
        let node_group = ResourceId::group(cluster.subscription().unwrap_or_default(), &name);
        Self { cluster: cluster.clone(), region: region.to_owned(), node_group }
    }

    /// The site of a cluster that exists.
    pub(super) fn of(cluster: &Resource) -> Self {
        let document = cluster.document().value();
        let text = |path: &str| azure::Json::new(&document).at(path).text().map(str::to_owned);
        let region = text("location").unwrap_or_default();
        Self::new(cluster.id(), &region, text("properties.nodeResourceGroup").as_deref())
    }

    /// Makes the node resource group.
    ///
    /// # Errors
    /// When it exists already, is the cluster's own group or has an impossible name.
    pub(super) fn make_node_group(&self, stage: &mut Stage) -> Result<(), ArmError> {
        let name = self.node_group.name();
        if name.chars().count() > NAME_LEN_MAX || name.ends_with('.') {
            return Err(refusal::invalid_parameter(
                "nodeResourceGroup",
                &format!("'{name}' must not end with '.' and must have at most {NAME_LEN_MAX} characters."),
            ));
        }
        if self.cluster.is_below(&self.node_group) {
            return Err(ArmError::bad_request(
                "NodeResourceGroupSameAsResourceGroup",
                format!("Node resource group '{name}' must not be the resource group of the cluster."),
            )
            .with_target("nodeResourceGroup"));
        }
        if stage.estate().contains(&self.node_group) {
            return Err(ArmError::bad_request(
                "NodeResourceGroupAlreadyExists",
                format!("Node resource group '{name}' already exists. Please use a name that is not in use."),
            )
            .with_target("nodeResourceGroup"));
        }
        let document = json!({
            "id": self.node_group,
            "name": name,
            "type": Kind::ResourceGroup.arm_type(),
            "location": self.region,
            "managedBy": self.cluster,
            "tags": {
                "aks-managed-cluster-name": self.cluster.name(),
                "aks-managed-cluster-rg": self.cluster.group_name(),
            },
            "properties": {"provisioningState": "Succeeded"},
        });
        stage.put(Resource::new(self.node_group.clone(), &document));
        Ok(())
    }

    /// The name of the kubelets' identity when AKS makes it.
    pub(super) fn kubelet_identity_name(&self) -> String {
        format!("{}-agentpool", self.cluster.name())
    }

    /// The private endpoint that AKS makes for the API server.
    pub(super) fn endpoint(&self) -> ResourceId {
        self.node_group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME)
    }
}
