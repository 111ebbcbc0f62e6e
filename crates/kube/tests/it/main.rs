//! The real `kubectl` against an embedded API server, over loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod admission;
mod apply;
mod clients;
mod cluster;
mod custom;
mod helm;
mod kubectl;
mod malformed;
mod relay;
mod webhook;
mod wire;
mod workloads;
