//! How clients may reach an API server: the modes of `apiServerAccessProfile`, as one type that
//! cannot hold the combinations Azure refuses, and the changes between modes that it allows.

use azure::{ArmError, Json, ResourceId, aks, model::PrivateDnsZoneMode, parse_prefix};
use serde_json::{Map, Value, json};

use super::refusal;

/// The private DNS zone of a private cluster, together with whether the public FQDN exists:
/// without a zone it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// On the Internet.
    Public,
    /// Behind a private endpoint, with a zone that AKS makes.
    SystemZone {
        /// `enablePrivateClusterPublicFQDN`.
        public_fqdn: bool,
    },
    /// Behind a private endpoint, in the user's zone.
    OwnZone {
        /// The zone.
        zone: ResourceId,
        /// `enablePrivateClusterPublicFQDN`.
        public_fqdn: bool,
    },
    /// Behind a private endpoint, by the public FQDN alone.
    NoZone,
}

impl Access {
    /// Reads the access profile out of a cluster's `properties`.
    ///
    /// # Errors
    /// Azure's refusals of combinations that make no sense, whatever else exists.
    pub(super) fn read(properties: &Map<String, Value>) -> Result<Self, ArmError> {
        let null = Value::Null;
        let profile = Json::new(properties.get("apiServerAccessProfile").unwrap_or(&null));
        let zone = profile.get("privateDNSZone").text();
        let ranges = profile.get("authorizedIPRanges");
        if profile.get("enableVnetIntegration").flag() == Some(true) {
            return Err(refusal::invalid_parameter(
                "apiServerAccessProfile.enableVnetIntegration",
                "API server VNet Integration is not available here.",
            ));
        }
        if profile.get("enablePrivateCluster").flag() != Some(true) {
            if zone.is_some() {
                return Err(refusal::invalid_parameter(
                    "apiServerAccessProfile.privateDNSZone",
                    "Invalid private dns zone for public cluster. It should always be empty for public cluster.",
                ));
            }
            return Ok(Self::Public);
        }
        if ranges.items().next().is_some() {
            return Err(ArmError::bad_request(
                "InvalidParameter",
                "Private cluster cannot be enabled with AuthorizedIPRanges.",
            )
            .with_target("apiServerAccessProfile.authorizedIPRanges"));
        }
        let public_fqdn = profile.get("enablePrivateClusterPublicFQDN").flag().unwrap_or(true);
        match zone {
            None => Ok(Self::SystemZone { public_fqdn }),
            Some(mode) if mode.eq_ignore_ascii_case("system") => Ok(Self::SystemZone { public_fqdn }),
            Some(mode) if mode.eq_ignore_ascii_case("none") && public_fqdn => Ok(Self::NoZone),
            Some(mode) if mode.eq_ignore_ascii_case("none") => Err(refusal::none_without_public_fqdn()),
            Some(id) => Ok(Self::OwnZone { zone: zone_id(id)?, public_fqdn }),
        }
    }

    /// Whether the API server stands behind a private endpoint.
    pub(super) fn is_private(&self) -> bool {
        *self != Self::Public
    }

    /// Whether the cluster has an `fqdn`.
    pub(super) fn has_fqdn(&self) -> bool {
        match self {
            Self::Public | Self::NoZone => true,
            Self::SystemZone { public_fqdn } | Self::OwnZone { public_fqdn, .. } => *public_fqdn,
        }
    }

    /// `privateDNSZone`, as a client reads it.
    fn zone_mode(&self) -> PrivateDnsZoneMode {
        match self {
            Self::OwnZone { zone, .. } => PrivateDnsZoneMode::Own(zone.clone()),
            Self::SystemZone { .. } => PrivateDnsZoneMode::System,
            Self::NoZone | Self::Public => PrivateDnsZoneMode::None,
        }
    }

    fn zone_text(&self) -> String {
        match self.zone_mode() {
            PrivateDnsZoneMode::Own(zone) => zone.to_string(),
            PrivateDnsZoneMode::System => "system".to_owned(),
            PrivateDnsZoneMode::None => "none".to_owned(),
        }
    }

