//! Looks, from one place, over real sockets: asks DNS, connects through the vantage's proxy, makes
//! the TLS handshake, authenticates to Kubernetes and lists the nodes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use hickory_proto::rr::RecordType;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{dns, kubeconfig::Access},
    lab::VantageStatus,
};

/// The status of a name that the hosts file has.
pub(super) const HOSTS_FILE: &str = "hosts file";
/// Who has answered then.
pub(super) const ITS_HOSTS_FILE: &str = "its hosts file";
/// How long one step may take on this machine.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const BODY_MAX: usize = 1024 * 1024;
/// Longest answer to a CONNECT.
const TUNNEL_HEAD_MAX: usize = 16 * 1024;

/// What was seen of one name from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sight {
    /// The addresses the name has here.
    pub(crate) addresses: Vec<String>,
    /// `NOERROR`, `NXDOMAIN`, or `hosts file`.
    pub(crate) dns_status: String,
    /// Who answered.
    pub(crate) answered_by: String,
    /// How the connection came out.
    pub(crate) connection: Connection,
}

/// How far a connection got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "reached")]
pub(crate) enum Connection {
    /// No TCP connection; why, as the data plane says.
    Refused {
        /// The reason.
        why: String,
    },
    /// TCP, but no TLS.
    TcpOnly {
        /// The reason.
        why: String,
    },
    /// TLS with a certificate for this name, but Kubernetes does not know the client.
    TlsOnly {
        /// The HTTP status.
        status: u16,
    },
    /// All the way: the nodes' names.
    Nodes {
        /// The node list as `kubectl get nodes` prints it: heading and rows.
        table: Vec<Vec<String>>,
    },
}

impl Connection {
    /// Whether `kubectl` would work.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Nodes { .. })
    }
}

/// Looks at `name` from `vantage`.
pub(crate) async fn look(vantage: &VantageStatus, name: &str, access: &Access) -> anyhow::Result<Sight> {
    let hosts = vantage.hosts.iter().find(|(_, known)| known == name);
    let (addresses, dns_status, answered_by) = match (hosts, vantage.dns) {
        (Some((address, _)), _) => (vec![address.clone()], HOSTS_FILE.to_owned(), ITS_HOSTS_FILE.to_owned()),
        (None, Some(server)) => {
            let reply = dns::ask(server, name, RecordType::A).await?;
            (reply.addresses(), reply.status, vantage.names.clone())
        }
        (None, None) => (Vec::new(), "no server".to_owned(), vantage.names.clone()),
    };
    let connection = timeout(STEP_TIMEOUT, connect(vantage.proxy, name, access)).await.context("the lab hangs")??;
    Ok(Sight { addresses, dns_status, answered_by, connection })
}

async fn connect(proxy: SocketAddr, name: &str, access: &Access) -> anyhow::Result<Connection> {
    match tunnel(proxy, name).await? {
        Ok(stream) => converse(stream, name, access).await,
        Err(why) => Ok(Connection::Refused { why }),
    }
}

/// What comes after TCP: TLS, authentication, the node list.
pub(super) async fn converse(stream: TcpStream, name: &str, access: &Access) -> anyhow::Result<Connection> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(access)?));
    let server_name = ServerName::try_from(name.to_owned())?;
    let tls = match connector.connect(server_name, stream).await {
        Ok(tls) => tls,
        Err(error) => return Ok(Connection::TcpOnly { why: error.to_string() }),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
    let driver = tokio::spawn(connection);
    let request = http::Request::get("/api/v1/nodes")
        .header("host", name)
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Empty::<&[u8]>::new())?;
    let reply = sender.send_request(request).await?;
    let status = reply.status();
    let body = Limited::new(reply.into_body(), BODY_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the node list cannot be read: {error}"))?.to_bytes();
    driver.abort();
    if !status.is_success() {
        return Ok(Connection::TlsOnly { status: status.as_u16() });
    }
    Ok(Connection::Nodes { table: node_table(&serde_json::from_slice(&body)?)? })
}

/// Opens a tunnel through the vantage's proxy; the inner error is the reason it gives.
async fn tunnel(proxy: SocketAddr, name: &str) -> anyhow::Result<Result<TcpStream, String>> {
    let mut stream = TcpStream::connect(proxy).await.context("the vantage's proxy does not listen")?;
    let request = format!("CONNECT {name}:443 HTTP/1.1\r\nhost: {name}:443\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > TUNNEL_HEAD_MAX {
            bail!("the vantage's proxy answers at too great length");
        }
        // Byte by byte, so as not to read into the tunnel; the head is short.
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let mut status_line = head.lines().next().unwrap_or_default().splitn(3, ' ').skip(1);
    let status = status_line.next().unwrap_or_default();
    if status == "200" {
        return Ok(Ok(stream));
    }
    let reason = status_line.next().unwrap_or_default();
    // The reason begins with the vantage's name, which the table already shows.
    let reason = reason.split_once(": ").map_or(reason, |(_, why)| why);
    Ok(Err(reason.to_owned()))
}

fn client_config(access: &Access) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&access.authority_pem) {
        roots.add(certificate?)?;
    }
    let chain = CertificateDer::pem_slice_iter(&access.certificate_pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&access.key_pem)?;
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?)
}

/// Heading and rows of a server-side table, the columns that `kubectl get` shows by default.
fn node_table(table: &Value) -> anyhow::Result<Vec<Vec<String>>> {
    let columns = table["columnDefinitions"].as_array().context("the node list is no table")?;
    let shown: Vec<usize> =
        (0..columns.len()).filter(|&index| columns[index]["priority"].as_u64() == Some(0)).collect();
    let heading = shown.iter().map(|&index| columns[index]["name"].as_str().unwrap_or_default().to_uppercase());
    let mut lines = vec![heading.collect()];
    for row in table["rows"].as_array().into_iter().flatten() {
        let cell = |index: &usize| match &row["cells"][*index] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(shown.iter().map(cell).collect());
    }
    Ok(lines)
}
