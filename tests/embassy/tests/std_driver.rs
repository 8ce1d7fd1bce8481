//! Runs the contract on embassy with its clock for hosts.

#![allow(
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/std_driver.rs"]
mod harness;

#[path = "../../tests/contract/mod.rs"]
mod contract;
