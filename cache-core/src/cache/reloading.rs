//! A view whose loader gets the stored value.

use super::view_loader::ViewLoader;
use super::{Cache, LoadingCache};
use crate::flight::{Loaded, LoaderResult, LoaderResultOn};
use crate::runtime::{Flavor, LoadErrorType, LoadFuture, Runtime, SharedLoader};
use crate::sync::Arc;

/// What the loader of [`Cache::reloading`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reload<V> {
    /// The stored value, which the loader got, is still right. The cache keeps it, and its times
    /// restart as if it had been written now: its ttl, and when it is due for a refresh. No value
    /// is replaced, so no listener is called.
    Unchanged(V),
    /// A new value.
    Value(V),
    /// A new value with a ttl, a weight or other times of its own.
    Loaded(Loaded<V>),
}

impl<K, V, R, S> Cache<K, V, R, S>
where
    V: 'static,
    R: Runtime,
{
    /// Returns a view as [`Cache::loading`] does, for a loader that also gets the stored value of
    /// the key. The loader can ask its backend whether the value has changed, as an HTTP request
    /// with an `ETag` does, and return [`Reload::Unchanged`].
    ///
    /// The loader gets the value also after its ttl, as long as the cache keeps it for
    /// [`stale_while_revalidate`] or [`stale_if_error`], and `None` if there is none. A load of this
    /// view is a load like any other: if the key is written while it is in flight, neither a new
    /// value nor new times are stored. If the value has left the cache meanwhile, the cache stores
    /// the one in [`Reload::Unchanged`].
    ///
    /// [`stale_while_revalidate`]: crate::Builder::stale_while_revalidate
    /// [`stale_if_error`]: crate::Builder::stale_if_error
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::testing::VirtualRuntime;
    /// use cache_core::{Cache, Reload};
    ///
    /// #[derive(Clone)]
    /// struct Page {
    ///     etag: u64,
    ///     html: &'static str,
    /// }
    ///
    /// /// A page, or `None` if it still has this tag: status 304.
    /// async fn fetch(_url: &str, etag: Option<u64>) -> Result<Option<Page>, std::io::Error> {
    ///     Ok((etag != Some(7)).then_some(Page { etag: 7, html: "<html>" }))
    /// }
    ///
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<String, Page, _> = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(60))
    ///     .stale_while_revalidate(Duration::from_secs(600))
    ///     .build();
    /// let pages = cache.reloading(|url: String, old: Option<Page>| async move {
    ///     let fetched = fetch(&url, old.as_ref().map(|page| page.etag)).await?;
    ///     match (fetched, old) {
    ///         (Some(page), _) => Ok(Reload::Value(page)),
    ///         (None, Some(old)) => Ok(Reload::Unchanged(old)),
    ///         (None, None) => Err(std::io::Error::other("304 for a request without a tag")),
    ///     }
    /// });
    /// # runtime.block_on(async {
    /// assert_eq!(pages.get("/").await.unwrap().html, "<html>");
    /// # runtime.sleep(Duration::from_secs(90)).await;
    /// // 90 seconds later, the stale page is returned, and found unchanged:
    /// assert_eq!(pages.get("/").await.unwrap().html, "<html>");
    /// # });
    /// # runtime.run_until_idle();
    /// assert_eq!(cache.time_to_expiry("/"), Some(Duration::from_secs(60)));
    /// ```
    #[doc(alias("etag", "conditional_refresh"))]
    #[must_use = "a view does nothing until a key is requested: make it once and keep it"]
    pub fn reloading<L, Fut, E>(&self, loader: L) -> LoadingCache<K, V, E, R, S>
    where
        L: Fn(K, Option<V>) -> Fut + SharedLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Reload<V>, E>>,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        let loader = loader.into_boxed_reload(erase);
        LoadingCache::new(self, ViewLoader::Reload(loader))
    }
}

/// The result of a load, without the type of its error.
fn erase<V, E: LoadErrorType<F>, F: Flavor>(output: Result<Reload<V>, E>) -> LoaderResultOn<F, V> {
    match output {
        Ok(Reload::Unchanged(value)) => LoaderResult::Value(Loaded::new(value).unchanged()),
        Ok(Reload::Value(value)) => LoaderResult::Value(Loaded::new(value)),
        Ok(Reload::Loaded(loaded)) => LoaderResult::Value(loaded),
        Err(error) => LoaderResult::Failed(E::erase(Arc::new(error))),
    }
}
