//! Refreshes in the background: a flight that a hit starts, and that no caller waits for.
//!
//! The caller of the hit holds a handle of the flight until the flight has its loader. So the flight
//! is never without a party that ends it: before the loader is in the flight, the drop of the handle
//! cancels the flight; after that, the task does, or its drop.

use alloc::boxed::Box;
use core::hash::BuildHasher;
use core::mem;
use core::task::{Context, Poll, ready};

use super::drive::LoadCtx;
use super::get::{Get, LoadingOn, StartLoad};
use super::handle::{FlightHandle, Stage};
use super::join::JoinResult;
use super::key_arg::KeyArg;
use super::methods::LoadMethod;
use crate::flight::{Driver, Flight, LoadDeadline, Loaded, Role, Work};
use crate::inner::{Inner, count};
use crate::machine::{Age, FlightId, Times};
use crate::opt_in::{Feature, Freshening, Gated, GatedState, LoadTimeout};
use crate::panic;
use crate::runtime::Runtime;
use crate::shards::Shard;
use crate::sync::Arc;

/// The handle of a refresh, if a hit has one, and the age of the value.
pub(crate) type RefreshHandle<'a, K, V, R, S> =
    GatedState<Box<(FlightHandle<'a, K, V, R, S>, Age)>, Freshening>;

impl<'a, K: Eq, V: Clone, R: Runtime, S> JoinResult<'a, K, V, R, S> {
    /// Spawns the task of the refresh that the caller has started, if it has. The caller leads the
    /// load of a stale value if nothing can be spawned. Called after the shard is unlocked: a spawn
    /// is foreign code.
    #[inline(always)]
    pub(super) fn spawn_refresh(&mut self) {
        if Freshening::is_enabled()
            && let Self::Hit(_, refresh) = self
            && refresh.is_set()
        {
            self.spawn_refresh_of_hit();
        }
    }

    #[inline(never)]
    fn spawn_refresh_of_hit(&mut self) {
        let Self::Hit(_, refresh) = self else {
            return;
        };
        let Some((handle, age)) = refresh.get_mut().map(|refresh| &mut **refresh) else {
            return;
        };
        let age = *age;
        if handle.spawn_refresh(age) {
            handle.inner.count_age(age);
            return;
        }
        let unspawned = mem::take(&mut **refresh).into_value();
        if let (Age::Stale, Some(unspawned)) = (age, unspawned) {
            *self = Self::Lead(unspawned.0);
        }
    }
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Starts the flight of a refresh, in a locked shard, unless as many run as may.
    #[inline(always)]
    pub(super) fn start_refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        (shard, hash): (&mut Shard<K, V, R>, u32),
        key: &mut Option<K>,
        age: Age,
        make: impl FnOnce(FlightId) -> Arc<Flight<V, R>>,
    ) -> RefreshHandle<'a, K, V, R, S> {
        let (Some(refreshing), Some(enabled)) = (inner.refreshing.get(), Freshening::enabled())
        else {
            return GatedState::UNSET;
        };
        if !refreshing.start() {
            inner.count_age(age);
            return GatedState::UNSET;
        }
        let key = key.take().expect("a hit does not use its key");
        let flight = Arc::clone(shard.start_refresh(hash, key, make));
        flight.begin_refresh(true);
        if flight.load.driver() == Driver::Batch {
            flight.linger();
        }
        flight.load.set_driver_task();
        let handle = Self::new(inner, flight, Role::Leader);
        GatedState::new(Gated::proven(Box::new((handle, age)), enabled))
    }

    /// Spawns the task of a refresh. Returns `false` if nothing can be spawned: a value that is due
    /// is then not refreshed, and this caller has to lead the load of a stale one.
    fn spawn_refresh(&mut self, age: Age) -> bool {
        let (inner, flight) = (Arc::clone(self.inner), Arc::clone(&self.flight));
        let task = (self.inner.box_load_task)(inner, flight);
        let Err(task) = self.inner.runtime.spawn(task) else {
            return true;
        };
        if age == Age::Due {
            self.stage = Stage::Complete;
            self.inner.undo_refresh(&self.flight);
        } else {
            self.inner.forget_refresh(&self.flight);
        }
        // Its drop lets this caller drive the load.
        drop(task);
        false
    }

    /// Leaves a refresh to the queue of a view, which ends it from here on.
    pub(crate) fn leave_to_queue(mut self) -> Arc<Flight<V, R>> {
        self.stage = Stage::InFlight;
        Arc::clone(&self.flight)
    }

    /// Ready with a value that is kept, once this caller has waited for as long as it may.
    #[inline(never)]
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<V> {
        let (runtime, refreshing) = (&self.inner.runtime, &self.inner.refreshing);
        let after = refreshing.get().and_then(|refreshing| refreshing.if_slow);
        let (Some(after), Some(enabled)) = (after, refreshing.proof()) else {
            return Poll::Pending;
        };
        let limit = || Box::new(LoadDeadline::new(after, runtime.now()));
        let slow = self.slow.get_or_insert_with(enabled, limit);
        // The caller may be polled on another executor than before.
        slow.reset_timer();
        ready!(slow.poll(runtime, cx));
        self.leave_slow().map_or(Poll::Pending, Poll::Ready)
    }

    /// Leaves a load that is slow: it continues as a refresh. Returns the value that is kept. `None`
    /// if there is none, or if nothing can continue the load.
    fn leave_slow(&mut self) -> Option<V> {
        let driver = self.flight.load.driver();
        // A loader that borrows stays in its caller, and a batch has its own task.
        let continues = !matches!(driver, Driver::Caller | Driver::Scoped | Driver::Batch);
        let value = self.inner.leave_slow(&self.flight, continues)?;
        if continues {
            self.has_spawned |= self.spawn_driver();
            if !self.flight.load.has_task() {
                self.inner.forget_refresh(&self.flight);
                return None;
            }
        }
        if let Some(refreshing) = self.inner.refreshing.get() {
            count(&refreshing.counters.stale_on_slow);
        }
        Some(value)
    }

    /// Calls the loader of a refresh, and leaves its future to the task. If the loader panics, the
    /// refresh fails.
    fn run_refresh(mut self, loader: impl FnOnce() -> LoadingOn<R::Flavor, V>) {
        let ctx = self.ctx();
        // No caller of a hit gets the panic of a refresh. The panic hook has reported it.
        let Ok(future) = panic::catch(|| ctx.run_loader(loader)) else {
            self.stage = Stage::InFlight;
            return;
        };
        let work = Work::new(future, ctx.refresh_deadline());
        // Must come before the task can see the loader: from here on the task ends the flight.
        self.stage = Stage::InFlight;
        let complete = self.flight.load.put_back(work, Driver::Task);
        self.inner.runtime.enter(|| drop(complete));
        // The task may have been polled before, and found no loader.
        self.flight.load.notify();
    }
}

