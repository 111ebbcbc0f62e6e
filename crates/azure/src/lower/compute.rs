//! Virtual machines.

use crate::{Json, ResourceId, model::VirtualMachine};

/// The last part of the status code `PowerState/…` of a machine that runs.
const RUNNING: &str = "running";

/// A machine from its properties; `hidden.powerState` is the last part of its power state's code
/// (`running`, `stopped`, `deallocated`), and a machine nobody stopped runs.
pub(super) fn virtual_machine(properties: Json<'_>, hidden: Json<'_>) -> VirtualMachine {
    let mut interfaces: Vec<(bool, ResourceId)> = properties
        .at("networkProfile.networkInterfaces")
        .items()
        .filter_map(|interface| Some((interface.at("properties.primary").flag().unwrap_or(false), interface.id()?)))
        .collect();
    interfaces.sort_by_key(|(primary, _)| !primary);
    VirtualMachine {
        network_interfaces: interfaces.into_iter().map(|(_, id)| id).collect(),
        running: hidden.get("powerState").text().is_none_or(|state| state.eq_ignore_ascii_case(RUNNING)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_primary_interface_comes_first_and_a_stopped_machine_does_not_run() {
        let id = |name: &str| ResourceId::group("s", "rg").resource("Microsoft.Network/networkInterfaces", name);
        let properties = json!({"networkProfile": {"networkInterfaces": [
            {"id": id("a"), "properties": {"primary": false}},
            {"id": id("b"), "properties": {"primary": true}},
        ]}});
        let lowered = |hidden| virtual_machine(Json::new(&properties), Json::new(&hidden));
        assert_eq!(lowered(json!({})).network_interfaces, [id("b"), id("a")]);
        assert!(lowered(json!({})).running && !lowered(json!({"powerState": "deallocated"})).running);
    }
}
