//! What a description of Azure leaves open: found, said, and filled in where Azure's own rules leave
//! one possibility only.

mod declared;
mod endpoint;
mod gaps;

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{Estate, Json, Kind, ResourceId, aks};
use serde_json::{Value, json};

use crate::{SourceFinding, draft::Draft};

/// Fills in what follows from the rest of `estate` and says what is missing.
/// `declared` are those that Azure has not made yet.
pub(crate) fn complete(estate: &mut Estate, declared: &BTreeSet<ResourceId>, findings: &mut Vec<SourceFinding>) {
    endpoint::pools(estate);
    declared::complete(estate, declared, findings);
    endpoint::endpoints(estate, findings);
    gaps::find(estate, findings);
}

/// No document of Azure has the address of a public API server; each gets a placeholder of its own.
pub(crate) fn public_addresses(draft: &mut Draft) {
    let Some((network, size)) = aks::PUBLIC_API_SERVERS.split_once('/') else { return };
    let (Ok(network), Ok(size)) = (network.parse::<Ipv4Addr>(), size.parse::<u32>()) else { return };
    let last = 1_u32.checked_shl(32 - size).unwrap_or(u32::MAX).saturating_sub(2);
    let mut given = 0_u32;
    for (id, entry) in &mut draft.entries {
        let private = || {
            let properties = entry.document.get("properties").unwrap_or(&Value::Null);
            Json::new(properties).at("apiServerAccessProfile.enablePrivateCluster").flag().unwrap_or(false)
        };
        if Kind::of(id) == Kind::ManagedCluster && !private() && given < last {
            given += 1;
            entry.hidden.insert("publicAddress".to_owned(), json!(Ipv4Addr::from(u32::from(network) + given)));
        }
    }
    if given > 0 {
        let message = format!(
            "no description of Azure has the address of a public API server: the {given} public clusters have placeholders from {}",
            aks::PUBLIC_API_SERVERS
        );
        draft.find(SourceFinding::note("PublicAddressPlaceholder", message));
    }
}
