//! The observer of a cache, and what it sees of loads and batches.

mod events;
mod pair;

use alloc::boxed::Box;
use alloc::string::String;

use crate::opt_in::{Enabled, Gated, GatedState, Observers};
use crate::panic;
use crate::sync::Arc;

pub use events::{
    BatchBegun, BatchDispatched, BatchEnded, BatchReason, LoadBegun, LoadEnded, LoadKind,
};

/// A hook that sees the loads and batches of a cache, and none of its hits:
/// [`Builder::observer`](crate::Builder::observer) sets one.
///
/// The cache calls it while no shard is locked, on the thread of the call or task that the event is
/// part of. A method that is not implemented does nothing. The methods must be fast, since loads
/// wait for them; they may use the cache.
///
/// If a method panics, the panic hook reports the panic, and the cache continues as if the method
/// had returned: a panic reaches no caller and changes no load. (Without the standard library the
/// cache cannot catch a panic.)
///
/// An observer that has state for each load, such as a span, returns an [`Observation`] from
/// [`Observer::load_begun`]. For plain figures, [`Observer::load_ended`] is enough. A pair of
/// observers is an observer, and so is an observer in an `Arc`.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Arc;
///
/// use cache_core::{Cache, LoadEnded, Observer, testing::VirtualRuntime};
///
/// #[derive(Default)]
/// struct SlowLoads(AtomicU64);
///
/// impl Observer for SlowLoads {
///     fn load_ended(&self, load: &LoadEnded<'_>) {
///         if load.took.as_secs() >= 1 {
///             self.0.fetch_add(1, Relaxed);
///         }
///     }
/// }
///
/// # let runtime = VirtualRuntime::new();
/// let slow = Arc::new(SlowLoads::default());
/// let cache: Cache<u64, u64, _> =
///     Cache::builder_on(runtime.clone()).observer(Arc::clone(&slow)).build();
/// # runtime.block_on(async {
/// # let clock = runtime.clone();
/// # let load = || async move {
/// #     clock.sleep(core::time::Duration::from_secs(2)).await;
/// #     7
/// # };
/// // A load of two seconds:
/// cache.get_with(1, load).await;
/// # });
/// assert_eq!(slow.0.load(Relaxed), 1);
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A caller begins a load that is not part of a batch: in that caller, before the call of its
    /// loader. Returns what observes this load, if anything does.
    fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
        let _ = load;
        None
    }

    /// A load has ended, alone or as part of a batch, and its waiters are about to be woken.
    fn load_ended(&self, load: &LoadEnded<'_>) {
        let _ = load;
    }

    /// A caller opens the window of a batch: in that caller. Returns what observes this batch, if
    /// anything does.
    fn batch_begun(&self, batch: &BatchBegun<'_>) -> Option<Box<dyn Observation>> {
        let _ = batch;
        None
    }

    /// A batch has ended, and its callers are about to be woken.
    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        let _ = batch;
    }
}

/// What observes one load or one batch. [`Observer`] says when the cache calls it.
pub trait Observation: Send + Sync + 'static {
    /// A caller waits for this load or batch: in that caller, when it is polled. Not called for the
    /// caller that began it, but for each other caller, also one that adds a key to the batch. The
    /// load may just have ended.
    fn joined(&self) {}

    /// The loader is about to be called, polled or dropped on this thread.
    fn enter(&self) {}

    /// The loader was called, polled or dropped on this thread. Follows each
    /// [`Observation::enter`], also if the loader panics.
    fn exit(&self) {}

    /// The window of the batch is closed, and its loader is about to be called.
    fn dispatched(&self, batch: &BatchDispatched) {
        let _ = batch;
    }

    /// The load has ended, before [`Observer::load_ended`].
    fn load_ended(&self, load: &LoadEnded<'_>) {
        let _ = load;
    }

    /// The batch has ended, before [`Observer::batch_ended`].
    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        let _ = batch;
    }
}

impl<O: Observer> Observer for Arc<O> {
    fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
        (**self).load_begun(load)
    }

    fn load_ended(&self, load: &LoadEnded<'_>) {
        (**self).load_ended(load);
    }

    fn batch_begun(&self, batch: &BatchBegun<'_>) -> Option<Box<dyn Observation>> {
        (**self).batch_begun(batch)
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        (**self).batch_ended(batch);
    }
}

/// The function that names keys for the observer.
pub(crate) type NameKey<K> = Box<dyn Fn(&K) -> String + Send + Sync>;

/// What observes one load or one batch, if the observer returned anything.
pub(crate) struct Observed(GatedState<Box<dyn Observation>, Observers>);

impl Observed {
    pub(crate) const NONE: Self = Self(GatedState::UNSET);

    /// What `begin` returns. A panic of `begin` is caught.
    pub(crate) fn new(
        enabled: Enabled<Observers>,
        begin: impl FnOnce() -> Option<Box<dyn Observation>>,
    ) -> Self {
        match panic::catch(begin) {
            Ok(Some(observation)) => Self(GatedState::new(Gated::proven(observation, enabled))),
            Ok(None) | Err(_) => Self::NONE,
        }
    }

    /// Calls `event` with what observes the load or the batch, and catches its panic.
    #[cold]
    #[inline(never)]
    pub(crate) fn notify(&self, event: impl FnOnce(&dyn Observation)) {
        if let Some(observation) = self.0.get() {
            drop(panic::catch(|| event(&**observation)));
        }
    }
}

/// Reports that a loader is called, polled or dropped, until it is dropped.
pub(crate) struct Polled<'a>(Option<&'a Observed>);

impl<'a> Polled<'a> {
    #[inline(always)]
    pub(crate) fn new(observed: Option<&'a Observed>) -> Self {
        if let Some(observed) = observed {
            observed.notify(|observation| observation.enter());
        }
        Self(observed)
    }
}

impl Drop for Polled<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(observed) = self.0 {
            observed.notify(|observation| observation.exit());
        }
    }
}
