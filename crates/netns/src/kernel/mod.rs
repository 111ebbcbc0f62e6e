//! The system calls: namespaces, netlink, `nft`, sysctls. Everything here acts on the network
//! namespace of the calling thread.

pub(crate) mod namespace;
pub(crate) mod netlink;
pub(crate) mod nft;