impl<K, V, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// The deadline of a refresh, counted from its start.
    fn refresh_deadline(self) -> Gated<LoadDeadline<R>, LoadTimeout> {
        let refreshing = self.inner.refreshing.get();
        let timeout = refreshing.map_or(Gated::UNSET, |refreshing| refreshing.timeout);
        timeout.map(|after| LoadDeadline::new(after, self.flight.started))
    }

    /// Marks a value that no caller has requested: its write is not a use of the entry.
    #[inline(always)]
    pub(super) fn mark_unrequested(self, loaded: Loaded<V>) -> Loaded<V> {
        match Freshening::enabled() {
            Some(enabled) if self.flight.is_refresh() && self.flight.has_only_leader() => {
                loaded.with_times_if(enabled, Times::in_background)
            }
            _ => loaded,
        }
    }
}

impl<K, V, R, S, M, N, L> Get<'_, K, V, R, S, M, N, L>
where
    K: Eq,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    M: LoadMethod<V, R::Flavor>,
    N: KeyArg<K>,
{
    /// Ready with a value that is kept, if this caller has waited for its load for as long as it may.
    #[inline(always)]
    pub(super) fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<M::Answer> {
        if !Freshening::is_enabled() || !self.inner.refreshing.is_set() {
            return Poll::Pending;
        }
        let Some(handle) = &mut self.handle else {
            return Poll::Pending;
        };
        let value = ready!(handle.poll_slow(cx));
        self.handle = None;
        self.complete(M::hit(value))
    }

    /// Calls the loader of the refresh that this hit has to start, if it has one.
    #[inline(always)]
    pub(super) fn run_refresh(&mut self)
    where
        V: 'static,
        L: StartLoad<V, R::Flavor, M, N>,
    {
        if Freshening::is_enabled()
            && let Some(handle) = self.handle.take()
        {
            let loader = self.take_loader();
            handle.run_refresh(|| loader.start(&self.key));
        }
    }
}
