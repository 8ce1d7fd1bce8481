//! The caches under test, each behind the same small trait.
//!
//! An adaptor translates and adds nothing. Where a peer offers several ways, the adaptor takes the
//! one that the peer's own docs recommend for the job, with the settings that are kindest to it
//! (one shard, so that a small bound is exact).

mod foyer;
mod moka;
mod ours;
mod quick_cache;
pub mod refreshing;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use self::foyer::Foyer;
pub use self::moka::Moka;
pub use self::ours::Ours;
pub use self::quick_cache::QuickCache;

/// The key of every scenario.
pub type Key = u64;

/// The value of every scenario. [`Settings::weigh`] gives its weight.
pub type Value = u64;

/// Called with the key of each entry that the cache evicts.
pub type Listener = Arc<dyn Fn(Key) + Send + Sync>;

/// The settings that a scenario may choose for a new cache.
#[derive(Clone)]
pub struct Settings {
    /// The bound on the sum of all weights.
    pub capacity: u64,
    /// The weight of an entry.
    pub weigh: fn(Value) -> u32,
    /// The eviction listener.
    pub listener: Option<Listener>,
}

impl Settings {
    /// A capacity of `entries` entries. Every value has weight 1.
    pub fn entries(entries: u64) -> Self {
        Self {
            capacity: entries,
            weigh: |_| 1,
            listener: None,
        }
    }

    /// A capacity of `capacity`, in the unit of `weigh`.
    pub fn weighed(capacity: u64, weigh: fn(Value) -> u32) -> Self {
        Self {
            capacity,
            weigh,
            listener: None,
        }
    }

    /// Adds a listener.
    pub fn listener(self, listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// Why a load returned no value, in the cache's own words.
#[derive(Debug)]
pub struct Refusal(String);

impl Refusal {
    /// Keeps the text of `error`.
    pub fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refusal {}

/// The operations of a cache that the scenarios need.
///
/// Every operation is async because some peers are async. For the others the future is ready at
/// once.
pub trait Contender: Clone + Send + Sync + 'static {
    /// The package of the cache.
    const PACKAGE: &'static str;

    /// Builds an empty cache.
    fn build(settings: Settings) -> Self;

    /// Returns the cached value, or loads it.
    fn load<F>(&self, key: Key, loader: F) -> impl Future<Output = Value> + Send
    where
        F: Future<Output = Value> + Send + 'static;

    /// Like [`Contender::load`], with a loader that may fail.
    fn try_load<E, F>(
        &self,
        key: Key,
        loader: F,
    ) -> impl Future<Output = Result<Value, Refusal>> + Send
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static;

    /// Like [`Contender::load`], with a loader that may find nothing.
    fn find<F>(&self, key: Key, loader: F) -> impl Future<Output = Option<Value>> + Send
    where
        F: Future<Output = Option<Value>> + Send + 'static;

    /// Returns the cached value.
    fn get(&self, key: Key) -> impl Future<Output = Option<Value>> + Send;

    /// Inserts the value, over any value that the key has.
    fn insert(&self, key: Key, value: Value) -> impl Future<Output = ()> + Send;

    /// Invalidates one key.
    fn invalidate(&self, key: Key) -> impl Future<Output = ()> + Send;

    /// Invalidates all keys.
    fn invalidate_all(&self) -> impl Future<Output = ()> + Send;

    /// The number of entries that the cache reports.
    fn entry_count(&self) -> u64;

    /// Runs the maintenance that the cache has postponed.
    fn settle(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
