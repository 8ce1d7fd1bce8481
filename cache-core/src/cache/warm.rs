//! Warming: loads many keys before the first requests for them.

use alloc::vec::Vec;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::load::{Fallible, Finished, Get, Owned, PollSet, Source};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

/// The result of a warm-up: [`Cache::warm`] returns it.
///
/// Each key of the sequence is in exactly one of the counts or in `failures`. A duplicate key
/// counts each time.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmReport<K, E> {
    /// Keys that had a live value.
    pub present: usize,
    /// Keys whose own loader returned the value.
    pub loaded: usize,
    /// Keys whose value came from a load in flight: that of another caller, or that of the same key
    /// earlier in the sequence.
    pub coalesced: usize,
    /// Keys whose load failed and their errors, in the order in which they failed. Includes keys
    /// that joined a load in flight that failed.
    pub failures: Vec<(K, LoadError<E>)>,
}

/// The progress of a warm-up: [`Cache::warm_with_progress`] passes it to its closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys that are complete: present, loaded, coalesced or failed.
    pub done: usize,
    /// Keys that failed.
    pub failed: usize,
    /// The number of all keys, or `None` if the `size_hint` of the sequence is not exact.
    pub total: Option<usize>,
}

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash + Clone,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
{
    /// Loads all keys of a sequence that have no live value, each with its own loader, at most
    /// `limit` at a time.
    ///
    /// A load that fails or panics does not stop the others; the report contains its error. Other
    /// callers that request a key meanwhile share its load. A missing key counts as a request.
    ///
    /// In a spawned task, pass an iterator of owned items: for a closure that takes references, as
    /// in `ids.iter().map(|id| …)`, rustc cannot prove that the future is `Send`.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// If `limit` is 0.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`] for each load in flight. The other keys are not loaded.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let ids: &[u64] = &[2, 3, 5];
    /// let loaders = ids.iter().copied().map(|n| (n, move || async move { Ok::<_, &str>(n * n) }));
    /// let report = cache.warm(10, loaders).await;
    /// assert_eq!((report.loaded, report.failures.len()), (3, 0));
    /// # });
    /// ```
    #[doc(alias("warmup", "preload", "loadAll"))]
    pub fn warm<L, Fut, W, E, I>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L), IntoIter = I>,
    ) -> impl Future<Output = WarmReport<K, E>>
    where
        I: Iterator<Item = (K, L)>,
        L: FnOnce() -> Fut,
        Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.warm_with_progress(limit, loaders, |_| ())
    }

    /// As [`Cache::warm`], and calls `progress` each time a key is complete.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// If `limit` is 0, or if `progress` panics.
    ///
    /// # Cancel safety
    /// As [`Cache::warm`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let loaders = (0..100).map(|n| (n, move || async move { Ok::<_, &str>(n * n) }));
    /// let mut done = 0;
    /// let report = cache
    ///     .warm_with_progress(10, loaders, |progress| {
    ///         assert_eq!(progress.total, Some(100));
    ///         done = progress.done;
    ///     })
    ///     .await;
    /// assert_eq!((report.loaded, done), (100, 100));
    /// # });
    /// ```
    pub fn warm_with_progress<L, Fut, W, E, I>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L), IntoIter = I>,
        progress: impl FnMut(WarmProgress),
    ) -> impl Future<Output = WarmReport<K, E>>
    where
        I: Iterator<Item = (K, L)>,
        L: FnOnce() -> Fut,
        Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        let loaders = loaders.into_iter();
        let (lower, upper) = loaders.size_hint();
        Warm {
            cache: self,
            loaders: Some(loaders),
            running: PollSet::new(),
            limit,
            tally: Tally {
                report: WarmReport::EMPTY,
                total: upper.filter(|upper| *upper == lower),
                progress,
            },
        }
    }
}

/// The future of a warm-up. Hand-written: for an async function, rustc cannot prove `Send` unless
/// the sequence of loaders is an iterator for every lifetime.
struct Warm<'a, K, V, R: Runtime, S, I, L, W, E, P> {
    cache: &'a Cache<K, V, R, S>,
    /// The loaders that have not started. `None` once the iterator has ended: it must not be called
    /// again.
    loaders: Option<I>,
    running: Running<'a, K, V, R, S, L, W, E>,
    limit: usize,
    tally: Tally<K, E, P>,
}

/// The load of one key.
type KeyLoad<'a, K, V, R, S, L, W, E> = Get<'a, K, V, R, S, Fallible<E, W>, Owned<K>, L>;

/// The loads in flight.
type Running<'a, K, V, R, S, L, W, E> = PollSet<K, KeyLoad<'a, K, V, R, S, L, W, E>>;

/// A completed load.
type Completed<'a, K, V, R, S, L, W, E> =
    Finished<K, KeyLoad<'a, K, V, R, S, L, W, E>, Result<V, LoadError<E>>>;

/// The counts of a warm-up.
struct Tally<K, E, P> {
    report: WarmReport<K, E>,
    total: Option<usize>,
    progress: P,
}

impl<K, V, R, S, I, L, Fut, W, E, P> Future for Warm<'_, K, V, R, S, I, L, W, E, P>
where
    K: Eq + Hash + Clone,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    I: Iterator<Item = (K, L)>,
    L: FnOnce() -> Fut,
    Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
    W: Into<Loaded<V>> + 'static,
    E: LoadErrorType<R::Flavor> + 'static,
    P: FnMut(WarmProgress),
{
    type Output = WarmReport<K, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            cache,
            loaders,
            running,
            limit,
            tally,
        } = &mut *self;
        assert!(
            *limit > 0,
            "limit is 0, but at least one load must run at a time"
        );
        running.poll_notified(cx, &mut |done| tally.complete(done));
        while running.len() < *limit {
            let Some((key, loader)) = loaders.as_mut().and_then(Iterator::next) else {
                *loaders = None;
                break;
            };
            if cache.contains_key(&key) {
                tally.count(key, Ok(Source::Cache));
            } else {
                let load = cache.request(Owned::new(key.clone()), loader).warming();
                running.push(key, load, &mut |done| tally.complete(done));
            }
        }
        if !running.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(mem::replace(&mut tally.report, WarmReport::EMPTY))
    }
}

/// `Warm` never pins its fields.
impl<K, V, R: Runtime, S, I, L, W, E, P> Unpin for Warm<'_, K, V, R, S, I, L, W, E, P> {}

impl<K, E, P: FnMut(WarmProgress)> Tally<K, E, P> {
    /// Counts a key whose load has completed.
    fn complete<V, R: Runtime, S, L, W>(
        &mut self,
        (key, load, result): Completed<'_, K, V, R, S, L, W, E>,
    ) {
        let result = result.unwrap_or(Err(LoadError::Panicked));
        self.count(key, result.map(|_| load.source()));
    }

    /// Counts one key and reports the progress.
    fn count(&mut self, key: K, result: Result<Source, LoadError<E>>) {
        let report = &mut self.report;
        match result {
            Ok(Source::Cache) => report.present += 1,
            Ok(Source::Own) => report.loaded += 1,
            Ok(Source::Joined) => report.coalesced += 1,
            Err(error) => report.failures.push((key, error)),
        }
        let failed = report.failures.len();
        (self.progress)(WarmProgress {
            done: report.present + report.loaded + report.coalesced + failed,
            failed,
            total: self.total,
        });
    }
}

impl<K, E> WarmReport<K, E> {
    const EMPTY: Self = Self {
        present: 0,
        loaded: 0,
        coalesced: 0,
        failures: Vec::new(),
    };
}
