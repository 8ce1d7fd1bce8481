//! The loader behind a view, and the errors that a stored value may cover.

use core::hash::{BuildHasher, Hash};

use super::LoadingCache;
use crate::flight::{LoaderResult, LoaderResultOn};
use crate::key::ViewKey;
use crate::load::{Argument, LoadingOn, StartLoad};
use crate::opt_in::{Gated, GatedState};
use crate::runtime::{Flavor, Hook, Runtime};
use crate::sync::Arc;

/// The boxed loader of a view, for a runtime of flavor `F`.
pub(super) enum ViewLoader<K, V, F: Flavor> {
    /// It loads a key.
    Load(F::Loader<K, LoaderResultOn<F, V>>),
    /// It also gets the stored value.
    Reload(F::Loader<(K, Option<V>), LoaderResultOn<F, V>>),
}

impl<K, V, E, R: Runtime, S, P> LoadingCache<K, V, E, R, S, P> {
    /// Sets which errors of the loader a stored value may cover: `covers` returns whether the cache
    /// may return the value after its time to live, although the loader has failed with this error.
    /// By default, a value covers every error, for as long as
    /// [`stale_if_error`](crate::Builder::stale_if_error) says.
    ///
    /// An error that is not covered ends the windows of the value: the value stays until the end of
    /// its time to live and not longer, and the callers that wait for the load get the error. Use it
    /// for an answer that says that the value is wrong, such as "not found" or "no longer allowed".
    /// The view whose loader runs decides for all callers of the load. A timeout and a panic are
    /// always covered. `covers` runs as a part of the load: if it panics, the load panics.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// #[derive(Debug, PartialEq)]
    /// enum DbError {
    ///     Busy,
    ///     Deleted,
    /// }
    ///
    /// let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_if_error(Duration::from_secs(3_600))
    ///     .build();
    /// let users = cache
    ///     .loading(|id: u64| async move {
    ///         Err::<&str, _>(if id == 1 { DbError::Busy } else { DbError::Deleted })
    ///     })
    ///     .stale_if(|error: &DbError| *error == DbError::Busy);
    /// cache.insert(1, "Ada");
    /// cache.insert(2, "Bob");
    /// # runtime.advance(Duration::from_secs(300));
    /// # runtime.block_on(async {
    /// // Five minutes later:
    /// assert_eq!(users.get(1).await.unwrap(), "Ada");
    /// assert_eq!(users.get(2).await.unwrap_err().loader(), Some(&DbError::Deleted));
    /// # });
    /// ```
    #[must_use]
    pub fn stale_if<C>(mut self, covers: C) -> Self
    where
        E: 'static,
        C: Fn(&E) -> bool + Hook<R::Flavor, K, V>,
    {
        self.covers = GatedState::new(Gated::new(Arc::new(covers.into_check())));
        self
    }
}

/// Calls the loader of a view. Unlike a closure, it returns a boxed future, which is not boxed
/// again.
pub(super) struct StartView<'a, K, V, E, R: Runtime, S, P>(
    pub(super) &'a LoadingCache<K, V, E, R, S, P>,
);

impl<K, V, E, R, S, P, M, N, By> StartLoad<V, R::Flavor, M, Argument<N, By>>
    for StartView<'_, K, V, E, R, S, P>
where
    K: Eq + Hash,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    N: ViewKey<K, By>,
{
    fn start(self, key: &Argument<N, By>) -> LoadingOn<R::Flavor, V> {
        let (view, key) = (self.0, key.to_key());
        let loading = match &*view.loader {
            ViewLoader::Load(load) => load(key),
            ViewLoader::Reload(load) => {
                // Read after the load has begun: a later write fences the load.
                let old = view.cache.get_stale(&key);
                load((key, old))
            }
        };
        match view.covers.get() {
            Some(covers) => {
                R::Flavor::checked(loading, Arc::clone(covers), mark_refused::<V, R::Flavor>)
            }
            None => loading,
        }
    }
}

/// Marks an error that no stored value may cover.
fn mark_refused<V, F: Flavor>(
    result: LoaderResultOn<F, V>,
    covers: &F::Check,
) -> LoaderResultOn<F, V> {
    match result {
        LoaderResult::Failed(error) if !covers(F::error_as_any(&error)) => {
            LoaderResult::Failed(F::refuse(error))
        }
        result => result,
    }
}
