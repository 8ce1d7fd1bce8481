//! Calls of the second tier: bounded in time, counted, and refused while the breaker is open.

use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use super::breaker::Breaker;
use super::settings::TierSettings;
use super::stats::Counters;
use super::store::{Fill, Filled, Found, Lease, Read, Tier};
use super::waits::Waits;
use crate::machine::Instant;
use crate::runtime::{Flavor, Runtime, Timer, working};
use crate::sync::{Arc, AtomicBool, Ordering};

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
    },
    Missing,
    Leased(Arc<LeaseGuard<K, V, T, R>>),
    Busy {
        left: Duration,
    },
    /// The caller loads the key without a lease.
    Bypass,
}

/// A lease of this process. Its drop gives the lease up, unless a fill has used it.
pub(super) struct LeaseGuard<K: 'static, V: 'static, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    client: Arc<Client<K, V, T, R>>,
    key: Option<K>,
    lease: Lease,
    /// Whether a load uses the lease. Two loads of the process may share a lookup, if the first was
    /// fenced before the lookup ended.
    is_taken: AtomicBool,
    /// Whether a fill has ended the lease.
    is_used: AtomicBool,
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
            Found::Value { value, left } => Looked::Value { value, left },
            Found::Missing => Looked::Missing,
            Found::Leased(lease) => Looked::Leased(Arc::new(LeaseGuard {
                client: Arc::clone(this),
                key: Some(key),
                lease,
                is_taken: AtomicBool::new(false),
                is_used: AtomicBool::new(false),
            })),
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

impl<K, V, T, R> LeaseGuard<K, V, T, R>
where
    K: Clone,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) const fn lease(&self) -> Lease {
        self.lease
    }

    /// Takes the lease for a load. Only the first call returns `true`.
    pub(super) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::Relaxed)
    }

    /// Marks the lease as ended by a fill: the drop does not give it up.
    pub(super) fn end(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Runs the loader, and prolongs the lease meanwhile. A prolongation that fails does no harm:
    /// the fill is refused if the lease is lost.
    pub(super) async fn hold<F: Future + Unpin>(&self, mut loader: F) -> F::Output {
        let client = &self.client;
        let pause = client.settings.lease_time / 3;
        let mut next = client.runtime.now().after(pause);
        let mut timer = None;
        let mut renewal: Option<<R::Flavor as Flavor>::Future<_>> = None;
        core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut loader).poll(cx) {
                return Poll::Ready(output);
            }
            loop {
                if let Some(call) = &mut renewal
                    && Pin::new(call).poll(cx).is_ready()
                {
                    renewal = None;
                }
                timer = working(timer.take(), &client.runtime);
                let Some(timer) = &mut timer else {
                    return Poll::Pending;
                };
                if timer.poll_until(next, cx).is_pending() {
                    return Poll::Pending;
                }
                next = client.runtime.now().after(pause);
                let lease = self.key.clone().map(|key| (key, self.lease));
                renewal = Some(client.tier.renew(lease.into_iter().collect()));
            }
        })
        .await
    }
}

impl<K, V, T, R> Drop for LeaseGuard<K, V, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn drop(&mut self) {
        if self.is_used.load(Ordering::Relaxed) {
            return;
        }
        if let Some(key) = self.key.take() {
            let release = self.client.tier.release(vec![(key, self.lease)]);
            // If nothing can be spawned, the lease ends by its time.
            drop(self.client.runtime.spawn(release));
        }
    }
}

impl<K, V: Clone, T, R> Clone for Lookup<K, V, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Looked::Value { value, left } => Looked::Value {
                value: value.clone(),
                left: *left,
            },
            Looked::Missing => Looked::Missing,
            Looked::Leased(guard) => Looked::Leased(Arc::clone(guard)),
            Looked::Busy { left } => Looked::Busy { left: *left },
            Looked::Bypass => Looked::Bypass,
        })
    }
}
