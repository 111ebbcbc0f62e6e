//! The fabric's stories, with real packets in real namespaces.
#![cfg(target_os = "linux")]

mod isolation;
mod repair;
mod router;
mod rules;
mod scale;
mod stage;
