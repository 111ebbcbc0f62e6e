//! Which way packets to an address would leave. No packet is sent: a datagram socket that is connected knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ipnet::{IpNet, Ipv4Net};

use crate::observation::{Interface, Route};

/// The kernel's IPv4 routes, on Linux.
const ROUTES: &str = "/proc/net/route";
/// Any port: nothing is sent.
const PORT: u16 = 443;

/// The way to an address; nothing when the kernel knows none.
pub(super) fn to(address: IpAddr) -> Option<Route> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((address, PORT)).ok()?;
    let source = socket.local_addr().ok()?.ip();
    let interfaces = interfaces();
    let own = interfaces.iter().find(|one| one.network.addr() == source);
    let table = fs_err::read_to_string(ROUTES).unwrap_or_default();
    let best = match address {
        IpAddr::V4(address) => best(&table, address),
        IpAddr::V6(_) => None,
    };
    let shared = own.filter(|one| one.network.contains(&address) && !one.point_to_point);
    let prefix = best.as_ref().map(|route| IpNet::V4(route.prefix)).or(shared.map(|one| one.network.trunc()));
    // A route to one host or out of a tunnel has no router either, and no neighbours.
    let on_link =
        !address.is_loopback() && shared.is_some_and(|one| one.network.prefix_len() < one.network.max_prefix_len());
    let interface = best.map(|route| route.interface).or(own.map(|one| one.name.clone()));
    Some(Route { source, interface, prefix, on_link })
}

/// The addresses of this machine's interfaces.
pub(super) fn interfaces() -> Vec<Interface> {
    #[cfg(unix)]
    {
        use nix::net::if_::InterfaceFlags;
        let found = nix::ifaddrs::getifaddrs().into_iter().flatten();
        let interface = |one: nix::ifaddrs::InterfaceAddress| {
            let address = ip(one.address.as_ref()?)?;
            let network = IpNet::with_netmask(address, ip(one.netmask.as_ref()?)?).ok()?;
            let point_to_point = one.flags.contains(InterfaceFlags::IFF_POINTOPOINT);
            Some(Interface { name: one.interface_name, network, point_to_point })
        };
        found.filter_map(interface).collect()
    }
    #[cfg(not(unix))]
    Vec::new()
}

#[cfg(unix)]
fn ip(storage: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let four = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    four.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

struct TableRoute {
    interface: String,
    prefix: Ipv4Net,
}

/// The longest prefix of `/proc/net/route` that holds an address.
fn best(table: &str, address: Ipv4Addr) -> Option<TableRoute> {
    let number = |digits: &str| Some(Ipv4Addr::from(u32::from_str_radix(digits, 16).ok()?.to_le_bytes()));
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let prefix = Ipv4Net::with_netmask(number(words.get(1)?)?, number(words.get(7)?)?).ok()?;
        Some(TableRoute { interface: (*words.first()?).to_owned(), prefix })
    };
    let fitting = table.lines().skip(1).filter_map(route).filter(|route| route.prefix.contains(&address));
    fitting.max_by_key(|route| route.prefix.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t0000E00A\t01C910AC\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0
";

    #[test]
    fn the_longest_prefix_decides() {
        let at = |address: &str| {
            best(TABLE, address.parse().unwrap()).map(|route| (route.interface, route.prefix.to_string()))
        };
        assert_eq!(at("10.224.0.4"), Some(("tun0".into(), "10.224.0.0/12".into())));
        assert_eq!(at("192.168.1.9"), Some(("eth0".into(), "192.168.1.0/24".into())));
        assert_eq!(at("20.1.1.1"), Some(("eth0".into(), "0.0.0.0/0".into())));
        assert!(best("", Ipv4Addr::LOCALHOST).is_none());
    }

    #[test]
    fn this_machine_reaches_itself() {
        let route = to(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        assert_eq!(route.source, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(!route.on_link);
    }
}
