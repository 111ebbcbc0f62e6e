//! Builds the article's world through ARM, over HTTPS, as any client would: two private clusters,
//! one with the public FQDN (the default) and one without, and six places to stand for each.

use anyhow::Context;
use azure::{Kind, ResourceId};
use serde_json::{Value, json};

use super::article::Place;
use crate::client::{ArmClient, kubeconfig};

/// The private endpoint of either cluster: the first usable address of the default AKS subnet.
pub(super) const ENDPOINT_ADDRESS: &str = "10.224.0.4";
/// Where everything is.
const REGION: &str = "japaneast";

/// One of the article's clusters with its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// `A` or `B`.
    pub(crate) letter: char,
    /// The cluster.
    pub(crate) cluster: ResourceId,
    /// The virtual network AKS made for it.
    pub(crate) network: ResourceId,
}

/// What ARM says of a cluster: what the portal shows.
#[derive(Debug, Clone)]
pub(crate) struct ClusterView {
    /// `fqdn`.
    pub(crate) fqdn: Option<String>,
    /// `privateFQDN`.
    pub(crate) private_fqdn: Option<String>,
    /// `enablePrivateClusterPublicFQDN`.
    pub(crate) public_fqdn: bool,
}

impl ClusterView {
    /// The address the portal shows: the public FQDN if there is one, else the private one.
    pub(crate) fn portal_address(&self) -> Option<&str> {
        self.fqdn.as_deref().or(self.private_fqdn.as_deref())
    }
}

impl Stage {
    /// The id of a resource in the cluster's resource group.
    fn id(&self, kind: Kind, name: &str) -> anyhow::Result<ResourceId> {
        let group = self.cluster.group_id().context("a cluster lies in a group")?;
        Ok(group.resource(kind.arm_type(), name))
    }

    /// The name of the vantage at `place`; lower-case letter first, as in `a-vm`.
    pub(crate) fn vantage(&self, place: Place) -> String {
        let name = match place {
            Place::ClusterNetwork => "vm",
            Place::PeeredLinked => "vm-linked",
            Place::PeeredUnlinked => "vm-unlinked",
            Place::VpnClient => "laptop",
            Place::VpnClientWithHosts => "laptop-hosts",
            Place::Internet => return "internet".to_owned(),
        };
        format!("{}-{name}", self.letter.to_ascii_lowercase())
    }

    /// Creates the cluster, as `az aks create --enable-private-cluster [--disable-public-fqdn]`.
    pub(crate) async fn create_cluster(arm: &ArmClient, letter: char, public_fqdn: bool) -> anyhow::Result<Self> {
        let (group, name) =
            if public_fqdn { ("aks-public-fqdn", "aks-public") } else { ("aks-private-fqdn", "aks-private") };
        let group = ResourceId::group(arm.subscription(), group);
        arm.put(&group, &json!({"location": REGION})).await?;
        let cluster = group.resource(Kind::ManagedCluster.arm_type(), name);
        let created = arm.put(&cluster, &create_body(arm.subscription(), &cluster, public_fqdn)).await?;
        let node_group = created["properties"]["nodeResourceGroup"].as_str().context("no node resource group")?;
        let node_group = ResourceId::group(arm.subscription(), node_group);
        let networks = arm.list(&format!("{node_group}/providers/{}", Kind::VirtualNetwork.arm_type())).await?;
        let network = networks.first().and_then(|network| network["id"].as_str());
        let network = network.context("AKS made no virtual network in the node resource group")?.parse()?;
        Ok(Self { letter, cluster, network })
    }

    /// Adds the places to stand: machines in three networks, a VPN gateway, two VPN clients.
    pub(crate) async fn build_places(&self, arm: &ArmClient) -> anyhow::Result<()> {
        let prefix = self.letter.to_ascii_lowercase();
        self.machine(arm, &self.network.child("subnets", "vms"), "10.225.0.0/24", Place::ClusterNetwork).await?;
        let zone = self.zone(arm).await?;
        for (place, name, octet) in [(Place::PeeredLinked, "linked", 1), (Place::PeeredUnlinked, "unlinked", 2)] {
            let network = self.id(Kind::VirtualNetwork, &format!("{prefix}-{name}"))?;
            let space = json!({"addressSpace": {"addressPrefixes": [format!("10.{octet}.0.0/16")]}});
            arm.put(&network, &json!({"location": REGION, "properties": space})).await?;
            peer(arm, &network, &self.network).await?;
            peer(arm, &self.network, &network).await?;
            if place == Place::PeeredLinked {
                let link = zone.child("virtualNetworkLinks", network.name());
                let properties = json!({"registrationEnabled": false, "virtualNetwork": {"id": network}});
                arm.put(&link, &json!({"location": "global", "properties": properties})).await?;
            }
            let subnet = network.child("subnets", "default");
            self.machine(arm, &subnet, &format!("10.{octet}.0.0/24"), place).await?;
        }
        self.vpn(arm).await
    }

    /// What ARM says of the cluster now.
    pub(crate) async fn view(&self, arm: &ArmClient) -> anyhow::Result<ClusterView> {
        let cluster = arm.get(&self.cluster).await?;
        let properties = &cluster["properties"];
        let text = |name: &str| properties[name].as_str().map(str::to_owned);
        Ok(ClusterView {
            fqdn: text("fqdn"),
            private_fqdn: text("privateFQDN"),
            public_fqdn: properties["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"]
                .as_bool()
                .unwrap_or(true),
        })
    }

