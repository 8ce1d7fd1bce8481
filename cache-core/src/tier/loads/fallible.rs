//! Loads whose loader may fail, and refreshes.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use crate::error::LoadError;
use crate::flight::Loaded;
use crate::key::ToKey;
use crate::load::{Borrowed, Fallible, LoadMethod, Owned};
use crate::runtime::{DeferredLoader, LoadErrorType, LoadFuture};
use crate::tier::store::Tier;
use crate::tier::support::SupportsTier;
use crate::tier::tiered::Tiered;

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Returns the value of `key`. If neither tier has one, runs a loader that returns a value or
    /// an error.
    ///
    /// After an error, the process gives its lease up, and the next process tries.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`](crate::Cache::try_get_with). A failure of the second tier is no
    /// error: the load continues without it.
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let answer = users.try_get_with(7, || async { "42".parse::<u64>() }).await;
    /// assert_eq!(answer.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
    {
        self.load::<Fallible<E, V>, _, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::try_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, u64>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let answer = users.try_get_with_by_ref("seven", || async { "42".parse::<u64>() });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_by_ref<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
    {
        self.load::<Fallible<E, V>, _, _>(Borrowed(key), loader)
    }

    /// As [`Tiered::try_get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let text = String::from("42");
    /// let answer = users.try_get_with_scoped(7, || async { text.parse::<u64>() });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.request_scoped::<Fallible<E, V>, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::try_get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, u64>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let id = String::from("42");
    /// let answer = users.try_get_with_by_ref_scoped(&id, || async { id.parse::<u64>() });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_by_ref_scoped<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.request_scoped::<Fallible<E, V>, _>(Borrowed(key), loader)
    }

    /// Returns the value of `key`. If neither tier has one, runs a loader that returns a value with
    /// its own ttl or weight, or an error.
    ///
    /// The second tier keeps the ttl. It does not keep the weight: other processes weigh the value
    /// as their caches do.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// use cache_core::{Loaded, Ttl};
    /// use core::time::Duration;
    ///
    /// let minute = Ttl::After(Duration::from_secs(60));
    /// let load = move || async move { Ok::<_, String>(Loaded::new("alice").ttl(minute)) };
    /// assert_eq!(users.load_with(7, load).await.unwrap(), "alice");
    /// # });
    /// ```
    pub fn load_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Loaded<V>, E>>,
    {
        self.load::<Fallible<E, Loaded<V>>, _, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::load_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::load_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, &str>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// use cache_core::Loaded;
    ///
    /// let load = || async { Ok::<_, String>(Loaded::new("alice").weight(5)) };
    /// assert_eq!(users.load_with_by_ref("seven", load).await.unwrap(), "alice");
    /// # });
    /// ```
    pub fn load_with_by_ref<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Loaded<V>, E>>,
    {
        self.load::<Fallible<E, Loaded<V>>, _, _>(Borrowed(key), loader)
    }

    /// As [`Tiered::load_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::load_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// use cache_core::Loaded;
    ///
    /// let database = ["alice"];
    /// let load = || async { Ok::<_, String>(Loaded::new(database[0]).weight(5)) };
    /// assert_eq!(users.load_with_scoped(7, load).await.unwrap(), "alice");
    /// # });
    /// ```
    pub fn load_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded<V>, E>>,
    {
        self.request_scoped::<Fallible<E, Loaded<V>>, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::load_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::load_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, usize>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// use cache_core::Loaded;
    ///
    /// let id = String::from("seven");
    /// let load = || async { Ok::<_, String>(Loaded::new(id.len())) };
    /// assert_eq!(users.load_with_by_ref_scoped(&id, load).await.unwrap(), 5);
    /// # });
    /// ```
    pub fn load_with_by_ref_scoped<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded<V>, E>>,
    {
        self.request_scoped::<Fallible<E, Loaded<V>>, _>(Borrowed(key), loader)
    }

    /// Loads `key` even if a tier has a value, and replaces the value in both tiers, here and in all
    /// other processes.
    ///
    /// The call never returns a value of the second tier. Other calls return the old value until the
    /// loader is ready, but in this process they join the load. If another process removes or writes
    /// the key meanwhile, neither tier stores the loaded value, which may be older.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`]. The stored value stays. A failure of the second tier is no error:
    /// it may keep the old value then.
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// users.get_with(7, || async { "alice" }).await;
    /// let newer = users.refresh(7, || async { Ok::<_, String>("bob") }).await;
    /// assert_eq!(newer.unwrap(), "bob");
    /// assert_eq!(users.tier().value(&7), Some("bob"));
    /// # });
    /// ```
    pub fn refresh<W, E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        W: Into<Loaded<V>> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
    {
        let deferred = move || {
            loader.deferred(|loader| {
                loader().boxed(<Fallible<E, W> as LoadMethod<V, R::Flavor>>::result)
            })
        };
        self.request_refresh::<Fallible<E, W>>(key, deferred)
    }
}
