//! Stories with the program itself and real, unmodified clients: `az`, `kubectl`, `dig`, `curl`, `helm`, the
//! Azure SDK for Python, Chromium. What they print is asserted, not only whether they succeed.
//!
//! One file is one part of the story; every story has a lab of its own, so that they run side by side.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a story fails by a panic, and says what it skips"
)]

mod addresses;
#[cfg(target_os = "linux")]
mod arm;
mod bench;
mod clusters;
mod command_line;
mod compute;
#[cfg(target_os = "linux")]
mod control_planes;
#[cfg(target_os = "linux")]
mod doctor;
mod estates;
mod explaining;
#[cfg(target_os = "linux")]
mod fixes;
mod kubernetes;
mod names;
mod networks;
#[cfg(target_os = "linux")]
mod packets;
#[cfg(target_os = "linux")]
mod paths;
mod portal;
mod rights;
mod sdk;
mod sign_in;
#[cfg(target_os = "linux")]
mod stage;
mod tour;
#[cfg(target_os = "linux")]
mod tunnel;
#[cfg(target_os = "linux")]
mod verdicts;
mod vpn;
mod zones;
