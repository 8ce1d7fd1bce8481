#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

// First: in this order, the documentation of `Cache` shows its constructors before the rest.
mod builder;

mod cache;

mod batch;
mod error;
mod expiry;
mod flight;
mod hash;
mod inner;
mod janitor;
mod key;
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
    Answer, Answers, BatchItem, BatchItemOr, BatchLoader, BatchLoaderBuilder, BatchOutput,
    SupportsBatching,
};
pub use builder::{Builder, SupportsCache};
#[cfg(feature = "std")]
pub use cache::Blocking;
pub use cache::{
    Cache, Iter, KeyEntry, LoadOutput, LoadingCache, OptionalLoadingCache, WarmProgress,
    WarmReport, WeakCache,
};
pub use equivalent::Equivalent;
pub use error::{BuildError, DynError, LoadError};
pub use expiry::Expiry;
pub use flight::Loaded;
pub use hash::DefaultHasher;
pub use key::{ByReference, ByValue, KeyParts, ToKey, ViewKey};
pub use load::{Nullable, Presence, Required};
pub use machine::{BatchWindow, EvictionPolicy, Instant, RemovalCause, Ttl};
pub use op::{Computed, EntryValue, Op};
pub use runtime::Loader;
pub use stats::CacheStats;

#[cfg(feature = "macros")]
pub use cache_macros::cached;

/// Defines the aliases of an adapter for the generic types of this crate, on its runtime `$runtime`:
/// `BatchLoader<K, V, E>` in place of `cache_core::BatchLoader<K, V, E, MyRuntime>`.
///
/// ```
/// mod my_adapter {
///     pub use cache_core::testing::VirtualRuntime;
///
///     /// A cache on my runtime.
///     pub type Cache<K, V> = cache_core::Cache<K, V, VirtualRuntime>;
///     cache_core::aliases!(VirtualRuntime);
/// }
///
/// use my_adapter::{BatchLoader, Cache, VirtualRuntime};
///
/// let cache: Cache<u64, u64> = Cache::builder_on(VirtualRuntime::new()).build();
/// let view: BatchLoader<u64, u64> = cache.batching(|keys: Vec<u64>| async move { keys });
/// ```
#[macro_export]
macro_rules! aliases {
    ($runtime:ty) => {
        /// A view of a cache that loads misses in batches. [`cache_core::BatchLoader`] has the
        /// documentation.
        ///
        /// [`cache_core::BatchLoader`]: $crate::BatchLoader
        pub type BatchLoader<K, V, E = ::core::convert::Infallible, S = $crate::DefaultHasher> =
            $crate::BatchLoader<K, V, E, $runtime, S>;

        /// Builds a [`BatchLoader`]. [`cache_core::BatchLoaderBuilder`] has the documentation.
        ///
        /// [`cache_core::BatchLoaderBuilder`]: $crate::BatchLoaderBuilder
        pub type BatchLoaderBuilder<
            K,
            V,
            E = ::core::convert::Infallible,
            S = $crate::DefaultHasher,
        > = $crate::BatchLoaderBuilder<K, V, E, $runtime, S>;

        /// Builds a cache. [`cache_core::Builder`] has the documentation.
        ///
        /// [`cache_core::Builder`]: $crate::Builder
        pub type Builder<K, V, S = $crate::DefaultHasher> = $crate::Builder<K, V, $runtime, S>;

        /// The entries of a cache. [`cache_core::Iter`] has the documentation.
        ///
        /// [`cache_core::Iter`]: $crate::Iter
        pub type Iter<K, V, S = $crate::DefaultHasher> = $crate::Iter<K, V, $runtime, S>;

        /// A cache with a loader for its missing keys. [`cache_core::LoadingCache`] has the
        /// documentation.
        ///
        /// [`cache_core::LoadingCache`]: $crate::LoadingCache
        pub type LoadingCache<K, V, E = ::core::convert::Infallible, S = $crate::DefaultHasher> =
            $crate::LoadingCache<K, V, E, $runtime, S>;

        /// A [`LoadingCache`] whose loader may find no value.
        /// [`cache_core::OptionalLoadingCache`] has the documentation.
        ///
        /// [`cache_core::OptionalLoadingCache`]: $crate::OptionalLoadingCache
        pub type OptionalLoadingCache<
            K,
            V,
            E = ::core::convert::Infallible,
            S = $crate::DefaultHasher,
        > = $crate::OptionalLoadingCache<K, V, E, $runtime, S>;

        /// A weak handle of a cache. [`cache_core::WeakCache`] has the documentation.
        ///
        /// [`cache_core::WeakCache`]: $crate::WeakCache
        pub type WeakCache<K, V, S = $crate::DefaultHasher> = $crate::WeakCache<K, V, $runtime, S>;
    };
}
