//! `nft`: one process and one transaction for each ruleset.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nftables::schema::Nftables;

/// Carries out a ruleset in the calling thread's namespace, all of it or nothing.
///
/// # Errors
/// What `nft` said.
pub(crate) fn apply(rules: &Nftables<'_>) -> io::Result<()> {
    let rules = serde_json::to_string(rules)?;
    let mut nft = Command::new("nft")
        .args(["-j", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("nft: {error}")))?;
    if let Some(mut input) = nft.stdin.take() {
        input.write_all(rules.as_bytes())?;
    }
    let output = nft.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft: {}", said.lines().next().unwrap_or("it failed and said nothing"))))
}

/// The number of the ruleset: it grows with every change that anybody makes in the calling
/// thread's namespace.
pub(crate) fn generation() -> io::Result<u32> {
    /// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`.
    const GET_GENERATION: u16 = 10 << 8 | 16;
    /// `NFTA_GEN_ID`, a big-endian `u32`.
    const ID: u16 = 1;
    let socket = Socket::new(NETLINK_NETFILTER)?;
    let mut request = Vec::with_capacity(20);
    request.extend(20_u32.to_ne_bytes());
    request.extend(GET_GENERATION.to_ne_bytes());
    request.extend(netlink_packet_core::NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    // `nfgenmsg`: any family, version 0, no resource.
    request.extend([0; 4]);
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let attributes = answer.get(20..).unwrap_or_default();
    netlink_packet_core::NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == ID)
        .and_then(|attribute| attribute.value().try_into().ok().map(u32::from_be_bytes))
        .ok_or_else(|| io::Error::other("the kernel has no nf_tables"))
}
