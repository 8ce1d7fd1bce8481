//! A cache that knows how to load.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::hash::DefaultHasher;
use crate::load::{Borrowed, Fallible, JoinAll};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// A view of this cache that knows how to load a key. Several views, with other loaders, may
    /// share one cache; a key has one load whichever view or method asks.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(&7).await.unwrap(), 49);
    /// let all = squares.get_all([&7, &8]).await;
    /// assert_eq!(all[1].as_ref().unwrap(), &64);
    /// # });
    /// ```
    pub fn loading<L>(&self, loader: L) -> Loading<K, V, R, L, S> {
        Loading {
            cache: self.clone(),
            loader,
        }
    }
}

/// A cache that knows how to load: [`Cache::loading`] returns it. The loader is a closure (or a
/// function) from an owned key to a future of a `Result`; it is cloned for each load.
pub struct Loading<K, V: 'static, R: Runtime, L, S = DefaultHasher> {
    cache: Cache<K, V, R, S>,
    loader: L,
}

impl<K, V, R: Runtime, L, S> Loading<K, V, R, L, S> {
    /// The cache behind the view.
    #[must_use]
    pub const fn cache(&self) -> &Cache<K, V, R, S> {
        &self.cache
    }
}

impl<K, V, W, E, R, L, S, Fut> Loading<K, V, R, L, S>
where
    K: Eq + Hash,
    V: Clone,
    W: Into<Loaded<V>> + 'static,
    E: 'static,
    R: Runtime,
    Fut: LoadFuture<R::Flavor>,
    E: LoadErrorType<R::Flavor>,
    L: FnOnce(K) -> Fut + Clone,
    Fut: Future<Output = Result<W, E>>,
    S: BuildHasher,
{
    /// The value of `key`, loaded if it is not there: [`Cache::load_with_by_ref`].
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn get<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let loader = self.loader.clone();
        let load = || loader(key.to_owned());
        self.cache
            .ask::<Fallible<E, W>, _, _>(Borrowed(key), load)
            .await
    }

    /// The values of `keys` in their order; those that are not there are loaded side by side, each
    /// by a load of its own (see batches for one load for all). A key that comes more than once is
    /// loaded once; each time is a request of its own.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`], for each key.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn get_all<'a, Q>(
        &self,
        keys: impl IntoIterator<Item = &'a Q>,
    ) -> impl Future<Output = Vec<Result<V, LoadError<E>>>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized + 'a,
    {
        // Not an async function: that would keep the iterator, and be `Send` only if it is.
        let loads = keys.into_iter().map(|key| {
            let loader = self.loader.clone();
            let load = || loader(key.to_owned());
            self.cache.ask::<Fallible<E, W>, _, _>(Borrowed(key), load)
        });
        JoinAll::new(loads)
    }

    /// Loads `key` anew and replaces what is stored: [`Cache::refresh`].
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn refresh<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let loader = self.loader.clone();
        let load = || loader(key.to_owned());
        self.cache
            .ask::<Fallible<E, W>, _, _>(Borrowed(key), load)
            .refreshing()
            .await
    }
}

impl<K, V, R: Runtime, L: Clone, S> Clone for Loading<K, V, R, L, S> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            loader: self.loader.clone(),
        }
    }
}

impl<K, V, R: Runtime, L, S> fmt::Debug for Loading<K, V, R, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
