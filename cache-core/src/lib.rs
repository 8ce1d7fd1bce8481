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
mod events;
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
mod observe;
mod op;
mod opt_in;
mod panic;
mod refresh;
pub mod runtime;
mod shards;
mod stats;
pub mod sync;
// Before `testing`, which uses its macro.
#[cfg(feature = "tier")]
#[macro_use]
pub mod tier;
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
    Cache, Iter, KeyEntry, LoadOutput, LoadingCache, OptionalLoadingCache, Reload, WarmProgress,
    WarmReport, WeakCache,
};
pub use equivalent::Equivalent;
pub use error::{BuildError, DynError, LoadError};
pub use events::{Event, Events};
pub use expiry::Expiry;
pub use flight::Loaded;
pub use hash::DefaultHasher;
pub use key::{ByReference, ByValue, KeyParts, ToKey, ViewKey};
pub use load::{Nullable, Presence, Required};
pub use machine::{BatchWindow, EvictionPolicy, Instant, RemovalCause, Ttl};
pub use observe::{
    BatchBegun, BatchDispatched, BatchEnded, BatchReason, LoadBegun, LoadEnded, LoadKind,
    Observation, Observer,
};
pub use op::{Computed, EntryValue, Op};
pub use refresh::{RefreshEnd, RefreshError};
pub use runtime::Loader;
pub use stats::{Bucket, CacheStats, Histogram, Histograms, LoadResult, Measured};

#[cfg(feature = "macros")]
pub use cache_macros::cached;

