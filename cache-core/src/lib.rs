#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod batch;
mod builder;
mod cache;
mod error;
mod events;
mod expiry;
mod flight;
mod hash;
mod inner;
mod janitor;
mod load;
pub mod machine;
#[cfg(any(feature = "macros", test))]
#[doc(hidden)]
pub mod macro_support;
mod op;
mod opt_in;
mod panic;
pub mod runtime;
mod shards;
mod stats;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use batch::{
    Answer, Answers, BatchItem, BatchItemOr, BatchLoader, BatchLoaderFn, BatchOutput,
    BatchingBuilder, SupportsBatching,
};
pub use builder::{Builder, SupportsCache};
#[cfg(feature = "std")]
pub use cache::Blocking;
pub use cache::{Cache, Iter, KeyEntry, LoadingCache, WarmProgress, WarmReport, WeakCache};
pub use error::{BuildError, DynError, LoadError};
pub use events::{Event, Events};
pub use expiry::Expiry;
pub use flight::Loaded;
pub use hash::DefaultHasher;
pub use machine::{BatchWindow, EvictionPolicy, Instant, RemovalCause, Ttl};
pub use op::{Computed, Op};
pub use stats::CacheStats;

#[cfg(feature = "macros")]
pub use cache_macros::cached;
