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
//!
//! [`Registry::register`] takes a [`Tiered`](cache_core::tier::Tiered) cache as it is. Its exported
//! figures are those of its first tier, and those of the second tier as `cache.tier.…`. A registry
//! that holds `tiered.cache()` instead has the figures of the first tier alone.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "metrics")]
mod facade;
mod observed;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(feature = "prometheus-client")]
mod prometheus;
mod registry;
mod table;
mod text;
mod tiered;
#[cfg(feature = "tracing")]
mod traces;

#[cfg(feature = "metrics")]
pub use facade::{MetricsObserver, publish};

pub use observed::{Observed, Register, Snapshot, WeakObserved};
#[cfg(feature = "opentelemetry")]
pub use otel::{OpenTelemetryObserver, opentelemetry_instruments};
#[cfg(feature = "prometheus-client")]
pub use prometheus::PrometheusCollector;
pub use registry::{RegisterError, Registry};
#[cfg(feature = "tracing")]
pub use traces::TracingObserver;
