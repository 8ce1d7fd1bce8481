//! The caches that are timed, each behind the same small trait. An adaptor translates and adds
//! nothing.
//!
//! Every cache has its own defaults: shards, hasher, policy and statistics.

mod cached;
mod foyer;
mod hashbrown;
mod hashlink;
mod mini_moka;
mod moka;
mod ours;
mod quick_cache;

use std::hash::Hash;
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::herd::Gate;
use crate::measure::{Contender, Name, Row, Samples};

/// A key that is made from a number.
pub(crate) trait Key: Clone + Eq + Hash + Ord + Send + Sync + 'static {
    /// A distinct key for each number.
    fn of(number: u64) -> Self;

    /// The part of the key that the loader needs, without a copy of the key.
    fn seed(&self) -> u64;
}

/// A value that a loader returns.
pub(crate) trait Value: Clone + Send + Sync + 'static {
    /// The value of the key with this seed.
    fn of(seed: u64) -> Self;
}

impl Key for u64 {
    fn of(number: u64) -> Self {
        number
    }

    fn seed(&self) -> u64 {
        *self
    }
}

impl Key for String {
    /// A string of a length that is common in practice.
    fn of(number: u64) -> Self {
        format!("user:{number:016x}")
    }

    fn seed(&self) -> u64 {
        self.len() as u64
    }
}

impl Value for u64 {
    fn of(seed: u64) -> Self {
        seed
    }
}

impl Value for Arc<str> {
    fn of(seed: u64) -> Self {
        format!("the value of {seed}").into()
    }
}

/// The settings that a benchmark chooses for a new cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Maximum number of entries.
    pub(crate) capacity: usize,
    /// The lifetime of the entries.
    pub(crate) life: Life,
    /// Whether each peer uses a single shard, so that it reaches its capacity with any set of keys.
    /// This is slower with several threads but has the better hit ratio.
    pub(crate) in_one_piece: bool,
}

impl Settings {
    /// A capacity and a lifetime; each cache chooses its shards.
    pub(crate) fn new(capacity: usize, life: Life) -> Self {
        Self {
            capacity,
            life,
            in_one_piece: false,
        }
    }
}

/// The lifetime of entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    /// Until they are evicted.
    Unlimited,
    /// One lifetime, set for the whole cache.
    OfCache(Duration),
    /// A lifetime for each entry, set by the insert. All have this value.
    OfEntry(Duration),
}

/// The operations of a cache that the benchmarks need. Every operation is async because some peers
/// are async. For the others the future is ready at once.
pub(crate) trait Cache<K: Key, V: Value>: Send + Sync + 'static {
    /// Stores the initial entries.
    fn fill(&self, keys: &[K]) -> impl Future<Output = ()> + Send {
        async move {
            for key in keys {
                self.insert(key.clone(), V::of(key.seed())).await;
            }
            self.settle().await;
        }
    }

    /// Returns the cached value.
    fn get(&self, key: &K) -> impl Future<Output = Option<V>> + Send;

    /// Inserts the value, over any value that the key has. `false`: this cache cannot.
    fn insert(&self, key: K, value: V) -> impl Future<Output = bool> + Send;

    /// Inserts the value with a lifetime of its own. `false`: this cache cannot.
    fn insert_for(&self, _: K, _: V, _: Duration) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Returns the cached value, or loads it, once for all concurrent callers. `None`: this cache
    /// cannot.
    fn load<F>(
        &self,
        _: &K,
        _: impl FnOnce() -> F + Send,
    ) -> impl Future<Output = Option<Answer<V>>> + Send
    where
        F: Future<Output = V> + Send + 'static,
    {
        async { None }
    }

    /// Runs postponed maintenance and removes expired entries.
    fn settle(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The number of entries.
    fn len(&self) -> usize;
}

/// The result of a load.
pub(crate) struct Answer<V> {
    pub(crate) value: V,
    /// Whether the load was a hit.
    pub(crate) cached: bool,
}

/// The operation that is done with each of many keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    /// [`Cache::get`].
    Get,
    /// [`Cache::load`] with a loader that is ready at once.
    Load,
    /// [`Cache::insert`].
    Insert,
    /// [`Cache::insert_for`].
    InsertFor(Duration),
    /// [`Cache::get`], then [`Cache::insert`] if nothing was there.
    ReadThrough,
}

impl Work {
    /// Whether the operation looks up a key.
    pub(crate) fn finds(self) -> bool {
        matches!(self, Self::Get | Self::Load | Self::ReadThrough)
    }
}

/// A [`Cache`] of any type. Dynamic dispatch happens once for each chunk of work, never for a
/// single operation.
pub(crate) trait Subject<K>: Send + Sync {
    /// [`Cache::fill`].
    fn fill<'a>(&'a self, keys: &'a [K]) -> BoxFuture<'a, ()>;

    /// Works through the keys. Returns how many were present or were inserted. `None`: this cache
    /// cannot do that work.
    fn work<'a>(&'a self, work: Work, keys: &'a [K]) -> BoxFuture<'a, Option<u64>>;

    /// Spawns a task that loads the key with a loader that passes the gate. The task returns
    /// whether this cache can do that.
    fn spawn_load(self: Arc<Self>, key: K, gate: Arc<Gate>, tasks: &mut JoinSet<bool>);

    /// [`Cache::settle`].
    fn settle(&self) -> BoxFuture<'_, ()>;

    /// [`Cache::len`].
    fn len(&self) -> usize;
}

/// A contender and the function that builds its cache.
#[derive(Clone)]
pub(crate) struct Entrant<K> {
    pub(crate) contender: Contender,
    /// Builds an empty cache; `None` if the contender does not support the settings.
    pub(crate) build: fn(Settings) -> Option<Arc<dyn Subject<K>>>,
}

