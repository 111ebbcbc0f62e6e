//! Datagrams one at a time, where the system has no calls for many.

use std::io;

use network::ViewId;
use tokio::net::UdpSocket;

use crate::{
    message::{Transport, reply},
    server::{CurrentNetwork, QUERY_MAX},
};

/// Answers what comes in at `socket` out of `view` of the newest network.
pub(crate) async fn serve(current: CurrentNetwork, view: ViewId, socket: std::net::UdpSocket) -> io::Result<()> {
    let socket = UdpSocket::from_std(socket)?;
    let mut query = vec![0; QUERY_MAX];
    let mut answer = Vec::new();
    loop {
        // An error here is about an earlier reply (the client's port is gone), not about us.
        let Ok((length, client)) = socket.recv_from(&mut query).await else { continue };
        answer.clear();
        if reply(&current.load(), &view, &query[..length], Transport::Udp, &mut answer) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}
