//! Stories of the portal without a browser: what it shows of an estate, and whom it lets do what.

#![expect(clippy::unwrap_used, reason = "a story fails by a panic")]

mod router;
mod stage;
mod views;
