//! Octets both ways between a client and a server, until both have said all.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::Stream;

/// Octets that a direction has room for at first, which is enough for most questions, and at most: it
/// grows as it is filled, so that short connections do not pay for what long ones want.
const ROOM: usize = 4 * 1024;
const ROOM_MAX: usize = 64 * 1024;

/// Carries what either says to the other; the end of one's words is passed on, the other may go on.
pub(crate) async fn relay(client: &mut TcpStream, server: Box<dyn Stream>) -> io::Result<()> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = tokio::io::split(server);
    tokio::try_join!(carry(from_client, to_server), carry(from_server, to_client))?;
    Ok(())
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut room = vec![0; ROOM];
    loop {
        let length = from.read(&mut room).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&room[..length]).await?;
        to.flush().await?;
        if length == room.len() && length < ROOM_MAX {
            room.resize(length * 4, 0);
        }
    }
}
