//! A machine's disks: made from an image, taken, or given back.

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId};
use serde_json::{Map, Value, json};

use super::{disks, fixed, images, invalid_parameter, virtual_machines::is_windows};
use crate::{
    provider::{Draft, Request},
    stage::Stage,
};

/// The image, the disk it is copied to and the data disks: made, taken or given back.
pub(super) fn realise(
    draft: &mut Draft,
    request: &mut Request<'_>,
    stage: &mut Stage,
    id: &ResourceId,
    before: &Value,
) -> Result<(), ArmError> {
    let windows = is_windows(Json::new(&draft.document).get("properties"));
    let location = draft.document["location"].clone();
    draft.default("storageProfile", json!({}));
    let mut profile = draft.properties()["storageProfile"].take();
    let Value::Object(profile) = &mut profile else {
        return Err(invalid_parameter("storageProfile", "The value of parameter storageProfile is invalid."));
    };
    let image = profile.get("imageReference").cloned().unwrap_or_default();
    if image.is_object() {
        let held = &before["properties"]["storageProfile"]["imageReference"];
        let same = |name: &str| Json::new(held).get(name).value() == Json::new(&image).get(name).value();
        if !held.is_null() && !["id", "publisher", "offer", "sku"].into_iter().all(same) {
            return Err(fixed("imageReference"));
        }
        let version = match held["exactVersion"].as_str() {
            Some(version) => Some(version.to_owned()),
            None => images::exact_version(Json::new(&image))?,
        };
        if let Some(version) = version {
            profile["imageReference"]["exactVersion"] = json!(version);
        }
    }
    let mut os_disk = profile.get("osDisk").and_then(Value::as_object).cloned().unwrap_or_default();
    let attach =
        os_disk.get("createOption").and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("attach"));
    if !attach && !image.is_object() {
        return Err(invalid_parameter("imageReference", "Required parameter 'imageReference' is missing (null)."));
    }
    complete(&mut os_disk, || format!("{}_OsDisk_1_{}", id.name(), request.entropy.hex(32)));
    os_disk.entry("osType").or_insert_with(|| json!(if windows { "Windows" } else { "Linux" }));
    os_disk.entry("caching").or_insert(json!("ReadWrite"));
    let boot = place(&mut os_disk, id, attach)?;
    let mut held = vec![boot.clone()];
    let os_disk = Value::Object(os_disk);
    if attach {
        take(stage, &boot, id)?;
    } else {
        let described = (Json::new(&os_disk), Json::new(&image));
        let disk = disks::operating_system_disk(request, &boot, id, described, &location);
        check_owner(stage.estate(), &boot, id)?;
        stage.put(disk);
    }
    profile.insert("osDisk".into(), os_disk);
    let mut data_disks = profile.get("dataDisks").and_then(Value::as_array).cloned().unwrap_or_default();
    for (index, disk) in data_disks.iter_mut().enumerate() {
        let Value::Object(disk) = disk else { continue };
        let attach =
            disk.get("createOption").and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("attach"));
        if !attach {
            complete(disk, || format!("{}_disk{}_{}", id.name(), index + 2, request.entropy.hex(32)));
        }
        disk.entry("caching").or_insert(json!("None"));
        disk.entry("toBeDetached").or_insert(json!(false));
        let place = place(disk, id, attach)?;
        if attach || stage.estate().contains(&place) {
            take(stage, &place, id)?;
        } else {
            stage.put(empty_disk(request, &place, id, disk, &location));
        }
        disk.entry("name").or_insert_with(|| json!(place.name()));
        held.push(place);
    }
    profile.insert("dataDisks".into(), Value::Array(data_disks));
    profile.entry("diskControllerType").or_insert(json!("SCSI"));
    for (disk, _) in held_disks(before) {
        if !held.contains(&disk)
            && let Some(freed) = disks::owned_by(stage.estate(), &disk, None)
        {
            stage.change(freed);
        }
    }
    draft.properties()["storageProfile"] = Value::Object(profile.clone());
    Ok(())
}

