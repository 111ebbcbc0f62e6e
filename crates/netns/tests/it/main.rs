//! The fabric's stories, with real packets in real namespaces.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a story that cannot be told fails, or says so")]

#[path = "../common/mod.rs"]
mod common;
mod entering;
mod isolation;
mod repair;
mod router;
mod rules;
mod scale;
mod stage;
