//! The operations that are counted.

mod tier;

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

use cache_metrics::Registry;
use cache_tokio::{Cache, EvictionPolicy};
use clap::ValueEnum;
use hashlink::LruCache;
use tokio::runtime::Runtime;

use tier::{NoTier, with_tier};

/// Entries that the caches hold.
const CAPACITY: u64 = 50_000;

/// A cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    Ours,
    QuickCache,
    Hashlink,
}

/// An operation. Every insert and every miss is of a new key and evicts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// A hit.
    Get,
    /// A hit in a cache with a TTL.
    GetTtl,
    /// A hit of the method that loads.
    GetWith,
    /// A hit of the method that loads in a cache with a TTL.
    GetWithTtl,
    /// A hit in a cache with a TTL, refreshes and windows. The value is fresh.
    GetFresh,
    /// A hit of the method that loads in such a cache.
    GetWithFresh,
    /// A hit in the first tier of a tiered cache, with a TTL.
    GetTier,
    /// A hit of the method that loads in the first tier.
    GetWithTier,
    /// As `Get`, in a cache that is registered and was scraped.
    GetScraped,
    /// As `GetWith`, in a cache that is registered and was scraped.
    GetWithScraped,
    Insert,
    InsertTtl,
    /// A miss whose loader is ready at its first poll.
    Miss,
    LruGet,
    LruInsert,
    LruMiss,
}

impl Subject {
    pub(crate) fn name(self) -> String {
        name(self)
    }
}

impl Operation {
    pub(crate) fn name(self) -> String {
        name(self)
    }

    const fn is_lru(self) -> bool {
        matches!(self, Self::LruGet | Self::LruInsert | Self::LruMiss)
    }

    const fn is_scraped(self) -> bool {
        matches!(self, Self::GetScraped | Self::GetWithScraped)
    }

    const fn has_ttl(self) -> bool {
        self.has_freshness()
            || matches!(
                self,
                Self::GetTtl
                    | Self::GetWithTtl
                    | Self::GetTier
                    | Self::GetWithTier
                    | Self::InsertTtl
            )
    }

    const fn has_freshness(self) -> bool {
        matches!(self, Self::GetFresh | Self::GetWithFresh)
    }

    const fn has_tier(self) -> bool {
        matches!(self, Self::GetTier | Self::GetWithTier)
    }
}

fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is skipped");
    value.get_name().to_owned()
}

/// Whether `subject` has `operation`.
pub(crate) const fn has(subject: Subject, operation: Operation) -> bool {
    match subject {
        Subject::Ours => true,
        Subject::QuickCache => {
            !operation.is_lru() && !operation.has_ttl() && !operation.is_scraped()
        }
        Subject::Hashlink => matches!(operation, Operation::LruGet | Operation::LruInsert),
    }
}

/// Fills a cache and runs `operation` on it `count` times.
pub(crate) fn run(subject: Subject, operation: Operation, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    match subject {
        Subject::Ours => ours(&runtime, operation, count),
        Subject::QuickCache => quick_cache(&runtime, operation, count),
        Subject::Hashlink => hashlink(operation, count),
    }
}

/// `count` keys that are stored, in no order.
fn stored(count: u64) -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % CAPACITY
    })
}

/// `count` keys that are not stored.
fn new(count: u64) -> impl Iterator<Item = u64> {
    1_000_000..1_000_000 + count
}

fn ours(runtime: &Runtime, operation: Operation, count: u64) {
    let mut builder = Cache::builder().max_capacity(CAPACITY).hash_seed(7);
    if operation.is_lru() {
        builder = builder.eviction_policy(EvictionPolicy::Lru);
    }
    if operation.has_ttl() {
        builder = builder.time_to_live(Duration::from_secs(3_600));
    }
    if operation.has_freshness() {
        builder = builder
            .refresh_after(Duration::from_secs(3_000))
            .stale_while_revalidate(Duration::from_secs(60))
            .stale_if_error(Duration::from_secs(3_600));
    }
    if operation.has_tier() {
        let tiered = builder.tiered(NoTier);
        (0..CAPACITY).for_each(|key| tiered.cache().insert(key, key));
        return with_tier(runtime, &tiered, operation, count);
    }
    let cache = builder.name("scraped").build();
    (0..CAPACITY).for_each(|key| cache.insert(key, key));
    let registry = Registry::new();
    if operation.is_scraped() {
        registry.register(&cache).expect("the name is free");
        black_box(registry.prometheus_text("cache"));
    }
    match operation {
        Operation::Get
        | Operation::GetTtl
        | Operation::GetFresh
        | Operation::LruGet
        | Operation::GetScraped => {
            stored(count).for_each(|key| _ = black_box(cache.get(&key)));
        }
        Operation::Insert | Operation::InsertTtl | Operation::LruInsert => {
            new(count).for_each(|key| cache.insert(key, key));
        }
        Operation::GetWith
        | Operation::GetWithTtl
        | Operation::GetWithFresh
        | Operation::GetWithScraped => runtime.block_on(async {
            for key in stored(count) {
                black_box(cache.get_with(key, || async move { key }).await);
            }
        }),
        Operation::Miss | Operation::LruMiss => runtime.block_on(async {
            for key in new(count) {
                black_box(cache.get_with(key, || async move { key }).await);
            }
        }),
        Operation::GetTier | Operation::GetWithTier => unreachable!("they have a tier"),
    }
}

fn quick_cache(runtime: &Runtime, operation: Operation, count: u64) {
    let capacity = usize::try_from(CAPACITY).expect("a small capacity");
    let cache = quick_cache::sync::Cache::new(capacity);
    (0..CAPACITY).for_each(|key| cache.insert(key, key));
    match operation {
        Operation::Get => stored(count).for_each(|key| _ = black_box(cache.get(&key))),
        Operation::Insert => new(count).for_each(|key| cache.insert(key, key)),
        Operation::Miss => runtime.block_on(async {
            for key in new(count) {
                let load = async { Ok::<_, ()>(key) };
                let _ = black_box(cache.get_or_insert_async(&key, load).await);
            }
        }),
        _ => runtime.block_on(async {
            for key in stored(count) {
                let load = async { Ok::<_, ()>(key) };
                let _ = black_box(cache.get_or_insert_async(&key, load).await);
            }
        }),
    }
}

fn hashlink(operation: Operation, count: u64) {
    let capacity = usize::try_from(CAPACITY).expect("a small capacity");
    let cache = Mutex::new(LruCache::new(capacity));
    let lock = || cache.lock().expect("no panic holds the lock");
    (0..CAPACITY).for_each(|key| _ = lock().insert(key, key));
    match operation {
        Operation::LruGet => {
            stored(count).for_each(|key| _ = black_box(lock().get(&key).copied()));
        }
        _ => new(count).for_each(|key| _ = lock().insert(key, key)),
    }
}
