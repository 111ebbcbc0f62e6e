//! SOCKS5 (RFC 1928), server side, as far as reachability needs it: no authentication, CONNECT.

use std::net::{Ipv4Addr, Ipv6Addr};

use network::Host;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{HandshakeError, refusal::SocksReply};

/// The protocol's version byte, which also tells SOCKS5 from HTTP.
pub(crate) const VERSION: u8 = 0x05;
const NO_AUTHENTICATION: u8 = 0x00;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
const CONNECT: u8 = 0x01;
const IPV4: u8 = 0x01;
const DOMAIN: u8 = 0x03;
const IPV6: u8 = 0x04;

/// Reads greeting and request; the stream starts at the version byte.
pub(crate) async fn accept<S>(stream: &mut S) -> Result<(Host, u16), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let [version, n_methods] = read(stream).await?;
    if version != VERSION {
        return Err(HandshakeError::Malformed("SOCKS version is not 5"));
    }
    let mut methods = vec![0; usize::from(n_methods)];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        stream.write_all(&[VERSION, NO_ACCEPTABLE_METHOD]).await?;
        return Err(HandshakeError::Malformed("the client insists on authentication"));
    }
    stream.write_all(&[VERSION, NO_AUTHENTICATION]).await?;

    let [_version, command, _reserved, address_type] = read(stream).await?;
    let host = match address_type {
        IPV4 => Some(Host::Address(Ipv4Addr::from(read::<4, _>(stream).await?))),
        IPV6 => Ipv6Addr::from(read::<16, _>(stream).await?).to_ipv4_mapped().map(Host::Address),
        DOMAIN => {
            let [length] = read(stream).await?;
            let mut name = vec![0; usize::from(length)];
            stream.read_exact(&mut name).await?;
            crate::parse_host(&String::from_utf8_lossy(&name))
        }
        _ => None,
    };
    let port = u16::from_be_bytes(read(stream).await?);
    if command != CONNECT {
        reply(stream, SocksReply::CommandNotSupported).await?;
        return Err(HandshakeError::Malformed("only CONNECT is supported"));
    }
    if host.is_none() {
        reply(stream, SocksReply::AddressTypeNotSupported).await?;
    }
    let host = host.ok_or(HandshakeError::Malformed("the destination is neither a name nor an IPv4 address"))?;
    Ok((host, port))
}

/// Sends a reply; the bound address is left out, as clients that only CONNECT do not use it.
pub(crate) async fn reply<S: AsyncWrite + Unpin>(stream: &mut S, reply: SocksReply) -> std::io::Result<()> {
    stream.write_all(&[VERSION, reply as u8, 0x00, IPV4, 0, 0, 0, 0, 0, 0]).await
}

async fn read<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
