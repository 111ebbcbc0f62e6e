//! Stories about the compiled network, told through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod alike;
mod appliances;
mod article;
mod ask;
mod edits;
mod effective;
mod incremental;
mod internet;
mod isolation;
mod names;
mod plan;
mod resolver;
mod routes;
mod security;
mod tunnels;
