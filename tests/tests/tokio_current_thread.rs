//! Runs the contract on Tokio's current-thread runtime.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/tokio_current_thread.rs"]
mod harness;

#[path = "contract/mod.rs"]
mod contract;
