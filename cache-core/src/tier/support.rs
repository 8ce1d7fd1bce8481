//! What a runtime must be for a tiered cache.
//!
//! Whether the future of a load is `Send` depends on the runtime's own types. So the macro
//! [`supports_tier`](crate::supports_tier) boxes it where the runtime is known.

use core::hash::{BuildHasher, Hash};

pub use alloc::boxed::Box;
pub use alloc::vec::Vec;

pub use super::batch_load::{LoadedBatches, load_in_batch};
pub use super::client::{Client, Lookup};
pub use super::load::TierLoad;
pub use super::loading::{ViewLoader, load_in_view};
pub use super::state::{Lookups, TierReport, TierState};
pub use crate::flight::{Fault, LoaderResult};
pub use crate::load::LoadingOn;
pub use crate::sync::{Arc, Weak};

use super::store::{Read, Tier};
use crate::batch::SupportsBatching;
use crate::builder::SupportsCache;
use crate::cache::Cache;
use crate::flight::Loaded;
use crate::machine::Instant;
use crate::runtime::Flavor;

/// The cache behind the view that collects lookups: it stores nothing.
// An alias, not a re-export of `Cache`: the compiler would name the cache by that path in messages.
pub type LookupCache<K, V, T, R, S> = Cache<K, Lookup<K, V, T, R>, R, S>;

/// A runtime that supports a tiered cache from `K` to `V` with hasher `S` and second tier `T`.
///
/// [`supports_tier`](crate::supports_tier) implements it.
#[diagnostic::on_unimplemented(
    message = "the runtime `{Self}` does not support a tiered cache from `{K}` to `{V}` with the tier `{T}`",
    label = "this tiered cache cannot be built",
    note = "keys, values and the hasher are `Clone`, and on a runtime that moves tasks between threads keys, values, hasher and tier are `Send + Sync`",
    note = "a runtime of your own needs `cache_core::supports_tier!`"
)]
pub trait SupportsTier<K: 'static, V: 'static, T, S>:
    Clone
    + SupportsCache<K, V, S>
    + SupportsCache<(u64, K), V, S>
    + SupportsCache<K, Lookup<K, V, T, Self>, S>
    + SupportsCache<K, Loaded<V>, S>
    + SupportsBatching<K, Lookup<K, V, T, Self>, S>
    + SupportsBatching<K, Loaded<V>, S>
where
    K: Eq + Hash + Clone,
    V: Clone,
    T: Tier<K, V, Self::Flavor>,
    S: BuildHasher,
{
    /// Boxes the handler of the second tier's reports.
    #[doc(hidden)]
    fn box_handler(
        state: Weak<TierState<K, V, T, Self, S>>,
    ) -> <Self::Flavor as Flavor>::Handler<TierReport<K>, Option<Instant>>;

    /// Returns the view that collects lookups.
    #[doc(hidden)]
    fn lookups(
        cache: &LookupCache<K, V, T, Self, S>,
        client: &Arc<Client<K, V, T, Self>>,
        read: Read,
    ) -> Lookups<K, V, T, Self, S>;

    /// Boxes the load of a key.
    #[doc(hidden)]
    fn box_load(load: TierLoad<K, V, T, Self, S>) -> LoadingOn<Self::Flavor, V>;

    /// Boxes the load of a key by the loader of a view.
    #[doc(hidden)]
    fn box_load_in_view(
        loader: &Arc<ViewLoader<K, V, Self::Flavor>>,
        key: K,
    ) -> LoadingOn<Self::Flavor, V>;

    /// Boxes the load of a key by a batch loader.
    #[doc(hidden)]
    fn box_load_in_batch(
        batches: LoadedBatches<K, V, Self, S>,
        key: K,
    ) -> LoadingOn<Self::Flavor, V>;
}

