//! Promises specific to Tokio: several runtimes and their shutdown, plain threads, and Tokio's
//! clock.

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

#[path = "contract"]
mod contract {
    pub mod support;
}

#[path = "tokio"]
mod promises {
    mod batch_timers;
    mod clock;
    mod janitor;
    mod plain_threads;
    mod runtime_ended;
    mod several_clocks;
    mod shutdown;
    mod task_locals;
    mod with_handle;
    mod without_timers;
}
