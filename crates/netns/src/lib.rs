//! The kernel data plane: carries out [`network::plan::Plan`]s with Linux namespaces, veth pairs,
//! routes and nftables. The only crate that touches them; it decides nothing.
//!
//! - [`Fabric`] is the lab's end: it starts the *fabric*, a helper process, and asks it.
//! - [`fabric_main`] is the helper. It makes everything in namespaces that only its own file
//!   descriptors hold (no `/run/netns`, no bind mounts on the host): however it ends, the kernel
//!   takes all of it away. It ends when the lab's end of its socket closes.
//! - [`Entrance::run`] is for whoever runs a program at a place.
//!
//! Never: a change to the host's own network, a file outside the helper's mount namespace.
#![cfg(target_os = "linux")]

mod capture;
mod enter;
mod handle;
mod helper;
mod kernel;
mod rules;
mod wire;

pub use capture::{CaptureOf, capture};
pub use enter::{ClientFiles, Entrance, NamespaceFile};
pub use handle::{Applied, Fabric, FabricError, Opened, search_path};
pub use helper::fabric_main;
pub use rules::ruleset;
pub use wire::{Capabilities, Drift, Failed, Program, SocketKind, Unavailable};
