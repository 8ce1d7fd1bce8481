//! The promises of the cache, each written once. `crate::harness` is the runtime under test.

mod batches;
mod entries;
mod eviction;
mod expiry;
mod freshness;
mod listener;
mod loads;
mod observer;
mod panics;
mod reentrancy;
mod settings;
pub mod support;
mod writes;
