//! The portal's lab: what the page needs of the running parts, and its listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use arm::{ManagementPlane, OperationStatus};
use network::Network;
use portal::{BoxFuture, KubernetesQuestion, Method, Operation, OperationState, Portal, Refusal, Unreachable};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::{endpoints::ListeningHandle, running::SignIn};
use crate::client::{
    ArmClient, Refused,
    api_server::{ApiServer, tunnel},
    kubeconfig,
};

/// How long an API server may take to answer all that the page asks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The running parts that the page looks at.
#[derive(Clone)]
pub(super) struct PortalLab {
    pub(super) network: Arc<ArcSwap<Network>>,
    pub(super) revisions: watch::Receiver<u64>,
    pub(super) plane: ManagementPlane,
    pub(super) listening: ListeningHandle,
    pub(super) url: String,
    pub(super) sign_in: SignIn,
    pub(super) authority_pem: String,
}

/// A portal on its listener, which nobody serves yet.
pub(super) fn open(lab: PortalLab, listener: std::net::TcpListener) -> anyhow::Result<(Arc<Portal>, TcpListener)> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let door = portal::Door::new(listener.local_addr()?.port());
    Ok((Arc::new(Portal::new(Arc::new(lab), door)), listener))
}

impl PortalLab {
    async fn arm_client(&self) -> anyhow::Result<ArmClient> {
        ArmClient::sign_in(&self.url, self.authority_pem.as_bytes(), &self.sign_in).await
    }

    async fn ask_arm(self, method: Method, path: String, body: Option<Value>) -> anyhow::Result<Value> {
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
        };
        self.arm_client().await?.send(method, &path, body.as_ref()).await
    }

    /// The lists, over the vantage's proxy; the inner error is why nobody answers there.
    async fn ask_kubernetes(self, question: KubernetesQuestion) -> anyhow::Result<Result<Vec<Value>, Unreachable>> {
        let query = if question.public_fqdn { "?server-fqdn=public" } else { "" };
        let action = format!("listClusterUserCredential{query}");
        let reply = self.arm_client().await?.post(&question.cluster, &action).await?;
        let access = kubeconfig::parse(&kubeconfig::from_credentials(&reply)?)?;
        let unreachable = |why: String| Ok(Err(Unreachable { server: Some(access.server.clone()), why }));
        let name = access.server.strip_prefix("https://").and_then(|rest| rest.split(':').next());
        let name = name.context("the kubeconfig's server is no address")?;
        let proxy = self.listening.get().vantages.get(&question.vantage).copied();
        let proxy: SocketAddr = proxy.context("nobody listens for this vantage yet")?;
        let stream = match tunnel(proxy, name).await? {
            Ok(stream) => stream,
            Err(why) => return unreachable(why),
        };
        let mut server = match ApiServer::connect(stream, name, &access).await? {
            Ok(server) => server,
            Err(why) => return unreachable(why),
        };
        let mut tables = Vec::new();
        for path in question.paths {
            match server.table(path).await? {
                Ok(table) => tables.push(table),
                Err(status) => return unreachable(format!("{path} was answered with HTTP status {status}")),
            }
        }
        Ok(Ok(tables))
    }
}

impl portal::Lab for PortalLab {
    fn network(&self) -> Arc<Network> {
        self.network.load_full()
    }

    fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.clone()
    }

    fn arm(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<Result<Value, Refusal>> {
        let lab = self.clone();
        Box::pin(async move { lab.ask_arm(method, path, body).await.map_err(refusal) })
    }

    fn kubernetes(&self, question: KubernetesQuestion) -> BoxFuture<Result<Vec<Value>, Unreachable>> {
        let lab = self.clone();
        Box::pin(async move {
            let failed = |why: String| Err(Unreachable { server: None, why });
            match timeout(ANSWER_TIMEOUT, lab.ask_kubernetes(question)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => failed(match error.downcast_ref::<Refused>() {
                    Some(refused) => format!("{}: {}", refused.code, refused.message),
                    None => format!("{error:#}"),
                }),
                Err(_) => failed("the API server did not answer in time".to_owned()),
            }
        })
    }

    fn operations(&self, most: usize) -> Vec<Operation> {
        self.plane.operations(most).into_iter().map(operation).collect()
    }

    fn secret(&self) -> String {
        pki::random_token(32).into_inner()
    }
}

fn refusal(error: anyhow::Error) -> Refusal {
    match error.downcast::<Refused>() {
        Ok(Refused { code, message, .. }) => Refusal { code, message },
        Err(error) => Refusal { code: "InternalServerError".to_owned(), message: format!("{error:#}") },
    }
}

fn operation(reported: OperationStatus) -> Operation {
    let OperationStatus { resource, name, status } = reported;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = match status["status"].as_str() {
        Some("Succeeded") => OperationState::Succeeded,
        Some("Canceled") => OperationState::Canceled,
        Some("Failed") => {
            let error = &status["error"];
            OperationState::Failed(Refusal { code: text(&error["code"]), message: text(&error["message"]) })
        }
        _ => OperationState::InProgress,
    };
    let ended = status["endTime"].as_str().map(str::to_owned);
    Operation { id: text(&status["name"]), resource, name, started: text(&status["startTime"]), ended, state }
}