/// Defines the aliases of an adapter for the generic types of this crate, on its runtime:
/// `Cache<K, V>` in place of `cache_core::Cache<K, V, MyRuntime>`, and so on.
///
/// Doc comments before the runtime are the docs of `Cache`. A table of all methods follows them,
/// because rustdoc shows no methods of an alias of a type in another crate.
///
/// ```
/// mod my_adapter {
///     pub use cache_core::testing::VirtualRuntime;
///
///     cache_core::aliases! {
///         /// A cache on my runtime.
///         VirtualRuntime
///     }
/// }
///
/// use my_adapter::{BatchLoader, Cache, VirtualRuntime};
///
/// let cache: Cache<u64, u64> = Cache::builder_on(VirtualRuntime::new()).build();
/// let view: BatchLoader<u64, u64> = cache.batching(|keys: Vec<u64>| async move { keys });
/// ```
#[macro_export]
macro_rules! aliases {
    ($(#[$attribute:meta])* $runtime:ty) => {
        $(#[$attribute])*
        ///
        /// # Methods
        ///
        /// The links lead to the docs of [`cache_core::Cache`], where the methods are. Each has an
        /// example.
        ///
        /// | create | |
        /// |---|---|
        /// | [`new`] | a cache with a maximum number of entries |
        /// | [`builder`], [`builder_on`] | a [`Builder`] with all settings |
        ///
        /// | read | |
        /// |---|---|
        /// | [`get`] | the value of a key, if it has a live one |
        /// | [`get_all`] | the values of several keys |
        /// | [`peek`], [`contains_key`] | as `get`, but not a use of the entry |
        /// | [`get_stale`] | the value also after its time to live |
        /// | [`iter`] | all entries; `for (key, value) in &cache` does the same |
        /// | [`expires_at`], [`time_to_expiry`] | when an entry expires |
        ///
        /// | load on a miss | the loader returns |
        /// |---|---|
        /// | [`get_with`], [`get_with_by_ref`], [`get_with_scoped`], [`get_with_by_ref_scoped`] | `V` |
        /// | [`optionally_get_with`], [`optionally_get_with_by_ref`], [`optionally_get_with_scoped`], [`optionally_get_with_by_ref_scoped`] | `Option<V>` |
        /// | [`try_get_with`], [`try_get_with_by_ref`], [`try_get_with_scoped`], [`try_get_with_by_ref_scoped`] | `Result<V, E>` |
        /// | [`try_optionally_get_with`], [`try_optionally_get_with_by_ref`], [`try_optionally_get_with_scoped`], [`try_optionally_get_with_by_ref_scoped`] | `Result<Option<V>, E>` |
        /// | [`load_with`], [`load_with_by_ref`], [`load_with_scoped`], [`load_with_by_ref_scoped`] | `Result<Loaded<V>, E>`: a value with its own ttl or weight |
        /// | [`refresh`] | `Result<V, E>` or `Result<Loaded<V>, E>`; runs also if the key has a value |
        /// | [`warm`], [`warm_with_progress`] | many keys before the first request |
        /// | [`loading`], [`loading_optional`] | a view with one loader for all keys |
        /// | [`reloading`] | such a view, whose loader also gets the stored value |
        /// | [`batching`], [`batching_builder`] | a view that loads many keys with one call |
        /// | [`blocking`] | the loads for plain threads, with sync loaders |
        ///
        /// | write | |
        /// |---|---|
        /// | [`insert`], [`insert_with_ttl`], [`insert_weighted`], [`insert_entry`] | store a value |
        /// | [`set_ttl`] | change the ttl of an entry |
        /// | [`entry`], [`entry_by_ref`] | read, decide and write one key in one step |
        ///
        /// | remove | |
        /// |---|---|
        /// | [`invalidate`], [`invalidate_all`] | without the value |
        /// | [`mark_stale`], [`mark_all_stale`] | end the time to live, and keep the value for the windows after it |
        /// | [`remove`], [`remove_if`] | with the value |
        /// | [`retain`], [`drain`] | many entries |
        ///
        /// | observe | |
        /// |---|---|
        /// | [`events`] | a stream of the entries that leave |
        /// | [`stats`] | hits, misses, loads, batches, removals |
        /// | [`entry_count`], [`is_empty`], [`weighted_size`], [`max_capacity`], [`flight_count`] | exact counts |
        /// | [`enable_histograms`], [`histograms`] | how long loads took, and how large batches were |
        /// | [`memory_used`] | bytes |
        ///
        /// | maintain | |
        /// |---|---|
        /// | [`run_pending_tasks`], [`next_deadline`] | purge expired entries, and when the next one expires |
        /// | [`set_max_capacity`], [`try_set_max_capacity`] | change the bound |
        /// | [`shrink_to_fit`] | free memory |
        /// | [`downgrade`] | a weak handle |
        /// | [`name`], [`runtime`] | the name, the runtime |
        ///
        /// [`new`]: cache_core::Cache::new
        /// [`builder`]: cache_core::Cache::builder
        /// [`builder_on`]: cache_core::Cache::builder_on
        /// [`get`]: cache_core::Cache::get
        /// [`get_all`]: cache_core::Cache::get_all
        /// [`peek`]: cache_core::Cache::peek
        /// [`contains_key`]: cache_core::Cache::contains_key
        /// [`get_stale`]: cache_core::Cache::get_stale
        /// [`mark_stale`]: cache_core::Cache::mark_stale
        /// [`mark_all_stale`]: cache_core::Cache::mark_all_stale
        /// [`iter`]: cache_core::Cache::iter
        /// [`expires_at`]: cache_core::Cache::expires_at
        /// [`time_to_expiry`]: cache_core::Cache::time_to_expiry
        /// [`get_with`]: cache_core::Cache::get_with
        /// [`get_with_by_ref`]: cache_core::Cache::get_with_by_ref
        /// [`get_with_scoped`]: cache_core::Cache::get_with_scoped
        /// [`get_with_by_ref_scoped`]: cache_core::Cache::get_with_by_ref_scoped
        /// [`optionally_get_with`]: cache_core::Cache::optionally_get_with
        /// [`optionally_get_with_by_ref`]: cache_core::Cache::optionally_get_with_by_ref
        /// [`optionally_get_with_scoped`]: cache_core::Cache::optionally_get_with_scoped
        /// [`optionally_get_with_by_ref_scoped`]: cache_core::Cache::optionally_get_with_by_ref_scoped
        /// [`try_get_with`]: cache_core::Cache::try_get_with
        /// [`try_get_with_by_ref`]: cache_core::Cache::try_get_with_by_ref
        /// [`try_get_with_scoped`]: cache_core::Cache::try_get_with_scoped
        /// [`try_get_with_by_ref_scoped`]: cache_core::Cache::try_get_with_by_ref_scoped
        /// [`try_optionally_get_with`]: cache_core::Cache::try_optionally_get_with
        /// [`try_optionally_get_with_by_ref`]: cache_core::Cache::try_optionally_get_with_by_ref
        /// [`try_optionally_get_with_scoped`]: cache_core::Cache::try_optionally_get_with_scoped
        /// [`try_optionally_get_with_by_ref_scoped`]: cache_core::Cache::try_optionally_get_with_by_ref_scoped
        /// [`load_with`]: cache_core::Cache::load_with
        /// [`load_with_by_ref`]: cache_core::Cache::load_with_by_ref
        /// [`load_with_scoped`]: cache_core::Cache::load_with_scoped
        /// [`load_with_by_ref_scoped`]: cache_core::Cache::load_with_by_ref_scoped
        /// [`refresh`]: cache_core::Cache::refresh
        /// [`warm`]: cache_core::Cache::warm
        /// [`warm_with_progress`]: cache_core::Cache::warm_with_progress
        /// [`loading`]: cache_core::Cache::loading
        /// [`loading_optional`]: cache_core::Cache::loading_optional
        /// [`reloading`]: cache_core::Cache::reloading
        /// [`blocking`]: cache_core::Cache::blocking
        /// [`batching`]: cache_core::Cache::batching
        /// [`batching_builder`]: cache_core::Cache::batching_builder
        /// [`insert`]: cache_core::Cache::insert
        /// [`insert_with_ttl`]: cache_core::Cache::insert_with_ttl
        /// [`insert_weighted`]: cache_core::Cache::insert_weighted
        /// [`insert_entry`]: cache_core::Cache::insert_entry
        /// [`set_ttl`]: cache_core::Cache::set_ttl
        /// [`entry`]: cache_core::Cache::entry
        /// [`entry_by_ref`]: cache_core::Cache::entry_by_ref
        /// [`name`]: cache_core::Cache::name
        /// [`set_max_capacity`]: cache_core::Cache::set_max_capacity
        /// [`try_set_max_capacity`]: cache_core::Cache::try_set_max_capacity
        /// [`invalidate`]: cache_core::Cache::invalidate
        /// [`invalidate_all`]: cache_core::Cache::invalidate_all
        /// [`remove`]: cache_core::Cache::remove
        /// [`remove_if`]: cache_core::Cache::remove_if
        /// [`retain`]: cache_core::Cache::retain
        /// [`drain`]: cache_core::Cache::drain
        /// [`stats`]: cache_core::Cache::stats
        /// [`entry_count`]: cache_core::Cache::entry_count
        /// [`is_empty`]: cache_core::Cache::is_empty
        /// [`weighted_size`]: cache_core::Cache::weighted_size
        /// [`max_capacity`]: cache_core::Cache::max_capacity
        /// [`flight_count`]: cache_core::Cache::flight_count
        /// [`memory_used`]: cache_core::Cache::memory_used
        /// [`enable_histograms`]: cache_core::Cache::enable_histograms
        /// [`histograms`]: cache_core::Cache::histograms
        /// [`events`]: cache_core::Cache::events
        /// [`run_pending_tasks`]: cache_core::Cache::run_pending_tasks
        /// [`next_deadline`]: cache_core::Cache::next_deadline
        /// [`shrink_to_fit`]: cache_core::Cache::shrink_to_fit
        /// [`downgrade`]: cache_core::Cache::downgrade
        /// [`runtime`]: cache_core::Cache::runtime
        pub type Cache<K, V, S = $crate::DefaultHasher> = $crate::Cache<K, V, $runtime, S>;

        /// A view of a cache that loads misses in batches. [`cache_core::BatchLoader`] has the
        /// documentation.
        #[doc(alias = "DataLoader")]
        pub type BatchLoader<K, V, E = ::core::convert::Infallible, S = $crate::DefaultHasher> =
            $crate::BatchLoader<K, V, E, $runtime, S>;

        /// Builds a [`BatchLoader`]. [`cache_core::BatchLoaderBuilder`] has the documentation.
        pub type BatchLoaderBuilder<
            K,
            V,
            E = ::core::convert::Infallible,
            S = $crate::DefaultHasher,
        > = $crate::BatchLoaderBuilder<K, V, E, $runtime, S>;

        /// Builds a cache. [`cache_core::Builder`] has the documentation.
        pub type Builder<K, V, S = $crate::DefaultHasher> = $crate::Builder<K, V, $runtime, S>;

        /// A stream of the entries that leave a cache. [`cache_core::Events`] has the
        /// documentation.
        pub type Events<K> = $crate::Events<K, $runtime>;

        /// The entries of a cache. [`cache_core::Iter`] has the documentation.
        pub type Iter<K, V, S = $crate::DefaultHasher> = $crate::Iter<K, V, $runtime, S>;

        /// A cache with a loader for its missing keys. [`cache_core::LoadingCache`] has the
        /// documentation.
        pub type LoadingCache<K, V, E = ::core::convert::Infallible, S = $crate::DefaultHasher> =
            $crate::LoadingCache<K, V, E, $runtime, S>;

        /// A [`LoadingCache`] whose loader may find no value.
        /// [`cache_core::OptionalLoadingCache`] has the documentation.
        pub type OptionalLoadingCache<
            K,
            V,
            E = ::core::convert::Infallible,
            S = $crate::DefaultHasher,
        > = $crate::OptionalLoadingCache<K, V, E, $runtime, S>;

        /// A weak handle of a cache. [`cache_core::WeakCache`] has the documentation.
        pub type WeakCache<K, V, S = $crate::DefaultHasher> = $crate::WeakCache<K, V, $runtime, S>;
    };
}
