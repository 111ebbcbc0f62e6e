//! A lab and an estate in it that goes wrong in a way of the story's choosing, made over ARM.

use serde_json::{Value, json};

use crate::{
    arm::Arm,
    bench::{Lab, User, client},
    verdicts::{Row, judge},
};

/// A lab and its estate: networks `name` of `PREFIX.0.0/16` with the subnet `s` and the machine `vm-name`.
pub(crate) struct Stage {
    /// The lab.
    pub(crate) lab: Lab,
    /// Its ARM.
    pub(crate) arm: Arm,
}

impl Stage {
    /// On the kernel plane, with `kubectl`; `None`, said aloud, where either is missing.
    pub(crate) fn new() -> Option<Self> {
        client("kubectl")?;
        let lab = Lab::in_kernel_bare(User::Own)?;
        let arm = Arm::of(&lab);
        Some(Self { lab, arm })
    }

    /// A network, its subnet and its machine.
    pub(crate) fn network(&self, name: &str, prefix: &str) {
        let space = json!({"addressSpace": {"addressPrefixes": [format!("{prefix}.0.0/16")]}});
        self.arm.put(&format!("virtualNetworks/{name}"), &space);
        self.subnet(name, "s", &format!("{prefix}.0.0/24"), &json!({}));
        self.machine(&format!("vm-{name}"), &format!("{name}/subnets/s"), &json!({}));
    }

    /// A subnet, with more properties than its prefix.
    pub(crate) fn subnet(&self, network: &str, name: &str, prefix: &str, more: &Value) {
        let mut properties = more.clone();
        properties["addressPrefix"] = json!(prefix);
        self.arm.put(&format!("virtualNetworks/{network}/subnets/{name}"), &properties);
    }

    /// A network interface in a subnet, with more properties than that.
    pub(crate) fn machine(&self, name: &str, subnet: &str, more: &Value) {
        let subnet = self.arm.id(&format!("virtualNetworks/{subnet}"));
        let configuration = json!({"privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet}});
        let mut properties = more.clone();
        properties["ipConfigurations"] = json!([{"name": "ipconfig1", "properties": configuration}]);
        self.arm.put(&format!("networkInterfaces/{name}"), &properties);
    }

    /// One half of a peering.
    pub(crate) fn half(&self, near: &str, far: &str) {
        let far_id = self.arm.id(&format!("virtualNetworks/{far}"));
        let properties = json!({
            "remoteVirtualNetwork": {"id": far_id}, "allowVirtualNetworkAccess": true, "allowForwardedTraffic": true
        });
        self.arm.put(&format!("virtualNetworks/{near}/virtualNetworkPeerings/{far}"), &properties);
    }

    /// Both halves of a peering.
    pub(crate) fn peer(&self, near: &str, far: &str) {
        self.half(near, far);
        self.half(far, near);
    }

    /// A virtual network link of a zone, given by its id.
    pub(crate) fn link(&self, zone: &str, network: &str) {
        let id = self.arm.id(&format!("virtualNetworks/{network}"));
        let properties = json!({"registrationEnabled": false, "virtualNetwork": {"id": id}});
        self.arm.put(&format!("{zone}/virtualNetworkLinks/{network}"), &properties);
    }

    /// A private cluster and its two kubeconfigs, `name-private` and `name-public`; its private FQDN and its zone's id.
    pub(crate) fn cluster(&self, name: &str, network: &str) -> (String, String) {
        let made = self.cluster_of(name, network, &json!({}));
        let group = made["properties"]["nodeResourceGroup"].as_str().unwrap();
        let zones = format!("{}/providers/Microsoft.Network/privateDnsZones", self.arm.group(group));
        let zone = self.arm.get(&zones)["value"][0]["id"].as_str().unwrap().to_owned();
        (made["properties"]["privateFQDN"].as_str().unwrap().to_owned(), zone)
    }

    /// The same with more settings of its access; the document.
    pub(crate) fn cluster_of(&self, name: &str, network: &str, access: &Value) -> Value {
        let subnet = format!("virtualNetworks/{network}/subnets/s");
        let made = self.arm.put_cluster_with(name, Some(&subnet), access);
        self.write(&format!("{name}-private"), &self.arm.kubeconfig(name, ""));
        self.write(&format!("{name}-public"), &self.arm.kubeconfig(name, "server-fqdn=public"));
        made
    }

    /// A VPN gateway in the network of `PREFIX.0.0/16`; its id.
    pub(crate) fn gateway(&self, network: &str, prefix: &str) -> String {
        self.subnet(network, "GatewaySubnet", &format!("{prefix}.255.0/27"), &json!({}));
        let subnet = self.arm.id(&format!("virtualNetworks/{network}/subnets/GatewaySubnet"));
        let ip = self.arm.put("publicIPAddresses/ip", &json!({"publicIPAllocationMethod": "Static"}));
        let configuration = json!({"publicIPAddress": {"id": ip}, "subnet": {"id": subnet}});
        let gateway = json!({
            "gatewayType": "Vpn", "vpnType": "RouteBased", "sku": {"name": "VpnGw1", "tier": "VpnGw1"},
            "ipConfigurations": [{"name": "default", "properties": configuration}],
            "vpnClientConfiguration": {
                "vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]}, "vpnClientProtocols": ["OpenVPN"],
            },
        });
        self.arm.put("virtualNetworkGateways/gw", &gateway)
    }

    /// A private endpoint of a cluster made by hand, which nobody has approved; its address and the cluster's id.
    pub(crate) fn endpoint(&self, name: &str, cluster: &str, network: &str) -> (String, String) {
        let cluster = self.arm.id(&format!("Microsoft.ContainerService/managedClusters/{cluster}"));
        let subnet = self.arm.id(&format!("virtualNetworks/{network}/subnets/s"));
        let connection = json!({"privateLinkServiceId": cluster, "groupIds": ["management"]});
        let manual = json!([{"name": "c", "properties": connection}]);
        let properties = json!({"subnet": {"id": subnet}, "manualPrivateLinkServiceConnections": manual});
        let path = format!("privateEndpoints/{name}");
        self.arm.put(&path, &properties);
        let nic = self.arm.get(&path)["properties"]["networkInterfaces"][0]["id"].clone();
        (self.own_address(nic.as_str().unwrap()), cluster)
    }

    /// The address of a network interface.
    pub(crate) fn own_address(&self, interface: &str) -> String {
        let configurations = self.arm.get(interface)["properties"]["ipConfigurations"].take();
        configurations[0]["properties"]["privateIPAddress"].as_str().unwrap().to_owned()
    }

    /// A machine outside Azure.
    pub(crate) fn lab_client(&self, name: &str, properties: &Value) {
        self.arm.put(&format!("Noren.Lab/clients/{name}"), properties);
    }

    /// A file of the lab.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs_err::write(self.lab.path(name), text).unwrap();
    }

    /// What a file of the lab holds.
    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.lab.path(name)).unwrap()
    }

    /// What the doctor says of each row, where explain and `kubectl` agree.
    pub(crate) fn judge(&self, rows: &[Row<'_>]) -> Vec<Value> {
        judge(&self.lab, rows)
    }

    /// The address a name has in a machine's network.
    pub(crate) fn address(&self, vantage: &str, name: &str) -> String {
        let (known, address) = self.lab.asks(vantage, name);
        assert!(known, "{address}");
        address
    }
}
