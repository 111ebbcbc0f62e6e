//! Managed disks: the one that comes with a machine, and those that users make.

use azure::{ArmError, Change, Estate, Json, Resource, ResourceId};
use serde_json::{Value, json};

use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// Gigabytes of a disk whose size nobody gave.
pub(super) const DEFAULT_SIZE_GB: u32 = 30;

/// The provider of managed disks.
pub struct Disks;

impl Provider for Disks {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let before = existing.map(|resource| resource.document().value());
        for name in ["timeCreated", "uniqueId"] {
            let kept = before.as_ref().map(|before| before["properties"][name].clone()).filter(|kept| !kept.is_null());
            let value = match kept {
                Some(kept) => kept,
                None if name == "timeCreated" => json!(request.now.to_string()),
                None => json!(request.entropy.guid()),
            };
            draft.set(name, value);
        }
        let owner = before.as_ref().and_then(|before| before.get("managedBy")).cloned();
        draft.set("diskState", json!(if owner.is_some() { "Attached" } else { "Unattached" }));
        if let (Some(owner), Value::Object(document)) = (owner, &mut draft.document) {
            document.insert("managedBy".into(), owner);
        }
        draft.default("creationData", json!({"createOption": "Empty"}));
        draft.default("diskSizeGB", json!(DEFAULT_SIZE_GB));
        draft.default("publicNetworkAccess", json!("Enabled"));
        draft.default("networkAccessPolicy", json!("AllowAll"));
        if draft.document["sku"].is_null() {
            draft.document["sku"] = json!({"name": "Standard_LRS"});
        }
        Ok(draft.finish(request, existing).taking(3))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let document = existing.document().value();
        if let Some(owner) = Json::new(&document).get("managedBy").id().filter(|owner| request.estate.contains(owner)) {
            return Err(ArmError::conflict(
                "OperationNotAllowed",
                format!("Disk {} is attached to VM {owner}.", existing.id().name()),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(3))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The disk a machine boots from, as the machine's `storageProfile.osDisk` describes it.
pub(super) fn operating_system_disk(
    request: &mut Request<'_>,
    id: &ResourceId,
    machine: &ResourceId,
    (os_disk, image): (Json<'_>, Json<'_>),
    location: &Value,
) -> Resource {
    let before = request.estate.get(id).map(|disk| disk.document().value());
    let kept = |name: &str| before.as_ref().map(|before| before["properties"][name].clone());
    let document = json!({
        "id": id,
        "name": id.name(),
        "type": azure::Kind::Disk.arm_type(),
        "location": location,
        "managedBy": machine,
        "sku": {
            "name": os_disk.at("managedDisk.storageAccountType").text().unwrap_or("Premium_LRS"),
            "tier": "Premium",
        },
        "properties": {
            "osType": os_disk.get("osType").text(),
            "creationData": {"createOption": "FromImage", "imageReference": image.value()},
            "diskSizeGB": os_disk.get("diskSizeGB").number().unwrap_or(DEFAULT_SIZE_GB),
            "timeCreated": kept("timeCreated").unwrap_or_else(|| json!(request.now.to_string())),
            "uniqueId": kept("uniqueId").unwrap_or_else(|| json!(request.entropy.guid())),
            "provisioningState": "Succeeded",
            "diskState": "Attached",
            "publicNetworkAccess": "Enabled",
            "networkAccessPolicy": "AllowAll",
        },
    });
    Resource::new(id.clone(), &document)
}

/// The disk with an owner, or without.
pub(super) fn owned_by(estate: &Estate, disk: &ResourceId, machine: Option<&ResourceId>) -> Option<Change> {
    let resource = estate.get(disk)?;
    let mut document = resource.document().value();
    let state = if machine.is_some() { "Attached" } else { "Unattached" };
    document["properties"]["diskState"] = json!(state);
    match (machine, &mut document) {
        (Some(machine), document) => document["managedBy"] = json!(machine),
        (None, Value::Object(document)) => {
            document.remove("managedBy");
        }
        _ => {}
    }
    Some(Change::put(Resource::with_hidden(disk.clone(), &document, &resource.hidden().value())))
}
