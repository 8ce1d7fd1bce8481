//! The state that all clones of a view share.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use super::loader::{BoxedLoader, SupportsBatching};
use super::queue::{BatchQueue, BatchSettings, Enqueued, Request};
use super::work::BatchWork;
use crate::cache::Cache;
use crate::flight::{BatchFlight, BatchTask, Flight, Loaded};
use crate::inner::Inner;
use crate::load::FlightHandle;
use crate::machine::{Generation, InsertIfAbsent, Ttl};
use crate::runtime::Runtime;
use crate::sync::{Arc, Mutex};

pub(super) struct BatchingInner<K: 'static, V: 'static, R: Runtime, S> {
    pub(super) handle: Cache<K, V, R, S>,
    pub(super) loader: BoxedLoader<K, V, R::Flavor>,
    pub(super) settings: BatchSettings,
    pub(super) queue: R::Mutex<BatchQueue<K, V, R>>,
}

impl<K, V, R: Runtime, S> BatchingInner<K, V, R, S> {
    pub(super) const fn cache(&self) -> &Arc<Inner<K, V, R, S>> {
        self.handle.inner()
    }

    /// Adds the flight of `handle`, whose caller leads it, to the batch of the open window. Opens a
    /// window and spawns its background task if none is open.
    pub(super) fn enqueue<'a>(
        inner: &'a Arc<Self>,
        mut handle: FlightHandle<'a, K, V, R, S>,
        key: K,
    ) -> FlightHandle<'a, K, V, R, S>
    where
        R: SupportsBatching<K, V, S>,
    {
        let Enqueued {
            batch,
            is_new,
            is_full,
            cancelled,
        } = Self::push(inner, key, Arc::clone(handle.flight()), false);
        let detached = inner.cache().options.detach_loads.is_set();
        // Must come before user code runs (wakers, `spawn`, the drop of keys): if that code panics,
        // the task is dropped here, and its drop lets the waiters drive the batch. Without the task
        // no party would drive it.
        let task = is_new.then(|| BatchTask::new(Arc::clone(&batch), detached));
        if is_new {
            inner.report_begin(&batch);
        }
        handle.assign_to_batch(Arc::clone(&batch), is_new);
        if let Some(task) = task {
            // If the runtime cannot spawn the task, the task is dropped here, and its drop lets the
            // waiters drive the batch.
            drop(inner.cache().runtime.spawn(R::box_task(task)));
        }
        if is_full {
            batch.poll_once();
        }
        drop(cancelled);
        handle
    }

    /// Adds a refresh that a hit has started to the window of refreshes. Returns `false` if no task
    /// can be spawned for that window: the refresh is undone then.
    pub(super) fn enqueue_refresh(
        inner: &Arc<Self>,
        handle: FlightHandle<'_, K, V, R, S>,
        key: K,
    ) -> bool
    where
        K: Eq,
        V: Clone,
        R: SupportsBatching<K, V, S>,
    {
        // Must leave the flight before a batch can take it: the batch counts the callers that join
        // the flight after that, and this caller does not count.
        let flight = handle.leave_to_queue();
        if !flight.is_pending() {
            return true;
        }
        let Enqueued {
            batch,
            is_new,
            is_full,
            cancelled,
        } = Self::push(inner, key, Arc::clone(&flight), true);
        if is_new {
            let detached = inner.cache().options.detach_loads.is_set();
            let task = BatchTask::new(Arc::clone(&batch), detached);
            if let Err(task) = inner.cache().runtime.spawn(R::box_task(task)) {
                inner.cache().undo_refresh(&flight);
                // Its drop ends the batch, and the refreshes that other hits have added.
                drop(task);
                return false;
            }
        }
        if is_full {
            // The task polls the batch, and not this caller, which has its value.
            batch.notify();
        }
        drop(cancelled);
        true
    }

    /// Adds a request to the queue.
    fn push(
        inner: &Arc<Self>,
        key: K,
        flight: Arc<Flight<V, R>>,
        is_refresh: bool,
    ) -> Enqueued<K, V, R>
    where
        R: SupportsBatching<K, V, S>,
    {
        let now = inner.cache().now();
        let request = Request {
            key,
            flight,
            duplicates: Vec::new(),
        };
        inner.queue.with(|queue| {
            queue.push(request, is_refresh, now, |generation| {
                Arc::new_cyclic(|batch| {
                    let work = BatchWork::new(Arc::clone(inner), batch.clone(), generation);
                    BatchFlight::new(R::box_work(work), is_refresh)
                })
            })
        })
    }

    /// Gives a permit back, and notifies the batch that the permit admits.
    pub(super) fn release_permit(&self) {
        let admitted = self.queue.with(BatchQueue::release_permit);
        if let Some(admitted) = admitted {
            admitted.notify();
        }
    }

    /// Removes a batch that waits for a permit, and notifies the batch that may have its permit.
    pub(super) fn cancel_queued(&self, generation: Generation) {
        let [removed, admitted] = self.queue.with(|queue| queue.remove_waiting(generation));
        drop(removed);
        if let Some(admitted) = admitted {
            admitted.notify();
        }
    }

    /// Sets the view's ttl where the loader sets none.
    pub(super) fn with_default_ttl(&self, mut loaded: Loaded<V>) -> Loaded<V> {
        if loaded.ttl == Ttl::Default {
            loaded.ttl = self.settings.ttl;
        }
        loaded
    }

    /// Stores a value that no caller requested, unless the key has an entry or a load in flight, or
    /// its shard was written to since `epochs`, or the view does not cache. Returns whether it did.
    pub(super) fn insert_if_absent(&self, key: K, loaded: Loaded<V>, epochs: Option<&[u64]>) -> bool
    where
        K: Eq + Hash,
        S: BuildHasher,
    {
        if self.settings.no_cache.is_set() {
            return false;
        }
        let cache = self.cache();
        let loaded = self.with_default_ttl(loaded);
        let hash = cache.hash(&key);
        let now = cache.now();
        let requested = (loaded.ttl, loaded.weight, loaded.times());
        let limits = cache.entry_limits(hash, requested, now);
        let epoch = epochs.map(|epochs| epochs[cache.shards.index(hash)]);
        let mut fx = cache.effects();
        let inserted = cache.shards().write_reclaiming(
            hash,
            (key, loaded.value),
            &mut fx,
            |shard, entry, fx| shard.insert_if_absent(hash, entry, &limits, epoch, now, fx),
        );
        fx.flush();
        matches!(inserted, InsertIfAbsent::Written)
    }
}