impl<K> Entrant<K> {
    pub(crate) fn row(&self, samples: Option<Samples>, notes: Vec<(Name, String)>) -> Row {
        Row {
            contender: self.contender.clone(),
            samples,
            notes,
        }
    }
}

/// A further variant of this cache.
pub(crate) fn this_cache<K: Key, V: Value>(variant: &'static str) -> Entrant<K> {
    Entrant {
        contender: Contender::reference("cache-tokio", variant),
        build: ours::build::<K, V>,
    }
}

/// All contenders, this cache first.
pub(crate) fn entrants<K: Key, V: Value>() -> Vec<Entrant<K>> {
    let peer = |package, variant, build| Entrant {
        contender: Contender::peer(package, variant),
        build,
    };
    let reference = |package, variant, build| Entrant {
        contender: Contender::reference(package, variant),
        build,
    };
    vec![
        this_cache::<K, V>(""),
        peer("quick_cache", "", quick_cache::build::<K, V>),
        peer("moka", "future", moka::build::<K, V>),
        peer("moka", "sync", moka::build_sync::<K, V>),
        peer("mini-moka", "", mini_moka::build::<K, V>),
        peer("foyer-memory", "S3-FIFO", foyer::build_s3fifo::<K, V>),
        peer("foyer-memory", "LFU", foyer::build_lfu::<K, V>),
        peer("cached", "", cached::build::<K, V>),
        reference("hashlink", "LRU in a mutex", hashlink::build::<K, V>),
        reference("hashbrown", "never written", hashbrown::build::<K, V>),
    ]
}

/// All contenders with an eviction policy of their own, this cache first, each policy once.
pub(crate) fn policies() -> Vec<Entrant<u64>> {
    let mut entrants = entrants::<u64, u64>();
    entrants.retain(|entrant| {
        let contender = &entrant.contender;
        !matches!(&*contender.package, "cached" | "hashlink" | "hashbrown")
            && contender.variant != "sync"
    });
    entrants
}

/// The reference for hit ratios: the exact LRU of another package.
pub(crate) fn lru() -> Entrant<u64> {
    Entrant {
        contender: Contender::reference("", "LRU"),
        build: hashlink::build::<u64, u64>,
    }
}

/// A cache with the type of its values.
struct Typed<C, V> {
    cache: C,
    values: PhantomData<fn() -> V>,
}

fn subject<K: Key, V: Value>(cache: impl Cache<K, V>) -> Option<Arc<dyn Subject<K>>> {
    Some(Arc::new(Typed {
        cache,
        values: PhantomData,
    }))
}

impl<K: Key, V: Value, C: Cache<K, V>> Subject<K> for Typed<C, V> {
    fn fill<'a>(&'a self, keys: &'a [K]) -> BoxFuture<'a, ()> {
        self.cache.fill(keys).boxed()
    }

    fn work<'a>(&'a self, work: Work, keys: &'a [K]) -> BoxFuture<'a, Option<u64>> {
        match work {
            Work::Get => self.get_all(keys).boxed(),
            Work::Load => self.load_all(keys).boxed(),
            Work::Insert => self.insert_all(keys).boxed(),
            Work::ReadThrough => self.read_all_through(keys).boxed(),
            Work::InsertFor(ttl) => self.insert_all_for(keys, ttl).boxed(),
        }
    }

    fn spawn_load(self: Arc<Self>, key: K, gate: Arc<Gate>, tasks: &mut JoinSet<bool>) {
        tasks.spawn(async move {
            let seed = key.seed();
            gate.arrive();
            let loader = || async move {
                gate.pass().await;
                V::of(seed)
            };
            self.cache.load(&key, loader).await.is_some()
        });
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        self.cache.settle().boxed()
    }

    fn len(&self) -> usize {
        self.cache.len()
    }
}

impl<C, V: Value> Typed<C, V> {
    async fn get_all<K: Key>(&self, keys: &[K]) -> Option<u64>
    where
        C: Cache<K, V>,
    {
        let mut hits = 0;
        for key in keys {
            hits += u64::from(black_box(self.cache.get(key).await).is_some());
        }
        Some(hits)
    }

    async fn load_all<K: Key>(&self, keys: &[K]) -> Option<u64>
    where
        C: Cache<K, V>,
    {
        let mut hits = 0;
        for key in keys {
            let seed = key.seed();
            let answer = self.cache.load(key, || async move { V::of(seed) }).await?;
            hits += u64::from(answer.cached);
            black_box(answer.value);
        }
        Some(hits)
    }

    async fn insert_all<K: Key>(&self, keys: &[K]) -> Option<u64>
    where
        C: Cache<K, V>,
    {
        for key in keys {
            let value = V::of(key.seed());
            if !self.cache.insert(key.clone(), value).await {
                return None;
            }
        }
        Some(keys.len() as u64)
    }

    async fn read_all_through<K: Key>(&self, keys: &[K]) -> Option<u64>
    where
        C: Cache<K, V>,
    {
        let mut hits = 0;
        for key in keys {
            if self.cache.get(key).await.is_some() {
                hits += 1;
            } else if !self.cache.insert(key.clone(), V::of(key.seed())).await {
                return None;
            }
        }
        Some(hits)
    }

    async fn insert_all_for<K: Key>(&self, keys: &[K], ttl: Duration) -> Option<u64>
    where
        C: Cache<K, V>,
    {
        for key in keys {
            let value = V::of(key.seed());
            if !self.cache.insert_for(key.clone(), value, ttl).await {
                return None;
            }
        }
        Some(keys.len() as u64)
    }
}
