//! Kubernetes versions: what exists, which is meant by an alias, and which step is an upgrade.
//!
//! AKS's rules: a control plane goes up one minor version at a time and never down; an agent pool
//! is never newer than its control plane and at most three minor versions older.

use azure::ArmError;
use serde_json::{Map, Value, json};

use super::refusal;

/// One minor version on offer.
struct Minor {
    /// `1.<minor>`.
    minor: u32,
    /// The patch versions on offer, ascending.
    patches: &'static [u32],
}

/// Every version on offer, ascending, in every region alike.
const OFFERED: &[Minor] = &[
    Minor { minor: 32, patches: &[7, 9] },
    Minor { minor: 33, patches: &[2, 5, 7] },
    Minor { minor: 34, patches: &[2, 4] },
    Minor { minor: 35, patches: &[1, 3] },
];

/// The minor version a cluster gets that asks for none.
const DEFAULT_MINOR: u32 = 34;

/// The first minor version whose Ubuntu nodes run 24.04.
const UBUNTU_2404_SINCE: u32 = 35;

/// How many minor versions a pool may be behind its control plane.
const SKEW_MAX: u32 = 3;

/// A full version on offer, `1.<minor>.<patch>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    minor: u32,
    patch: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

/// A version as a client asks for it and as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// As asked for: `1.34` or `1.34.2`.
    pub(super) asked: String,
    /// In force.
    pub(super) current: Version,
}

impl Version {
    /// The version on offer that a text means: `1.34.2` itself, `1.34` its newest patch.
    pub(super) fn find(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (major, minor) = (parts.next()?, parts.next()?.parse().ok()?);
        let offered = OFFERED.iter().find(|offered| major == "1" && offered.minor == minor)?;
        let patch = match (parts.next(), parts.next()) {
            (None, _) => *offered.patches.last()?,
            (Some(patch), None) => patch.parse().ok().filter(|patch| offered.patches.contains(patch))?,
            _ => return None,
        };
        Some(Self { minor, patch })
    }

    fn offered() -> impl Iterator<Item = Self> {
        OFFERED
            .iter()
            .flat_map(|offered| offered.patches.iter().map(|patch| Self { minor: offered.minor, patch: *patch }))
    }

    /// What this version can be upgraded to in one step, ascending.
    pub(super) fn upgrades(self) -> impl Iterator<Item = Self> {
        Self::offered().filter(move |next| *next > self && next.minor <= self.minor + 1)
    }

    /// The newest node image for nodes of this version at `now`: AKS rolls one every week for Linux
    /// and one every month for Windows, and which Ubuntu is in it depends on the Kubernetes version.
    /// The names have AKS's form; their dates are the week's Monday and the month's first.
    pub(super) fn latest_node_image(self, os_sku: &str, now: jiff::Timestamp) -> String {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let since_monday = i64::from(today.weekday().to_monday_zero_offset());
        let week = today.checked_sub(jiff::Span::new().days(since_monday)).unwrap_or(today).strftime("%Y%m.%d");
        let month = today.first_of_month().strftime("%y%m%d");
        match os_sku.to_ascii_lowercase().as_str() {
            "windows2019" => format!("AKSWindows-2019-containerd-17763.7792.{month}"),
            "windows2022" => format!("AKSWindows-2022-containerd-20348.4171.{month}"),
            "windows2025" => format!("AKSWindows-2025-gen2-26100.6584.{month}"),
            "azurelinux" => format!("AKSAzureLinux-V3gen2-{week}.0"),
            "ubuntu2404" => format!("AKSUbuntu-2404gen2containerd-{week}.0"),
            "ubuntu" if self.minor >= UBUNTU_2404_SINCE => format!("AKSUbuntu-2404gen2containerd-{week}.0"),
            _ => format!("AKSUbuntu-2204gen2containerd-{week}.0"),
        }
    }

    /// The newest patch of the default minor version.
    pub(super) fn newest_default() -> Self {
        Self::offered().filter(|version| version.minor == DEFAULT_MINOR).max().unwrap_or(Self { minor: 0, patch: 0 })
    }

    /// Refuses a step that is neither "stay" nor an upgrade.
    pub(super) fn check_step(self, to: Self) -> Result<(), ArmError> {
        if self == to || self.upgrades().any(|upgrade| upgrade == to) {
            return Ok(());
        }
        let upgrades: Vec<String> = self.upgrades().map(|version| version.to_string()).collect();
        let upgrades: Vec<&str> = upgrades.iter().map(String::as_str).collect();
        Err(refusal::version_change(to < self, &self.to_string(), &to.to_string(), &upgrades))
    }

    /// Refuses a pool of this version under a control plane of `control_plane`.
    pub(super) fn check_skew(self, control_plane: Self) -> Result<(), ArmError> {
        if self > control_plane {
            return Err(refusal::pool_too_new(&self.to_string(), &control_plane.to_string()));
        }
        if self.minor + SKEW_MAX < control_plane.minor {
            let minors = (self.minor, control_plane.minor);
            return Err(refusal::pool_too_old(&self.to_string(), &control_plane.to_string(), minors));
        }
        Ok(())
    }
}