    /// Refuses a change of mode that Azure does not support. Only to `none` may a private cluster's
    /// zone change (documentation "Create a private AKS cluster").
    pub(super) fn check_change(&self, to: &Self) -> Result<(), ArmError> {
        if self.is_private() != to.is_private() {
            return Err(refusal::private_cluster_change());
        }
        if self.zone_mode() == to.zone_mode() || *to == Self::NoZone {
            return Ok(());
        }
        Err(refusal::zone_change(&self.zone_text(), &to.zone_text()))
    }

    /// Writes the access profile as AKS returns it.
    ///
    /// # Errors
    /// `InvalidParameter` for an authorized range that is none.
    pub(super) fn write(&self, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
        let given = properties.remove("apiServerAccessProfile").and_then(|profile| match profile {
            Value::Object(profile) => Some(profile),
            _ => None,
        });
        let mut profile = given.unwrap_or_default();
        profile.retain(|_, value| !value.is_null() && value != "");
        let ranges = authorized_ranges(profile.remove("authorizedIPRanges").as_ref())?;
        if !ranges.is_empty() {
            profile.insert("authorizedIPRanges".to_owned(), json!(ranges));
        }
        if self.is_private() {
            profile.insert("enablePrivateCluster".to_owned(), json!(true));
            profile.insert("privateDNSZone".to_owned(), json!(self.zone_text()));
            profile.insert("enablePrivateClusterPublicFQDN".to_owned(), json!(self.has_fqdn()));
            profile.insert("privateClusterVersion".to_owned(), json!("v1"));
        }
        if !profile.is_empty() {
            properties.insert("apiServerAccessProfile".to_owned(), Value::Object(profile));
        }
        if self.is_private() {
            properties.insert("privateLinkResources".to_owned(), json!([private_link_resource()]));
        }
        Ok(())
    }
}

/// The one private link resource of a private cluster, as the cluster's document shows it.
pub(super) fn private_link_resource() -> Value {
    json!({
        "name": aks::PRIVATE_LINK_GROUP,
        "type": "Microsoft.ContainerService/managedClusters/privateLinkResources",
        "groupId": aks::PRIVATE_LINK_GROUP,
        "requiredMembers": [aks::PRIVATE_LINK_GROUP],
    })
}

fn zone_id(given: &str) -> Result<ResourceId, ArmError> {
    let id = ResourceId::parse(given).map_err(|_| {
        refusal::zone_id(given, "it must be 'system', 'none' or the resource ID of a private DNS zone.")
    })?;
    if azure::Kind::of(&id) == azure::Kind::PrivateDnsZone {
        return Ok(id);
    }
    Err(refusal::zone_id(given, "it is not the resource ID of a private DNS zone."))
}

