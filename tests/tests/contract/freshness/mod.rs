//! Freshness: values that are due before their ttl ends, and values that are returned after it.

mod backoff;
mod batches;
mod due;
mod ends;
mod fences;
mod kept;
mod limits;
mod memory;
mod slow;
mod stale;
pub mod support;
mod views;
