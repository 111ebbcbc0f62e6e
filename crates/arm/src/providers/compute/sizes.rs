//! Machine sizes: those that clients list before they choose one, and what a machine has by the name of its size.

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
    ("Standard_D8ds_v4", 8, 32, 16, 4),
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

/// What a machine of some size has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// Sizes whose names do not say how large they are: name without `Standard_`, virtual CPUs, MiB.
const IRREGULAR: &[(&str, u32, u32)] = &[
    ("b1ls", 1, 512),
    ("b1s", 1, 1024),
    ("b1ms", 1, 2048),
    ("b2s", 2, 4096),
    ("b2ms", 2, 8192),
    ("b4ms", 4, 16_384),
    ("b8ms", 8, 32_768),
    ("b12ms", 12, 49_152),
    ("b16ms", 16, 65_536),
    ("b20ms", 20, 81_920),
];
/// The number in the name of a size of the first D series → virtual CPUs, MiB.
const FIRST_D: &[(u32, u32, u32)] = &[
    (1, 1, 3584),
    (2, 2, 7168),
    (3, 4, 14_336),
    (4, 8, 28_672),
    (5, 16, 57_344),
    (11, 2, 14_336),
    (12, 4, 28_672),
    (13, 8, 57_344),
    (14, 16, 114_688),
    (15, 20, 143_360),
];
/// Numbers of virtual CPUs that sizes have.
const VCPUS: &[u32] = &[
    1, 2, 4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 32, 36, 40, 44, 48, 60, 64, 72, 80, 84, 88, 96, 104, 112, 120, 128, 144,
    160, 176, 192, 208, 224, 256, 304, 312, 368, 372, 416, 448, 624, 832, 896, 1792, 1832,
];

/// What a machine of the size `name` has; `None` when no size of Azure has a name like this.
///
/// Source: Microsoft's "Azure virtual machine sizes naming conventions" (family, virtual CPUs, features, accelerator,
/// version) and the families' ratios of memory to virtual CPUs, which for special families is a typical one.
pub fn find(name: &str) -> Option<Size> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("standard_")?;
    if let Some((_, vcpus, memory_mib)) = IRREGULAR.iter().find(|(irregular, ..)| *irregular == name) {
        return Some(Size { vcpus: *vcpus, memory_mib: *memory_mib });
    }
    let mut parts = name.split('_');
    let head = parts.next()?;
    let (mut version, mut accelerators) = (1, 0);
    for part in parts {
        match part.strip_prefix('v').and_then(|number| number.parse().ok()) {
            Some(number) if (1..=9).contains(&number) => version = number,
            _ if part.starts_with(|first: char| first.is_ascii_alphabetic()) && part.len() <= 12 => accelerators += 1,
            _ => return None,
        }
    }
    let family_len = head.find(|letter: char| letter.is_ascii_digit())?;
    let (family, rest) = head.split_at(family_len);
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (number, mut features) = rest.split_at(digits);
    let mut vcpus: u32 = number.parse().ok()?;
    if matches!(family, "d" | "ds") && version <= 2 {
        if !features.is_empty() {
            return None;
        }
        let (_, vcpus, memory_mib) = FIRST_D.iter().find(|(number, ..)| *number == vcpus)?;
        return Some(Size { vcpus: *vcpus, memory_mib: *memory_mib });
    }
    let per_vcpu_of = vcpus;
    if let Some(constrained) = features.strip_prefix('-') {
        let digits = constrained.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(constrained.len());
        vcpus = constrained[..digits].parse().ok().filter(|fewer| *fewer < vcpus)?;
        features = &constrained[digits..];
    }
    let known = VCPUS.contains(&per_vcpu_of) && features.chars().all(|letter| "abdeilmnoprst".contains(letter));
    if !known || accelerators > 1 {
        return None;
    }
    let has = |feature: char| features.contains(feature);
    let mib_per_vcpu = match (family, version) {
        ("b", 2..) if has('t') => 512,
        ("b" | "d" | "dc", 2..) | ("f", 6..) if has('l') => 2048,
        ("a", 2) | ("f", 6..) if has('m') => 8192,
        ("b" | "d" | "dc", 2..) | ("f", 6..) | ("h" | "hb" | "hc" | "hx", _) => 4096,
        ("a", 2) | ("f", _) => 2048,
        ("nc" | "nd" | "ng" | "np" | "nv", _) => 7168,
        ("e" | "eb" | "ec", 2..) | ("l", _) => 8192,
        ("g" | "gs", _) => 14_336,
        ("fx", _) => 21_504,
        ("m", _) => 28_672,
        _ => return None,
    };
    Some(Size { vcpus, memory_mib: per_vcpu_of.saturating_mul(mib_per_vcpu) })
}

/// The names of the sizes that clients are shown, as the refusals of services list them.
pub fn offered() -> String {
    SIZES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_of_a_size_says_what_a_machine_has() {
        for (name, vcpus, memory_gib) in [
            ("Standard_D8ds_v4", 8, 32),
            ("standard_d2s_v3", 2, 8),
            ("Standard_D2pls_v5", 2, 4),
            ("Standard_DS2_v2", 2, 7),
            ("Standard_DS13_v2", 8, 56),
            ("Standard_B2s", 2, 4),
            ("Standard_B2ts_v2", 2, 1),
            ("Standard_B4als_v2", 4, 8),
            ("Standard_E16-4s_v5", 4, 128),
            ("Standard_F4s_v2", 4, 8),
            ("Standard_A2m_v2", 2, 16),
            ("Standard_NC4as_T4_v3", 4, 28),
            ("Standard_L8s_v3", 8, 64),
        ] {
            assert_eq!(find(name), Some(Size { vcpus, memory_mib: memory_gib * 1024 }), "{name}");
        }
        for (name, cores, memory, ..) in SIZES {
            let size = find(name).unwrap();
            assert_eq!((size.vcpus, size.memory_mib / 1024), (*cores, *memory), "{name}");
        }
    }

    #[test]
    fn what_no_size_is_called_is_none() {
        for name in
            ["", "Standard_", "Standard_Nonsense", "D2s_v3", "Standard_D3s_v3", "Standard_D2s", "Standard_Q2_v5"]
        {
            assert_eq!(find(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?i)(standard_)?([a-z]{0,3}[0-9]{0,12}-?[0-9]{0,3}[a-z]{0,4}(_v[0-9]{0,3})?|.{0,20})") {
            let _ = find(&text);
        }
    }
}
