//! What the assembly lends the plane: the time, a way to run commands in clusters, further routes
//! and somebody who wants to know of every change.

use std::{future::Future, pin::Pin, sync::Arc};

use azure::{Estate, ResourceId};
use bytes::Bytes;
use jiff::Timestamp;

use crate::provider::Work;

/// A future that can be stored and sent.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What a command in a cluster led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// The command's exit code.
    pub exit_code: i32,
    /// What it printed, both streams.
    pub logs: String,
}

/// Does what providers want done outside the estate.
pub trait CommandRunner: Send + Sync {
    /// Runs `work` to its end. The plane limits how long it waits.
    fn run(&self, work: Work) -> BoxFuture<CommandResult>;
}

/// Answers paths below `/lab/`, which are no management paths. Nobody checks tokens for it.
pub trait ExtraRoutes: Send + Sync {
    /// The answer, or `None` for a path it does not know.
    fn route(&self, request: http::request::Parts, body: Bytes) -> BoxFuture<Option<http::Response<Bytes>>>;
}

/// Hears of every change once it is durable and before the client is answered: the new estate and
/// the resources that changed. It must be quick and must not panic.
pub type Publish = Arc<dyn Fn(&Arc<Estate>, &[ResourceId]) + Send + Sync>;
