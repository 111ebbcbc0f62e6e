//! Record sets of private DNS zones.

use azure::{ArmError, DnsName, Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::stamp;
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// Longest time to live, in seconds (RFC 2181 §8).
const TTL_MAX: u32 = 2_147_483_647;

/// The provider of record sets, whatever their type.
pub struct RecordSets;

impl Provider for RecordSets {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let kind = Kind::of(&id);
        let zone = id.parent().unwrap_or_else(|| id.clone());
        check_name(&id, &zone, kind)?;
        let mut draft = Draft::new(request, existing);
        draft.properties().remove("provisioningState");
        let relative = id.name().to_ascii_lowercase();
        let fqdn = if relative == "@" { format!("{}.", zone.name()) } else { format!("{relative}.{}.", zone.name()) };
        draft.set("fqdn", json!(fqdn));
        draft.set("isAutoRegistered", json!(false));
        draft.default("ttl", json!(3600));
        // Clients append to these lists: they are always there (az-wire §3).
        if let Some(list) = list_name(kind) {
            draft.default(list, json!([]));
        }
        if kind == Kind::RecordSoa {
            keep_start_of_authority(&mut draft, existing);
        }
        let properties = Value::Object(draft.properties().clone());
        check_records(kind, &id, Json::new(&properties))?;
        check_aliases(request, kind, &zone, &relative)?;
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        if existing.kind() == Kind::RecordSoa {
            return Err(ArmError::bad_request("BadRequest", "The SOA record set of a zone cannot be deleted."));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done))
    }

    fn lists(&self, request: &Request<'_>, resource: &Resource) -> bool {
        has_suffix(request, resource)
    }

    fn called(&self, id: &ResourceId) -> Option<String> {
        Some(format!("Record set {}", id.name()))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// What a new start of authority leaves out stays as it was (`az … soa update` never sends `minimumTtl`).
fn keep_start_of_authority(draft: &mut Draft, existing: Option<&Resource>) {
    let before = existing.map(|set| set.document().value()["properties"]["soaRecord"].take());
    let Some(Value::Object(before)) = before else { return };
    let after = draft.properties().entry("soaRecord").or_insert_with(|| json!({}));
    for (name, value) in before {
        if let Some(after) = after.as_object_mut() {
            after.entry(name).or_insert(value);
        }
    }
}

/// Whether the name of a record set ends as `$recordsetnamesuffix` wants it.
pub(super) fn has_suffix(request: &Request<'_>, set: &Resource) -> bool {
    let suffix = request.query("$recordsetnamesuffix").unwrap_or_default().to_ascii_lowercase();
    set.id().name().to_ascii_lowercase().ends_with(&suffix)
}

fn list_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::RecordA => Some("aRecords"),
        Kind::RecordAaaa => Some("aaaaRecords"),
        Kind::RecordMx => Some("mxRecords"),
        Kind::RecordPtr => Some("ptrRecords"),
        Kind::RecordSrv => Some("srvRecords"),
        Kind::RecordTxt => Some("txtRecords"),
        _ => None,
    }
}

fn check_name(id: &ResourceId, zone: &ResourceId, kind: Kind) -> Result<(), ArmError> {
    let name = id.name();
    let refuse = |why: &str| {
        Err(ArmError::bad_request("BadRequest", format!("The record set name '{name}' is not valid: {why}.")))
    };
    if name == "@" {
        return if kind == Kind::RecordCname {
            refuse("a CNAME record set cannot be at the zone's apex")
        } else {
            Ok(())
        };
    }
    if kind == Kind::RecordSoa {
        return refuse("a SOA record set is at the zone's apex only");
    }
    match DnsName::parse(&format!("{name}.{}", zone.name())) {
        Ok(_) => Ok(()),
        Err(error) => refuse(error.reason),
    }
}

/// Every record of the list must be readable: what cannot be read must not silently be nothing.
fn check_records(kind: Kind, id: &ResourceId, properties: Json<'_>) -> Result<(), ArmError> {
    let refuse = |why: &str| {
        Err(ArmError::bad_request("BadRequest", format!("The record set '{}' is not valid: {why}.", id.name())))
    };
    let ttl = properties.get("ttl").number();
    if ttl.is_none_or(|ttl| ttl == 0 || ttl > TTL_MAX) {
        return refuse("its time to live must be between 1 and 2147483647 seconds");
    }
    let given = match (kind, list_name(kind)) {
        (_, Some(list)) => properties.get(list).items().count(),
        (Kind::RecordCname, None) => usize::from(properties.at("cnameRecord.cname").is_present()),
        _ => return Ok(()),
    };
    let document = json!({"properties": properties.value()});
    let (model, _) = azure::lower(id, &document, &json!({}));
    let azure::model::Model::RecordSet(set) = model else { return refuse("it cannot be read") };
    if set.records.len() == given { Ok(()) } else { refuse("a record in it is malformed") }
}

/// A CNAME stands alone under its name.
fn check_aliases(request: &Request<'_>, kind: Kind, zone: &ResourceId, relative: &str) -> Result<(), ArmError> {
    let others = [
        Kind::RecordA,
        Kind::RecordAaaa,
        Kind::RecordCname,
        Kind::RecordMx,
        Kind::RecordPtr,
        Kind::RecordSrv,
        Kind::RecordTxt,
    ];
    let conflict = others.into_iter().filter(|other| *other != kind).find(|other| {
        let alias = kind == Kind::RecordCname || *other == Kind::RecordCname;
        alias && request.estate.contains(&zone.child(other.collection(), relative))
    });
    match conflict {
        None => Ok(()),
        Some(_) if kind == Kind::RecordCname => Err(ArmError::conflict(
            "Conflict",
            "The CNAME record could not be created because another record with the same name already exists in this \
             zone.",
        )),
        Some(_) => Err(ArmError::conflict(
            "Conflict",
            "The record could not be created because a CNAME record with the same name already exists in this zone.",
        )),
    }
}

/// The document of an `A` record set that a service makes.
pub(crate) fn a_record_document(
    id: &ResourceId,
    zone: &ResourceId,
    address: std::net::Ipv4Addr,
    ttl_s: u32,
    etag: &str,
) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": Kind::RecordA.arm_type(),
        "etag": etag,
        "properties": {
            "fqdn": format!("{}.{}.", id.name(), zone.name()),
            "isAutoRegistered": false,
            "ttl": ttl_s,
            "aRecords": [{"ipv4Address": address}],
        },
    })
}
