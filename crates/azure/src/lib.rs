//! Azure as data: resource ids, documents and their typed views, the [`Estate`] of everything that
//! is declared, and AKS's rules of naming and addressing.
//!
//! Pure: no I/O, no clock, no randomness. What cannot be read becomes a [`Finding`], never a panic.

pub mod addressing;
pub mod aks;
mod by_id;
mod document;
mod error;
mod estate;
mod finding;
mod id;
mod json;
mod kind;
mod lower;
pub mod model;
mod name;
mod public_addresses;
mod resource;
pub mod sketch;

pub use by_id::ById;
pub use document::Document;
pub use error::ArmError;
pub use estate::{Change, Estate};
pub use finding::{Finding, Severity};
pub use id::{InvalidResourceId, ResourceId};
pub use json::{Json, parse_prefix};
pub use kind::Kind;
pub use lower::lower;
pub use name::{DnsName, InvalidDnsName, suffixes};
pub use resource::Resource;
