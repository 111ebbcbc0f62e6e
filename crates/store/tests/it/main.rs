//! Stories about the store, told through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod commits;
mod crash;
mod reference;
mod watches;
