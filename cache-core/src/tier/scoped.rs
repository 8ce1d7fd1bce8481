//! Loads whose loader borrows: it lives in the caller that leads.

use core::convert::Infallible;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

use super::store::{Read, Tier};
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::flight::{LoaderResultOn, OutcomeOn};
use crate::load::{Get, KeyArg, LoadMethod, LoadTypes, Owned};
use crate::runtime::Flavor;

/// A loading method `M` whose loader returns what a load through the second tier ends with.
struct Through<M, F>(Infallible, PhantomData<(M, F)>);

impl<V, M, F: Flavor> LoadTypes<V> for Through<M, F>
where
    M: LoadTypes<V>,
{
    type Output = LoaderResultOn<F, V>;
    type Answer = M::Answer;
}

impl<V, M, F> LoadMethod<V, F> for Through<M, F>
where
    M: LoadMethod<V, F>,
    F: Flavor,
{
    fn result(output: LoaderResultOn<F, V>) -> LoaderResultOn<F, V> {
        output
    }

    fn hit(value: V) -> M::Answer {
        M::hit(value)
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<M::Answer> {
        M::answer(outcome)
    }
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Looks `key` up in the first tier, and loads it through the second with a loader that only
    /// this caller polls.
    pub(super) async fn request_scoped<M, Fut>(
        &self,
        mut key: impl KeyArg<K>,
        loader: impl FnOnce() -> Fut,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
        Fut: Future<Output = M::Output>,
    {
        let (inner, state) = (self.cache.inner(), &self.state);
        let hash = inner.hash(key.query());
        if let Some(answer) = inner.look_up_within_horizon::<true, _, _>(hash, key.query(), M::hit)
        {
            inner.requests.count(true);
            return answer;
        }
        let key = key.take();
        let requested = key.clone();
        // Calls the loader only if the second tier has no value.
        let through_tier =
            |read| move || state.load(requested, read, async { M::result(loader().await) });
        let Some(interval) = self.interval_past_horizon() else {
            let loader = through_tier(Read::Plain);
            let get: Get<'_, _, V, R, S, Through<M, R::Flavor>, _, _> =
                Get::new(inner, Owned::new(key), loader);
            return get.after_miss(hash).scoped().await;
        };
        inner.requests.count(false);
        let (loader, key) = (through_tier(Read::Confirmed), Owned::new((interval, key)));
        let get: Get<'_, _, V, R, S, Through<M, R::Flavor>, _, _> =
            Get::new(state.interim.inner(), key, loader);
        get.scoped().await
    }
}
