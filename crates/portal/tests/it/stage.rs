//! A lab made of an estate, which writes down what ARM is asked.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use azure::{Kind, ResourceId, sketch::Sketch};
use network::{Network, Vantage};
use portal::{BoxFuture, KubernetesQuestion, Lab, Lists, Method, Operation, OperationState, Refusal, Unreachable};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The article's two clusters: `a` with its public FQDN, `b` without, and places to stand.
pub(crate) fn article() -> Sketch {
    Sketch::article().network("alone", "10.3.0.0/16")
}

/// The id of a cluster of a sketch.
pub(crate) fn cluster(name: &str) -> ResourceId {
    Sketch::new().id(Kind::ManagedCluster, name)
}

/// A lab that answers from what it was given.
pub(crate) struct Staged {
    network: Arc<Network>,
    revised: watch::Sender<u64>,
    secrets: AtomicU32,
    /// What ARM was asked.
    pub(crate) asked: Mutex<Vec<(Method, String, Option<Value>)>>,
    /// What ARM refuses everything with.
    pub(crate) refusal: Option<Refusal>,
}

impl Staged {
    /// The lab of a sketch.
    pub(crate) fn new(sketch: &Sketch, refusal: Option<Refusal>) -> Self {
        let network = Arc::new(Network::compile(&sketch.estate()));
        let revised = watch::Sender::new(network.revision());
        Self { network, revised, secrets: AtomicU32::new(0), asked: Mutex::default(), refusal }
    }
}

impl Lab for Staged {
    fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network)
    }

    fn revisions(&self) -> watch::Receiver<u64> {
        self.revised.subscribe()
    }

    fn activities(&self) -> watch::Receiver<u64> {
        self.revised.subscribe()
    }

    fn arm(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<Result<Value, Refusal>> {
        self.asked.lock().unwrap().push((method, path, body));
        let answer = match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(json!({"name": "a", "properties": {"apiServerAccessProfile": {"enablePrivateCluster": true}}})),
        };
        Box::pin(std::future::ready(answer))
    }

    /// From a subnet all lists but that of the nodes, from elsewhere nothing.
    fn kubernetes(&self, question: KubernetesQuestion) -> BoxFuture<Result<Lists, Unreachable>> {
        let answer = |path: &&str| {
            if path.ends_with("/nodes") {
                return Err(Refusal { code: "Forbidden".to_owned(), message: "nodes is forbidden".to_owned() });
            }
            Ok(json!({"columnDefinitions": [{"name": "Name", "priority": 0}], "rows": [{"cells": ["one"]}]}))
        };
        let server = Some("https://a.example:443".to_owned());
        let answers = match question.vantage {
            Vantage::Subnet(_) => Ok(question.paths.iter().map(answer).collect()),
            _ => Err(Unreachable { server, why: "no route leads to 10.224.0.4".to_owned() }),
        };
        Box::pin(std::future::ready(answers))
    }

    fn operations(&self, _: usize) -> Vec<Operation> {
        vec![Operation {
            resource: cluster("a"),
            name: "Microsoft.ContainerService/managedClusters/write".to_owned(),
            started: "2026-11-01T10:00:00Z".to_owned(),
            ended: None,
            state: OperationState::Failed(Refusal { code: "Quota".to_owned(), message: "none is left".to_owned() }),
        }]
    }

    fn secret(&self) -> String {
        format!("secret-{}", self.secrets.fetch_add(1, Ordering::Relaxed))
    }
}
