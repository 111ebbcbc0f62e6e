//! Private DNS: links, record sets, the resolver and its rules. A zone is its name.

use azure::{Kind, ResourceId};
use serde_json::{Value, json};

use super::super::reader::Reader;
use crate::draft::Draft;

/// A link of a zone or of a ruleset.
pub(super) fn link(draft: &mut Draft, reader: Reader<'_>) -> Value {
    json!({
        "virtualNetwork": reader.reference(draft, "virtual_network_id", &[Kind::VirtualNetwork]),
        "registrationEnabled": reader.flag("registration_enabled").unwrap_or(false),
        "resolutionPolicy": reader.value("resolution_policy"),
    })
}

pub(super) fn records(kind: Kind, reader: Reader<'_>) -> Value {
    let list = |attribute: &str, property: &str| -> Vec<Value> {
        let items = reader.value(attribute).as_array().cloned().unwrap_or_default();
        items.into_iter().map(|item| json!({property: item})).collect()
    };
    let blocks = |names: &[(&str, &str)]| -> Vec<Value> {
        let one = |at: usize| -> Value {
            let pairs = names.iter().map(|(attribute, property)| {
                ((*property).to_owned(), number(reader.value(&format!("record.{at}.{attribute}"))))
            });
            Value::Object(pairs.collect())
        };
        (0..reader.blocks("record")).map(one).collect()
    };
    let mut properties = match kind {
        Kind::RecordA => json!({"aRecords": list("records", "ipv4Address")}),
        Kind::RecordAaaa => json!({"aaaaRecords": list("records", "ipv6Address")}),
        Kind::RecordCname => json!({"cnameRecord": {"cname": reader.value("record")}}),
        Kind::RecordPtr => json!({"ptrRecords": list("records", "ptrdname")}),
        Kind::RecordMx => json!({"mxRecords": blocks(&[("preference", "preference"), ("exchange", "exchange")])}),
        Kind::RecordSrv => json!({"srvRecords": blocks(&[
            ("priority", "priority"), ("weight", "weight"), ("port", "port"), ("target", "target"),
        ])}),
        Kind::RecordTxt => {
            let texts =
                (0..reader.blocks("record")).map(|at| json!({"value": [reader.value(&format!("record.{at}.value"))]}));
            json!({"txtRecords": texts.collect::<Vec<_>>()})
        }
        _ => json!({}),
    };
    properties["ttl"] = reader.value("ttl").clone();
    properties
}

/// Terraform gives an MX record's preference as a text.
fn number(value: &Value) -> Value {
    value.as_str().and_then(|text| text.parse::<u16>().ok()).map_or_else(|| value.clone(), |number| json!(number))
}

pub(super) fn resolver(draft: &mut Draft, reader: Reader<'_>) -> Value {
    json!({"virtualNetwork": reader.reference(draft, "virtual_network_id", &[Kind::VirtualNetwork])})
}

pub(super) fn inbound(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Value {
    let address = reader.text("ip_configurations.0.private_ip_address");
    if address.is_none() {
        draft.declared.insert(id.clone());
    }
    json!({"ipConfigurations": [{
        "subnet": reader.reference(draft, "ip_configurations.0.subnet_id", &[Kind::Subnet]),
        "privateIpAddress": address,
    }]})
}

pub(super) fn outbound(draft: &mut Draft, reader: Reader<'_>) -> Value {
    json!({"subnet": reader.reference(draft, "subnet_id", &[Kind::Subnet])})
}

pub(super) fn ruleset(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let endpoints = reader.ids(draft, "private_dns_resolver_outbound_endpoint_ids", &[Kind::OutboundEndpoint]);
    json!({"dnsResolverOutboundEndpoints": endpoints.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()})
}

pub(super) fn rule(reader: Reader<'_>) -> Value {
    let servers = (0..reader.blocks("target_dns_servers")).map(|at| {
        let value = |name: &str| reader.value(&format!("target_dns_servers.{at}.{name}"));
        json!({"ipAddress": value("ip_address"), "port": value("port")})
    });
    let enabled = reader.flag("enabled").unwrap_or(true);
    json!({
        "domainName": reader.value("domain_name"),
        "targetDnsServers": servers.collect::<Vec<_>>(),
        "forwardingRuleState": if enabled { "Enabled" } else { "Disabled" },
    })
}
