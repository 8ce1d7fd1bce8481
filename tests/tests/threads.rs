//! Runs the contract on the multi-threaded runtimes.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/threads.rs"]
mod harness;

#[path = "contract/mod.rs"]
mod contract;

#[path = "threads/plain_threads.rs"]
mod plain_threads;

#[path = "threads/first_poll.rs"]
mod first_poll;
