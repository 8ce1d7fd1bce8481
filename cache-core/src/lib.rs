#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod asked;
mod batch;
mod builder;
mod cache;
// Its own tests need no attribute.
#[cfg(any(feature = "macros", test))]
#[doc(hidden)]
pub mod decorate;
mod error;
mod expiry;
mod hash;
mod janitor;
mod load;
pub mod machine;
mod panic;
pub mod runtime;
mod shards;
mod stats;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use batch::{Answer, Answers, BatchItem, BatchItemOr, BatchOutput, Batching, BatchingBuilder};
pub use builder::Builder;
pub use cache::{Cache, Computed, Iter, KeyEntry, Loading, Op, WarmProgress, WarmReport};
pub use error::{BuildError, LoadError};
pub use expiry::Expiry;
pub use hash::DefaultHasher;
pub use load::Loaded;
pub use machine::{BatchWindow, EvictionPolicy, Instant, RemovalCause, Ttl};
pub use stats::CacheStats;

#[cfg(feature = "macros")]
pub use cache_macros::cached;
