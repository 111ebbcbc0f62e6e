//! The doctor's verdicts: on staged machines with real servers, and on observations that only other places make.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod stage;
mod staged;
mod verdicts;
