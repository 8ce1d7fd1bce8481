//! A cache, the true state of its keys, and the counts that it must report.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::{
    BatchWindow, Cache, CacheStats, Event, Events, EvictionPolicy, LoadError, RemovalCause, Ttl,
};
use futures_util::{FutureExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::figures::Figures;
use crate::host::{Boxed, Rt};
use crate::loader::{self, Batch, Refused};
use crate::truth::{Truth, Value};

type Found = Vec<Result<Option<Value>, LoadError<Refused>>>;

/// A cache under test.
pub(crate) struct Arena {
    pub(crate) cache: Cache<u32, Value, Rt>,
    pub(crate) truth: Arc<Truth>,
    /// Loads keys in a batch. Boxed, because the type of a view cannot be named.
    pub(crate) get_all: Box<dyn Fn(Vec<u32>) -> Boxed<'static, Found> + Send + Sync>,
    pub(crate) prime: Box<dyn Fn(u32, Value) + Send + Sync>,
    pub(crate) dispatch: Box<dyn Fn() + Send + Sync>,
    /// Number of requests.
    pub(crate) requests: AtomicU64,
    /// Number of notices that the listener received.
    notices: Arc<AtomicU64>,
    /// A stream of removals, and the number of those that it has reported.
    events: Mutex<(Events<u32, Rt>, u64)>,
    settings: Settings,
}

/// The settings of a cache and its batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    capacity: Option<u64>,
    policy: EvictionPolicy,
    shards: Option<usize>,
    ttl: Option<Duration>,
    tti: Option<Duration>,
    error_ttl: Option<Duration>,
    negative_ttl: Option<Duration>,
    detaches: bool,
    has_janitor: bool,
    /// Whether values may weigh more or less than one.
    pub(crate) weighs: bool,
    /// Whether the cache may be cleared.
    pub(crate) is_cleared: bool,
    window: BatchWindow,
    batch_size: usize,
    batches: usize,
    payload: usize,
}

impl Settings {
    /// The settings of the steady cache, which stays for the whole run. Its values are large
    /// because its memory is measured.
    pub(crate) fn steady(keys: u32) -> Self {
        Self {
            capacity: Some(u64::from(keys / 2)),
            policy: EvictionPolicy::default(),
            shards: None,
            ttl: None,
            tti: None,
            error_ttl: None,
            negative_ttl: None,
            detaches: false,
            has_janitor: false,
            weighs: false,
            is_cleared: false,
            window: BatchWindow::Fixed(Duration::from_micros(500)),
            batch_size: 16,
            batches: usize::MAX,
            payload: 4_096,
        }
    }

    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let spans = [
            None,
            None,
            Some(Duration::from_nanos(1)),
            Some(Duration::from_micros(1)),
            Some(Duration::from_nanos(1 << 20)),
            Some(Duration::from_millis(5)),
        ];
        let mut span = || spans[rng.random_range(0..spans.len())];
        let (ttl, tti, error_ttl, negative_ttl) = (span(), span(), span(), span());
        let capacities = [
            Some(0),
            Some(1),
            Some(2),
            Some(7),
            Some(64),
            Some(1_024),
            None,
        ];
        let windows = [
            BatchWindow::Yield(1),
            BatchWindow::Fixed(Duration::ZERO),
            BatchWindow::Fixed(Duration::from_micros(300)),
            BatchWindow::Debounce {
                gap: Duration::from_micros(200),
                max: Duration::from_millis(2),
            },
        ];
        Self {
            capacity: capacities[rng.random_range(0..capacities.len())],
            policy: [EvictionPolicy::S3Fifo, EvictionPolicy::Lru][rng.random_range(0..2)],
            shards: [None, Some(1)][rng.random_range(0..2)],
            ttl,
            tti,
            error_ttl,
            negative_ttl,
            detaches: rng.random_bool(0.25),
            has_janitor: rng.random(),
            weighs: rng.random(),
            is_cleared: rng.random(),
            window: windows[rng.random_range(0..windows.len())],
            batch_size: [1, 2, 5, 100][rng.random_range(0..4)],
            batches: [1, 3, usize::MAX][rng.random_range(0..3)],
            payload: 16,
        }
    }
}

