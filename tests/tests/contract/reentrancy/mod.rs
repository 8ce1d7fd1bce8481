//! Code that the cache calls and that uses the same cache.

mod drop;
mod eq_and_clone;
mod loader;
mod wakers;
mod weigher_and_expiry;