/// Authorized ranges as AKS stores them: a bare address becomes a /32.
fn authorized_ranges(given: Option<&Value>) -> Result<Vec<String>, ArmError> {
    const PARAMETER: &str = "apiServerAccessProfile.authorizedIPRanges";
    /// As the documentation limits them.
    const RANGES_MAX: usize = 200;
    let ranges = given
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|range| {
            let prefix = range.as_str().and_then(|text| parse_prefix(text.trim()));
            prefix.map(|prefix| prefix.to_string()).ok_or_else(|| {
                refusal::invalid_parameter(PARAMETER, &format!("{range} is not an IPv4 address or CIDR."))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if ranges.len() > RANGES_MAX {
        return Err(refusal::invalid_parameter(PARAMETER, "at most 200 ranges are allowed."));
    }
    if ranges.len() > 1 && ranges.iter().any(|range| range == "0.0.0.0/32") {
        return Err(ArmError::bad_request(
            "InvalidParameter",
            "Setting apiServerAuthorizedIPRange to 0.0.0.0/32 is not allowed with other IP ranges. \
             Refer to https://aka.ms/aks/auth-ip-ranges for more details",
        )
        .with_target(PARAMETER));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(profile: Value) -> Result<Access, ArmError> {
        Access::read(&Map::from_iter([("apiServerAccessProfile".to_owned(), profile)]))
    }

    fn code(profile: Value) -> String {
        read(profile).unwrap_err().code.into_owned()
    }

    const ZONE: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/z.example";

    #[test]
    fn every_mode_has_its_own_shape() {
        let private = |zone: &str| json!({"enablePrivateCluster": true, "privateDNSZone": zone});
        assert_eq!(read(json!({})), Ok(Access::Public));
        assert_eq!(read(json!({"enablePrivateCluster": true})), Ok(Access::SystemZone { public_fqdn: true }));
        assert_eq!(read(private("System")), Ok(Access::SystemZone { public_fqdn: true }));
        assert_eq!(read(private("None")), Ok(Access::NoZone));
        assert_eq!(read(private(ZONE)), Ok(Access::OwnZone { zone: ZONE.parse().unwrap(), public_fqdn: true }));
        let off = json!({"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": false});
        assert_eq!(read(off), Ok(Access::SystemZone { public_fqdn: false }));
    }

    #[test]
    fn senseless_profiles_are_refused() {
        let off = json!({
            "enablePrivateCluster": true,
            "privateDNSZone": "none",
            "enablePrivateClusterPublicFQDN": false,
        });
        assert_eq!(code(off), "NonePrivateDNSZonePublicFQDNDisabledError");
        let ranges = read(json!({"enablePrivateCluster": true, "authorizedIPRanges": ["1.2.3.4"]})).unwrap_err();
        assert_eq!(ranges.message, "Private cluster cannot be enabled with AuthorizedIPRanges.");
        assert_eq!(code(json!({"privateDNSZone": "system"})), "InvalidParameter");
        assert_eq!(
            code(json!({"enablePrivateCluster": true, "privateDNSZone": "x"})),
            "InvalidPrivateDNSZoneResourceID"
        );
        let vnet = ZONE.replace("privateDnsZones", "virtualNetworks");
        assert_eq!(
            code(json!({"enablePrivateCluster": true, "privateDNSZone": vnet})),
            "InvalidPrivateDNSZoneResourceID"
        );
        assert_eq!(code(json!({"enableVnetIntegration": true})), "InvalidParameter");
        // What az and Terraform always send along is no wish.
        assert!(read(json!({"enablePrivateCluster": true, "authorizedIPRanges": []})).is_ok());
        assert!(read(json!({"enablePrivateCluster": false, "enablePrivateClusterPublicFQDN": false})).is_ok());
    }

    #[test]
    fn a_zone_can_only_be_given_up() {
        let own = Access::OwnZone { zone: ZONE.parse().unwrap(), public_fqdn: true };
        let system = Access::SystemZone { public_fqdn: true };
        for allowed in [
            (&system, &Access::SystemZone { public_fqdn: false }),
            (&system, &Access::NoZone),
            (&own, &Access::NoZone),
            (&own, &Access::OwnZone { zone: ZONE.to_uppercase().parse().unwrap(), public_fqdn: false }),
        ] {
            assert!(allowed.0.check_change(allowed.1).is_ok(), "{allowed:?}");
        }
        for refused in [(&system, &own), (&own, &system), (&Access::NoZone, &system)] {
            assert_eq!(refused.0.check_change(refused.1).unwrap_err().code, "InvalidPrivateDNSZoneMode");
        }
        assert_eq!(Access::Public.check_change(&system).unwrap_err().code, "PropertyChangeNotAllowed");
        assert_eq!(system.check_change(&Access::Public).unwrap_err().code, "PropertyChangeNotAllowed");
    }

    #[test]
    fn authorized_ranges_are_prefixes() {
        let ranges = |given: Value| authorized_ranges(Some(&given));
        assert_eq!(ranges(json!(["1.2.3.4", "10.0.0.0/8"])).unwrap(), ["1.2.3.4/32", "10.0.0.0/8"]);
        assert!(ranges(json!(["0.0.0.0/32"])).is_ok());
        assert!(ranges(json!(["0.0.0.0/32", "1.2.3.4"])).is_err());
        assert!(ranges(json!(["AzureCloud"])).is_err());
        assert!(ranges(json!([1])).is_err());
    }
}
