//! Network namespaces and their sysctls.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::sched::{CloneFlags, setns, unshare};

/// Settings of every namespace of the fabric. A new one inherits the host's, so each is said.
const SETTINGS: [(&str, &str); 12] = [
    ("ipv4/ip_forward", "0"),
    // The filters say who may send from where.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Routers answer in silence only.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    // Addresses are on one link only; nobody answers for another's.
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/ip_local_port_range", "10000 65535"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
];

/// Puts the calling thread into a new network namespace, with nothing but a loopback device.
pub(crate) fn create() -> io::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    for (name, value) in SETTINGS {
        match set(name, value) {
            // A kernel without IPv6 needs none switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6/") => {}
            result => result?,
        }
    }
    // Every group that exists here: all on the host, one in a user namespace.
    set("ipv4/ping_group_range", "0 2147483647").or_else(|_| set("ipv4/ping_group_range", "0 0"))?;
    current()
}

/// The network namespace of the calling thread.
pub(crate) fn current() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter(namespace: impl AsFd) -> io::Result<()> {
    Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
}

/// Sets a sysctl below `net/` of the calling thread's namespace.
pub(crate) fn set(name: &str, value: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/{name}");
    fs::write(&path, value).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}

/// The settings of the calling thread's namespace, and of these links of it, that are not as they were
/// made, with the value they must have.
pub(crate) fn changed_settings<'a>(
    links: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (String, &'static str)> {
    // What forwards is a step's to say; a link has the greater of its own and everybody's setting.
    let own = SETTINGS
        .into_iter()
        .filter(|(name, _)| *name != "ipv4/ip_forward")
        .map(|(name, value)| (name.to_owned(), value));
    let of_links = links.map(|link| (format!("ipv4/conf/{link}/rp_filter"), "0"));
    let differs = |(name, value): &(String, &'static str)| {
        let found = fs::read_to_string(format!("/proc/sys/net/{name}"));
        // What cannot be read (no IPv6, a link that is gone) is told otherwise or not at all.
        found.is_ok_and(|found| !found.split_whitespace().eq(value.split_whitespace()))
    };
    own.chain(of_links).filter(differs)
}

/// Whether the calling thread's namespace forwards.
pub(crate) fn forwards() -> io::Result<bool> {
    Ok(fs::read_to_string("/proc/sys/net/ipv4/ip_forward")?.trim() == "1")
}
