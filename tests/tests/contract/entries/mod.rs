//! The entries of a cache: counts, iteration, memory, and drops.

mod concurrency;
mod counts;
mod drop_counts;
mod hashers;
mod iteration;
mod memory;
mod small_reads;
mod weak_handles;
