//! Stories about the compiled network, told through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod appliances;
mod article;
mod ask;
mod incremental;
mod names;
mod plan;
mod routes;
mod security;
