//! Loading many keys before anybody asks for them.

use alloc::vec::Vec;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::error::LoadError;
use crate::load::{Fallible, Loaded, Owned, Several};
use crate::runtime::{Erases, Holds, Runtime};

/// How a warm-up went: [`Cache::warm`] returns it.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmReport<K, E> {
    /// Keys whose value was there already.
    pub present: usize,
    /// Keys whose value was loaded.
    pub loaded: usize,
    /// Keys whose load failed, with the reason, in the order in which they failed.
    pub failures: Vec<(K, LoadError<E>)>,
}

/// How far a warm-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys that are done: present, loaded or failed.
    pub done: usize,
    /// Keys that failed.
    pub failed: usize,
    /// All keys, as far as the sequence of loaders knows.
    pub total: Option<usize>,
}

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Loads every key that is not there, each with its own loader, at most `limit` at a time. One
    /// that fails, or panics, stops none of the others; the report lists it. Loads are shared with
    /// whoever else asks for the key. A key that is not there counts as a request.
    ///
    /// # Panics
    /// If `limit` is 0.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`] for what is under way; the rest is not loaded.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let loaders = (0..100).map(|n| (n, move || async move { Ok::<_, &str>(n * n) }));
    /// let report = cache.warm(10, loaders).await;
    /// assert_eq!((report.loaded, report.failures.len()), (100, 0));
    /// # });
    /// ```
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn warm<L, Fut, W, E>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L)>,
    ) -> WarmReport<K, E>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: 'static,
        R::Flavor: Holds<Fut> + Erases<E>,
    {
        self.warm_with_progress(limit, loaders, |_| ()).await
    }

    /// [`Cache::warm`] that calls `progress` whenever a key is done.
    ///
    /// # Panics
    /// If `limit` is 0.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn warm_with_progress<L, Fut, W, E>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L)>,
        mut progress: impl FnMut(WarmProgress),
    ) -> WarmReport<K, E>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: 'static,
        R::Flavor: Holds<Fut> + Erases<E>,
    {
        assert!(
            limit > 0,
            "limit is 0, but at least one load must run at a time"
        );
        let mut report = WarmReport {
            present: 0,
            loaded: 0,
            failures: Vec::new(),
        };
        let loaders = loaders.into_iter();
        let total = loaders.size_hint().1;
        let loads = loaders.map(|(key, loader)| (key.clone(), self.load_if_absent(key, loader)));
        let mut several = Several::new(limit, loads);
        while let Some((key, loaded)) = several.next().await {
            match loaded.unwrap_or(Err(LoadError::Panicked)) {
                Ok(true) => report.loaded += 1,
                Ok(false) => report.present += 1,
                Err(error) => report.failures.push((key, error)),
            }
            progress(report.progress(total));
        }
        report
    }

    /// Loads `key` if there is no value, and says whether there was none.
    async fn load_if_absent<L, Fut, W, E>(&self, key: K, loader: L) -> Result<bool, LoadError<E>>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: 'static,
        R::Flavor: Holds<Fut> + Erases<E>,
    {
        if self.contains_key(&key) {
            return Ok(false);
        }
        self.ask::<Fallible<E, W>, _, _>(Owned::new(key), loader)
            .await
            .map(|_| true)
    }
}

impl<K, E> WarmReport<K, E> {
    fn progress(&self, total: Option<usize>) -> WarmProgress {
        let failed = self.failures.len();
        WarmProgress {
            done: self.present + self.loaded + failed,
            failed,
            total,
        }
    }
}
