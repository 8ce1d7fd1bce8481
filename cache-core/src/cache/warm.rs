//! Loading many keys before anybody asks for them.

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

/// How a warm-up went: [`Cache::warm`] returns it. Each element of the sequence is in one of the
/// counts or in the list: a key that comes twice is counted twice.
#[derive(Debug)]
#[non_exhaustive]
pub struct WarmReport<K, E> {
    /// Keys whose value was there already.
    pub present: usize,
    /// Keys whose own loader brought the value.
    pub loaded: usize,
    /// Keys whose value came from a load that was under way already: another caller's, or that of
    /// the same key earlier in the sequence.
    pub coalesced: usize,
    /// Keys whose load failed, with the reason, in the order in which they failed. A key that joined
    /// a load which failed is in it too.
    pub failures: Vec<(K, LoadError<E>)>,
}

/// How far a warm-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys that are done: present, loaded, coalesced or failed.
    pub done: usize,
    /// Keys that failed.
    pub failed: usize,
    /// All keys, if the sequence of loaders knows how many there are: its `size_hint` is exact.
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
    pub fn warm<L, Fut, W, E, I>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L), IntoIter = I>,
    ) -> impl Future<Output = WarmReport<K, E>>
    where
        I: Iterator<Item = (K, L)>,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: 'static,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.warm_with_progress(limit, loaders, |_| ())
    }

    /// [`Cache::warm`] that calls `progress` whenever a key is done.
    ///
    /// # Panics
    /// If `limit` is 0.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn warm_with_progress<L, Fut, W, E, I>(
        &self,
        limit: usize,
        loaders: impl IntoIterator<Item = (K, L), IntoIter = I>,
        progress: impl FnMut(WarmProgress),
    ) -> impl Future<Output = WarmReport<K, E>>
    where
        I: Iterator<Item = (K, L)>,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<W, E>>,
        W: Into<Loaded<V>> + 'static,
        E: 'static,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        let loaders = loaders.into_iter();
        let (least, most) = loaders.size_hint();
        Warm {
            cache: self,
            coming: Some(loaders),
            running: PollSet::new(),
            limit,
            tally: Tally {
                report: WarmReport::EMPTY,
                total: most.filter(|most| *most == least),
                progress,
            },
        }
    }
}

/// A warm-up. By hand: of an async function the compiler could not tell that it is `Send`, since it
/// would ask whether the sequence of loaders is an iterator for every lifetime.
struct Warm<'a, K, V: 'static, R: Runtime, S, I, L, W, E, P> {
    cache: &'a Cache<K, V, R, S>,
    /// Until its end.
    coming: Option<I>,
    running: Running<'a, K, V, R, S, L, W, E>,
    limit: usize,
    tally: Tally<K, E, P>,
}

/// The load of one key.
type Loading<'a, K, V, R, S, L, W, E> = Get<'a, K, V, R, S, Fallible<E, W>, Owned<K>, L>;

/// The loads under way.
type Running<'a, K, V, R, S, L, W, E> = PollSet<K, Loading<'a, K, V, R, S, L, W, E>>;

/// A load that is over.
type Over<'a, K, V, R, S, L, W, E> =
    Finished<K, Loading<'a, K, V, R, S, L, W, E>, Result<V, LoadError<E>>>;

/// What is known so far of a warm-up.
struct Tally<K, E, P> {
    report: WarmReport<K, E>,
    total: Option<usize>,
    progress: P,
}

impl<K, V, R, S, I, L, Fut, W, E, P> Future for Warm<'_, K, V, R, S, I, L, W, E, P>
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    I: Iterator<Item = (K, L)>,
    L: FnOnce() -> Fut,
    Fut: Future<Output = Result<W, E>>,
    W: Into<Loaded<V>> + 'static,
    E: 'static,
    Fut: LoadFuture<R::Flavor>,
    E: LoadErrorType<R::Flavor>,
    P: FnMut(WarmProgress),
{
    type Output = WarmReport<K, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            cache,
            coming,
            running,
            limit,
            tally,
        } = &mut *self;
        assert!(
            *limit > 0,
            "limit is 0, but at least one load must run at a time"
        );
        running.poll_notified(cx, &mut |done| tally.end(done));
        while running.len() < *limit {
            let Some((key, loader)) = coming.as_mut().and_then(Iterator::next) else {
                *coming = None;
                break;
            };
            if cache.contains_key(&key) {
                tally.count(key, Ok(Source::Cache));
            } else {
                let load = cache.ask(Owned::new(key.clone()), loader);
                running.push(key, load, &mut |done| tally.end(done));
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
    /// The load of one key is over.
    fn end<V, R: Runtime, S, L, W>(&mut self, (key, load, loaded): Over<'_, K, V, R, S, L, W, E>) {
        let loaded = loaded.unwrap_or(Err(LoadError::Panicked));
        self.count(key, loaded.map(|_| load.source()));
    }

    /// One key is done.
    fn count(&mut self, key: K, answer: Result<Source, LoadError<E>>) {
        let report = &mut self.report;
        match answer {
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