    /// The user's credentials, as `az aks get-credentials` gets them.
    pub(crate) async fn access(&self, arm: &ArmClient) -> anyhow::Result<kubeconfig::Access> {
        let reply = arm.post(&self.cluster, "listClusterUserCredential").await?;
        kubeconfig::parse(&kubeconfig::from_credentials(&reply)?)
    }

    /// `az aks update --disable-public-fqdn`: the whole cluster back with one setting changed.
    pub(crate) async fn disable_public_fqdn(&self, arm: &ArmClient) -> anyhow::Result<()> {
        let mut cluster = arm.get(&self.cluster).await?;
        cluster["properties"]["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(false);
        arm.put(&self.cluster, &cluster).await.map(drop)
    }

    /// The zone AKS made in the node resource group.
    async fn zone(&self, arm: &ArmClient) -> anyhow::Result<ResourceId> {
        let group = self.network.group_id().context("a network lies in a group")?;
        let zones = arm.list(&format!("{group}/providers/{}", Kind::PrivateDnsZone.arm_type())).await?;
        let zone = zones.first().and_then(|zone| zone["id"].as_str());
        Ok(zone.context("AKS made no private DNS zone in the node resource group")?.parse()?)
    }

    async fn machine(&self, arm: &ArmClient, subnet: &ResourceId, prefix: &str, place: Place) -> anyhow::Result<()> {
        arm.put(subnet, &json!({"properties": {"addressPrefix": prefix}})).await?;
        let nic = self.id(Kind::NetworkInterface, &self.vantage(place))?;
        let configuration = json!({"privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet}});
        let properties = json!({"ipConfigurations": [{"name": "ipconfig1", "properties": configuration}]});
        arm.put(&nic, &json!({"location": REGION, "properties": properties})).await?;
        Ok(())
    }

    async fn vpn(&self, arm: &ArmClient) -> anyhow::Result<()> {
        let prefix = self.letter.to_ascii_lowercase();
        let subnet = self.network.child("subnets", "GatewaySubnet");
        arm.put(&subnet, &json!({"properties": {"addressPrefix": "10.225.255.0/27"}})).await?;
        let address = self.id(Kind::PublicIpAddress, &format!("{prefix}-vpn-ip"))?;
        let allocation = json!({"publicIPAllocationMethod": "Static"});
        arm.put(&address, &json!({"location": REGION, "sku": {"name": "Standard"}, "properties": allocation})).await?;
        let gateway = self.id(Kind::VirtualNetworkGateway, &format!("{prefix}-vpn"))?;
        arm.put(&gateway, &gateway_body(&subnet, &address)).await?;

        let private_name = self.view(arm).await?.private_fqdn.context("a private cluster has a private FQDN")?;
        for (place, hosts) in [
            (Place::VpnClient, json!([])),
            (Place::VpnClientWithHosts, json!([{"ipAddress": ENDPOINT_ADDRESS, "names": [private_name]}])),
        ] {
            let client = self.id(Kind::LabClient, &self.vantage(place))?;
            let properties = json!({"virtualNetworkGateway": {"id": gateway}, "hosts": hosts});
            arm.put(&client, &json!({"location": "global", "properties": properties})).await?;
        }
        Ok(())
    }
}

/// The body `az aks create --enable-private-cluster --no-ssh-key` sends.
fn create_body(subscription: &str, cluster: &ResourceId, public_fqdn: bool) -> Value {
    let short = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let (name, group) = (short(cluster.name(), 10), short(cluster.group_name().unwrap_or_default(), 16));
    let mut access = json!({"authorizedIPRanges": [], "enablePrivateCluster": true});
    if !public_fqdn {
        access["enablePrivateClusterPublicFQDN"] = json!(false);
    }
    json!({
        "location": REGION,
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Free"},
        "properties": {
            "kubernetesVersion": "",
            "dnsPrefix": format!("{name}-{group}-{}", short(subscription, 6)),
            "enableRBAC": true,
            "agentPoolProfiles": [{
                "name": "nodepool1", "count": 3, "vmSize": "", "osType": "Linux", "mode": "System",
                "type": "VirtualMachineScaleSets", "orchestratorVersion": "",
            }],
            "networkProfile": {"loadBalancerSku": "standard", "outboundType": "loadBalancer"},
            "apiServerAccessProfile": access,
        },
    })
}

fn gateway_body(subnet: &ResourceId, address: &ResourceId) -> Value {
    json!({"location": REGION, "properties": {
        "gatewayType": "Vpn",
        "vpnType": "RouteBased",
        "sku": {"name": "VpnGw1", "tier": "VpnGw1"},
        "ipConfigurations": [{"name": "default", "properties": {
            "privateIPAllocationMethod": "Dynamic",
            "publicIPAddress": {"id": address},
            "subnet": {"id": subnet},
        }}],
        "vpnClientConfiguration": {
            "vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]},
            "vpnClientProtocols": ["OpenVPN"],
        },
    }})
}

async fn peer(arm: &ArmClient, from: &ResourceId, to: &ResourceId) -> anyhow::Result<()> {
    let half = from.child("virtualNetworkPeerings", &format!("to-{}", to.name()));
    let properties = json!({"remoteVirtualNetwork": {"id": to}, "allowVirtualNetworkAccess": true});
    arm.put(&half, &json!({"properties": properties})).await.map(drop)
}
