//! Asks the servers of forwarding rules for real: from the address of the outbound endpoint, along the
//! fabric, whoever may stand there.

use std::{io, net::SocketAddrV4, pin::Pin, sync::Arc, time::Duration};

use netns::{Fabric, SocketKind};
use network::{ForwardingRule, plan::Place};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, UdpSocket},
    time::timeout,
};
use uuid::Uuid;

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long all of them together may take.
const PATIENCE_WITH_ALL: Duration = Duration::from_secs(3);
/// The longest datagram that is taken.
const DATAGRAM_MAX: usize = 4096;
/// In a reply's third octet: it was cut.
const TRUNCATED: u8 = 0x02;

/// Asks through a fabric.
pub(super) struct Forwarder(pub(super) Arc<Fabric>);

impl dns::Forwarder for Forwarder {
    fn ask(
        &self,
        rule: ForwardingRule,
        mut question: Vec<u8>,
    ) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + '_>> {
        Box::pin(async move {
            let place = Place::Visitor(rule.outbound?);
            question.get_mut(..2)?.copy_from_slice(&Uuid::new_v4().as_bytes()[..2]);
            let asking = async {
                for (address, port) in rule.targets {
                    let server = SocketAddrV4::new(address, port);
                    match timeout(PATIENCE, self.ask_one(&place, server, &question)).await {
                        Ok(Ok(answer)) => return Some(answer),
                        Ok(Err(error)) => tracing::debug!(%server, %error, "a DNS server does not answer"),
                        Err(_) => tracing::debug!(%server, "a DNS server does not answer in time"),
                    }
                }
                None
            };
            timeout(PATIENCE_WITH_ALL, asking).await.ok().flatten()
        })
    }
}

impl Forwarder {
    /// Asks by UDP, and by TCP for what does not fit.
    async fn ask_one(&self, place: &Place, server: SocketAddrV4, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self.0.open(place, SocketKind::Datagrams).await.map_err(io::Error::other)?;
        let socket = UdpSocket::from_std(socket.into())?;
        socket.connect(server).await?;
        socket.send(question).await?;
        let mut answer = vec![0; DATAGRAM_MAX];
        loop {
            let length = socket.recv(&mut answer).await?;
            match answer.get(..length) {
                Some([first, second, flags, ..]) if [*first, *second] == question[..2] => {
                    if flags & TRUNCATED != 0 {
                        return self.ask_by_stream(place, server, question).await;
                    }
                    answer.truncate(length);
                    return Ok(answer);
                }
                // Somebody else's, or noise.
                _ => {}
            }
        }
    }

    async fn ask_by_stream(&self, place: &Place, server: SocketAddrV4, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self.0.open(place, SocketKind::Stream).await.map_err(io::Error::other)?;
        let mut stream = TcpSocket::from_std_stream(socket.into()).connect(server.into()).await?;
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
        let mut answer = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }
}
