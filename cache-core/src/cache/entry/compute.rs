//! Computations: the `and_` methods, which see the current value and decide what becomes of it.

use core::convert::Infallible;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::KeyEntry;
use crate::flight::Loaded;
use crate::load::{FlightHandle, JoinResult, KeyArg};
use crate::observe::LoadKind;
use crate::op::{Computed, Op};
use crate::runtime::Runtime;

impl<K, V, R, S, N> KeyEntry<'_, K, V, R, S, N>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    N: KeyArg<K>,
{
    /// Calls `compute` with the current value of the key, and stores a value, removes the entry or
    /// leaves it, as `compute` decides.
    ///
    /// Loads and computations of one key never run at the same time: this call waits for the one in
    /// flight, and callers that miss the key meanwhile wait for this computation. Hits return the
    /// old value until the computation completes. An explicit write (`insert`, `remove`,
    /// `invalidate`, `refresh`) does not wait: it fences the computation, which then returns
    /// [`Computed::Fenced`].
    ///
    /// `compute` may borrow. Only this caller polls it: see
    /// [context of a loader](crate::Cache#context-of-a-loader).
    ///
    /// # Fairness
    /// Waiting computations have no queue. When the flight of the key ends, all of them are woken,
    /// the first to lock the shard runs, and the others wait again. A computation that starts at
    /// that moment may run before those that wait. So `n` waiting computations run within `n` turns
    /// only if no new ones arrive; otherwise the wait has no bound. If that matters, put a lock per
    /// key in front, or a timeout around the call.
    ///
    /// # Panics
    /// If `compute` panics; the cache changes nothing then. If `compute` or a loader calls this
    /// method for the key that it computes or loads.
    ///
    /// # Cancel safety
    /// If the future is dropped while `compute` runs, the cache changes nothing, and the waiters of
    /// the key continue.
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, Op, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let stock: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// stock.insert("apples", 1);
    /// let take_one = |left: Option<u32>| async move {
    ///     match left {
    ///         None => Op::Nop,
    ///         Some(1) => Op::Remove,
    ///         Some(n) => Op::put(n - 1),
    ///     }
    /// };
    /// let first = stock.entry("apples").and_compute_with(take_one).await;
    /// assert_eq!(first, Computed::Removed(Some(1)));
    /// let second = stock.entry("apples").and_compute_with(take_one).await;
    /// assert_eq!(second, Computed::Unchanged(None));
    /// # });
    /// ```
    #[doc(alias("compute", "entry_async"))]
    pub async fn and_compute_with<Fut>(self, compute: impl FnOnce(Option<V>) -> Fut) -> Computed<V>
    where
        Fut: Future<Output = Op<V>>,
    {
        let Ok(computed) = self.compute(compute, Ok::<_, Infallible>).await;
        computed
    }

    /// As [`KeyEntry::and_compute_with`], with a computation that may fail.
    ///
    /// # Errors
    /// The error of `compute`; the cache changes nothing then, and each waiter of the key runs its
    /// own loader.
    ///
    /// # Panics
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// # Cancel safety
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, Op, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let stock: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let take_one = |left: Option<u32>| async move {
    ///     let left = left.unwrap_or(0).checked_sub(1).ok_or("sold out")?;
    ///     Ok(Op::put(left))
    /// };
    /// assert_eq!(stock.entry("apples").and_try_compute_with(take_one).await, Err("sold out"));
    /// stock.insert("apples", 2);
    /// assert_eq!(stock.entry("apples").and_try_compute_with(take_one).await, Ok(Computed::Put(1)));
    /// # });
    /// ```
    #[doc(alias("try_compute", "and_try_compute_if_nobody_else"))]
    pub async fn and_try_compute_with<E, Fut>(
        self,
        compute: impl FnOnce(Option<V>) -> Fut,
    ) -> Result<Computed<V>, E>
    where
        Fut: Future<Output = Result<Op<V>, E>>,
    {
        self.compute(compute, |op| op).await
    }

    /// As [`KeyEntry::and_compute_with`], with a computation that always returns a new value, or a
    /// [`Loaded`] that sets its ttl and its weight.
    ///
    /// Returns [`Computed::Put`] with the new value, or [`Computed::Fenced`] if the key was written
    /// while `compute` ran.
    ///
    /// # Panics
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// # Cancel safety
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let visits: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let count = |old: Option<u32>| async move { old.unwrap_or(0) + 1 };
    /// assert_eq!(visits.entry("home").and_upsert_with(count).await, Computed::Put(1));
    /// assert_eq!(visits.entry("home").and_upsert_with(count).await, Computed::Put(2));
    /// # });
    /// ```
    #[doc(alias("upsert", "merge"))]
    pub async fn and_upsert_with<W, Fut>(
        self,
        compute: impl FnOnce(Option<V>) -> Fut,
    ) -> Computed<V>
    where
        W: Into<Loaded<V>>,
        Fut: Future<Output = W>,
    {
        let put = |value: W| Ok::<_, Infallible>(Op::Put(value.into()));
        let Ok(computed) = self.compute(compute, put).await;
        computed
    }

    /// Waits until this caller leads a computation of the key, and runs it. `op` reads its output.
    async fn compute<Fut, E>(
        mut self,
        compute: impl FnOnce(Option<V>) -> Fut,
        op: impl FnOnce(Fut::Output) -> Result<Op<V>, E>,
    ) -> Result<Computed<V>, E>
    where
        Fut: Future,
    {
        let inner = self.cache.inner();
        let hash = inner.hash(self.key.query());
        let (handle, old) = loop {
            let key = self.key.take();
            let name = inner.name_key(&key);
            match FlightHandle::join_for_compute(inner, hash, key) {
                (JoinResult::Lead(handle), old) => {
                    handle.report_begin(LoadKind::Compute, name);
                    break (handle, old);
                }
                (JoinResult::Wait(handle, key), _) => {
                    handle.wait_for_end().await;
                    self.key.put_back(key);
                }
                _ => panic!("and_compute_with was called for a key inside a load of that key"),
            }
        };
        handle.compute(old, compute, op).await
    }
}
