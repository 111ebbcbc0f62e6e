//! Looks, from one place, over real sockets: asks DNS, connects through the vantage's proxy, makes
//! the TLS handshake, authenticates to Kubernetes and lists the nodes.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    client::{
        api_server::{ApiServer, tunnel},
        dns,
        kubeconfig::Access,
    },
    lab::VantageStatus,
};

/// The status of a name that the hosts file has.
pub(super) const HOSTS_FILE: &str = "hosts file";
/// Who has answered then.
pub(super) const ITS_HOSTS_FILE: &str = "its hosts file";
/// How long one step may take on this machine.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

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
    let mut server = match ApiServer::connect(stream, name, access).await? {
        Ok(server) => server,
        Err(why) => return Ok(Connection::TcpOnly { why }),
    };
    match server.table("/api/v1/nodes").await? {
        Ok(table) => Ok(Connection::Nodes { table: node_table(&table)? }),
        Err(refusal) => Ok(Connection::TlsOnly { status: refusal.status.as_u16() }),
    }
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
