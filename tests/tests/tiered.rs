//! The promises of a tiered cache, on virtual time and a second tier in memory. No promise depends
//! on the runtime.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    reason = "a test"
)]

/// Several processes, their backend, and the checker of what they read.
#[path = "tiered/fleet.rs"]
mod fleet;

/// The checker finds the defects of tiers that break a rule.
#[path = "tiered/controls.rs"]
mod controls;
/// What is promised while messages are late, lost or doubled, and streams break.
#[path = "tiered/faults.rs"]
mod faults;
/// Leases: one load for the fleet, and its end in every case.
#[path = "tiered/leases.rs"]
mod leases;
/// Caches on Tokio's threads.
#[path = "tiered/on_tokio.rs"]
mod on_tokio;
/// Random programs of several processes under random faults.
#[path = "tiered/random.rs"]
mod random;
/// Refreshes: what they replace, and when they may not.
#[path = "tiered/refresh.rs"]
mod refresh;
/// Loads with a borrowed key or a loader that borrows.
#[path = "tiered/scoped.rs"]
mod scoped;
/// Reads and batching views.
#[path = "tiered/values.rs"]
mod values;
/// Views with a loader.
#[path = "tiered/views.rs"]
mod views;
/// Inserts, and the value that their process keeps.
#[path = "tiered/writes.rs"]
mod writes;
