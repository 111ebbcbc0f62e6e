//! Virtual machines: what they hold (interfaces, disks), and whether they are on.

use std::collections::BTreeSet;

use azure::{ArmError, Change, Estate, Json, Resource, ResourceId};
use serde_json::{Value, json};

use super::{
    disks, fixed, images,
    instance_view::{self, Power},
    invalid_parameter, sizes,
    storage::{self, goes_along, held_disks},
};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, unknown_action},
    providers::network::{invalid_reference, network_interfaces},
    stage::Stage,
};

/// Seconds Azure takes, for `--pace azure`.
mod seconds {
    pub(super) const CREATE: u64 = 30;
    pub(super) const UPDATE: u64 = 10;
    pub(super) const POWER: u64 = 30;
    pub(super) const DELETE: u64 = 40;
}

/// What a `PUT` may leave out of an existing machine's properties without changing it; clients also
/// leave out parts of them (`az vm update` the image).
const KEPT: &[&str] =
    &["hardwareProfile", "storageProfile", "osProfile", "networkProfile", "securityProfile", "vmId", "timeCreated"];
/// What clients write and never read.
const SECRETS: &[&str] = &["adminPassword", "customData"];

/// The provider of virtual machines.
pub struct VirtualMachines;

impl Provider for VirtualMachines {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let before = existing.map_or(Value::Null, |resource| resource.document().value());
        let mut draft = Draft::new(request, existing);
        keep(&mut draft, &before);
        draft.set(
            "vmId",
            before["properties"]["vmId"].as_str().map_or_else(|| json!(request.entropy.guid()), Value::from),
        );
        draft.default("timeCreated", json!(request.now.to_string()));
        identify(&mut draft, request, &before);
        hardware(&mut draft, &before)?;
        network(&mut draft, request.estate, &id)?;
        operating_system(&mut draft, &id, &before, existing.is_none())?;
        let mut stage = Stage::new(request.estate);
        storage::realise(&mut draft, request, &mut stage, &id, &before)?;
        if draft.hidden["powerState"].is_null() {
            draft.hidden["powerState"] = json!(Power::Running.code());
        }
        stage.put(draft.into_resource(&id));
        let (reply, takes) = match existing {
            None => (Reply::Created, seconds::CREATE),
            Some(_) => (Reply::Updated, seconds::UPDATE),
        };
        Ok(Effect::new(stage.into_changes(), reply).taking(takes))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let mut stage = Stage::new(request.estate);
        let document = existing.document().value();
        stage.delete_tree(existing.id());
        for (disk, goes) in held_disks(&document) {
            if goes {
                stage.delete_tree(&disk);
            } else if let Some(freed) = disks::owned_by(stage.estate(), &disk, None) {
                stage.change(freed);
            }
        }
        for interface in Json::new(&document).at("properties.networkProfile.networkInterfaces").items() {
            if let (Some(nic), true) = (interface.id(), goes_along(interface.at("properties.deleteOption"))) {
                delete_interface(&mut stage, &nic);
            }
        }
        Ok(Effect::new(stage.into_changes(), Reply::Done).taking(seconds::DELETE))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        match action {
            "start" | "restart" | "redeploy" | "reapply" => Ok(power(request, existing, Power::Running)),
            "poweroff" => Ok(power(request, existing, Power::Stopped)),
            "deallocate" => Ok(power(request, existing, Power::Deallocated)),
            _ => Err(unknown_action(request.id, action)),
        }
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        match view {
            "instanceview" => Ok(instance_view::of(existing)),
            "vmsizes" => Ok(sizes::list()),
            "extensions" => {
                let children = request.estate.below(existing.id());
                let extensions = children.filter(|child| {
                    child.id().resource_type().eq_ignore_ascii_case("Microsoft.Compute/virtualMachines/extensions")
                });
                Ok(json!({"value": extensions.map(|extension| extension.document().value()).collect::<Vec<_>>()}))
            }
            _ => Err(ArmError::not_found("NotFound", format!("The machine '{}' has no '{view}'.", existing.id()))),
        }
    }

    fn show(&self, request: &mut Request<'_>, resource: &Resource) -> Value {
        let mut document = self.render(request.estate, resource);
        let expanded = request.query("$expand").unwrap_or_default();
        if expanded.split(',').any(|part| part.trim().eq_ignore_ascii_case("instanceView")) {
            document["properties"]["instanceView"] = instance_view::of(resource);
        }
        document
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// Brings in what the body leaves out, and drops what is only ever derived.
fn keep(draft: &mut Draft, before: &Value) {
    for derived in ["instanceView", "resources"] {
        draft.properties().remove(derived);
    }
    for name in KEPT {
        let held = &before["properties"][name];
        if !held.is_null() {
            fill(draft.properties().entry(*name).or_insert(Value::Null), held);
        }
    }
    let held = &before["properties"]["storageProfile"]["osDisk"];
    if !held.is_null() {
        fill(&mut draft.properties()["storageProfile"]["osDisk"], held);
    }
    for name in ["zones", "plan", "identity"] {
        if !before[name].is_null() && draft.document[name].is_null() {
            draft.document[name] = before[name].clone();
        }
    }
    if let Value::Object(document) = &mut draft.document {
        document.remove("resources");
        document.retain(|_, value| !value.is_null());
    }
}

/// Puts in what `given` does not say and `held` does.
fn fill(given: &mut Value, held: &Value) {
    match (given, held) {
        (Value::Object(given), Value::Object(held)) => {
            for (name, value) in held {
                let entry = given.entry(name.clone()).or_insert(Value::Null);
                if entry.is_null() {
                    *entry = value.clone();
                }
            }
        }
        (given, held) if given.is_null() => *given = held.clone(),
        _ => {}
    }
}

/// Gives the machine's identities their ids.
fn identify(draft: &mut Draft, request: &mut Request<'_>, before: &Value) {
    let Some(identity) = draft.document.get_mut("identity").filter(|identity| identity.is_object()) else { return };
    let wanted = identity["type"].as_str().unwrap_or_default().to_ascii_lowercase();
    if wanted.contains("systemassigned") {
        let kept = before["identity"]["principalId"].as_str().map(str::to_owned);
        identity["principalId"] = json!(kept.unwrap_or_else(|| request.entropy.guid()));
        identity["tenantId"] = json!(request.lab.tenant);
    }
    for (id, value) in identity["userAssignedIdentities"].as_object_mut().into_iter().flatten() {
        let found = ResourceId::parse(id).ok().and_then(|id| request.estate.user_assigned_identity(&id));
        if let Some(found) = found {
            *value = json!({"principalId": found.principal_id, "clientId": found.client_id});
        }
    }
}

/// The machine's size, one that there is.
fn hardware(draft: &mut Draft, before: &Value) -> Result<(), ArmError> {
    draft.default("hardwareProfile", json!({}));
    let profile = &mut draft.properties()["hardwareProfile"];
    let size = profile["vmSize"].as_str().unwrap_or_default();
    if size.is_empty() {
        profile["vmSize"] = json!(sizes::DEFAULT);
        return Ok(());
    }
    if before["properties"]["hardwareProfile"]["vmSize"] == size || sizes::find(size).is_some() {
        return Ok(());
    }
    let message = format!(
        "The value {size} provided for the VM size is not valid. The valid sizes in the current region are: {}.\r\n\
         Find out more on the available VM sizes in each region at https://aka.ms/azure-regions.",
        sizes::offered()
    );
    Err(invalid_parameter("vmSize", message))
}

/// The interfaces exist, are in one network, are nobody else's, and one of them is the primary one.
fn network(draft: &mut Draft, estate: &Estate, id: &ResourceId) -> Result<(), ArmError> {
    let properties = Value::Object(draft.properties().clone());
    let profile = Json::new(&properties).get("networkProfile");
    if profile.get("networkInterfaceConfigurations").items().next().is_some() {
        return Err(ArmError::bad_request(
            "NotSupported",
            format!(
                "Virtual machine {id} must name its network interfaces: networkInterfaceConfigurations are not supported by this lab."
            ),
        ));
    }
    let interfaces: Vec<Json<'_>> = profile.get("networkInterfaces").items().collect();
    if interfaces.is_empty() {
        return Err(invalid_parameter("networkProfile", "Required parameter 'networkProfile' is missing (null)."));
    }
    let primaries = interfaces.iter().filter(|one| one.at("properties.primary").flag() == Some(true)).count();
    if (interfaces.len() > 1 && primaries == 0) || primaries > 1 {
        return Err(ArmError::bad_request(
            "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary",
            format!("Virtual machine {} must have one network interface set as the primary.", id.name()),
        ));
    }
    let mut networks = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for interface in &interfaces {
        let nic = interface.id().ok_or_else(|| {
            invalid_parameter("networkInterface.id", "Required parameter 'networkInterface.id' is missing (null).")
        })?;
        let model = estate.network_interface(&nic).ok_or_else(|| invalid_reference(nic.as_str(), id.as_str()))?;
        if let Some(endpoint) = &model.private_endpoint {
            return Err(network_interfaces::in_use(&nic, endpoint));
        }
        if let Some(other) = network_interfaces::machine(estate, &nic).filter(|other| *other != id) {
            return Err(network_interfaces::in_use(&nic, other));
        }
        networks.extend(model.ip_configurations.iter().filter_map(|held| held.subnet.parent()));
        if !seen.insert(nic.clone()) {
            return Err(invalid_parameter(
                "networkProfile.networkInterfaces",
                format!("Network interface {nic} is referenced more than once."),
            ));
        }
    }
    if networks.len() > 1 {
        let names: Vec<&str> = networks.iter().map(ResourceId::as_str).collect();
        return Err(ArmError::bad_request(
            "SubnetsNotInSameVnet",
            format!("Virtual machine {id} has network interfaces in several virtual networks: {}.", names.join(", ")),
        ));
    }
    Ok(())
}

/// The administrator, without what nobody may read.
fn operating_system(draft: &mut Draft, id: &ResourceId, before: &Value, new: bool) -> Result<(), ArmError> {
    draft.properties().remove("userData");
    let windows = is_windows(Json::new(&draft.document).get("properties"));
    let Some(Value::Object(profile)) = draft.properties().get_mut("osProfile") else { return Ok(()) };
    let has_password = profile.get("adminPassword").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    for secret in SECRETS {
        profile.remove(*secret);
    }
    profile.entry("computerName").or_insert_with(|| json!(id.name()));
    profile.entry("secrets").or_insert_with(|| json!([]));
    profile.entry("allowExtensionOperations").or_insert(json!(true));
    profile.entry("requireGuestProvisionSignal").or_insert(json!(true));
    let held = &before["properties"]["osProfile"];
    for name in ["adminUsername", "computerName"] {
        let (was, is) = (held[name].as_str(), profile.get(name).and_then(Value::as_str));
        if was.is_some() && was != is {
            return Err(fixed(&format!("osProfile.{name}")));
        }
    }
    if new && profile.get("adminUsername").and_then(Value::as_str).is_none_or(str::is_empty) {
        let missing = "Required parameter 'osProfile.adminUsername' is missing (null).";
        return Err(invalid_parameter("osProfile.adminUsername", missing));
    }
    let configuration = if windows { "windowsConfiguration" } else { "linuxConfiguration" };
    let configuration = profile.entry(configuration).or_insert_with(|| json!({}));
    let Value::Object(configuration) = configuration else { return Ok(()) };
    configuration.entry("provisionVMAgent").or_insert(json!(true));
    if windows {
        if new && !has_password {
            let missing = "Required parameter 'adminPassword' is missing (null).";
            return Err(invalid_parameter("adminPassword", missing));
        }
        configuration.entry("enableAutomaticUpdates").or_insert(json!(true));
        configuration
            .entry("patchSettings")
            .or_insert_with(|| json!({"patchMode": "AutomaticByOS", "assessmentMode": "ImageDefault"}));
        return Ok(());
    }
    let has_key =
        configuration.get("ssh").is_some_and(|ssh| ssh["publicKeys"].as_array().is_some_and(|keys| !keys.is_empty()));
    if new && !has_password && !has_key {
        return Err(invalid_parameter(
            "linuxConfiguration",
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
        ));
    }
    configuration.entry("disablePasswordAuthentication").or_insert(json!(!has_password));
    configuration
        .entry("patchSettings")
        .or_insert_with(|| json!({"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"}));
    Ok(())
}

pub(super) fn is_windows(properties: Json<'_>) -> bool {
    let stated = properties.at("storageProfile.osDisk.osType").text();
    let system = stated
        .or_else(|| properties.at("storageProfile.imageReference.publisher").text().map(images::operating_system));
    system.is_some_and(|system| system.eq_ignore_ascii_case("windows"))
}

/// Deletes an interface and those of its public addresses that go along with it.
fn delete_interface(stage: &mut Stage, nic: &ResourceId) {
    let Some(resource) = stage.estate().get(nic).cloned() else { return };
    stage.delete_tree(nic);
    let document = resource.document().value();
    for configuration in Json::new(&document).at("properties.ipConfigurations").items() {
        let address = configuration.at("properties.publicIPAddress");
        let Some(id) = address.id() else { continue };
        let own = stage.estate().get(&id).map(|public| public.document().value()).unwrap_or_default();
        if goes_along(address.at("properties.deleteOption"))
            || goes_along(Json::new(&own).at("properties.deleteOption"))
        {
            stage.delete_tree(&id);
        }
    }
}

fn power(request: &Request<'_>, existing: &Resource, power: Power) -> Effect {
    let mut hidden = existing.hidden().value();
    hidden["powerState"] = json!(power.code());
    hidden["changedAt"] = json!(request.now.to_string());
    let resource = Resource::with_hidden(existing.id().clone(), &existing.document().value(), &hidden);
    Effect::new(vec![Change::put(resource)], Reply::Accepted).taking(seconds::POWER)
}
