//! One load through the second tier: lookup, lease, loader, fill.

use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::pin::pin;
use core::time::Duration;

use super::build::with_deadline;
use super::client::Looked;
use super::lease::LeaseGuard;
use super::state::TierState;
use super::store::{Fill, Filled, Read, Tier};
use super::support::SupportsTier;
use crate::flight::{Loaded, LoaderResult, LoaderResultOn};
use crate::load::{LoadingOn, StartLoad};
use crate::machine::Ttl;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The loader of a flight: it looks the key up in the second tier, and calls the caller's loader if
/// the second tier has no value.
pub(super) struct ThroughTier<'a, K: 'static, V: 'static, T, R, S, L>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) state: &'a Arc<TierState<K, V, T, R, S>>,
    pub(super) key: K,
    pub(super) read: Read,
    pub(super) purpose: Purpose,
    pub(super) loader: L,
}

/// What a load does with a value that the second tier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It returns the value.
    Get,
    /// It replaces the value.
    Refresh,
}

/// A load through the second tier, before its first poll.
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct TierLoad<K: 'static, V: 'static, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    state: Arc<TierState<K, V, T, R, S>>,
    key: K,
    read: Read,
    purpose: Purpose,
    loader: LoadingOn<R::Flavor, V>,
}

/// The end of a lookup.
enum Acquired<K: 'static, V: 'static, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    Value(V, Option<Duration>),
    Missing,
    Lease(Arc<LeaseGuard<K, V, T, R>>),
    /// No lease: the value must not go to the second tier.
    Bypass,
}

impl<K, V, M, N, T, R, S, L> StartLoad<V, R::Flavor, M, N> for ThroughTier<'_, K, V, T, R, S, L>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher,
    L: FnOnce() -> LoadingOn<R::Flavor, V>,
{
    fn start(self, _: &N) -> LoadingOn<R::Flavor, V> {
        R::box_load(TierLoad {
            state: Arc::clone(self.state),
            key: self.key,
            read: self.read,
            purpose: self.purpose,
            loader: (self.loader)(),
        })
    }
}

impl<K, V, T, R, S> TierState<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Runs a load.
    #[doc(hidden)]
    pub async fn run(load: TierLoad<K, V, T, R, S>) -> LoaderResultOn<R::Flavor, V> {
        let TierLoad {
            state,
            key,
            read,
            purpose,
            loader,
        } = load;
        match purpose {
            Purpose::Get => state.load(key, read, loader).await,
            Purpose::Refresh => state.refresh(key, read, loader).await,
        }
    }

    /// Loads `key` from the second tier, or with `loader`.
    pub(super) async fn load<L>(
        &self,
        key: K,
        read: Read,
        loader: L,
    ) -> LoaderResultOn<R::Flavor, V>
    where
        L: Future<Output = LoaderResultOn<R::Flavor, V>>,
    {
        let counters = &self.client.counters;
        let mut loader = pin!(loader);
        let guard = match self.acquire(&key, read).await {
            Acquired::Value(value, left) => {
                counters.hits.add(1);
                return LoaderResult::Value(Loaded::new(value).ttl(self.ttl_of_first(left)));
            }
            Acquired::Missing => {
                counters.hits.add(1);
                return LoaderResult::Missing;
            }
            Acquired::Lease(guard) => guard,
            Acquired::Bypass => {
                counters.bypassed.add(1);
                return bounded(loader.await);
            }
        };
        counters.misses.add(1);
        bounded(match guard.hold(loader.as_mut()).await {
            LoaderResult::Value(loaded) => {
                LoaderResult::Value(self.fill_value(key, &guard, loaded).await)
            }
            LoaderResult::Missing => {
                self.fill_missing(key, &guard).await;
                LoaderResult::Missing
            }
            // The drop of the guard gives the lease up, so that another process tries at once.
            failed => failed,
        })
    }

    /// Looks `key` up in the second tier, and waits while another process loads it.
    async fn acquire(&self, key: &K, read: Read) -> Acquired<K, V, T, R> {
        const FIRST_PAUSE: Duration = Duration::from_millis(5);
        const LAST_PAUSE: Duration = Duration::from_millis(50);
        const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
        let client = &self.client;
        let give_up = client.runtime.now().after(client.settings.max_wait);
        let (mut wait, mut pause) = (None, FIRST_PAUSE);
        loop {
            let looked = self.lookups(read).get(key.clone()).await;
            let left = match looked.ok().flatten().map(|lookup| lookup.0) {
                Some(Looked::Value { value, left, .. }) => return Acquired::Value(value, left),
                Some(Looked::Missing { .. }) => return Acquired::Missing,
                Some(Looked::Leased(guard)) if guard.take() => return Acquired::Lease(guard),
                Some(Looked::Leased(_)) => client.settings.lease_time,
                Some(Looked::Busy { left }) => left,
                Some(Looked::Bypass) | None => return Acquired::Bypass,
            };
            let now = client.runtime.now();
            if give_up.has_passed(now) {
                client.counters.waits_expired.add(1);
                return Acquired::Bypass;
            }
            // Most loads never wait. So the first fetch that finds the key busy is repeated at
            // once, after the registration.
            if let Some(registered) = wait.take() {
                let next = now.after(pause.min(left).max(SHORTEST_PAUSE)).min(give_up);
                client.until(next, registered).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            if client.runtime.timer().is_none() {
                // Nothing would end the wait for a process that has died.
                return Acquired::Bypass;
            }
            wait = Some(client.waits.register(self.cache.hash(key)));
        }
    }

    /// Offers a loaded value to the second tier. Returns the value for the first tier, which does
    /// not store it if the second tier refused it.
    async fn fill_value(
        &self,
        key: K,
        guard: &LeaseGuard<K, V, T, R>,
        loaded: Loaded<V>,
    ) -> Loaded<V> {
        let fill = Fill {
            key,
            lease: guard.lease(),
            value: Some(loaded.value.clone()),
            ttl: loaded.ttl,
            announced: None,
        };
        let filled = self.client.fill(fill).await;
        if filled.is_some() {
            guard.end();
        }
        match filled {
            Some(Filled::Refused) => loaded.ttl(Ttl::After(Duration::ZERO)),
            Some(Filled::Stored | Filled::Rejected) | None => loaded,
        }
    }

    /// Lets the second tier remember that there is no value, if the first tier does.
    async fn fill_missing(&self, key: K, guard: &LeaseGuard<K, V, T, R>) {
        let Some(ttl) = self.negative_ttl else {
            return;
        };
        let fill = Fill {
            key,
            lease: guard.lease(),
            value: None,
            ttl: Ttl::After(ttl),
            announced: None,
        };
        if self.client.fill(fill).await.is_some() {
            guard.end();
        }
    }

    /// The ttl in the first tier of a value that the second tier keeps for `left`.
    fn ttl_of_first(&self, left: Option<Duration>) -> Ttl {
        match left {
            Some(left) if left < self.time_to_live => Ttl::After(left),
            _ => Ttl::Default,
        }
    }
}

/// The result of a loader, whose value has a deadline in the first tier.
pub(super) fn bounded<V, X>(result: LoaderResult<V, X>) -> LoaderResult<V, X> {
    match result {
        LoaderResult::Value(loaded) => LoaderResult::Value(with_deadline(loaded)),
        other => other,
    }
}
