//! Stories told by the real `dig` to servers on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod dig;
mod sockets;
