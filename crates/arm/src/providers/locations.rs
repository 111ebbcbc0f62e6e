//! Azure's public regions: what `az account list-locations` shows and what a `location` may be.
//!
//! Source: the names, geographies and pairs that Azure publishes for its regions.

use azure::{ArmError, ResourceId};
use serde_json::{Value, json};

use crate::provider::normal_location;

/// One public region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The name in documents: `westeurope`.
    pub name: &'static str,
    /// The name for people: `West Europe`.
    pub display_name: &'static str,
    /// Country or continent.
    pub geography: &'static str,
    /// Continent.
    pub group: &'static str,
    /// City or state.
    pub place: &'static str,
    /// The region it is paired with; empty when it stands alone.
    pub pair: &'static str,
}

/// Where a resource type may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a region.
    Region(&'static Region),
    /// In none: `global`.
    Global,
}

const fn region(
    name: &'static str,
    display_name: &'static str,
    geography: &'static str,
    group: &'static str,
    place: &'static str,
    pair: &'static str,
) -> Region {
    Region { name, display_name, geography, group, place, pair }
}

/// Every region, in the order Azure lists them: recommended ones first.
pub const REGIONS: &[Region] = &[
    region("eastus", "East US", "United States", "US", "Virginia", "westus"),
    region("southcentralus", "South Central US", "United States", "US", "Texas", "northcentralus"),
    region("westus2", "West US 2", "United States", "US", "Washington", "westcentralus"),
    region("westus3", "West US 3", "United States", "US", "Phoenix", "eastus"),
    region("australiaeast", "Australia East", "Australia", "Asia Pacific", "New South Wales", "australiasoutheast"),
    region("southeastasia", "Southeast Asia", "Asia Pacific", "Asia Pacific", "Singapore", "eastasia"),
    region("northeurope", "North Europe", "Europe", "Europe", "Ireland", "westeurope"),
    region("swedencentral", "Sweden Central", "Sweden", "Europe", "Gävle", "swedensouth"),
    region("uksouth", "UK South", "United Kingdom", "Europe", "London", "ukwest"),
    region("westeurope", "West Europe", "Europe", "Europe", "Netherlands", "northeurope"),
    region("centralus", "Central US", "United States", "US", "Iowa", "eastus2"),
    region("southafricanorth", "South Africa North", "South Africa", "Africa", "Johannesburg", "southafricawest"),
    region("centralindia", "Central India", "India", "Asia Pacific", "Pune", "southindia"),
    region("eastasia", "East Asia", "Asia Pacific", "Asia Pacific", "Hong Kong", "southeastasia"),
    region("indonesiacentral", "Indonesia Central", "Indonesia", "Asia Pacific", "Jakarta", ""),
    region("japaneast", "Japan East", "Japan", "Asia Pacific", "Tokyo, Saitama", "japanwest"),
    region("japanwest", "Japan West", "Japan", "Asia Pacific", "Osaka", "japaneast"),
    region("koreacentral", "Korea Central", "Korea", "Asia Pacific", "Seoul", "koreasouth"),
    region("malaysiawest", "Malaysia West", "Malaysia", "Asia Pacific", "Kuala Lumpur", ""),
    region("newzealandnorth", "New Zealand North", "New Zealand", "Asia Pacific", "Auckland", ""),
    region("canadacentral", "Canada Central", "Canada", "Canada", "Toronto", "canadaeast"),
    region("austriaeast", "Austria East", "Austria", "Europe", "Vienna", ""),
    region("belgiumcentral", "Belgium Central", "Belgium", "Europe", "Brussels", ""),
    region("francecentral", "France Central", "France", "Europe", "Paris", "francesouth"),
    region("germanywestcentral", "Germany West Central", "Germany", "Europe", "Frankfurt", "germanynorth"),
    region("italynorth", "Italy North", "Italy", "Europe", "Milan", ""),
    region("norwayeast", "Norway East", "Norway", "Europe", "Norway", "norwaywest"),
    region("polandcentral", "Poland Central", "Poland", "Europe", "Warsaw", ""),
    region("spaincentral", "Spain Central", "Spain", "Europe", "Madrid", ""),
    region("switzerlandnorth", "Switzerland North", "Switzerland", "Europe", "Zurich", "switzerlandwest"),
    region("mexicocentral", "Mexico Central", "Mexico", "Mexico", "Querétaro State", ""),
    region("uaenorth", "UAE North", "UAE", "Middle East", "Dubai", "uaecentral"),
    region("brazilsouth", "Brazil South", "Brazil", "South America", "Sao Paulo State", "southcentralus"),
    region("chilecentral", "Chile Central", "Chile", "South America", "Santiago", ""),
    region("israelcentral", "Israel Central", "Israel", "Middle East", "Israel", ""),
    region("qatarcentral", "Qatar Central", "Qatar", "Middle East", "Doha", ""),
    region("eastus2", "East US 2", "United States", "US", "Virginia", "centralus"),
    region("northcentralus", "North Central US", "United States", "US", "Illinois", "southcentralus"),
    region("westus", "West US", "United States", "US", "California", "eastus"),
    region("westcentralus", "West Central US", "United States", "US", "Wyoming", "westus2"),
    region("southafricawest", "South Africa West", "South Africa", "Africa", "Cape Town", "southafricanorth"),
    region("australiacentral", "Australia Central", "Australia", "Asia Pacific", "Canberra", "australiacentral2"),
    region("australiacentral2", "Australia Central 2", "Australia", "Asia Pacific", "Canberra", "australiacentral"),
    region("australiasoutheast", "Australia Southeast", "Australia", "Asia Pacific", "Victoria", "australiaeast"),
    region("koreasouth", "Korea South", "Korea", "Asia Pacific", "Busan", "koreacentral"),
    region("southindia", "South India", "India", "Asia Pacific", "Chennai", "centralindia"),
    region("westindia", "West India", "India", "Asia Pacific", "Mumbai", "southindia"),
    region("canadaeast", "Canada East", "Canada", "Canada", "Quebec", "canadacentral"),
    region("francesouth", "France South", "France", "Europe", "Marseille", "francecentral"),
    region("germanynorth", "Germany North", "Germany", "Europe", "Berlin", "germanywestcentral"),
    region("norwaywest", "Norway West", "Norway", "Europe", "Norway", "norwayeast"),
    region("swedensouth", "Sweden South", "Sweden", "Europe", "Malmö", "swedencentral"),
    region("switzerlandwest", "Switzerland West", "Switzerland", "Europe", "Geneva", "switzerlandnorth"),
    region("ukwest", "UK West", "United Kingdom", "Europe", "Cardiff", "uksouth"),
    region("uaecentral", "UAE Central", "UAE", "Middle East", "Abu Dhabi", "uaenorth"),
    region("brazilsoutheast", "Brazil Southeast", "Brazil", "South America", "Rio", "brazilsouth"),
];

