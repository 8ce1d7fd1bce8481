//! Batches: concurrent requests for single keys become one query, in the way of `DataLoader`.
//!
//! A batch is a shared flight. Each of its keys has a flight like any load, so a key is asked for
//! once, whichever method or view asks; the batch itself is an errand, which a background task or,
//! where none can be spawned, any of those who wait sees through.

mod builder;
mod dedup;
mod loader;
mod output;
mod queue;
mod results;
mod work;

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use crate::cache::Cache;
use crate::error::LoadError;
use crate::flight::{BatchFlight, BatchTask, Driver, Loaded};
use crate::hash::DefaultHasher;
use crate::inner::Inner;
use crate::load::{Batched, FlightHandle, JoinAll, JoinResult};
use crate::machine::{InsertIfAbsent, Ttl};
use crate::runtime::{LoadErrorType, Runtime};
use crate::sync::{Arc, Mutex};
use loader::BoxedLoader;
use queue::{BatchQueue, BatchSettings, Dequeued, Enqueued, Request};

pub use builder::BatchingBuilder;
pub use loader::{BatchLoaderFn, SupportsBatching};
pub use output::{Answer, Answers, BatchItem, BatchItemOr, BatchOutput};
use work::BatchWork;

/// What all handles of a batching view share.
pub(crate) struct BatchingInner<K: 'static, V: 'static, R: Runtime, S> {
    cache: Arc<Inner<K, V, R, S>>,
    loader: BoxedLoader<K, V, R::Flavor>,
    settings: BatchSettings,
    queue: R::Mutex<BatchQueue<K, V, R>>,
}

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// A view of this cache whose misses are loaded in batches: requests for single keys that come
    /// within 5 ms become one call of `loader`, with at most 100 keys.
    ///
    /// `loader` is a closure (or a function) from the keys to a future of a [`BatchOutput`]; it is
    /// cloned for each batch. A hit never waits for a window.
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
    /// let found = names.load_many([1, 2, 3]).await;
    /// assert_eq!(found[2].as_ref().unwrap().as_deref(), Some("user 3"));
    /// assert_eq!(names.cache().stats().batches, 1);
    /// # });
    /// ```
    pub fn batching<L, Fut>(&self, loader: L) -> Batching<K, V, R, L, S>
    where
        L: FnOnce(Vec<K>) -> Fut + BatchLoaderFn<K, V, R::Flavor>,
        Fut: Future,
        R: SupportsBatching<K, V, S>,
    {
        self.batching_builder(loader).into_view()
    }

    /// As [`Cache::batching`], with other settings.
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
    /// assert_eq!(squares.load(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    pub fn batching_builder<L, Fut>(&self, loader: L) -> BatchingBuilder<K, V, R, L, S>
    where
        L: FnOnce(Vec<K>) -> Fut + BatchLoaderFn<K, V, R::Flavor>,
        Fut: Future,
        R: SupportsBatching<K, V, S>,
    {
        BatchingBuilder::new(Arc::clone(self.inner()), loader.into_boxed())
    }
}

/// A cache whose misses are loaded in batches: [`Cache::batching`] returns it. Clones share the
/// window; other views of the same cache have windows of their own, but a key has one load
/// whichever view or method asks.
pub struct Batching<K: 'static, V: 'static, R: Runtime, L, S = DefaultHasher> {
    inner: Arc<BatchingInner<K, V, R, S>>,
    loader_type: PhantomData<fn() -> L>,
}

impl<K, V, R: Runtime, L, S> Batching<K, V, R, L, S> {
    /// The cache behind the view.
    #[must_use]
    pub fn cache(&self) -> Cache<K, V, R, S> {
        Cache::from_inner(Arc::clone(&self.inner.cache))
    }

    /// Has the window that is open leave now.
    pub fn dispatch(&self) {
        let batch = self.inner.queue.with(BatchQueue::dispatch);
        if let Some(batch) = batch {
            batch.notify();
        }
    }
}

