//! Metrics of caches: a registry of named caches, and what exports their figures.
//!
//! ```
//! use cache_metrics::Registry;
//! use cache_tokio::Cache;
//!
//! # fn main() -> Result<(), cache_metrics::RegisterError> {
//! let registry = Registry::new();
//! let users: Cache<u64, String> = Cache::builder().name("users").max_capacity(1_000).build();
//! registry.register(&users)?;
//!
//! users.insert(1, "alice".to_string());
//! users.get(&1);
//! let snapshots = registry.snapshots();
//! assert_eq!((&*snapshots[0].name, snapshots[0].stats.hits), ("users", 1));
//! # Ok(())
//! # }
//! ```
//!
//! The registry reads the counters that a cache keeps anyway. A registered cache runs the same code
//! on a hit as any other cache.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod observed;
mod registry;

pub use observed::{Observed, Register, Snapshot, WeakObserved};
pub use registry::{RegisterError, Registry};
