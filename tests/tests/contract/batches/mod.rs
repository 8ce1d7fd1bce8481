//! Batching views: windows, permits, and what batch loaders return.

mod cancel;
mod concurrency;
mod detach;
mod disable_cache;
mod duplicates;
mod failures;
mod hash_collisions;
mod keys;
mod panics;
mod size;
mod stats;
mod stress;
mod values;
mod window;
mod writes;