/// The place a client's `location` means, whatever its case and spaces; `None` if there is none.
pub fn find(location: &str) -> Option<Place> {
    let name = normal_location(location);
    if name == "global" {
        return Some(Place::Global);
    }
    REGIONS.iter().find(|region| region.name == name).map(Place::Region)
}

/// The names of all regions, as refusals list them.
pub fn names() -> String {
    REGIONS.iter().map(|region| region.name).collect::<Vec<_>>().join(",")
}

/// The refusal for a location that a resource type is not offered in.
pub fn not_available(location: &str, resource_type: &str) -> ArmError {
    ArmError::bad_request(
        "LocationNotAvailableForResourceType",
        format!(
            "The provided location '{location}' is not available for resource type '{resource_type}'. \
             List of available regions for the resource type is '{}'.",
            names()
        ),
    )
}

/// `GET /subscriptions/S/locations`.
pub fn list(subscription: &ResourceId) -> Value {
    let location = |region: &Region| {
        let id = |name: &str| format!("{subscription}/locations/{name}");
        let pairs: Vec<Value> = (!region.pair.is_empty())
            .then(|| json!({"name": region.pair, "id": id(region.pair)}))
            .into_iter()
            .collect();
        json!({
            "id": id(region.name),
            "name": region.name,
            "type": "Region",
            "displayName": region.display_name,
            "regionalDisplayName": format!("({}) {}", region.group, region.display_name),
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Recommended",
                "geography": region.geography,
                "geographyGroup": region.group,
                "physicalLocation": region.place,
                "pairedRegion": pairs,
            },
        })
    };
    json!({"value": REGIONS.iter().map(location).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_found_by_either_name() {
        assert_eq!(find("West Europe"), find("westeurope"));
        assert!(matches!(find("japaneast"), Some(Place::Region(region)) if region.display_name == "Japan East"));
        assert_eq!(find("Global"), Some(Place::Global));
        assert_eq!(find("atlantis"), None);
    }

    #[test]
    fn names_are_the_normal_form_and_pairs_exist() {
        for region in REGIONS {
            assert_eq!(normal_location(region.display_name), region.name);
            assert!(region.pair.is_empty() || find(region.pair).is_some(), "{}", region.name);
        }
    }
}
