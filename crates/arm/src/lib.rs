//! The management plane: ARM over HTTPS with Entra ID tokens, resource providers as pure
//! functions, one transaction for each request, operations that survive a restart.

pub mod auth;
pub mod entra;
pub mod hooks;
mod operations;
pub mod provider;
pub mod providers;
mod target;
mod wire;
