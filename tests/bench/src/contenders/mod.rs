//! The caches that take part, each behind the same small trait.
//!
//! An adaptor translates and adds nothing: where a peer offers several ways, it takes the one that the peer's own docs
//! recommend for the job, with the settings that are kindest to it (one shard, so that a small bound is exact).

mod foyer;
mod moka;
mod ours;
mod quick_cache;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use self::foyer::Foyer;
pub use self::moka::Moka;
pub use self::ours::Ours;
pub use self::quick_cache::QuickCache;

/// The key of every scenario.
pub type Key = u64;

/// The value of every scenario; what it weighs is for [`Settings::weigh`] to say.
pub type Value = u64;

/// Told the key of each entry that the cache gave up.
pub type Listener = Arc<dyn Fn(Key) + Send + Sync>;

/// What a scenario may ask of a new cache.
#[derive(Clone)]
pub struct Settings {
    /// The bound on the sum of all weights.
    pub capacity: u64,
    /// The weight of an entry.
    pub weigh: fn(Value) -> u32,
    /// Hears of evictions.
    pub listener: Option<Listener>,
}

impl Settings {
    /// Room for `entries` entries, whatever their value.
    pub fn entries(entries: u64) -> Self {
        Self {
            capacity: entries,
            weigh: |_| 1,
            listener: None,
        }
    }

    /// Room for `capacity`, as measured by `weigh`.
    pub fn weighed(capacity: u64, weigh: fn(Value) -> u32) -> Self {
        Self {
            capacity,
            weigh,
            listener: None,
        }
    }

    /// The same with a listener.
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

/// Why a load gave no value, in the cache's own words.
#[derive(Debug)]
pub struct Refusal(String);

impl Refusal {
    /// Keeps what `error` says.
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

/// A cache, as far as the scenarios need it.
///
/// Everything is async because some peers are; for the others it is ready at once.
pub trait Contender: Clone + Send + Sync + 'static {
    /// The package that it comes from.
    const PACKAGE: &'static str;

    /// An empty cache.
    fn build(settings: Settings) -> Self;

    /// The cached value, or else what the loader gives.
    fn load<F>(&self, key: Key, loader: F) -> impl Future<Output = Value> + Send
    where
        F: Future<Output = Value> + Send + 'static;

    /// The same with a loader that may fail.
    fn try_load<E, F>(
        &self,
        key: Key,
        loader: F,
    ) -> impl Future<Output = Result<Value, Refusal>> + Send
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static;

    /// The same with a loader that may find nothing.
    fn find<F>(&self, key: Key, loader: F) -> impl Future<Output = Option<Value>> + Send
    where
        F: Future<Output = Option<Value>> + Send + 'static;

    /// The cached value.
    fn get(&self, key: Key) -> impl Future<Output = Option<Value>> + Send;

    /// Writes over whatever is there.
    fn insert(&self, key: Key, value: Value) -> impl Future<Output = ()> + Send;

    /// Forgets one key.
    fn invalidate(&self, key: Key) -> impl Future<Output = ()> + Send;

    /// Forgets all of them.
    fn invalidate_all(&self) -> impl Future<Output = ()> + Send;

    /// How many entries the cache says it holds.
    fn entry_count(&self) -> u64;

    /// Gives a cache that puts work off the chance to catch up.
    fn settle(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
