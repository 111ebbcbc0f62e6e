//! Windows: the servers of each interface, and the name resolution policy table that sends some names elsewhere.
//!
//! Both as `PowerShell` writes them with `ConvertTo-Json`: an object when there is one, else a list.

use serde_json::Value;

use super::{Configuration, Server};

/// Reads `Get-DnsClientServerAddress | ConvertTo-Json`.
pub(super) fn servers(json: &str) -> Configuration {
    let mut configuration = Configuration::default();
    for interface in objects(json) {
        let source = interface["InterfaceAlias"].as_str().unwrap_or("an interface").to_owned();
        configuration.servers.extend(addresses(&interface["ServerAddresses"]).map(|at| Server::new(at, &source)));
    }
    configuration
}

/// Reads `Get-DnsClientNrptPolicy -Effective | ConvertTo-Json`.
pub(super) fn policy(json: &str) -> Configuration {
    let mut configuration = Configuration::default();
    for rule in objects(json) {
        // `.corp.example` is the domain and all below it, `.` every name.
        let names = texts(&rule["Namespace"]).map(|name| name.trim_matches('.').to_ascii_lowercase());
        let domains: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        let rules =
            addresses(&rule["NameServers"]).map(|at| Server { domains: domains.clone(), ..Server::new(at, "NRPT") });
        configuration.servers.extend(rules);
    }
    configuration
}

fn objects(json: &str) -> Vec<Value> {
    match serde_json::from_str(json) {
        Ok(Value::Array(list)) => list,
        Ok(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice).iter().filter_map(Value::as_str)
}

fn addresses(value: &Value) -> impl Iterator<Item = std::net::IpAddr> {
    texts(value).filter_map(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_for_every_name_and_rules_for_theirs() {
        let interfaces = r#"[{"InterfaceAlias": "Wi-Fi", "ServerAddresses": ["192.168.1.1"]},
                             {"InterfaceAlias": "VPN", "ServerAddresses": []}]"#;
        let rules = r#"{"Namespace": ".corp.example", "NameServers": ["10.0.0.10"]}"#;
        let mut configuration = servers(interfaces);
        configuration.extend(policy(rules));
        let text = |server: &Server| format!("{} {} {:?}", server.source, server.address.ip(), server.domains);
        let servers: Vec<String> = configuration.servers.iter().map(text).collect();
        assert_eq!(servers, ["Wi-Fi 192.168.1.1 []", "NRPT 10.0.0.10 [\"corp.example\"]"]);
        assert_eq!(policy("no JSON"), Configuration::default());
    }
}
