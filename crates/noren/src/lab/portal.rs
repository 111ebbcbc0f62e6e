//! The portal's lab: what the page needs of the running parts, and its listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use arm::{Activity, ManagementPlane, Progress};
use network::Network;
use portal::{BoxFuture, KubernetesQuestion, Lists, Method, Operation, OperationState, Portal, Refusal, Unreachable};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::{endpoints::ListeningHandle, running::SignIn};
use crate::client::{
    ArmClient, Refused,
    api_server::{self, ApiServer, tunnel},
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
    async fn ask_kubernetes(self, question: KubernetesQuestion) -> anyhow::Result<Result<Lists, Unreachable>> {
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
            let refused = |refusal: api_server::Refusal| Refusal { code: refusal.reason, message: refusal.message };
            tables.push(server.table(path).await?.map_err(refused));
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

    fn activities(&self) -> watch::Receiver<u64> {
        self.plane.logged()
    }

    fn arm(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<Result<Value, Refusal>> {
        let lab = self.clone();
        Box::pin(async move { lab.ask_arm(method, path, body).await.map_err(refusal) })
    }

    fn kubernetes(&self, question: KubernetesQuestion) -> BoxFuture<Result<Lists, Unreachable>> {
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
        self.plane.activities(most).iter().map(|activity| operation(activity)).collect()
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

fn operation(activity: &Activity) -> Operation {
    let (state, ended) = match &activity.progress {
        Progress::UnderWay { .. } => (OperationState::InProgress, None),
        Progress::Succeeded { ended } => (OperationState::Succeeded, Some(ended)),
        Progress::Canceled { ended } => (OperationState::Canceled, Some(ended)),
        Progress::Failed { ended, code, message } => {
            (OperationState::Failed(Refusal { code: code.clone(), message: message.clone() }), Some(ended))
        }
    };
    Operation {
        resource: activity.resource.clone(),
        name: activity.name.clone(),
        started: activity.started.to_string(),
        ended: ended.map(ToString::to_string),
        state,
    }
}
