//! The caches that refresh values in the background, or keep them for the time of an outage, each
//! behind the same small trait.
//!
//! A cache that offers one of the two says so in [`Refreshing::REFRESHES`] and
//! [`Refreshing::KEEPS`]. moka, quick_cache and foyer offer neither.

mod cached;
mod cachet;
mod ours;
mod source;

use std::time::Duration;

pub use self::cached::Cached;
pub use self::cachet::Cachet;
pub use self::ours::OursRefreshing;
pub use self::source::{Source, SourceMode};
use super::{Key, Refusal, Value};

/// The key of every scenario.
pub(crate) const KEY: Key = 1;

/// The age at which a value is due for a refresh.
pub const DUE: Duration = Duration::from_secs(800);

/// The time to live of a value.
pub const TTL: Duration = Duration::from_secs(1_000);

/// How long after its time to live a value may be returned while it is refreshed.
pub const REVALIDATE: Duration = Duration::from_secs(200);

/// How long after its time to live a value may be returned if its load fails.
pub const KEEP: Duration = Duration::from_secs(3_000);

/// How long a caller waits for a load before it gets a value that is kept.
pub const SLOW: Duration = Duration::from_secs(1);

/// The operations that the scenarios on freshness need, on one key. All loads are calls of one
/// [`Source`].
pub trait Refreshing: Clone + Send + Sync + 'static {
    /// The package of the cache.
    const PACKAGE: &'static str;

    /// Whether the cache refreshes values in the background before they expire.
    const REFRESHES: bool;

    /// Whether the cache returns a value after its time to live if its load fails.
    const KEEPS: bool;

    /// Whether the cache returns such a value also if its load is slow.
    const LEAVES_SLOW_LOADS: bool;

    /// Builds an empty cache with the settings of this module.
    fn build(source: Source) -> Self;

    /// Returns the value, and loads it if the cache decides to.
    fn get(&self) -> impl Future<Output = Result<Option<Value>, Refusal>> + Send;

    /// Returns the value without a load, if the cache has a read that cannot load.
    fn peek(&self) -> impl Future<Output = Option<Value>> + Send;

    /// Inserts the value, over any value that the key has.
    fn insert(&self, value: Value) -> impl Future<Output = ()> + Send;

    /// Invalidates the key.
    fn invalidate(&self) -> impl Future<Output = ()> + Send;

    /// Lets this time pass, on the clock of the cache and on tokio's.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;
}
