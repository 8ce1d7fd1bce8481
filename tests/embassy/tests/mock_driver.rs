//! What the cache promises, on embassy with this clock.

#![allow(
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/mock_driver.rs"]
mod harness;

#[path = "../../tests/contract/mod.rs"]
mod contract;