impl<K, V, R, L, S, E> Batching<K, V, R, L, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: SupportsBatching<K, V, S>,
    L: BatchLoaderFn<K, V, R::Flavor, Error = E>,
    E: LoadErrorType<R::Flavor> + 'static,
    S: BuildHasher,
{
    /// The value of `key`; on a miss it is loaded with the next batch. `None` if the batch found no
    /// value; nothing is stored for that, but see `negative_ttl`.
    ///
    /// # Errors
    /// [`LoadError`]: the error for this key or for the whole batch, a panic of the batch loader, a
    /// timeout, or a wrong number of results.
    ///
    /// # Cancel safety
    /// Dropping the future never harms others. If nobody else wants the key and the batch has not
    /// left, the key is not asked for. A batch that nobody waits for any more is dropped.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn load(&self, key: K) -> Result<Option<V>, LoadError<E>> {
        self.start(key).await
    }

    /// The values of `keys`, in their order; those that are not there are loaded together. A key
    /// that comes more than once is asked for once; each time is a request of its own.
    ///
    /// # Cancel safety
    /// As [`Batching::load`], for each key.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn load_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> impl Future<Output = Vec<Result<Option<V>, LoadError<E>>>> {
        // Not an async function: that would keep the iterator, and be `Send` only if it is.
        let keys: Vec<K> = keys.into_iter().collect();
        async move {
            // Every request is queued before the first is polled: they leave together also where
            // the callers drive the batch.
            JoinAll::new(keys.into_iter().map(|key| self.start(key))).await
        }
    }

    /// Loads `key` anew with the next batch, and replaces what is stored: [`Cache::refresh`].
    ///
    /// # Errors
    /// As [`Batching::load`]; the stored value stays.
    ///
    /// # Cancel safety
    /// As [`Batching::load`].
    pub async fn refresh(&self, key: K) -> Result<Option<V>, LoadError<E>> {
        let hash = self.inner.cache.hash(&key);
        let handle = FlightHandle::refresh(&self.inner.cache, hash, key.clone(), Driver::Batch);
        let handle = BatchingInner::enqueue(&self.inner, handle, key.clone());
        match handle.wait_for::<Batched<E>>().await {
            Some(answer) => answer,
            None => self.load(key).await,
        }
    }

    /// Asks for `key`, and gets a share in its load if it is not there.
    fn start(&self, key: K) -> Load<'_, K, V, R, L, S, E> {
        let cache = &self.inner.cache;
        let hash = cache.hash(&key);
        let load = match cache.look_up(hash, &key, |value| value) {
            Some(value) => Load::hit(value),
            None => self.join(hash, key),
        };
        // Only now: a value that came after the look is a hit too.
        let is_hit = matches!(load, Load::Done(Some(Ok(_))));
        cache.requests.count(is_hit);
        load
    }

    fn join(&self, hash: u32, key: K) -> Load<'_, K, V, R, L, S, E> {
        let again = key.clone();
        let handle = match FlightHandle::join_or_lead(&self.inner.cache, hash, key, Driver::Batch) {
            JoinResult::Hit(value) => return Load::hit(value),
            JoinResult::Lead(handle) => BatchingInner::enqueue(&self.inner, handle, again.clone()),
            JoinResult::Wait(handle, _) => handle,
            JoinResult::Reentrant => return Load::Done(Some(Err(LoadError::Reentrant))),
        };
        Load::Wait {
            view: self,
            handle,
            key: again,
        }
    }

    /// Puts a value that is known already into the cache, unless there is one or one is being
    /// loaded. Says whether it did.
    pub fn prime(&self, key: K, value: V) -> bool {
        self.inner.insert_if_absent(key, Loaded::new(value), None)
    }
}

/// The load of one key, once it has begun. By hand, since there may be thousands of them: the
/// compiler's own would have room for each of its parts apart.
enum Load<'a, K: 'static, V: 'static, R: Runtime, L, S, E> {
    Wait {
        view: &'a Batching<K, V, R, L, S>,
        handle: FlightHandle<'a, K, V, R, S>,
        key: K,
    },
    Done(Option<Result<Option<V>, LoadError<E>>>),
}

impl<K, V, R: Runtime, L, S, E> Load<'_, K, V, R, L, S, E> {
    const fn hit(value: V) -> Self {
        Self::Done(Some(Ok(Some(value))))
    }
}

