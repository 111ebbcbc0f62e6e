//! Virtual machines, identities and their roles.

use azure::Kind;
use serde_json::{Value, json};

use super::super::reader::Reader;
use crate::draft::Draft;

/// What an identity that does not exist yet has for its object and application id.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// A machine that Terraform makes is started.
pub(super) fn machine(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let interfaces = reader.ids(draft, "network_interface_ids", &[Kind::NetworkInterface]);
    let interfaces =
        interfaces.iter().enumerate().map(|(at, id)| json!({"id": id, "properties": {"primary": at == 0}}));
    json!({
        "hardwareProfile": {"vmSize": reader.value("size")},
        "networkProfile": {"networkInterfaces": interfaces.collect::<Vec<_>>()},
        "instanceView": {"statuses": [{"code": "PowerState/running"}]},
    })
}

pub(super) fn identity(reader: Reader<'_>) -> Value {
    json!({
        "principalId": reader.text("principal_id").unwrap_or(NO_ID),
        "clientId": reader.text("client_id").unwrap_or(NO_ID),
    })
}

pub(super) fn role_assignment(reader: Reader<'_>) -> Value {
    json!({
        "scope": reader.value("scope"),
        "roleDefinitionId": reader.value("role_definition_id"),
        "principalId": reader.value("principal_id"),
    })
}