/// Implements [`SupportsTier`](crate::tier::SupportsTier) for a runtime. An adapter calls it once
/// for each of its runtimes, with the flavor of the runtime: `MyRuntime: CurrentThread`, or
/// `MyRuntime: MultiThread + Send + Sync`.
///
/// ```
/// # mod my_runtime {
/// # use cache_core::runtime::{Context, CurrentThread, NoTimer, Runtime, Task};
/// # use cache_core::{Instant, sync::{LocalMutex, LocalRwLock}};
/// #[derive(Clone)]
/// pub struct MyRuntime;
///
/// impl Runtime for MyRuntime {
///     type Flavor = CurrentThread;
/// #   type Lock<T> = LocalRwLock<T>;
/// #   type Mutex<T> = LocalMutex<T>;
/// #   type Timer = NoTimer;
/// #   fn now(&self) -> Instant { Instant::ORIGIN }
/// #   fn timer(&self) -> Option<NoTimer> { None }
/// #   fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> { Err(task) }
/// #   fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T { f(&Context::new()) }
///     // …
/// }
///
/// cache_core::supports_tier!(MyRuntime: CurrentThread);
/// # }
/// ```
#[macro_export]
macro_rules! supports_tier {
    ($runtime:ty: $flavor:ident $(+ $bound:ident)*) => {
        impl<K, V, T, S> $crate::tier::SupportsTier<K, V, T, S> for $runtime
        where
            K: Eq + ::core::hash::Hash + Clone + $($bound +)* 'static,
            V: Clone + $($bound +)* 'static,
            T: $crate::tier::Tier<K, V, $crate::runtime::$flavor> + $($bound +)* 'static,
            S: ::core::hash::BuildHasher + Clone + $($bound +)* 'static,
        {
            fn box_handler(
                state: $crate::tier::support::Weak<
                    $crate::tier::support::TierState<K, V, T, Self, S>,
                >,
            ) -> <$crate::runtime::$flavor as $crate::runtime::Flavor>::Handler<
                $crate::tier::support::TierReport<K>,
                Option<$crate::machine::Instant>,
            > {
                $crate::tier::support::Box::new(move |event| {
                    $crate::tier::support::TierState::handle(&state, event)
                })
            }

            fn lookups(
                cache: &$crate::tier::support::LookupCache<K, V, T, Self, S>,
                client: &$crate::tier::support::Arc<
                    $crate::tier::support::Client<K, V, T, Self>,
                >,
                read: $crate::tier::Read,
            ) -> $crate::tier::support::Lookups<K, V, T, Self, S> {
                let max = client.max_fetch();
                let client = $crate::tier::support::Arc::clone(client);
                let fetch = move |keys: $crate::tier::support::Vec<K>| {
                    let client = $crate::tier::support::Arc::clone(&client);
                    $crate::tier::support::Client::fetch(client, keys, read)
                };
                cache
                    .batching_builder(fetch)
                    .batch_window($crate::machine::BatchWindow::Yield(1))
                    .max_batch_size(max)
                    .disable_cache()
                    .build()
            }

            fn box_load(
                load: $crate::tier::support::TierLoad<K, V, T, Self, S>,
            ) -> $crate::tier::support::LoadingOn<$crate::runtime::$flavor, V> {
                $crate::tier::support::Box::pin($crate::tier::support::TierState::run(load))
            }

            fn box_load_in_view(
                loader: &$crate::tier::support::Arc<
                    $crate::tier::support::ViewLoader<K, V, $crate::runtime::$flavor>,
                >,
                key: K,
            ) -> $crate::tier::support::LoadingOn<$crate::runtime::$flavor, V> {
                let loader = $crate::tier::support::Arc::clone(loader);
                $crate::tier::support::Box::pin($crate::tier::support::load_in_view::<
                    K,
                    V,
                    $crate::runtime::$flavor,
                >(loader, key))
            }

            fn box_load_in_batch(
                batches: $crate::tier::support::LoadedBatches<K, V, Self, S>,
                key: K,
            ) -> $crate::tier::support::LoadingOn<$crate::runtime::$flavor, V> {
                $crate::tier::support::Box::pin(
                    $crate::tier::support::load_in_batch(batches, key),
                )
            }
        }
    };
}
