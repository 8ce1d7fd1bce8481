//! Helpers that most tests of the contract use.

use std::any::Any;
use std::future::Future;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use cache_core::runtime::Runtime;
use cache_core::{Instant, RemovalCause, Ttl};
use tokio::sync::Semaphore;

use crate::harness::{Cache, run};

pub const SECOND: Duration = Duration::from_secs(1);

/// The real time after which a test that waits has failed. No test that passes comes near it.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// One shard, and two numbers of shards that reclaim capacity from each other.
const SHARDS: [usize; 3] = [1, 2, 16];

/// Runs a test with each number of shards. No promise depends on it.
pub fn on_shards<F: Future<Output = ()>>(test: impl Fn(usize) -> F) {
    for shards in SHARDS {
        run(|| test(shards));
    }
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A ttl in seconds.
pub fn after(count: u64) -> Ttl {
    Ttl::After(seconds(count))
}

/// The time on the cache's clock.
pub fn now<K, V, S>(cache: &Cache<K, V, S>) -> Instant {
    Runtime::now(cache.runtime())
}

/// The notices that a listener received.
#[derive(Clone)]
pub struct Notices<T>(Arc<Mutex<Vec<T>>>);

impl<T> Notices<T> {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    pub fn push(&self, notice: T) {
        self.0
            .lock()
            .expect("no other thread panicked")
            .push(notice);
    }

    pub fn len(&self) -> usize {
        self.0.lock().expect("no other thread panicked").len()
    }

    pub fn count(&self, which: impl Fn(&T) -> bool) -> usize {
        let notices = self.0.lock().expect("no other thread panicked");
        notices.iter().filter(|notice| which(notice)).count()
    }

    /// Takes the notices, oldest first.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().expect("no other thread panicked"))
    }
}

impl<T: Ord> Notices<T> {
    /// Takes the notices in sorted order, which does not depend on the layout of the entries.
    pub fn take_sorted(&self) -> Vec<T> {
        let mut notices = self.take();
        notices.sort();
        notices
    }
}

impl<K: Clone + Send + 'static, V: Clone + Send + 'static> Notices<(K, V, RemovalCause)> {
    /// A listener that records its notices, for `Builder::eviction_listener`.
    pub fn listener(&self) -> impl Fn(&K, &V, RemovalCause) + Send + Sync + use<K, V> {
        let notices = self.clone();
        move |key: &K, value: &V, cause| notices.push((key.clone(), value.clone(), cause))
    }
}

/// A cache that its own hooks use. It is set after the cache is built.
pub struct Later<K, V: 'static>(Arc<OnceLock<Cache<K, V>>>);

/// A hook's handle of its cache. It is weak, because a strong one would be a cycle.
pub struct Hook<K, V: 'static>(Weak<OnceLock<Cache<K, V>>>);

impl<K, V> Later<K, V> {
    #[allow(
        clippy::arc_with_non_send_sync,
        reason = "it is Send where hooks must be"
    )]
    pub fn new() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    pub fn hook(&self) -> Hook<K, V> {
        Hook(Arc::downgrade(&self.0))
    }

    pub fn set(&self, cache: &Cache<K, V>) {
        assert!(self.0.set(cache.clone()).is_ok(), "set once");
    }
}

impl<K, V> Hook<K, V> {
    /// The cache, unless it is not built yet or already dropped.
    pub fn try_cache(&self) -> Option<Cache<K, V>> {
        self.0.upgrade()?.get().cloned()
    }

    pub fn cache(&self) -> Cache<K, V> {
        self.try_cache().expect("the test holds the cache")
    }
}

/// Delays loaders until the test opens it.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(1);
    }

    pub async fn pass(&self) {
        drop(self.0.acquire().await);
    }
}

/// Yields to the executor once.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Panics without a message on stderr.
pub fn boom() -> ! {
    resume_unwind(Box::new("boom"))
}

/// The result of `f`, or the message of its panic.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(words)
}

/// The output of `future`, or the message of its panic.
pub async fn caught_in<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(words) => Poll::Ready(Err(words)),
    })
    .await
}

fn words(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<&'static str>() {
        Ok(words) => (*words).to_owned(),
        Err(payload) => *payload
            .downcast::<String>()
            .expect("a panic with a message"),
    }
}

/// Checks every invariant that is visible from outside. The cache must be idle and hold no expired
/// entries. `weigh` returns the expected weight of an entry.
pub fn assert_sound<K, V, S>(cache: &Cache<K, V, S>, weigh: impl Fn(&K, &V) -> u32)
where
    K: Eq + Hash + Clone,
    V: Clone,
    S: std::hash::BuildHasher,
{
    assert_books_balance(cache);
    let entries: Vec<_> = cache.iter().collect();
    assert_eq!(entries.len() as u64, cache.entry_count(), "entries");
    let weights = entries
        .iter()
        .map(|(key, value)| u64::from(weigh(key, value)));
    assert_eq!(weights.sum::<u64>(), cache.weighted_size(), "weight");
    for (key, _) in &entries {
        assert!(cache.contains_key(key), "an entry is found under its key");
    }
}

/// Checks that insertions and removals add up, and that every load started has ended or is in
/// flight.
pub fn assert_books_balance<K, V, S>(cache: &Cache<K, V, S>) {
    let stats = cache.stats();
    let removed = RemovalCause::ALL.map(|cause| stats.removals(cause));
    assert_eq!(
        stats.insertions,
        cache.entry_count() + removed.iter().sum::<u64>(),
        "inserted = present + removed: {stats:?}"
    );
    assert_eq!(
        stats.loads,
        stats.load_successes + stats.load_failures + stats.loads_dropped + cache.flight_count(),
        "loads started = in flight + finished + dropped: {stats:?}"
    );
    assert_eq!(stats.requests(), stats.hits + stats.misses, "{stats:?}");
}
