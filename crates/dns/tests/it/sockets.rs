//! Sockets: handed in, of either family, many datagrams at a time, and never stopped by one.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use azure::sketch::Sketch;
use dns::{ServedView, Server};
use network::{Network, ViewId};
use tokio_util::sync::CancellationToken;

fn serve(bound: dns::BoundView) -> ServedView {
    let sketch = Sketch::new().network("v", "10.0.0.0/16").private_cluster("aks", "v", "10.0.0.4", true);
    let current = Arc::new(ArcSwap::from_pointee(Network::compile(&sketch.estate())));
    Server::new(current, CancellationToken::new()).serve(bound)
}

/// A query for the cluster's public name.
fn query(id: u16) -> Vec<u8> {
    let mut query = [id.to_be_bytes(), [1, 0], [0, 1], [0; 2], [0; 2], [0; 2]].concat();
    for label in "aks.hcp.japaneast.azmk8s.io".split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

fn client(server: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).unwrap();
    client.connect(server).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
}

/// The id and the last octets (the address) of the next reply.
fn receive(client: &UdpSocket) -> (u16, [u8; 4]) {
    let mut reply = [0; 512];
    let length = client.recv(&mut reply).unwrap();
    (u16::from_be_bytes([reply[0], reply[1]]), *reply[..length].last_chunk().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_are_bound_already_are_served() {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let tcp = TcpListener::bind(udp.local_addr().unwrap()).unwrap();
    let bound = Server::adopt(ViewId::Public, udp, tcp).unwrap();
    let client = client(bound.address());
    let _served = serve(bound);
    client.send(&query(1)).unwrap();
    assert_eq!(receive(&client), (1, [10, 0, 0, 4]));
}

#[test]
fn sockets_of_two_addresses_are_no_view() {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let tcp = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let refused = Server::adopt(ViewId::Public, udp, tcp).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_datagram_of_a_burst_has_its_reply_in_either_family() {
    for local in [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), (Ipv6Addr::LOCALHOST, 0).into()] {
        let bound = Server::bind(ViewId::Public, local).unwrap();
        let clients = [client(bound.address()), client(bound.address())];
        // All are waiting before the server begins.
        for id in 0..100 {
            clients[usize::from(id % 2)].send(&query(id)).unwrap();
        }
        let _served = serve(bound);
        for id in 0..100 {
            assert_eq!(receive(&clients[usize::from(id % 2)]), (id, [10, 0, 0, 4]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_and_clients_that_are_gone_stop_nobody() {
    let bound = Server::bind(ViewId::Public, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = bound.address();
    let (gone, here) = (client(address), client(address));
    gone.send(&query(1)).unwrap();
    here.send(&[0; 3]).unwrap();
    here.send(&[0xFF; 4096]).unwrap();
    here.send(&[]).unwrap();
    drop(gone);
    here.send(&query(2)).unwrap();
    let _served = serve(bound);
    assert_eq!(receive(&here), (2, [10, 0, 0, 4]));
}
