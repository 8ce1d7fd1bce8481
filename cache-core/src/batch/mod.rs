//! Batching views: concurrent loads of single keys become one call of a batch loader
//! (`DataLoader`).
//!
//! The path of a request:
//!
//! 1. [`BatchLoader::get`] looks the key up; a hit ends here.
//! 2. A miss joins the flight of the key, as every loading method does. The leader adds the flight
//!    to the queue ([`BatchQueue`]), in the batch of the open window.
//! 3. [`BatchWork`], the work of the batch, waits for the window to close and for a permit, calls
//!    the loader with the distinct keys, and completes each flight with the result for its key.
//! 4. A background task polls the work. If no task can be spawned, the waiters poll the work
//!    ([`BatchFlight`](crate::flight::BatchFlight)).
//!
//! | file | what it holds |
//! |---|---|
//! | `builder` | the settings of a view |
//! | `loader` | what a runtime must be for batches; the boxed loader |
//! | `output`, `results` | what a batch loader may return; one result for each request |
//! | `load`, `inner` | the future of one load; the state that clones of a view share |
//! | `queue`, `dedup` | the window, the permits; requests for the same key |
//! | `work`, `complete` | the state machine of one batch; how it ends its flights |
//! | `observe` | what the observer, the histograms and the counters get of a batch |

mod builder;
mod complete;
mod dedup;
mod inner;
mod load;
mod loader;
mod observe;
mod output;
mod queue;
mod results;
mod work;

use alloc::vec::Vec;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use core::mem;

use futures_core::{FusedFuture, FusedStream};

use crate::cache::Cache;
use crate::error::LoadError;
use crate::flight::{Driver, Loaded};
use crate::hash::DefaultHasher;
use crate::key::ViewKey;
use crate::load::{FlightHandle, Fused, JoinAll, JoinEach, JoinResult, Nullable, Viewed};
use crate::machine::Age;
use crate::opt_in::{Feature, Freshening};
use crate::runtime::{LoadErrorType, Loader, Runtime};
use crate::sync::{Arc, Mutex};
use inner::BatchingInner;
use load::Load;
#[cfg(doc)]
use queue::BatchQueue;
pub(crate) use results::erase_errors;
#[cfg(doc)]
use work::BatchWork;

pub use builder::BatchLoaderBuilder;
pub use loader::SupportsBatching;
pub use output::{Answer, Answers, BatchItem, BatchItemOr, BatchOutput};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns a view of this cache that loads misses in batches: the keys that callers request
    /// within 5 ms become one call of `loader`, with at most 100 distinct keys.
    ///
    /// `loader` is a closure or a function from `Vec<K>` to a future of a [`BatchOutput`], or a
    /// type that implements [`Loader`]. The output is for example a `HashMap<K, V>`, a `Vec` with
    /// one item for each key, or a `Result` of one of these. A closure names the type of its
    /// argument. The view calls a clone of the loader for each batch. A hit never waits for a
    /// window.
    ///
    /// Make a view once and keep it, for example in the state of a server: only callers of one
    /// view, or of its clones, share a window. A view that is made for each request batches
    /// nothing, and does not say so.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
    /// use std::collections::HashMap;
    ///
    /// let names = cache.batching(|ids: Vec<u64>| async move {
    ///     // SELECT id, name FROM users WHERE id IN (…)
    ///     ids.into_iter().map(|id| (id, format!("user {id}"))).collect::<HashMap<_, _>>()
    /// });
    /// # runtime.block_on(async {
    /// let found = names.get_all([1, 2, 3]).await;
    /// assert_eq!(found[2].as_ref().unwrap().as_deref(), Some("user 3"));
    /// assert_eq!(names.cache().stats().batches, 1);
    /// # });
    /// ```
    #[must_use = "a view has a window of its own: make it once and keep it"]
    pub fn batching<L, O, E>(&self, loader: L) -> BatchLoader<K, V, E, R, S>
    where
        L: Loader<Vec<K>, R::Flavor, Output = O>,
        O: BatchOutput<K, V, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
        R: SupportsBatching<K, V, S>,
    {
        self.batching_builder(loader).into_view()
    }

    /// Returns a builder for a view as [`Cache::batching`] returns it, with other settings.
    ///
    /// ```
    /// # use cache_core::{BatchWindow, Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache
    ///     .batching_builder(|keys: Vec<u64>| async move {
    ///         keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    ///     })
    ///     .batch_window(BatchWindow::Yield(1))
    ///     .max_batch_size(50)
    ///     .build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    #[must_use = "a builder does nothing until `build`, and a view has a window of its own: make it once and keep it"]
    pub fn batching_builder<L, O, E>(&self, loader: L) -> BatchLoaderBuilder<K, V, E, R, S>
    where
        L: Loader<Vec<K>, R::Flavor, Output = O>,
        O: BatchOutput<K, V, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
        R: SupportsBatching<K, V, S>,
    {
        BatchLoaderBuilder::new(self.clone(), loader.into_boxed(erase_errors))
    }
}