impl Arena {
    pub(crate) fn new(
        settings: Settings,
        runtime: Rt,
        (keys, bound): (u32, Duration),
        seed: u64,
        figures: &Arc<Figures>,
    ) -> Self {
        let truth = Arc::new(Truth::new(keys, settings.payload, Arc::clone(figures)));
        let notices: Arc<AtomicU64> = Arc::default();
        let cache = settings.cache(runtime, bound, &notices);
        let view = cache
            .batching_builder(batch_loader(&truth, seed))
            .batch_window(settings.window)
            .max_batch_size(settings.batch_size)
            .max_concurrent_batches(settings.batches)
            .build();
        let (loads, primes) = (view.clone(), view.clone());
        Self {
            events: Mutex::new((cache.events(), 0)),
            cache,
            truth,
            get_all: Box::new(move |keys| {
                let loads = loads.clone();
                Box::pin(async move { loads.get_all(keys).await })
            }),
            prime: Box::new(move |key, value| {
                primes.prime(key, value);
            }),
            dispatch: Box::new(move || view.dispatch()),
            requests: AtomicU64::new(0),
            notices,
            settings,
        }
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts requests. Called when their future is polled.
    pub(crate) fn count_requests(&self, many: usize) {
        self.requests.fetch_add(many as u64, Ordering::Relaxed);
    }

    /// Describes a lost or doubly counted item, if there is one. Called while the cache is not in
    /// use.
    pub(crate) fn imbalance(&self) -> Option<String> {
        let (stats, entries) = (self.cache.stats(), self.cache.entry_count());
        let removed = removed(&stats);
        let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
        let requests = self.requests.load(Ordering::Relaxed);
        let notices = self.notices.load(Ordering::Relaxed);
        let laws = [
            ("requests = hits + misses", requests, stats.requests()),
            (
                "inserted = present + removed",
                stats.insertions,
                entries + removed,
            ),
            ("notices = removed", notices, removed),
            ("events = removed", self.events_so_far(), removed),
            ("flights started = finished + dropped", stats.loads, ended),
            ("values = entries", self.truth.census(), entries),
        ];
        let broken = laws.into_iter().find(|(_, left, right)| left != right);
        broken.map(|(law, left, right)| {
            let settings = &self.settings;
            format!("{law}: {left} = {right} does not hold; {settings:?}, {stats:?}")
        })
    }

    /// The number of removals that the stream has reported, those that it missed included.
    fn events_so_far(&self) -> u64 {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let (stream, seen) = &mut *events;
        while let Some(Some(event)) = stream.next().now_or_never() {
            *seen += match event {
                Event::Removed { .. } => 1,
                Event::Lagged(missed) => missed,
            };
        }
        *seen
    }

    /// Brings the cache into a state that is independent of its history: full, with entries of one
    /// size.
    pub(crate) fn fill(&self) {
        self.truth.write_all(|| self.cache.invalidate_all());
        for key in 0..u32::try_from(self.settings.capacity.unwrap_or(0)).unwrap_or(0) {
            self.truth.write(key, |version| {
                let value = self.truth.value(key, version);
                self.cache.insert_with_ttl(key, value, Ttl::Never);
            });
        }
        self.truth.rest();
    }
}

impl Settings {
    fn cache(
        &self,
        runtime: Rt,
        bound: Duration,
        notices: &Arc<AtomicU64>,
    ) -> Cache<u32, Value, Rt> {
        let notified = Arc::clone(notices);
        let mut builder = Cache::builder_on(runtime)
            .eviction_policy(self.policy)
            .load_timeout(bound / 4)
            // On a busy machine a caller may be polled late. A second loader of the key would then
            // be right, and the truth allows one.
            .takeover_after(None)
            .detach_loads(self.detaches)
            .janitor(self.has_janitor)
            .eviction_listener(move |_: &u32, _: &Value, _| {
                notified.fetch_add(1, Ordering::Relaxed);
            });
        // Exact LRU has one shard.
        let shards = self.shards.filter(|_| self.policy != EvictionPolicy::Lru);
        if let Some(shards) = shards {
            builder = builder.shards(shards);
        }
        if let Some(capacity) = self.capacity {
            builder = builder.max_capacity(capacity);
        }
        if let Some(ttl) = self.ttl {
            builder = builder.time_to_live(ttl);
        }
        if let Some(tti) = self.tti {
            builder = builder.time_to_idle(tti);
        }
        if let Some(ttl) = self.error_ttl {
            builder = builder.error_ttl(ttl);
        }
        if let Some(ttl) = self.negative_ttl {
            builder = builder.negative_ttl(ttl);
        }
        builder.build()
    }
}

fn batch_loader(
    truth: &Arc<Truth>,
    seed: u64,
) -> impl FnOnce(Vec<u32>) -> Boxed<'static, Batch> + Clone + Send + Sync + 'static {
    let (truth, batches) = (Arc::clone(truth), Arc::new(AtomicU64::new(seed)));
    move |keys| {
        let batch = batches.fetch_add(1, Ordering::Relaxed);
        Box::pin(loader::batch(truth, keys, SmallRng::seed_from_u64(batch)))
    }
}

fn removed(stats: &CacheStats) -> u64 {
    let causes = RemovalCause::ALL.into_iter();
    causes.map(|cause| stats.removals(cause)).sum()
}
