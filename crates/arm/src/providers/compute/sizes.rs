//! Machine sizes, as far as clients list them before they choose one. A machine may be of any size.

use serde_json::{Value, json};

/// Name, cores, memory in GiB, most data disks, most interfaces.
const SIZES: &[(&str, u32, u32, u32, u32)] = &[
    ("Standard_B1s", 1, 1, 2, 2),
    ("Standard_B2s", 2, 4, 4, 3),
    ("Standard_B2ms", 2, 8, 4, 3),
    ("Standard_D2s_v3", 2, 8, 4, 2),
    ("Standard_D4s_v3", 4, 16, 8, 2),
    ("Standard_D2s_v5", 2, 8, 4, 2),
    ("Standard_D4s_v5", 4, 16, 8, 2),
    ("Standard_D8s_v5", 8, 32, 16, 4),
    ("Standard_D2ds_v5", 2, 8, 4, 2),
    ("Standard_DS1_v2", 1, 3, 4, 2),
    ("Standard_DS2_v2", 2, 7, 8, 2),
    ("Standard_E2s_v5", 2, 16, 4, 2),
    ("Standard_F2s_v2", 2, 4, 4, 2),
];

/// The size of a machine that names none.
pub const DEFAULT: &str = "Standard_DS1_v2";

/// `locations/<location>/vmSizes`, and the sizes a machine can change to.
pub fn list() -> Value {
    let sizes = SIZES.iter().map(|(name, cores, memory, disks, _)| {
        json!({
            "name": name,
            "numberOfCores": cores,
            "osDiskSizeInMB": 1_047_552,
            "resourceDiskSizeInMB": 0,
            "memoryInMB": memory * 1024,
            "maxDataDiskCount": disks,
        })
    });
    json!({"value": sizes.collect::<Vec<_>>()})
}

/// `Microsoft.Compute/skus`: the same sizes with their capabilities, in each of `locations`.
pub fn skus(locations: &[&str]) -> Vec<Value> {
    let mut skus = Vec::new();
    for location in locations {
        for (name, cores, memory, disks, interfaces) in SIZES {
            let capability = |name: &str, value: String| json!({"name": name, "value": value});
            skus.push(json!({
                "resourceType": "virtualMachines",
                "name": name,
                "tier": "Standard",
                "size": name.trim_start_matches("Standard_"),
                "family": "standardFamily",
                "locations": [location],
                "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}],
                "capabilities": [
                    capability("vCPUs", cores.to_string()),
                    capability("MemoryGB", memory.to_string()),
                    capability("MaxDataDiskCount", disks.to_string()),
                    capability("MaxNetworkInterfaces", interfaces.to_string()),
                    capability("CpuArchitectureType", "x64".to_owned()),
                    capability("HyperVGenerations", "V1,V2".to_owned()),
                    capability("PremiumIO", "True".to_owned()),
                    capability("AcceleratedNetworkingEnabled", "True".to_owned()),
                ],
                "restrictions": [],
            }));
        }
    }
    skus
}