/// A view of a cache that loads misses in batches: [`Cache::batching`] returns it.
///
/// `E` is the loader's error. Each adapter has an alias for its runtime, such as
/// `cache_tokio::BatchLoader<K, V, E>`. A clone is cheap and shares the window. Other views of the
/// same cache have windows of their own, but a key has one load in flight, whichever view or method
/// requests it.
///
/// The methods take keys by value or by reference ([`ViewKey`]): `get(7)`, `get(&7)`, and
/// `get("abc")` for a `String`. With a reference, only a miss makes an owned key.
#[doc(alias = "DataLoader")]
pub struct BatchLoader<K: 'static, V: 'static, E, R: Runtime, S = DefaultHasher> {
    inner: Arc<BatchingInner<K, V, R, S>>,
    error: PhantomData<fn() -> E>,
}

impl<K, V, E, R: Runtime, S> BatchLoader<K, V, E, R, S> {
    /// Returns the cache behind the view.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// squares.prime(7, 49);
    /// assert_eq!(squares.cache().get(&7), Some(49));
    /// ```
    #[must_use]
    pub fn cache(&self) -> &Cache<K, V, R, S> {
        &self.inner.handle
    }

    /// Closes the open window now, with the refreshes that wait; its batch goes to the loader as
    /// soon as it has a permit. If no key waits, this does nothing.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # let view = squares.clone();
    /// # let first = runtime.spawn(async move { view.get(7).await.unwrap() });
    /// # runtime.run_until_idle();
    /// // A task waits for `squares.get(7)`:
    /// squares.dispatch();
    /// # runtime.run_until_idle();
    /// assert_eq!(cache.get(&7), Some(49)); // no time has passed
    /// ```
    pub fn dispatch(&self) {
        self.dispatch_window(false);
        if Freshening::is_enabled() && self.inner.cache().refreshing.is_set() {
            // Those for which the batch of the misses had no room.
            self.dispatch_window(true);
        }
    }

    fn dispatch_window(&self, of_refreshes: bool) {
        let batch = self.inner.queue.with(|queue| queue.dispatch(of_refreshes));
        if let Some(batch) = batch {
            batch.notify();
        }
    }
}

