//! One test for each row of the table of failures in `docs/fleet.md`, with real processes.
//!
//! Each test runs on each server that is found: see `cache_fleet_tests::server`.

#![cfg(unix)]

mod checker;
mod controls;
mod failover;
mod healthy;
mod links;
mod processes;
mod servers;
mod storm;
mod versions;

use cache_fleet_tests::Process;

/// The program of a process.
const CHILD: &str = env!("CARGO_BIN_EXE_fleet");

/// Starts traffic of readers and writers on keys below `keys`.
async fn traffic(process: &Process, readers: u32, writers: u32, keys: u32) {
    traffic_with_clears(process, readers, writers, keys, 0).await;
}

/// Of 1,000 writes, `clears` invalidate all keys.
async fn traffic_with_clears(
    process: &Process,
    readers: u32,
    writers: u32,
    keys: u32,
    clears: u32,
) {
    let request = format!("traffic {readers} {writers} {keys} {clears}");
    assert_eq!(process.request(&request).await, "ok");
}