impl Choice {
    /// What a cluster's `kubernetesVersion` means; nothing or an empty text is the default.
    pub(super) fn of_cluster(cluster: &str, asked: Option<&str>) -> Result<Self, ArmError> {
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return Ok(Self { asked: format!("1.{DEFAULT_MINOR}"), current: Version::newest_default() });
        };
        let current = Version::find(asked).ok_or_else(|| refusal::cluster_version_not_supported(cluster, asked))?;
        Ok(Self { asked: asked.to_owned(), current })
    }

    /// What a pool's `orchestratorVersion` means; nothing or an empty text is the control plane's.
    pub(super) fn of_pool(asked: Option<&str>, control_plane: &Self) -> Result<Self, ArmError> {
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return Ok(control_plane.clone());
        };
        // An alias names what the control plane runs where both are of that minor version.
        if asked == control_plane.asked || control_plane.current.to_string() == asked {
            return Ok(Self { asked: asked.to_owned(), current: control_plane.current });
        }
        let current = Version::find(asked).ok_or_else(|| refusal::pool_version_not_supported(asked))?;
        Ok(Self { asked: asked.to_owned(), current })
    }

    /// The choice after asking for `asked` where `self` is in force: the same words keep the
    /// version in force, whatever an alias would mean today.
    pub(super) fn after(
        &self,
        asked: Option<&str>,
        find: impl FnOnce() -> Result<Self, ArmError>,
    ) -> Result<Self, ArmError> {
        match asked {
            None | Some("") => Ok(self.clone()),
            Some(asked) if asked == self.asked || asked == self.current.to_string() => {
                Ok(Self { asked: asked.to_owned(), current: self.current })
            }
            Some(_) => find(),
        }
    }
}

/// `GET …/locations/L/kubernetesVersions`.
pub(super) fn kubernetes_versions() -> Value {
    let minors: Vec<Value> = OFFERED
        .iter()
        .map(|offered| {
            let patches: Map<String, Value> = offered
                .patches
                .iter()
                .map(|patch| {
                    let version = Version { minor: offered.minor, patch: *patch };
                    let upgrades: Vec<String> = version.upgrades().map(|upgrade| upgrade.to_string()).collect();
                    (version.to_string(), json!({"upgrades": upgrades}))
                })
                .collect();
            let mut minor = json!({
                "version": format!("1.{}", offered.minor),
                "capabilities": {"supportPlan": ["KubernetesOfficial", "AKSLongTermSupport"]},
                "patchVersions": patches,
            });
            if offered.minor == DEFAULT_MINOR {
                minor["isDefault"] = json!(true);
            }
            minor
        })
        .collect();
    json!({"values": minors})
}

/// `upgrades` of an upgrade profile: each `{kubernetesVersion}`.
pub(super) fn upgrade_list(versions: impl Iterator<Item = Version>) -> Value {
    versions.map(|version| json!({"kubernetesVersion": version.to_string()})).collect()
}

/// The versions a new agent pool under this control plane may have, newest first.
pub(super) fn pool_versions(control_plane: Version) -> Vec<Version> {
    let mut versions: Vec<Version> =
        Version::offered().filter(|version| version.check_skew(control_plane).is_ok()).collect();
    versions.reverse();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::find(text).unwrap()
    }

    #[test]
    fn an_alias_means_the_newest_patch_and_an_empty_text_the_default() {
        assert_eq!(version("1.33").to_string(), "1.33.7");
        assert_eq!(version("1.33.2").to_string(), "1.33.2");
        assert_eq!(Choice::of_cluster("a", Some("")).unwrap().current.to_string(), "1.34.4");
        for unknown in ["1.33.3", "1.19", "2.33", "1", "1.33.2.1", "x"] {
            assert_eq!(Choice::of_cluster("a", Some(unknown)).unwrap_err().code, "K8sVersionNotSupported");
        }
    }

    #[test]
    fn upgrades_go_up_one_minor_version_at_a_time() {
        assert!(version("1.33.2").check_step(version("1.34.4")).is_ok());
        let skipped = version("1.33.2").check_step(version("1.35.1")).unwrap_err();
        insta::assert_snapshot!(skipped, @"(OperationNotAllowed) Upgrading Kubernetes version 1.33.2 to 1.35.1 is not allowed. Available upgrades: [1.33.5 1.33.7 1.34.2 1.34.4]. Please see https://aka.ms/aks-supported-k8s-ver for version details.");
        let down = version("1.34.2").check_step(version("1.33.7")).unwrap_err();
        assert!(down.message.starts_with("Downgrading Kubernetes version 1.34.2 to 1.33.7 is not allowed."));
    }

    #[test]
    fn a_node_image_is_a_week_old_at_most_and_fits_the_version() {
        let image = |text: &str, sku: &str, now: &str| version(text).latest_node_image(sku, now.parse().unwrap());
        let (sunday, monday) = ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z");
        assert_eq!(image("1.34", "Ubuntu", sunday), "AKSUbuntu-2204gen2containerd-202611.16.0");
        assert_eq!(image("1.34", "Ubuntu", monday), "AKSUbuntu-2204gen2containerd-202611.23.0");
        assert_eq!(image("1.35", "Ubuntu", monday), "AKSUbuntu-2404gen2containerd-202611.23.0");
        assert_eq!(image("1.34", "AzureLinux", monday), "AKSAzureLinux-V3gen2-202611.23.0");
        assert_eq!(image("1.34", "Windows2022", monday), "AKSWindows-2022-containerd-20348.4171.261101");
    }

    #[test]
    fn a_pool_is_never_newer_than_its_control_plane() {
        assert!(version("1.32.7").check_skew(version("1.35.3")).is_ok());
        assert_eq!(version("1.34.4").check_skew(version("1.34.2")).unwrap_err().code, "NodePoolMcVersionIncompatible");
    }

    #[test]
    fn versions_are_listed_as_az_reads_them() {
        let listed = kubernetes_versions();
        assert_eq!(listed["values"][2]["isDefault"], true);
        assert_eq!(
            listed["values"][3]["patchVersions"],
            json!({"1.35.1": {"upgrades": ["1.35.3"]}, "1.35.3": {"upgrades": []}})
        );
    }
}
