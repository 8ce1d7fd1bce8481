//! The state behind all handles of a tiered cache.

use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use super::build::with_deadline;
use super::client::{Client, Lookup};
use super::events::TierEvent;
use super::own_writes::{OwnWrite, OwnWrites};
use super::stats::TierStats;
use super::store::{Read, Tier};
use crate::batch::BatchLoader;
use crate::cache::Cache;
use crate::flight::Loaded;
use crate::machine::{Instant, nanos};
use crate::panic;
use crate::runtime::{Flavor, Runtime, Task};
use crate::sync::{Arc, Mutex, Weak};

/// The caches of a process, and the client of the second tier.
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct TierState<K: 'static, V: 'static, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) cache: Cache<K, V, R, S>,
    /// What calls past the horizon share, by the interval of time in which they begin.
    pub(super) interim: Cache<(u64, K), V, R, S>,
    pub(super) client: Arc<Client<K, V, T, R>>,
    /// Collects concurrent lookups: one view for each kind of read.
    pub(super) plain: Lookups<K, V, T, R, S>,
    pub(super) confirmed: Lookups<K, V, T, R, S>,
    /// The cache behind the views that load in batches: it stores nothing.
    pub(super) batches: Cache<K, Loaded<V>, R, S>,
    /// The time to live of the first tier.
    pub(super) time_to_live: Duration,
    /// How long both tiers remember that a loader found no value.
    pub(super) negative_ttl: Option<Duration>,
    /// Writes whose messages are outstanding.
    pub(super) writes: OwnWrites<V, R>,
    /// The listener, until it can be spawned.
    pub(super) listener: R::Mutex<Option<Task<R>>>,
}

/// A view that collects lookups in the second tier.
pub type Lookups<K, V, T, R, S> =
    BatchLoader<K, Lookup<K, V, T, R>, <<R as Runtime>::Flavor as Flavor>::Error, R, S>;

impl<K, V, T, R, S> TierState<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
    S: BuildHasher,
{
    /// Handles what the second tier reports. Returns the time, or `None` if the cache was dropped.
    #[doc(hidden)]
    #[must_use]
    pub fn handle(this: &Weak<Self>, event: TierReport<K>) -> Option<Instant> {
        let state = this.upgrade()?;
        // A listener of removals that panics must not end the task that receives the messages.
        drop(panic::catch(|| state.apply(event.0)));
        Some(state.cache.runtime().now())
    }

    fn apply(&self, event: TierEvent<K>) {
        let (client, counters) = (&self.client, &self.client.counters);
        match event {
            TierEvent::Removed(key) => {
                counters.removals_heard.add(1);
                self.cache.invalidate(&key);
                // The lease that a load waits for is gone too.
                client.waits.notify(self.cache.hash(&key));
            }
            TierEvent::Written(key, id) => {
                counters.removals_heard.add(1);
                let hash = self.cache.hash(&key);
                match self.writes.take(id) {
                    Some(entry) => self.cache.insert_entry(key, entry),
                    None => self.cache.invalidate(&key),
                }
                client.waits.notify(hash);
            }
            TierEvent::Cleared => {
                counters.clears_heard.add(1);
                self.cache.invalidate_all();
            }
            TierEvent::Filled(key) => client.waits.notify(self.cache.hash(&key)),
            TierEvent::Connected => {
                counters.connections.add(1);
                self.writes.clear();
                self.cache.invalidate_all();
            }
            TierEvent::Answered(sent) => {
                counters.heartbeats.add(1);
                let until = sent.after(client.settings.max_staleness);
                self.cache.inner().horizon.advance_to(until);
                client.breaker.close();
            }
            TierEvent::Failed => {
                let now = client.runtime.now();
                client.breaker.trip(now, &client.settings);
            }
            TierEvent::Now => {}
        }
    }

    /// Begins a write of `entry`, which the first tier takes when the message of the write arrives.
    pub(super) fn begin_write(&self, entry: &Loaded<V>) -> OwnWrite<'_, V, R> {
        let is_reported = !self.cache.inner().horizon.is_removed();
        let entry = is_reported.then(|| with_deadline(entry.clone()));
        self.writes.begin(entry)
    }

    /// Removes `key` from the caches of this process, and fences its loads.
    pub(super) fn forget(&self, key: &K) {
        self.cache.invalidate(key);
        // Calls that begin in another interval use neither these values nor these loads.
        let interval = self.interval(self.cache.runtime().now());
        self.interim.invalidate(&(interval, key.clone()));
    }

    /// As [`TierState::forget`], for all keys.
    pub(super) fn forget_all(&self) {
        self.cache.invalidate_all();
        self.interim.invalidate_all();
    }

    /// The interval of half of `max_staleness` that `now` is in. Calls past the horizon share what
    /// began in their own interval, which is at most that old.
    pub(super) fn interval(&self, now: Instant) -> u64 {
        now.as_nanos() / nanos(self.client.settings.max_staleness / 2).max(1)
    }

    pub(super) const fn lookups(&self, read: Read) -> &Lookups<K, V, T, R, S> {
        match read {
            Read::Plain => &self.plain,
            Read::Confirmed => &self.confirmed,
        }
    }

    /// Spawns the listener, if it could not be spawned before: the cache may have been built
    /// outside of the runtime.
    pub(super) fn start_listener(&self) {
        if let Some(task) = self.listener.with(Option::take)
            && let Err(task) = self.cache.runtime().spawn(task)
        {
            self.listener.with(|listener| *listener = Some(task));
        }
    }
}

impl<K, V, T, R, S> TierState<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) fn stats(&self) -> TierStats {
        let mut stats = self.client.counters.stats();
        stats.is_breaker_open = self.client.breaker.is_open();
        let (horizon, now) = (&self.cache.inner().horizon, self.cache.runtime().now());
        stats.horizon_left = horizon.left(now);
        stats.horizon_lag = horizon.lag(now, self.client.settings.max_staleness);
        stats
    }
}

/// What a second tier reports.
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct TierReport<K>(pub(super) TierEvent<K>);
