//! A registry of caches is shared between threads, and a local cache is bound to its own.

use cache_metrics::{RegisterError, Registry};
use cache_tokio::local;

fn main() -> Result<(), RegisterError> {
    let cache: local::Cache<u64, u64> = local::Cache::builder().name("tabs").build();
    let registry = Registry::new();
    registry.register(&cache)
}
