//! Calls of the second tier: bounded in time, counted, and refused while the breaker is open.

use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use super::breaker::Breaker;
use super::lease::LeaseGuard;
use super::settings::TierSettings;
use super::stats::Counters;
use super::store::{Fill, Filled, Found, Lease, Read, Tier};
use super::waits::Waits;
use crate::machine::Instant;
use crate::runtime::{Flavor, Runtime, Timer, working};
use crate::sync::Arc;

/// The second tier, with the state of the calls to it.
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct Client<K, V, T, R: Runtime> {
    pub(super) tier: T,
    pub(super) runtime: R,
    pub(super) settings: TierSettings,
    pub(super) breaker: Breaker,
    pub(super) counters: Counters,
    pub(super) waits: Waits<R>,
    types: PhantomData<fn(K) -> V>,
}

/// What a fetch found for a key.
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct Lookup<K: 'static, V: 'static, T, R>(pub(super) Looked<K, V, T, R>)
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime;

/// The output of a fetch, in the form of the loader of a view. A fetch that fails has found
/// nothing.
pub(super) type Fetched<K, V, T, R> =
    Result<Vec<Lookup<K, V, T, R>>, <<R as Runtime>::Flavor as Flavor>::Error>;

pub(super) enum Looked<K: 'static, V: 'static, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    Value {
        value: V,
        left: Option<Duration>,
        tag: Lease,
    },
    Missing {
        tag: Lease,
    },
    Leased(Arc<LeaseGuard<K, V, T, R>>),
    Busy {
        left: Duration,
    },
    /// The caller loads the key without a lease.
    Bypass,
}

impl<K, V, T, R: Runtime> Client<K, V, T, R> {
    pub(super) fn new(tier: T, runtime: R, settings: TierSettings) -> Self {
        Self {
            tier,
            runtime,
            settings,
            breaker: Breaker::default(),
            counters: Counters::default(),
            waits: Waits::new(),
            types: PhantomData,
        }
    }
}

impl<K, V, T, R> Client<K, V, T, R>
where
    K: Clone + 'static,
    V: 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// The maximum number of keys in a fetch.
    #[doc(hidden)]
    #[must_use]
    pub const fn max_fetch(&self) -> usize {
        self.settings.max_fetch
    }

    /// Fetches `keys`: the loader of the batches of lookups.
    #[doc(hidden)]
    pub async fn fetch(this: Arc<Self>, keys: Vec<K>, read: Read) -> Fetched<K, V, T, R> {
        let now = this.runtime.now();
        let found = if this.breaker.admits(now, &this.settings) {
            this.counters.fetches.add(1);
            this.counters.fetched_keys.add(keys.len());
            this.call(now, this.tier.fetch(keys.clone(), read)).await
        } else {
            None
        };
        Ok(match found {
            Some(found) if found.len() == keys.len() => {
                let found = keys.into_iter().zip(found);
                found
                    .map(|(key, found)| Self::look(&this, key, found))
                    .collect()
            }
            _ => keys.iter().map(|_| Lookup(Looked::Bypass)).collect(),
        })
    }

    fn look(this: &Arc<Self>, key: K, found: Found<V>) -> Lookup<K, V, T, R> {
        Lookup(match found {
            Found::Value { value, left, tag } => Looked::Value { value, left, tag },
            Found::Missing { tag } => Looked::Missing { tag },
            Found::Leased(lease) => {
                let guard = LeaseGuard::new(Arc::clone(this), key, lease);
                Looked::Leased(Arc::new(guard))
            }
            Found::Busy { left } => {
                this.counters.waits.add(1);
                Looked::Busy { left }
            }
            Found::Unreadable => {
                this.counters.unreadable.add(1);
                Looked::Bypass
            }
        })
    }

    /// Stores a loaded value. `None` if the second tier does not answer.
    pub(super) async fn fill(&self, fill: Fill<K, V>) -> Option<Filled> {
        let call = self.tier.fill(vec![fill]);
        let filled = self.call(self.runtime.now(), call).await;
        let filled = filled.and_then(|filled| filled.first().copied());
        let count = match filled {
            Some(Filled::Stored) => &self.counters.fills_stored,
            Some(Filled::Refused) => &self.counters.fills_refused,
            Some(Filled::Rejected) => &self.counters.fills_rejected,
            None => &self.counters.fills_failed,
        };
        count.add(1);
        filled
    }

    /// Removes `key` from the second tier, and from the first tiers of all processes.
    pub(super) async fn remove(&self, key: K) {
        let call = self.tier.remove(vec![key]);
        let removed = self.call(self.runtime.now(), call).await;
        let count = match removed {
            Some(()) => &self.counters.removals_sent,
            None => &self.counters.removals_failed,
        };
        count.add(1);
    }

    /// Waits for `call`, which begins at `now`, as long as the soft timeout allows. `None` if the
    /// call failed.
    async fn call<O>(
        &self,
        now: Instant,
        call: <R::Flavor as Flavor>::Future<Result<O, T::Error>>,
    ) -> Option<O> {
        let deadline = now.after(self.settings.soft_timeout);
        let answer = self.until(deadline, call).await.and_then(Result::ok);
        if answer.is_some() {
            self.breaker.close();
        } else {
            self.counters.failures.add(1);
            let now = self.runtime.now();
            self.breaker.count_failure(now, &self.settings);
        }
        answer
    }

    /// Waits for `future` until `deadline`; without a limit on a runtime without timers.
    pub(super) async fn until<F>(&self, deadline: Instant, mut future: F) -> Option<F::Output>
    where
        F: Future + Unpin,
    {
        let mut timer = None;
        core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut future).poll(cx) {
                return Poll::Ready(Some(output));
            }
            timer = working(timer.take(), &self.runtime);
            match &mut timer {
                Some(timer) => timer.poll_until(deadline, cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl<K, V: Clone, T, R> Clone for Lookup<K, V, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Looked::Value { value, left, tag } => Looked::Value {
                value: value.clone(),
                left: *left,
                tag: *tag,
            },
            Looked::Missing { tag } => Looked::Missing { tag: *tag },
            Looked::Leased(guard) => Looked::Leased(Arc::clone(guard)),
            Looked::Busy { left } => Looked::Busy { left: *left },
            Looked::Bypass => Looked::Bypass,
        })
    }
}
