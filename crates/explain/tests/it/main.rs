//! Stories about explanations, told through the crate's public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod article;
mod cures;
mod matrix;
mod modes;
mod random;
mod stage;
mod views;
