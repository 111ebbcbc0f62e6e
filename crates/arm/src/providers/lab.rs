//! `Noren.Lab/clients`: machines outside Azure, with a hosts file of their own. Not an Azure type:
//! the lab's way to say who else asks and connects. A machine is on the Internet, there with a
//! point-to-site VPN, or in a site behind a connection.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{ArmError, DnsName, Json, Kind, Resource, ResourceId, addressing, model::Model};
use serde_json::json;

use super::public_side::free_address;
use crate::provider::{Draft, Effect, Provider, Request};

/// Lines a client's hosts file may have.
const HOSTS_MAX: usize = 256;
/// DNS servers a client may have.
const DNS_SERVERS_MAX: usize = 8;

/// Lab clients.
pub struct LabClients;

impl Provider for LabClients {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        check(request)?;
        let id = existing.map_or(request.id, Resource::id);
        check_addresses(request, id)?;
        let mut draft = Draft::new(request, existing);
        if let Some(address) = site_address(request, id)? {
            draft.set("ipAddress", json!(address));
        }
        let before = existing.and_then(|client| match client.model() {
            Model::LabClient(client) => client.public_address,
            _ => None,
        });
        let address = before.or_else(|| free_address(request.estate));
        if let Some(address) = address {
            draft.default("publicIPAddress", json!(address));
        }
        Ok(draft.finish(request, existing))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn refused(target: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request("InvalidRequestContent", message).with_target(format!("properties.{target}"))
}

fn check(request: &Request<'_>) -> Result<(), ArmError> {
    let properties = Json::new(&request.body).get("properties");
    let references = [
        ("virtualNetworkGateway", Kind::VirtualNetworkGateway, "virtual network gateway"),
        ("localNetworkGateway", Kind::LocalNetworkGateway, "local network gateway"),
    ];
    for (name, kind, what) in references {
        let reference = properties.get(name);
        let id: Option<ResourceId> = reference.id();
        let found = id.as_ref().and_then(|id| request.estate.get(id)).filter(|found| found.kind() == kind);
        if reference.is_present() && found.is_none() {
            let named = id.map_or_else(String::new, |id| format!(" '{id}'"));
            return Err(ArmError::bad_request(
                "InvalidResourceReference",
                format!("The {what}{named} that client '{}' refers to was not found.", request.id),
            ));
        }
    }
    if properties.get("virtualNetworkGateway").is_present() && properties.get("localNetworkGateway").is_present() {
        return Err(refused("localNetworkGateway", "A machine in a site does not connect point to site as well."));
    }
    for (name, what) in [("publicIPAddress", "public IP address"), ("ipAddress", "IP address")] {
        let address = properties.get(name);
        if address.text().is_some() && address.parsed::<Ipv4Addr>().is_none() {
            return Err(refused(name, format!("The {what} of a lab client is an IPv4 address.")));
        }
    }
    if properties.get("ipAddress").text().is_some() && !properties.get("localNetworkGateway").is_present() {
        return Err(refused(
            "ipAddress",
            "Only a machine in a site ('localNetworkGateway') has an address of its own.",
        ));
    }
    let servers = properties.get("dnsServers");
    let count = servers.items().count();
    if count > DNS_SERVERS_MAX || servers.list::<Ipv4Addr>().len() != count {
        return Err(refused("dnsServers", format!("DNS servers are at most {DNS_SERVERS_MAX} IPv4 addresses.")));
    }
    if properties.get("hosts").items().count() > HOSTS_MAX {
        return Err(refused("hosts", format!("A hosts file has at most {HOSTS_MAX} lines.")));
    }
    for line in properties.get("hosts").items() {
        let names = line.get("names");
        let all_names = names.items().count();
        if line.get("ipAddress").parsed::<Ipv4Addr>().is_none()
            || all_names == 0
            || names.list::<DnsName>().len() != all_names
        {
            return Err(refused("hosts", "A line of a hosts file is an IPv4 'ipAddress' and its DNS 'names'."));
        }
    }
    Ok(())
}

/// Its public address is nobody else's, and its gateway has one for its tunnel.
fn check_addresses(request: &Request<'_>, id: &ResourceId) -> Result<(), ArmError> {
    let properties = Json::new(&request.body).get("properties");
    let public = properties.get("publicIPAddress").parsed::<Ipv4Addr>();
    let holder = public.and_then(|address| Some((address, request.estate.public_address_holder(address)?)));
    if let Some((address, other)) = holder.filter(|(_, other)| *other != id) {
        let message = format!("The public IP address {address} of client '{id}' is already allocated to '{other}'.");
        return Err(ArmError::bad_request("PublicIPAddressInUse", message).with_target("properties.publicIPAddress"));
    }
    let Some(gateway) = properties.get("virtualNetworkGateway").id() else { return Ok(()) };
    let pool = request.estate.virtual_network_gateway(&gateway).and_then(|found| found.client_address_pool.first());
    let is_other = |client: &&std::sync::Arc<Resource>| {
        client.id() != id
            && matches!(client.model(), Model::LabClient(client) if client.gateway.as_ref() == Some(&gateway))
    };
    let others = request.estate.referrers(&gateway).filter(is_other).count();
    match pool {
        Some(pool) if others >= addressing::lab_clients_max(*pool) => Err(refused(
            "virtualNetworkGateway",
            format!(
                "The client address pool {pool} of virtual network gateway '{}' has no address left: of its lower \
                 half, {others} lab clients have one (the upper half is for clients that dial in).",
                gateway.name()
            ),
        )),
        _ => Ok(()),
    }
}

/// The address of a machine in a site: the one it asks for, the one it has, or the site's next.
/// `None` for a machine that stands in no site.
fn site_address(request: &Request<'_>, id: &ResourceId) -> Result<Option<Ipv4Addr>, ArmError> {
    let properties = Json::new(&request.body).get("properties");
    let Some(site) = properties.get("localNetworkGateway").id() else { return Ok(None) };
    let space = request.estate.local_network_gateway(&site).map(|site| site.address_space.clone()).unwrap_or_default();
    let mut taken: BTreeSet<Ipv4Addr> = BTreeSet::new();
    let mut held = None;
    for other in request.estate.referrers(&site) {
        match other.model() {
            Model::LabClient(client) if other.id() == id => held = client.address,
            Model::LabClient(client) => taken.extend(client.address),
            _ => {}
        }
    }
    let inside = |address: &Ipv4Addr| space.iter().any(|prefix| prefix.contains(address));
    match properties.get("ipAddress").parsed::<Ipv4Addr>() {
        Some(address) if !inside(&address) => {
            Err(refused("ipAddress", format!("{address} does not lie in the address space of site '{}'.", site.name())))
        }
        Some(address) if taken.contains(&address) => {
            Err(refused("ipAddress", format!("Another machine of site '{}' has {address}.", site.name())))
        }
        Some(address) => Ok(Some(address)),
        None => {
            // The first address of a site is its router's.
            let hosts = space.iter().flat_map(|prefix| prefix.hosts().skip(1));
            let free = held.filter(inside).or_else(|| hosts.into_iter().find(|address| !taken.contains(address)));
            let none = || refused("ipAddress", format!("Site '{}' has no address left.", site.name()));
            free.ok_or_else(none).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use azure::{Change, Estate, sketch::Sketch};
    use serde_json::Value;

    use super::*;
    use crate::provider::{Entropy, Lab};

    fn put(estate: &Estate, name: &str, properties: &Value) -> Result<Effect, ArmError> {
        let id = ResourceId::group("s", "rg").resource(Kind::LabClient.arm_type(), name);
        let lab = Lab {
            subscription: "s".into(),
            tenant: "t".into(),
            principal: "p".into(),
            base_url: "https://localhost".into(),
        };
        let mut request = Request {
            estate,
            id: &id,
            body: json!({"properties": properties}),
            query: Vec::new(),
            lab: &lab,
            now: jiff::Timestamp::UNIX_EPOCH,
            entropy: &mut Entropy::seeded(1),
        };
        LabClients.put(&mut request, None)
    }

    fn address(effect: &Effect) -> Option<Ipv4Addr> {
        let Some(Change::Put(resource)) = effect.changes.first() else { return None };
        let Model::LabClient(client) = resource.model() else { return None };
        client.public_address
    }

    #[test]
    fn each_client_comes_from_an_address_of_its_own() {
        let estate = Estate::default();
        let first = put(&estate, "a", &json!({})).unwrap();
        let estate = estate.apply(1, &first.changes);
        let second = put(&estate, "b", &json!({})).unwrap();
        assert_eq!(address(&first), Some(Ipv4Addr::new(198, 19, 0, 1)));
        assert_eq!(address(&second), Some(Ipv4Addr::new(198, 19, 0, 2)));
        let id = ResourceId::group("s", "rg").resource(Kind::PublicIpAddress.arm_type(), "ip");
        let public = Resource::new(id, &json!({"properties": {"ipAddress": "198.19.0.2"}}));
        let third = put(&estate.apply(2, &[Change::put(public)]), "c", &json!({})).unwrap();
        assert_eq!(address(&third), Some(Ipv4Addr::new(198, 19, 0, 3)), "a public IP address has the one before");
    }

    #[test]
    fn nobody_takes_anothers_public_address_and_a_full_pool_takes_nobody() {
        let sketch = Sketch::new().network("hub", "10.0.0.0/16").vpn_gateway("gw", "hub");
        let gateway = sketch.id(Kind::VirtualNetworkGateway, "gw");
        let mut estate = sketch.estate();
        let mut make = |name: &str, properties: Value| {
            let effect = put(&estate, name, &properties)?;
            estate = estate.apply(2, &effect.changes);
            Ok::<_, ArmError>(())
        };
        make("a", json!({"publicIPAddress": "20.1.0.4"})).unwrap();
        make("a", json!({"publicIPAddress": "20.1.0.4"})).expect("it keeps its own");
        let refused = make("b", json!({"publicIPAddress": "20.1.0.4"})).unwrap_err();
        assert_eq!(refused.code, "PublicIPAddressInUse");
        assert!(refused.message.ends_with("/clients/a'."), "{}", refused.message);
        // The sketch's pool is a /24.
        for number in 0..125 {
            make(&format!("vpn{number}"), json!({"virtualNetworkGateway": {"id": gateway}})).unwrap();
        }
        let refused = make("one-more", json!({"virtualNetworkGateway": {"id": gateway}})).unwrap_err();
        assert!(refused.message.contains("has no address left"), "{}", refused.message);
        make("vpn7", json!({"virtualNetworkGateway": {"id": gateway}})).expect("it has one already");
    }

    #[test]
    fn what_a_client_refers_to_must_make_sense() {
        let estate = Sketch::new().network("hub", "10.0.0.0/16").vpn_gateway("gw", "hub").estate();
        let gateway = Sketch::new().id(Kind::VirtualNetworkGateway, "gw");
        let with_gateway = put(&estate, "a", &json!({"virtualNetworkGateway": {"id": gateway}}));
        assert!(with_gateway.is_ok());
        for (properties, code) in [
            (json!({"virtualNetworkGateway": {"id": "/x"}}), "InvalidResourceReference"),
            (json!({"hosts": [{"ipAddress": "10.0.0.4", "names": []}]}), "InvalidRequestContent"),
            (json!({"hosts": [{"ipAddress": "x", "names": ["a.b"]}]}), "InvalidRequestContent"),
            (json!({"publicIPAddress": "::1"}), "InvalidRequestContent"),
            (json!({"localNetworkGateway": {"id": gateway}}), "InvalidResourceReference"),
            (json!({"ipAddress": "192.168.0.4"}), "InvalidRequestContent"),
            (json!({"dnsServers": ["10.0.0.4", "dns.example"]}), "InvalidRequestContent"),
        ] {
            assert_eq!(put(&estate, "a", &properties).unwrap_err().code, code);
        }
    }

    #[test]
    fn a_machine_in_a_site_has_an_address_there_that_no_other_has() {
        let sketch =
            Sketch::new().network("hub", "10.0.0.0/16").vpn_gateway("gw", "hub").site("s", "gw", "192.168.0.0/24");
        let (site, gateway) = (sketch.id(Kind::LocalNetworkGateway, "s"), sketch.id(Kind::VirtualNetworkGateway, "gw"));
        let mut estate = sketch.estate();
        let mut given = |name: &str, address: Option<&str>| {
            let properties =
                json!({"localNetworkGateway": {"id": site}, "ipAddress": address, "dnsServers": ["192.168.0.53"]});
            let effect = put(&estate, name, &properties)?;
            estate = estate.apply(2, &effect.changes);
            let Some(Change::Put(resource)) = effect.changes.first() else { panic!("{effect:?}") };
            let Model::LabClient(client) = resource.model() else { panic!("{effect:?}") };
            assert_eq!(client.dns_servers, [Ipv4Addr::new(192, 168, 0, 53)]);
            Ok::<_, ArmError>(client.address.map(|address| address.to_string()).unwrap_or_default())
        };
        assert_eq!(given("dns", Some("192.168.0.53")).unwrap(), "192.168.0.53");
        assert_eq!(given("a", None).unwrap(), "192.168.0.2");
        assert_eq!(given("b", None).unwrap(), "192.168.0.3");
        assert_eq!(given("a", None).unwrap(), "192.168.0.2", "it keeps what it has");
        assert!(given("c", Some("192.168.0.3")).is_err(), "taken");
        assert!(given("c", Some("192.168.1.3")).is_err(), "elsewhere");
        let both = json!({"localNetworkGateway": {"id": site}, "virtualNetworkGateway": {"id": gateway}});
        assert_eq!(put(&estate, "c", &both).unwrap_err().code, "InvalidRequestContent");
    }
}
