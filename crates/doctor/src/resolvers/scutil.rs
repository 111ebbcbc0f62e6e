//! `scutil --dns`: macOS's resolvers, each for a domain or for every name.

use super::{Configuration, Server};

/// Reads what the tool prints. The second list, of queries that programs bind to an interface, is left out: `kubectl`
/// makes none.
pub(super) fn parse(text: &str) -> Configuration {
    let mut configuration = Configuration::default();
    let mut domains: Vec<String> = Vec::new();
    for line in text.lines().take_while(|line| !line.contains("(for scoped queries)")) {
        let Some((label, value)) = line.split_once(':') else {
            if line.starts_with("resolver #") {
                domains.clear();
            }
            continue;
        };
        let (label, value) = (label.split('[').next().unwrap_or_default().trim(), value.trim());
        match label {
            "domain" => domains.push(value.trim_end_matches('.').to_owned()),
            "search domain" => configuration.search.push(value.to_owned()),
            "nameserver" => {
                if let Ok(address) = value.split('%').next().unwrap_or_default().parse() {
                    let source = domains.first().map_or_else(|| "scutil".to_owned(), |name| format!("scutil, {name}"));
                    configuration.servers.push(Server { domains: domains.clone(), ..Server::new(address, &source) });
                }
            }
            _ => {}
        }
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    const DNS: &str = "\
DNS configuration

resolver #1
  search domain[0] : lan
  nameserver[0] : 192.168.1.1
  if_index : 14 (en0)
  flags    : Request A records
  reach    : 0x00020002 (Reachable,Directly Reachable Address)

resolver #2
  domain   : corp.example
  nameserver[0] : 10.0.0.10
  flags    : Supplemental, Request A records

DNS configuration (for scoped queries)

resolver #1
  nameserver[0] : 192.168.1.1
  if_index : 14 (en0)
";

    #[test]
    fn a_supplemental_resolver_is_for_its_domain() {
        let configuration = parse(DNS);
        let text = |server: &Server| format!("{} {:?}", server.address.ip(), server.domains);
        let servers: Vec<String> = configuration.servers.iter().map(text).collect();
        assert_eq!(servers, ["192.168.1.1 []", "10.0.0.10 [\"corp.example\"]"]);
        assert_eq!(configuration.search, ["lan"]);
    }
}
