//! Runs the contract on the virtual runtime.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/virtual_runtime.rs"]
mod harness;

#[path = "contract/mod.rs"]
mod contract;

#[path = "contract/not_send.rs"]
mod not_send;
