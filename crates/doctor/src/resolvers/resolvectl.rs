//! `resolvectl status`: systemd-resolved's servers and routing domains, link by link.
//!
//! A server of a link with routing domains (`~corp.example`) is asked about names in them; one of a link with
//! `+DefaultRoute` about all others (systemd-resolved(8), "Protocols and Routing").

use super::{Configuration, Server};

/// Reads what the tool prints.
pub(super) fn parse(text: &str) -> Configuration {
    let mut configuration = Configuration::default();
    let mut section = Section::default();
    for line in text.lines() {
        if line.starts_with("Link ") || line.trim() == "Global" {
            section.finish(&mut configuration);
            section = Section { source: source(line.trim()), ..Section::default() };
            continue;
        }
        // A list goes on in lines without a label of their own.
        let (label, rest) = match line.split_once(": ") {
            Some((label, rest)) => (label.trim(), rest),
            None if line.trim_end().ends_with(':') => (line.trim().trim_end_matches(':'), ""),
            None => (section.label.as_str(), line),
        };
        let (label, words) = (label.to_owned(), rest.split_whitespace());
        match label.as_str() {
            "DNS Servers" => section.servers.extend(words.map(str::to_owned)),
            "DNS Domain" => section.domains.extend(words.map(str::to_owned)),
            "Protocols" | "Default Route" => {
                section.is_default |= rest.contains("+DefaultRoute") || rest.trim() == "yes";
            }
            _ => {}
        }
        section.label = label;
    }
    section.finish(&mut configuration);
    configuration
}

#[derive(Default)]
struct Section {
    source: String,
    label: String,
    servers: Vec<String>,
    domains: Vec<String>,
    is_default: bool,
}

impl Section {
    fn finish(&self, configuration: &mut Configuration) {
        let domain = |text: &String| text.trim_start_matches('~').trim_end_matches('.').to_owned();
        // `~.` routes every name.
        let all = self.source == "Global" || self.is_default || self.domains.iter().any(|text| text == "~.");
        let domains: Vec<String> = self.domains.iter().map(domain).filter(|name| !name.is_empty()).collect();
        for server in &self.servers {
            // `10.0.0.1:53%eth0#dns.example`: port, link and name may follow.
            let plain = server.split(['#', '%']).next().unwrap_or_default();
            let Some(address) =
                plain.parse().ok().or_else(|| plain.parse().ok().map(|at: std::net::SocketAddr| at.ip()))
            else {
                continue;
            };
            let mut server = Server::new(address, &self.source);
            if !all {
                server.domains.clone_from(&domains);
                if server.domains.is_empty() {
                    // A link that nothing is routed to.
                    server.domains.push(String::new());
                }
            }
            configuration.servers.push(server);
        }
        let search = self.domains.iter().filter(|text| !text.starts_with('~'));
        configuration.search.extend(search.cloned());
    }
}

/// `Link 3 (tun0)` → `tun0`.
fn source(line: &str) -> String {
    match line.split_once('(').and_then(|(_, rest)| rest.split_once(')')) {
        Some((name, _)) if line.starts_with("Link ") => name.to_owned(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Global
         Protocols: +LLMNR +mDNS -DNSOverTLS DNSSEC=no/unsupported
  resolv.conf mode: stub

Link 2 (wlp1s0)
    Current Scopes: DNS LLMNR/IPv4
         Protocols: +DefaultRoute +LLMNR -mDNS -DNSOverTLS DNSSEC=no/unsupported
Current DNS Server: 192.168.1.1
       DNS Servers: 192.168.1.1
                    fe80::1%2
        DNS Domain: lan

Link 5 (tun0)
    Current Scopes: DNS
         Protocols: -DefaultRoute +LLMNR -mDNS -DNSOverTLS DNSSEC=no/unsupported
       DNS Servers: 10.0.0.10
        DNS Domain: ~corp.example ~privatelink.japaneast.azmk8s.io
";

    #[test]
    fn each_links_servers_know_which_names_they_are_asked() {
        let configuration = parse(STATUS);
        let text = |server: &Server| format!("{} {} {:?}", server.source, server.address.ip(), server.domains);
        assert_eq!(
            configuration.servers.iter().map(text).collect::<Vec<_>>(),
            [
                "wlp1s0 192.168.1.1 []",
                "wlp1s0 fe80::1 []",
                "tun0 10.0.0.10 [\"corp.example\", \"privatelink.japaneast.azmk8s.io\"]"
            ]
        );
        assert_eq!(configuration.search, ["lan"]);
        assert_eq!(parse("").servers, []);
    }
}
