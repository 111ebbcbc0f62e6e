//! Datagrams one at a time, where the system has no calls for many.

use std::{io, sync::Arc};

use tokio::net::UdpSocket;

use crate::{
    message::{Transport, reply},
    server::{QUERY_MAX, View},
};

/// Answers what comes in at `socket` out of `view` of the newest network.
pub(crate) async fn serve(view: View, socket: std::net::UdpSocket) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let mut query = vec![0; QUERY_MAX];
    let mut answer = Vec::new();
    loop {
        // An error here is about an earlier reply (the client's port is gone), not about us.
        let Ok((length, client)) = socket.recv_from(&mut query).await else { continue };
        let network = view.current.load_full();
        if view.relay.as_ref().is_some_and(|relay| relay.takes(&network, &view.id, &query[..length], client, &socket)) {
            continue;
        }
        answer.clear();
        if reply(&network, &view.id, &query[..length], Transport::Udp, &mut answer) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}
