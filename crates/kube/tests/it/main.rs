//! The real `kubectl` against an embedded API server, over loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod admission;
mod apply;
mod clients;
mod cluster;
mod controller;
mod custom;
mod helm;
mod kubectl;
mod malformed;
mod operations;
mod relay;
mod webhook;
mod wire;
mod workloads;
