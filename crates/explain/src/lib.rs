//! Answers for people: why a client reaches a private cluster or does not, and what to do.
//!
//! Pure functions over a compiled [`network::Network`]. Who answers a name and what connects is
//! decided there and nowhere else; this crate asks, finds the one cause, proposes the changes that
//! the model itself has seen to cure it, and renders what it found.

pub mod cause;
mod diagnose;
pub mod edit;
pub mod fix;
pub mod matrix;
pub mod place;
pub mod question;
pub mod render;
pub mod rules;
pub mod security;
pub mod what_if;

pub use cause::{Cause, Code};
pub use edit::{Edit, EditError};
pub use fix::{Fix, fixes};
pub use matrix::{Matrix, Outcome};
pub use question::{Explanation, NameAnswer, Role, ShownBecause, Verdict, explain};
