//! Platform images: the aliases that `az vm create --image` knows, and the catalogue behind
//! `locations/L/publishers/…`.
//!
//! No image is ever run, so that any well-formed image exists: the catalogue holds what is listed.
//! A name in a path has lost its case, so that the catalogue's spelling is given back.

use azure::{ArmError, Json};
use serde_json::{Value, json};

use super::invalid_parameter;

/// One image that is listed.
struct Image {
    /// What `az` calls it; empty for an image without an alias.
    alias: &'static str,
    publisher: &'static str,
    offer: &'static str,
    sku: &'static str,
    /// The latest version.
    version: &'static str,
}

const fn image(
    alias: &'static str,
    publisher: &'static str,
    offer: &'static str,
    sku: &'static str,
    version: &'static str,
) -> Image {
    Image { alias, publisher, offer, sku, version }
}

/// Source: the alias document of azure-rest-api-specs (`arm-compute/quickstart-templates/aliases.json`)
/// and the images that Azure's and Terraform's own examples name.
const IMAGES: &[Image] = &[
    image("CentOS85Gen2", "OpenLogic", "CentOS", "8_5-gen2", "8.5.2022101401"),
    image("Debian11", "Debian", "debian-11", "11-backports-gen2", "0.20250303.2040"),
    image("Debian12", "Debian", "debian-12", "12-gen2", "0.20250316.2053"),
    image("FlatcarLinuxFreeGen2", "kinvolk", "flatcar-container-linux-free", "stable-gen2", "4081.3.1"),
    image("OpenSuseLeap154Gen2", "SUSE", "openSUSE-leap-15-4", "gen2", "2022.11.04"),
    image("RHELRaw8LVMGen2", "RedHat", "RHEL", "8-lvm-gen2", "8.10.2025021412"),
    image("SuseSles15SP5", "SUSE", "sles-15-sp5", "gen2", "2025.02.27"),
    image("Ubuntu2204", "Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22.04.202503280"),
    image("Ubuntu2404", "Canonical", "ubuntu-24_04-lts", "server", "24.04.202503280"),
    image("Ubuntu2404Pro", "Canonical", "ubuntu-24_04-lts", "ubuntu-pro", "24.04.202503280"),
    image("", "Canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2", "20.04.202503250"),
    image("", "Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "22.04.202503280"),
    image("", "Canonical", "UbuntuServer", "18.04-LTS", "18.04.202401161"),
    image("", "Canonical", "UbuntuServer", "16.04-LTS", "16.04.202109281"),
    image("Win2022Datacenter", "MicrosoftWindowsServer", "WindowsServer", "2022-datacenter-g2", "20348.3328.250306"),
    image(
        "Win2022AzureEditionCore",
        "MicrosoftWindowsServer",
        "WindowsServer",
        "2022-datacenter-azure-edition-core",
        "20348.3328.250306",
    ),
    image(
        "Win2019Datacenter",
        "MicrosoftWindowsServer",
        "WindowsServer",
        "2019-datacenter-gensecond",
        "17763.7009.250306",
    ),
];

/// The version of an image that nobody lists.
const UNLISTED_VERSION: &str = "1.0.0";

/// The path of the alias document, which everybody may read.
pub const ALIASES_PATH: &str = "/aliases.json";

/// The document behind the cloud's `vmImageAliasDoc`.
pub fn aliases() -> Value {
    let mut value = json!({});
    for image in IMAGES.iter().filter(|image| !image.alias.is_empty()) {
        value[operating_system(image.publisher)][image.alias] = json!({
            "publisher": image.publisher,
            "offer": image.offer,
            "sku": image.sku,
            "version": "latest",
            "architecture": "x64",
        });
    }
    json!({
        "$schema": "http://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json",
        "contentVersion": "1.0.0.0",
        "parameters": {},
        "variables": {},
        "resources": [],
        "outputs": {"aliases": {"type": "object", "value": value}},
    })
}

/// `locations/<location>/publishers[/…]`; `rest` is what lies below `publishers`, in lower case.
/// `None` for a path that no image has.
pub fn view(subscription: &str, location: &str, rest: &str) -> Option<Value> {
    let base = format!("/Subscriptions/{subscription}/Providers/Microsoft.Compute/Locations/{location}/Publishers");
    let words: Vec<&str> = rest.split('/').filter(|word| !word.is_empty()).collect();
    let listed = |names: Vec<&'static str>, path: &str| {
        let one = |name: &&str| json!({"id": format!("{path}/{name}"), "location": location, "name": name});
        Some(names.iter().map(one).collect())
    };
    match words.as_slice() {
        [] => listed(names(|_| true, |image| image.publisher), &base),
        [publisher, "artifacttypes", "vmimage", "offers"] => listed(
            names(|image| is(image.publisher, publisher), |image| image.offer),
            &format!("{base}/{}/ArtifactTypes/VMImage/Offers", spelt(publisher, |image| image.publisher)),
        ),
        [publisher, "artifacttypes", "vmimage", "offers", offer, "skus"] => listed(
            names(|image| is(image.publisher, publisher) && is(image.offer, offer), |image| image.sku),
            &format!("{base}/{publisher}/ArtifactTypes/VMImage/Offers/{offer}/Skus"),
        ),
        [publisher, "artifacttypes", "vmimage", "offers", offer, "skus", sku, "versions", version @ ..] => {
            let (found, latest) = latest(publisher, offer, sku);
            let path = format!("{base}/{publisher}/ArtifactTypes/VMImage/Offers/{offer}/Skus/{sku}/Versions");
            let document = |version: &str| {
                json!({
                    "id": format!("{path}/{version}"),
                    "location": location,
                    "name": version,
                    "properties": properties(publisher, sku),
                })
            };
            match version {
                [] if found => Some(json!([document(latest)])),
                [] => Some(json!([document(UNLISTED_VERSION)])),
                [version] if is(version, "latest") => Some(document(latest)),
                [version] => Some(document(version)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What is known of an image by its names.
fn properties(publisher: &str, sku: &str) -> Value {
    let generation_2 = ["gen2", "-g2", "gensecond", "server", "azure-edition", "ubuntu-pro"];
    let second = generation_2.iter().any(|mark| sku.contains(mark));
    let mut features = vec![json!({"name": "IsAcceleratedNetworkSupported", "value": "True"})];
    if second {
        features.insert(0, json!({"name": "SecurityType", "value": "TrustedLaunchSupported"}));
    }
    json!({
        "architecture": if sku.contains("arm64") { "Arm64" } else { "x64" },
        "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": false},
        "dataDiskImages": [],
        "disallowed": {"vmDiskType": "Unmanaged"},
        "features": features,
        "hyperVGeneration": if second { "V2" } else { "V1" },
        "imageDeprecationStatus": {"imageState": "Active"},
        "osDiskImage": {"operatingSystem": operating_system(publisher), "sizeInGb": 30},
    })
}

/// `Linux` or `Windows`, as far as the publisher's name tells.
pub fn operating_system(publisher: &str) -> &'static str {
    if publisher.to_ascii_lowercase().starts_with("microsoftwindows") { "Windows" } else { "Linux" }
}

/// The version that a machine gets of `imageReference`.
///
/// # Errors
/// 400 when neither an id nor all four names are given.
pub fn exact_version(reference: Json<'_>) -> Result<Option<String>, ArmError> {
    if ["id", "sharedGalleryImageId", "communityGalleryImageId"].iter().any(|name| reference.get(name).is_present()) {
        return Ok(None);
    }
    let text = |name: &str| {
        reference.get(name).text().ok_or_else(|| {
            invalid_parameter(
                &format!("imageReference.{name}"),
                format!("Required parameter 'imageReference.{name}' is missing (null)."),
            )
        })
    };
    let (publisher, offer, sku) = (text("publisher")?, text("offer")?, text("sku")?);
    let version = text("version")?;
    Ok(Some(if is(version, "latest") { latest(publisher, offer, sku).1.to_owned() } else { version.to_owned() }))
}

/// Whether an image is listed, and its latest version.
fn latest(publisher: &str, offer: &str, sku: &str) -> (bool, &'static str) {
    let found =
        IMAGES.iter().find(|image| is(image.publisher, publisher) && is(image.offer, offer) && is(image.sku, sku));
    found.map_or((false, UNLISTED_VERSION), |image| (true, image.version))
}

fn names(keep: impl Fn(&Image) -> bool, name: impl Fn(&Image) -> &'static str) -> Vec<&'static str> {
    let mut names: Vec<&str> = IMAGES.iter().filter(|image| keep(image)).map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn spelt(name: &str, of: impl Fn(&Image) -> &'static str) -> &str {
    IMAGES.iter().map(of).find(|spelt| is(spelt, name)).unwrap_or(name)
}

fn is(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_leads_to_a_version_of_its_image() {
        let aliases = aliases();
        for (system, images) in aliases["outputs"]["aliases"]["value"].as_object().unwrap() {
            for (alias, image) in images.as_object().unwrap() {
                let text = |name: &str| image[name].as_str().unwrap().to_lowercase();
                let path = format!(
                    "{}/artifacttypes/vmimage/offers/{}/skus/{}/versions",
                    text("publisher"),
                    text("offer"),
                    text("sku")
                );
                let versions = view("s", "westeurope", &path).unwrap();
                let version = versions[0]["name"].as_str().unwrap();
                let shown = view("s", "westeurope", &format!("{path}/{version}")).unwrap();
                assert_eq!(shown["properties"]["osDiskImage"]["operatingSystem"], **system, "{alias}");
            }
        }
    }

    #[test]
    fn publishers_offers_and_skus_are_listed_each_once() {
        let names = |path: &str| {
            let listed = view("s", "westeurope", path).unwrap();
            listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("").iter().filter(|name| *name == "Canonical").count(), 1);
        assert_eq!(names("redhat/artifacttypes/vmimage/offers"), ["RHEL"]);
        assert_eq!(names("canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus"), ["server", "ubuntu-pro"]);
        assert!(view("s", "westeurope", "canonical/what").is_none());
    }

    #[test]
    fn a_reference_without_all_its_names_is_refused() {
        let version = |reference: Value| exact_version(Json::new(&reference)).map_err(|error| error.target);
        let listed =
            json!({"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"});
        assert_eq!(version(listed), Ok(Some("24.04.202503280".to_owned())));
        assert_eq!(version(json!({"id": "/subscriptions/s"})), Ok(None));
        assert_eq!(version(json!({"publisher": "p"})), Err(Some("imageReference.offer".to_owned())));
    }
}
