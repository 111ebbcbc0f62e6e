//! Connections of a gateway. Site to site (`IPsec`) they are modelled; others are documents. The
//! shared key is kept in the hidden document and shown by its own action only.

use azure::{ArmError, Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use crate::{
    provider::{Draft, Effect, Provider, Request, unknown_action},
    providers::network::{invalid_reference, resource_guid, stamp},
};

/// Longest shared key, in characters (REST specification, `ConnectionSharedKey`).
const SHARED_KEY_LEN_MAX: usize = 128;

/// The provider of connections.
pub struct Connections;

impl Provider for Connections {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        if let Some(Value::String(key)) = draft.properties().remove("sharedKey") {
            check_shared_key(&key)?;
            draft.hidden["sharedKey"] = json!(key);
        }
        let kind = connection_type(&mut draft)?;
        let properties = Value::Object(draft.properties().clone());
        let properties = Json::new(&properties);
        let id = request.id;
        let require = |name: &str, wanted: Kind| -> Result<ResourceId, ArmError> {
            let reference = properties.get(name).id().ok_or_else(|| {
                ArmError::bad_request(
                    "InvalidRequestFormat",
                    format!("Connection {id} of type {kind} names no {name}."),
                )
            })?;
            let found = request.estate.get(&reference).filter(|found| found.kind() == wanted);
            found.map(|found| found.id().clone()).ok_or_else(|| invalid_reference(reference.as_str(), id.as_str()))
        };
        require("virtualNetworkGateway1", Kind::VirtualNetworkGateway)?;
        match kind {
            "IPsec" => drop(require("localNetworkGateway2", Kind::LocalNetworkGateway)?),
            "Vnet2Vnet" => drop(require("virtualNetworkGateway2", Kind::VirtualNetworkGateway)?),
            _ => {}
        }
        let defaults = [
            ("connectionProtocol", json!("IKEv2")),
            ("connectionMode", json!("Default")),
            ("routingWeight", json!(0)),
            ("dpdTimeoutSeconds", json!(45)),
            ("enableBgp", json!(false)),
            ("useLocalAzureIpAddress", json!(false)),
            ("usePolicyBasedTrafficSelectors", json!(false)),
            ("expressRouteGatewayBypass", json!(false)),
            ("ipsecPolicies", json!([])),
            ("trafficSelectorPolicies", json!([])),
            ("gatewayCustomBgpIpAddresses", json!([])),
            ("packetCaptureDiagnosticState", json!("None")),
            ("ingressBytesTransferred", json!(0)),
            ("egressBytesTransferred", json!(0)),
        ];
        for (name, value) in defaults {
            draft.default(name, value);
        }
        // The site's device is the lab's own and always there; the other kinds do nothing here.
        draft.set("connectionStatus", json!(if kind == "IPsec" { "Connected" } else { "NotConnected" }));
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(30))
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        match view {
            "sharedkey" => Ok(json!({"id": format!("{}/sharedKey", existing.id()), "value": shared_key(existing)})),
            _ => Err(ArmError::not_found("NotFound", format!("The resource '{}' has no '{view}'.", request.id))),
        }
    }

    fn put_part(&self, request: &mut Request<'_>, existing: &Resource, part: &str) -> Result<Effect, ArmError> {
        if part != "sharedkey" {
            return Err(unknown_action(request.id, part));
        }
        let key = Json::new(&request.body).get("value").text().unwrap_or_default().to_owned();
        check_shared_key(&key)?;
        Ok(with_shared_key(existing, &key, json!({"value": key})))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        if action != "sharedkey/reset" {
            return Err(unknown_action(request.id, action));
        }
        let length = Json::new(&request.body).get("keyLength").number();
        let length = length.map_or(SHARED_KEY_LEN_MAX, |length| usize::try_from(length).unwrap_or(0));
        if !(1..=SHARED_KEY_LEN_MAX).contains(&length) {
            return Err(ArmError::bad_request(
                "InvalidKeyLength",
                format!("The length of a shared key is between 1 and {SHARED_KEY_LEN_MAX}, not {length}."),
            ));
        }
        let digits = pki::random_hex(length.div_ceil(2));
        let key = digits.expose().get(..length).unwrap_or_default();
        Ok(with_shared_key(existing, key, json!({"keyLength": length})))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn connection_type(draft: &mut Draft) -> Result<&'static str, ArmError> {
    let given = draft.properties().get("connectionType").and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = ["IPsec", "Vnet2Vnet", "ExpressRoute", "VPNClient"];
    let known = known.into_iter().find(|known| known.eq_ignore_ascii_case(&given)).ok_or_else(|| {
        ArmError::bad_request(
            "InvalidRequestFormat",
            format!("Cannot parse the request: '{given}' is no type of connection."),
        )
    })?;
    draft.set("connectionType", json!(known));
    Ok(known)
}

fn shared_key(connection: &Resource) -> Option<String> {
    let hidden = connection.hidden().value();
    Json::new(&hidden).get("sharedKey").text().map(str::to_owned)
}

fn with_shared_key(connection: &Resource, key: &str, reply: Value) -> Effect {
    let mut hidden = connection.hidden().value();
    hidden["sharedKey"] = json!(key);
    let resource = Resource::with_hidden(connection.id().clone(), &connection.document().value(), &hidden);
    Effect::new(vec![azure::Change::put(resource)], crate::provider::Reply::Ok(reply))
}

fn check_shared_key(key: &str) -> Result<(), ArmError> {
    if key.is_ascii() && (1..=SHARED_KEY_LEN_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidSharedKey",
        format!("A shared key has 1 to {SHARED_KEY_LEN_MAX} printable ASCII characters."),
    ))
}