impl<K, V, R, L, S, E> Future for Load<'_, K, V, R, L, S, E>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: SupportsBatching<K, V, S>,
    L: BatchLoaderFn<K, V, R::Flavor, Error = E>,
    E: LoadErrorType<R::Flavor> + 'static,
    S: BuildHasher,
{
    type Output = Result<Option<V>, LoadError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            *self = match &mut *self {
                Self::Wait { view, handle, key } => {
                    if let Some(answer) = ready!(handle.poll_for::<Batched<E>>(cx)) {
                        return Poll::Ready(answer);
                    }
                    // It ended in something that is no answer here.
                    view.join(handle.flight().hash(), key.clone())
                }
                Self::Done(answer) => {
                    return Poll::Ready(
                        answer.take().expect("a load is not polled once it is over"),
                    );
                }
            };
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, L, S, E> Unpin for Load<'_, K, V, R, L, S, E> {}

impl<K, V, R: Runtime, S> BatchingInner<K, V, R, S> {
    /// One batch less is at the loader.
    fn release_permit(&self) {
        let next = self.queue.with(BatchQueue::release_permit);
        if let Some(next) = next {
            next.notify();
        }
    }

    /// The values of a batch live as long as the view says, unless their loader says it.
    fn with_ttl(&self, mut loaded: Loaded<V>) -> Loaded<V> {
        if loaded.ttl == Ttl::Default {
            loaded.ttl = self.settings.ttl;
        }
        loaded
    }

    /// Stores a value that nobody asked for, unless there is one, one is being loaded, or the shard
    /// was written to since `epochs`.
    fn insert_if_absent(&self, key: K, loaded: Loaded<V>, epochs: Option<&[u64]>) -> bool
    where
        K: Eq + Hash,
        S: BuildHasher,
    {
        let (cache, Loaded { value, ttl, weight }) = (&self.cache, self.with_ttl(loaded));
        let hash = cache.hash(&key);
        let now = cache.now();
        let limits = cache.entry_limits(ttl, weight, now);
        let epoch = epochs.map(|epochs| epochs[cache.shards.index(hash)]);
        let mut fx = cache.effects();
        let inserted =
            cache
                .shards()
                .write_reclaiming(hash, (key, value), &mut fx, |shard, entry, fx| {
                    shard.insert_if_absent(hash, entry, &limits, epoch, now, fx)
                });
        fx.flush();
        matches!(inserted, InsertIfAbsent::Written)
    }

    /// Makes the flight of `handle` part of the next batch.
    fn enqueue<'a>(
        inner: &'a Arc<Self>,
        mut handle: FlightHandle<'a, K, V, R, S>,
        key: K,
    ) -> FlightHandle<'a, K, V, R, S>
    where
        R: SupportsBatching<K, V, S>,
    {
        let now = inner.cache.now();
        let request = Request {
            key,
            flight: Arc::clone(handle.flight()),
            duplicates: Vec::new(),
        };
        let enqueued = inner.queue.with(|queue| {
            queue.push(request, now, |generation| {
                Arc::new_cyclic(|batch| {
                    let work = BatchWork::new(Arc::clone(inner), batch.clone(), generation);
                    BatchFlight::new(R::box_work(work))
                })
            })
        });
        let Enqueued {
            batch,
            is_new,
            is_full,
            cancelled,
        } = enqueued;
        // First: should a panic in user code end this, its `Drop` ends the batch.
        let detached = inner.cache.options.detach_loads();
        let run = is_new.then(|| BatchTask::new(Arc::clone(&batch), detached));
        handle.assign_to_batch(Arc::clone(&batch), is_new);
        if let Some(run) = run {
            // A task that cannot be spawned is dropped, which hands the batch to those who wait.
            drop(inner.cache.runtime.spawn(R::box_task(run)));
        }
        if is_full {
            batch.poll_once();
        }
        drop(cancelled);
        handle
    }

    /// A batch that waited for its permit is gone.
    fn cancel_queued(&self, batch: usize) {
        let Dequeued { batch, next } = self.queue.with(|queue| queue.remove_waiting(batch));
        drop(batch);
        if let Some(next) = next {
            next.notify();
        }
    }
}

impl<K, V, R: Runtime, L, S> Clone for Batching<K, V, R, L, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            loader_type: PhantomData,
        }
    }
}

impl<K, V, R: Runtime, L, S> fmt::Debug for Batching<K, V, R, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batching")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
