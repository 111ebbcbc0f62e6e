//! What a machine says of itself: its power state and what stands in it.

use azure::{Json, Resource};
use serde_json::{Value, json};

/// The power states a machine of the lab can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    Running,
    /// Off, its host kept.
    Stopped,
    /// Off, its host given back.
    Deallocated,
}

impl Power {
    /// The last part of the status code `PowerState/…`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Deallocated => "deallocated",
        }
    }

    fn of(hidden: Json<'_>) -> Self {
        match hidden.get("powerState").text() {
            Some("stopped") => Self::Stopped,
            Some("deallocated") => Self::Deallocated,
            _ => Self::Running,
        }
    }
}

/// `properties.instanceView`.
pub(super) fn of(machine: &Resource) -> Value {
    let (document, hidden) = (machine.document().value(), machine.hidden().value());
    let (document, hidden) = (Json::new(&document), Json::new(&hidden));
    let power = Power::of(hidden);
    let time = hidden.get("changedAt").text().or_else(|| document.at("properties.timeCreated").text());
    let status =
        |code: String, shown: String| json!({"code": code, "level": "Info", "displayStatus": shown, "time": time});
    let provisioned = status("ProvisioningState/succeeded".into(), "Provisioning succeeded".into());
    let mut powered = status(format!("PowerState/{}", power.code()), format!("VM {}", power.code()));
    if let Value::Object(powered) = &mut powered {
        powered.remove("time");
    }
    let mut view = json!({
        "hyperVGeneration": hidden.get("hyperVGeneration").text().unwrap_or("V2"),
        "disks": document.at("properties.storageProfile.osDisk.name").text().map(|name| {
            json!([{"name": name, "statuses": [provisioned]}])
        }),
        "statuses": [provisioned, powered],
    });
    if power == Power::Running {
        view["computerName"] = json!(document.at("properties.osProfile.computerName").text());
        view["vmAgent"] = json!({
            "vmAgentVersion": "2.0.0.0",
            "statuses": [{
                "code": "ProvisioningState/succeeded",
                "level": "Info",
                "displayStatus": "Ready",
                "message": "Guest Agent is running",
                "time": time,
            }],
            "extensionHandlers": [],
        });
    }
    if let Value::Object(view) = &mut view {
        view.retain(|_, value| !value.is_null());
    }
    view
}
