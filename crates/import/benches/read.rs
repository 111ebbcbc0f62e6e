//! What reading an export costs: estates of realistic shape as Resource Graph gives them, a network with a
//! zone, five interfaces and a private cluster for each cluster that is asked for.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use divan::{Bencher, black_box, counter::ItemsCount};
use import::Input;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// The rows of `clusters` clusters with what stands around them.
fn export(clusters: usize) -> Input {
    let mut rows: Vec<Value> = Vec::new();
    for at in 0..clusters {
        let subscription = format!("/subscriptions/00000000-0000-0000-0000-{:012}", at / 100);
        let (group, made) =
            (format!("{subscription}/resourceGroups/rg-{at}"), format!("{subscription}/resourceGroups/MC_{at}"));
        let network = format!("{group}/providers/Microsoft.Network/virtualNetworks/vnet-{at}");
        let subnet = format!("{network}/subnets/aks");
        let (zone, hash) =
            (format!("{at:08x}-0000-0000-0000-000000000000.privatelink.japaneast.azmk8s.io"), format!("{at:08x}"));
        let zone_id = format!("{made}/providers/Microsoft.Network/privateDnsZones/{zone}");
        let endpoint = format!("{made}/providers/Microsoft.Network/privateEndpoints/kube-apiserver");
        let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/aks-{at}");
        let nic = |group: &str, name: &str, address: usize, owner: Value| {
            json!({"id": format!("{group}/providers/Microsoft.Network/networkInterfaces/{name}"), "properties": {
                "privateEndpoint": owner,
                "ipConfigurations": [{"name": "c", "properties": {
                    "primary": true, "privateIPAddress": format!("10.{}.{}.{address}", at / 256 % 256, at % 256), "subnet": {"id": subnet},
                }}],
            }})
        };
        rows.extend((0..4).map(|vm| nic(&group, &format!("vm-{vm}"), 10 + vm, Value::Null)));
        rows.extend([
            nic(&made, "kube-apiserver.nic", 4, json!({"id": endpoint})),
            json!({"id": network, "properties": {
                "addressSpace": {"addressPrefixes": [format!("10.{}.{}.0/24", at / 256 % 256, at % 256)]},
                "subnets": [{"name": "aks", "id": subnet, "properties": {"addressPrefix": format!("10.{}.{}.0/24", at / 256 % 256, at % 256)}}],
            }}),
            json!({"id": zone_id, "properties": {"numberOfRecordSets": 2, "numberOfVirtualNetworkLinks": 1}}),
            json!({"id": format!("{zone_id}/A/aks-{at}-{hash}"), "properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.0.0.4"}]}}),
            json!({"id": format!("{zone_id}/virtualNetworkLinks/l"), "properties": {"virtualNetwork": {"id": network}}}),
            json!({"id": endpoint, "properties": {
                "subnet": {"id": subnet},
                "networkInterfaces": [{"id": format!("{made}/providers/Microsoft.Network/networkInterfaces/kube-apiserver.nic")}],
                "privateLinkServiceConnections": [{"name": "c", "properties": {
                    "privateLinkServiceId": cluster, "privateLinkServiceConnectionState": {"status": "Approved"},
                }}],
            }}),
            json!({"id": cluster, "location": "japaneast", "properties": {
                "fqdn": format!("aks-{at}-{hash}.hcp.japaneast.azmk8s.io"), "privateFQDN": format!("aks-{at}-{hash}.{zone}"),
                "nodeResourceGroup": format!("MC_{at}"), "apiServerAccessProfile": {"enablePrivateCluster": true, "privateDNSZone": "system"},
                "agentPoolProfiles": [{"name": "system", "count": 3, "vnetSubnetID": subnet}],
            }}),
        ]);
    }
    Input::new("export.json", json!({"data": rows}).to_string())
}

/// Eleven rows a cluster: 10,000 clusters are 110,000 rows and 130,000 resources.
#[divan::bench(args = [100, 1000, 10_000], sample_count = 3)]
fn clusters(bencher: Bencher<'_, '_>, clusters: usize) {
    let inputs = [export(clusters)];
    bencher.counter(ItemsCount::new(clusters)).bench_local(|| black_box(import::from_inputs(&inputs).unwrap()));
}
