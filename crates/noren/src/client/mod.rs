//! The command line's side of a lab: its controls, and ARM as any client sees it.

pub(crate) mod api_server;
mod arm;
mod control;
pub(crate) mod dns;
pub(crate) mod kubeconfig;

pub(crate) use arm::{ArmClient, Refused};
pub(crate) use control::{Control, not_running};

use anyhow::Context;

/// An HTTPS client that trusts the lab's authority and nothing else.
fn https(authority_pem: &[u8]) -> anyhow::Result<reqwest::Client> {
    let authority = reqwest::Certificate::from_pem(authority_pem).context("the lab's authority is damaged")?;
    reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .https_only(true)
        .timeout(std::time::Duration::from_secs(60))
        .build()
        .context("cannot make an HTTPS client")
}
