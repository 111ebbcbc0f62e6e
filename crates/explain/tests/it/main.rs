//! Stories about explanations, told through the crate's public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod article;
mod modes;
mod stage;
