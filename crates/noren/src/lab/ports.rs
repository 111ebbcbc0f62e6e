//! Ports of views and vantages: remembered in the store, so that a kubeconfig or a `dig` command keeps working across
//! restarts, and taken early, since opening thousands of sockets takes as long as reading the estate does.
//!
//! A port that somebody else took is replaced; a socket that nothing needs any more is closed.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use network::{Vantage, ViewId};
use store::{KeyValue, RangeOptions, Store, StoreError, Transaction};

/// Below this prefix the store remembers which port serves what.
const PORTS: &str = "/noren/port/";
const VIEW: &str = "view/";
const VANTAGE: &str = "vantage/";

/// The ports that are remembered, and the sockets on them that nobody has asked for yet.
#[derive(Debug, Default)]
pub(super) struct Ports {
    remembered: HashMap<String, u16>,
    views: HashMap<String, (UdpSocket, TcpListener)>,
    vantages: HashMap<String, TcpListener>,
}

impl Ports {
    /// Reads what `store` remembers and takes those ports that are free.
    pub(super) fn take(store: &Store) -> Result<Self, StoreError> {
        let mut ports = Self::default();
        let entries = store.range(PORTS, &RangeOptions::default())?.entries;
        for (key, port) in entries.iter().filter_map(remembered) {
            // A port that is taken is replaced when it is asked for.
            if key.starts_with(VIEW) {
                let sockets =
                    UdpSocket::bind(loopback(port)).and_then(|udp| Ok((udp, TcpListener::bind(loopback(port))?)));
                ports.views.extend(sockets.ok().map(|sockets| (key.clone(), sockets)));
            } else if key.starts_with(VANTAGE) {
                ports.vantages.extend(TcpListener::bind(loopback(port)).ok().map(|listener| (key.clone(), listener)));
            }
            ports.remembered.insert(key, port);
        }
        Ok(ports)
    }

    /// The sockets of a view: on its remembered port if that is free, else on any.
    pub(super) fn view(&mut self, view: &ViewId) -> io::Result<dns::BoundView> {
        match self.views.remove(&view_key(view)) {
            Some((udp, tcp)) => dns::Server::adopt(view.clone(), udp, tcp),
            None => dns::Server::bind(view.clone(), loopback(0)),
        }
    }

    /// The listener of a vantage: on its remembered port if that is free, else on any.
    pub(super) fn vantage(&mut self, vantage: &Vantage) -> io::Result<TcpListener> {
        let key = vantage_key(vantage);
        self.vantages.remove(&key).map_or_else(|| TcpListener::bind(loopback(0)), Ok)
    }

    /// Adds the port of a view to what is to be stored, unless it is stored already.
    pub(super) fn remember_view(&mut self, stored: Transaction, view: &ViewId, port: u16) -> Transaction {
        self.remember(stored, view_key(view), port)
    }

    /// Adds the port of a vantage to what is to be stored, unless it is stored already.
    pub(super) fn remember_vantage(&mut self, stored: Transaction, vantage: &Vantage, port: u16) -> Transaction {
        self.remember(stored, vantage_key(vantage), port)
    }

    /// Forgets the port of a view.
    pub(super) fn forget_view(&mut self, stored: Transaction, view: &ViewId) -> Transaction {
        self.forget(stored, &view_key(view))
    }

    /// Forgets the port of a vantage.
    pub(super) fn forget_vantage(&mut self, stored: Transaction, vantage: &Vantage) -> Transaction {
        self.forget(stored, &vantage_key(vantage))
    }

    /// Closes the sockets that nobody asked for.
    pub(super) fn close_unused(&mut self) {
        self.views = HashMap::new();
        self.vantages = HashMap::new();
    }

    fn remember(&mut self, stored: Transaction, key: String, port: u16) -> Transaction {
        let store_key = format!("{PORTS}{key}");
        match self.remembered.insert(key, port) {
            Some(before) if before == port => stored,
            _ => stored.put(store_key, port.to_string()),
        }
    }

    fn forget(&mut self, stored: Transaction, key: &str) -> Transaction {
        self.remembered.remove(key);
        stored.delete(format!("{PORTS}{key}"))
    }
}

fn remembered(entry: &KeyValue) -> Option<(String, u16)> {
    Some((entry.key.strip_prefix(PORTS)?.to_owned(), std::str::from_utf8(&entry.value).ok()?.parse().ok()?))
}

/// A TCP listener on loopback: on the remembered port if it is free, else on any.
pub(super) fn bind_tcp(remembered: Option<u16>) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind(loopback(port));
    remembered.map_or_else(|| bind(0), |port| bind(port).or_else(|_| bind(0)))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn view_key(view: &ViewId) -> String {
    match view {
        ViewId::Public => format!("{VIEW}public"),
        ViewId::VirtualNetwork(id) => format!("view{}", id.key()),
    }
}

fn vantage_key(vantage: &Vantage) -> String {
    format!("{VANTAGE}{}", vantage.key())
}
