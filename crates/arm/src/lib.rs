//! The management plane: ARM over HTTPS with Entra ID tokens, resource providers as pure
//! functions, one transaction for each request, operations that survive a restart.
//!
//! A request goes one way:
//!
//! ```text
//! edge ─▶ plane ─▶ entra (who is it?) ─▶ call (what does it want?) ─▶ read  ─▶ wire
//!                                                                  └▶ write ─▶ journal ─▶ estate ─▶ wire
//! ```
//!
//! `read` and `write` are pure and ask the [`providers`]; only `plane` changes anything.

mod activity;
pub mod auth;
mod call;
mod deployments;
mod edge;
pub mod entra;
pub mod hooks;

mod journal;
mod operations;
mod page;
mod plane;
pub mod provider;
pub mod providers;
mod read;
mod scene;
mod stage;
mod target;
mod wire;
mod write;

#[cfg(test)]
mod tests;

pub use activity::{Activity, Progress};
pub use entra::ServicePrincipal;
pub use hooks::{Clock, CommandResult, CommandRunner, ExtraRoutes, Publish, SystemClock};
pub use journal::stored_estate;
pub use plane::{ManagementPlane, OpenError, Options, Pace};
