//! How a batch ends its flights.

use core::hash::{BuildHasher, Hash};

use super::queue::Request;
use super::results::{LoaderResultOn, MatchedResults};
use super::work::BatchWork;
use crate::flight::{Flight, LoaderResult};
use crate::load::LoadCtx;
use crate::panic;
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> BatchWork<K, V, R, S> {
    pub(super) fn cancel_all(&self) {
        for flight in self.requests.iter().flat_map(Request::flights) {
            // A waker may panic; the other flights must still end, or their waiters hang.
            drop(panic::catch(|| self.load_ctx(flight).cancel()));
        }
    }

    fn load_ctx<'a>(&'a self, flight: &'a Flight<V, R>) -> LoadCtx<'a, K, V, R, S> {
        LoadCtx::new(self.inner.cache(), flight)
    }
}

impl<K, V, R, S> BatchWork<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Completes every flight of the batch, then stores the values that were not requested.
    pub(super) fn complete_all(&self, matched: MatchedResults<K, V, R>, epochs: &[u64]) {
        let (results, unrequested, _) = matched;
        for (request, result) in self.requests.iter().zip(results) {
            let result = self.with_default_ttl(result);
            for duplicate in &request.duplicates {
                self.complete_one(&duplicate.flight, || result.clone());
            }
            self.complete_one(&request.flight, || result);
        }
        for (key, loaded) in unrequested.into_value().into_iter().flatten() {
            drop(panic::catch(|| {
                self.inner.insert_if_absent(key, loaded, Some(epochs))
            }));
        }
    }

    fn complete_one(&self, flight: &Flight<V, R>, result: impl FnOnce() -> LoaderResultOn<V, R>) {
        // A clone, a weigher or a listener may panic; the other flights must still end, or their
        // waiters hang.
        let completed = panic::catch(|| self.load_ctx(flight).complete(result()));
        if completed.is_err() {
            self.fail_one(flight);
        }
    }

    pub(super) fn fail_one(&self, flight: &Flight<V, R>) {
        // A listener or a waker may panic; the other flights must still end, or their waiters hang.
        drop(panic::catch(|| self.load_ctx(flight).fail_with_panic()));
    }

    fn with_default_ttl(&self, result: LoaderResultOn<V, R>) -> LoaderResultOn<V, R> {
        match result {
            LoaderResult::Value(loaded) => LoaderResult::Value(self.inner.with_default_ttl(loaded)),
            other => other,
        }
    }
}
