//! What the lab lends the portal: its newest network, ARM as any client sees it, the API servers as
//! a client at a vantage sees them, and its activity log.

use std::{future::Future, pin::Pin, sync::Arc};

use azure::ResourceId;
use network::{Network, Vantage};
use serde_json::Value;
use tokio::sync::watch;

/// A future that can be stored and sent.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a request to ARM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or replaces.
    Put,
    /// Acts.
    Post,
}

/// What ARM or an API server said no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// ARM's code, or the reason of Kubernetes' `Status`.
    pub code: String,
    /// The message.
    pub message: String,
}

/// Lists of an API server in the order in which they were asked for: each a `meta.k8s.io` `Table`, or why it gave none.
pub type Lists = Vec<Result<Value, Refusal>>;

/// What is asked of a cluster's API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesQuestion {
    /// The cluster.
    pub cluster: ResourceId,
    /// Where the client stands.
    pub vantage: Vantage,
    /// Whether its kubeconfig is that of `az aks get-credentials --public-fqdn`.
    pub public_fqdn: bool,
    /// The lists to get, as paths of the API.
    pub paths: Vec<&'static str>,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The API server as the kubeconfig names it; nothing if there was no kubeconfig to be had.
    pub server: Option<String>,
    /// What the way there said.
    pub why: String,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationState {
    /// `InProgress`.
    InProgress,
    /// `Succeeded`.
    Succeeded,
    /// `Failed`, with code and message.
    Failed(Refusal),
    /// `Canceled`.
    Canceled,
}

/// An entry of ARM's activity log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The resource it is about.
    pub resource: ResourceId,
    /// What it does, in ARM's words: `Microsoft.X/y/write`.
    pub name: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// How far it is.
    pub state: OperationState,
}

/// A lab, as far as the portal needs one.
pub trait Lab: Send + Sync + 'static {
    /// The newest network.
    fn network(&self) -> Arc<Network>;

    /// Hears of every new revision.
    fn revisions(&self) -> watch::Receiver<u64>;

    /// Hears whenever the activity log changes: a number that it had at no other time.
    fn activities(&self) -> watch::Receiver<u64>;

    /// Asks ARM with a token of the lab: `path` is a resource's id, perhaps with an action behind it.
    fn arm(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<Result<Value, Refusal>>;

    /// Asks an API server over the vantage's own way there.
    fn kubernetes(&self, question: KubernetesQuestion) -> BoxFuture<Result<Lists, Unreachable>>;

    /// The activity log, the latest first; at most `most`.
    fn operations(&self, most: usize) -> Vec<Operation>;

    /// A word that nobody can guess: 32 random bytes or more as URL-safe text.
    fn secret(&self) -> String;
}
