//! The bound of a cache, and which entry is evicted.

mod capacity;
mod expired_first;
mod policy;
mod set_max_capacity;