impl<K, V, E, R, S> BatchLoader<K, V, E, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: SupportsBatching<K, V, S>,
    E: LoadErrorType<R::Flavor> + 'static,
    S: BuildHasher,
{
    /// Returns the value of `key`. A miss is loaded with the next batch.
    ///
    /// `None` means that the loader found no value. The cache stores nothing then, and the next
    /// call loads again unless the builder sets [`negative_ttl`](crate::Builder::negative_ttl).
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// [`LoadError`]: the loader's error for this key or for the whole batch, a panic of the loader
    /// (no caller of a batch gets the panic itself), a timeout, a wrong number of items, or a load
    /// of the key inside its own loader.
    ///
    /// # Cancel safety
    /// Dropping the future is safe for all other callers. If no other caller waits for the key and
    /// the batch has not called the loader, the key is left out of the batch. A batch without
    /// callers is dropped, unless the cache was built with `detach_loads`.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// let lengths = cache.batching(|names: Vec<String>| async move {
    ///     names.iter().map(String::len).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// assert_eq!(lengths.get("alice").await.unwrap(), Some(5));
    /// # });
    /// ```
    pub fn get<N, By>(&self, key: N) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        Fused::new(async move { self.start_load(key).await })
    }

    /// Returns the values of `keys`, in the order of `keys`. Misses are loaded together, in as few
    /// batches as their size allows.
    ///
    /// A key that occurs more than once is loaded once; the statistics count each occurrence as a
    /// request. Each item of the result is what [`BatchLoader::get`] returns for its key.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`], for each key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// let found = squares.get_all([2, 3]).await;
    /// assert_eq!(found[1].as_ref().unwrap(), &Some(9));
    /// # });
    /// ```
    pub fn get_all<N, By>(
        &self,
        keys: impl IntoIterator<Item = N>,
    ) -> impl FusedFuture<Output = Vec<Result<Option<V>, LoadError<E>>>>
    where
        N: ViewKey<K, By>,
    {
        // An async function would hold the iterator, and be `Send` only if the iterator is.
        let keys: Vec<N> = keys.into_iter().collect();
        Fused::new(async move {
            // Must enqueue every request before the first poll: that poll may drive the batch, and
            // close its window before the other keys are in it.
            JoinAll::new(keys.into_iter().map(|key| self.start_load(key))).await
        })
    }

    /// Returns the results of `keys` as a stream of `(key, result)`, in the order in which they are
    /// ready: hits at once, then one batch after the other.
    ///
    /// The loads begin with the first poll of the stream, together, as those of
    /// [`BatchLoader::get_all`].
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`], for each key whose result the stream has not returned.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// use std::{future::poll_fn, pin::pin};
    ///
    /// use futures_core::Stream;
    ///
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// let mut each = pin!(squares.get_each([2, 3]));
    /// // With `StreamExt` of futures-util: `while let Some((key, square)) = each.next().await`.
    /// while let Some((key, square)) = poll_fn(|cx| each.as_mut().poll_next(cx)).await {
    ///     assert_eq!(square.unwrap(), Some(key * key));
    /// }
    /// # });
    /// ```
    pub fn get_each<N, By>(
        &self,
        keys: impl IntoIterator<Item = N>,
    ) -> impl FusedStream<Item = (N, Result<Option<V>, LoadError<E>>)>
    where
        N: ViewKey<K, By> + Clone,
    {
        JoinEach::new(keys.into_iter().collect(), |key| self.start_load(key))
    }

    /// Loads `key` with the next batch, whether or not it is stored, and replaces the stored value:
    /// [`Cache::refresh`] in a batch.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`BatchLoader::get`]. The stored value stays.
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// cache.insert(3, 0);
    /// assert_eq!(squares.refresh(3).await.unwrap(), Some(9));
    /// assert_eq!(cache.get(&3), Some(9));
    /// # });
    /// ```
    pub fn refresh<N, By>(
        &self,
        key: N,
    ) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        Fused::new(async move {
            let key = key.into_key();
            let (cache, hash) = (self.inner.cache(), self.inner.cache().hash(&key));
            if self.inner.settings.no_cache.is_set() {
                return self.join_or_enqueue(hash, key).await;
            }
            let handle = FlightHandle::refresh(cache, hash, key.clone(), Driver::Batch);
            let handle = BatchingInner::enqueue(&self.inner, handle, key.clone());
            match handle.wait_for::<Viewed<Nullable, E>>().await {
                Some(answer) => answer,
                None => self.start_load(key).await,
            }
        })
    }

    /// Stores `value` under `key` unless the key has an entry or a load in flight. Returns whether
    /// it did. O(1) amortized, plus the evicted entries.
    ///
    /// # Panics
    /// If the eviction listener panics; the write is complete then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// assert!(squares.prime(7, 49));
    /// assert!(!squares.prime(7, 50)); // the key has an entry
    /// assert_eq!(cache.get(&7), Some(49));
    /// ```
    pub fn prime(&self, key: K, value: V) -> bool {
        self.inner.insert_if_absent(key, Loaded::new(value), None)
    }

    /// Looks `key` up, and requests its load on a miss.
    fn start_load<N, By>(&self, key: N) -> Load<'_, K, V, E, R, S>
    where
        N: ViewKey<K, By>,
    {
        let cache = self.inner.cache();
        let hash = cache.hash(key.query());
        let stored = if self.inner.settings.no_cache.is_set() {
            None
        } else {
            cache.look_up_by::<true, _, _>(hash, key.query(), |value| value)
        };
        let load = match stored {
            Some(value) => Load::hit(value),
            None => self.join_or_enqueue(hash, key.into_key()),
        };
        // Must come after the join: a value that was stored after the lookup is a hit too.
        cache.requests.count(load.is_hit());
        load
    }

    /// Joins the flight of `key`, or leads a new one in the next batch.
    fn join_or_enqueue(&self, hash: u32, key: K) -> Load<'_, K, V, E, R, S> {
        let retry_key = key.clone();
        if self.inner.settings.no_cache.is_set() {
            let handle = FlightHandle::lead_fenced(self.inner.cache(), hash, Driver::Batch);
            return Load::Wait {
                view: self,
                handle: BatchingInner::enqueue(&self.inner, handle, key),
                key: retry_key,
            };
        }
        let cache = self.inner.cache();
        let mut joined = FlightHandle::join_or_refresh(cache, hash, key, Driver::Batch, true);
        if let JoinResult::Hit(_, refresh) = &mut joined
            && let Some((handle, age)) = mem::take(&mut **refresh)
                .into_value()
                .map(|started| *started)
        {
            let key = retry_key.clone();
            if BatchingInner::enqueue_refresh(&self.inner, handle, key) {
                cache.count_age(age);
            } else if age == Age::Stale {
                // No task can load it: this caller does.
                let key = retry_key.clone();
                joined = FlightHandle::join_or_refresh(cache, hash, key, Driver::Batch, false);
            }
        }
        let handle = match joined {
            JoinResult::Hit(value, _) => return Load::hit(value),
            JoinResult::Lead(handle) => {
                BatchingInner::enqueue(&self.inner, handle, retry_key.clone())
            }
            JoinResult::Wait(handle, _) => handle,
            JoinResult::Reentrant => return Load::Done(Some(Err(LoadError::Reentrant))),
        };
        Load::Wait {
            view: self,
            handle,
            key: retry_key,
        }
    }
}

impl<K, V, E, R: Runtime, S> Clone for BatchLoader<K, V, E, R, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            error: PhantomData,
        }
    }
}

impl<K, V, E, R: Runtime, S> fmt::Debug for BatchLoader<K, V, E, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchLoader")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
