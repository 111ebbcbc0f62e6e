//! `resolv.conf` (resolv.conf(5)).

use super::{Configuration, Server};

/// Servers that are asked at most (`MAXNS`): further ones are never asked.
const SERVERS_MAX: usize = 3;

/// Reads a `resolv.conf` that is called `source`.
pub(super) fn parse(text: &str, source: &str) -> Configuration {
    let mut configuration = Configuration::default();
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.split('%').next()?.parse().ok());
                configuration.servers.extend(address.map(|address| Server::new(address, source)));
            }
            Some("search" | "domain") => configuration.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    configuration.servers.truncate(SERVERS_MAX);
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_servers_and_the_last_search_list_count() {
        let text = "# made by hand\nnameserver 10.0.0.1\nnameserver fe80::1%eth0 ; link\nsearch a b\nnameserver 1.1.1.1\n\
                    nameserver 8.8.8.8\nsearch corp.example\noptions ndots:5\n";
        let configuration = parse(text, "/etc/resolv.conf");
        let servers: Vec<String> = configuration.servers.iter().map(|server| server.address.to_string()).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[fe80::1]:53", "1.1.1.1:53"]);
        assert_eq!(configuration.search, ["corp.example"]);
    }
}