/// A disk that comes into being with the machine has a name, a size and an end.
fn complete(disk: &mut Map<String, Value>, name: impl FnOnce() -> String) {
    if disk.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        disk.insert("name".into(), json!(name()));
    }
    disk.entry("createOption").or_insert(json!("FromImage"));
    disk.entry("diskSizeGB").or_insert(json!(disks::DEFAULT_SIZE_GB));
    disk.entry("deleteOption").or_insert(json!("Detach"));
}

/// The id of a disk; one without an id lies beside the machine.
fn place(disk: &mut Map<String, Value>, machine: &ResourceId, attach: bool) -> Result<ResourceId, ArmError> {
    let value = Value::Object(disk.clone());
    let reader = Json::new(&value);
    let given = reader.at("managedDisk.id").parsed::<ResourceId>();
    let id = match given {
        Some(id) => id,
        None if attach => {
            return Err(invalid_parameter("managedDisk.id", "Required parameter 'managedDisk.id' is missing (null)."));
        }
        None => {
            let group = machine.group_id().unwrap_or_else(|| machine.clone());
            group.resource(Kind::Disk.arm_type(), reader.get("name").text().unwrap_or(machine.name()))
        }
    };
    disk.remove("vhd");
    let held = disk.entry("managedDisk").or_insert_with(|| json!({}));
    if !held.is_object() {
        *held = json!({});
    }
    held["id"] = json!(id);
    if held["storageAccountType"].is_null() {
        held["storageAccountType"] = json!("Premium_LRS");
    }
    Ok(id)
}

fn empty_disk(
    request: &mut Request<'_>,
    id: &ResourceId,
    machine: &ResourceId,
    disk: &Map<String, Value>,
    location: &Value,
) -> Resource {
    let document = json!({
        "id": id,
        "name": id.name(),
        "type": Kind::Disk.arm_type(),
        "location": location,
        "managedBy": machine,
        "sku": {"name": disk["managedDisk"]["storageAccountType"]},
        "properties": {
            "creationData": {"createOption": "Empty"},
            "diskSizeGB": disk["diskSizeGB"],
            "timeCreated": request.now.to_string(),
            "uniqueId": request.entropy.guid(),
            "provisioningState": "Succeeded",
            "diskState": "Attached",
        },
    });
    Resource::new(id.clone(), &document)
}

/// Attaches a disk that is there.
fn take(stage: &mut Stage, disk: &ResourceId, machine: &ResourceId) -> Result<(), ArmError> {
    check_owner(stage.estate(), disk, machine)?;
    let taken = disks::owned_by(stage.estate(), disk, Some(machine))
        .ok_or_else(|| ArmError::not_found("NotFound", format!("Disk {} is not found.", disk.name())))?;
    stage.change(taken);
    Ok(())
}

fn check_owner(estate: &Estate, disk: &ResourceId, machine: &ResourceId) -> Result<(), ArmError> {
    let document = estate.get(disk).map(|disk| disk.document().value()).unwrap_or_default();
    match Json::new(&document).get("managedBy").id() {
        Some(owner) if owner != *machine && estate.contains(&owner) => Err(ArmError::conflict(
            "ConflictingUserInput",
            format!("Disk '{disk}' cannot be attached as the disk is already owned by VM '{owner}'."),
        )),
        _ => Ok(()),
    }
}

/// The disks of a machine's document, and whether each is deleted with the machine.
pub(super) fn held_disks(document: &Value) -> Vec<(ResourceId, bool)> {
    let profile = Json::new(document).at("properties.storageProfile");
    let disks = std::iter::once(profile.get("osDisk")).chain(profile.get("dataDisks").items());
    disks.filter_map(|disk| Some((disk.at("managedDisk.id").parsed()?, goes_along(disk.get("deleteOption"))))).collect()
}

/// Whether a `deleteOption` says that something goes with the machine.
pub(super) fn goes_along(option: Json<'_>) -> bool {
    option.text().is_some_and(|option| option.eq_ignore_ascii_case("delete"))
}
