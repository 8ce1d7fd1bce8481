//! What loaders return and what flights end with.

use core::time::Duration;

use crate::error::LoadError;
use crate::machine::Ttl;
use crate::runtime::Flavor;

/// A loaded value, its time to live and its weight.
///
/// ```
/// use cache_core::{Loaded, Ttl};
/// use core::time::Duration;
///
/// let page = Loaded::new("<html>")
///     .ttl(Ttl::After(Duration::from_secs(30)))
///     .weight(6);
/// # let _ = page;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded<V> {
    pub(crate) value: V,
    pub(crate) ttl: Ttl,
    pub(crate) weight: Option<u32>,
}

impl<V> Loaded<V> {
    /// Returns `value` with the time to live and the weight of the cache's settings.
    ///
    /// ```
    /// use cache_core::Loaded;
    ///
    /// assert_eq!(Loaded::new("<html>"), Loaded::from("<html>"));
    /// ```
    #[must_use]
    pub const fn new(value: V) -> Self {
        Self {
            value,
            ttl: Ttl::Default,
            weight: None,
        }
    }

    /// Sets the time to live, counted from the completion of the load.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// use cache_core::{Instant, Loaded, Ttl};
    ///
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert_entry(1, Loaded::new("<html>").ttl(Ttl::Never));
    /// assert_eq!(cache.expires_at(&1), Some(Instant::FAR));
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the weight. The cache's weigher is not called.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// use cache_core::Loaded;
    ///
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert_entry(1, Loaded::new("<html>").weight(6));
    /// assert_eq!(cache.weighted_size(), 6);
    /// ```
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

/// How a loader ended, whichever method it belongs to. `X` is an error with its type erased.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "tier"),
    expect(unreachable_pub, reason = "part of what a tiered cache boxes")
)]
pub enum LoaderResult<V, X> {
    /// The loader returned a value.
    Value(Loaded<V>),
    /// The loader found that there is no value.
    Missing,
    /// The loader returned an error.
    Failed(X),
    /// The load failed without an error of its loader.
    Fault(Fault),
}

/// How a flight ended, as its callers see it.
#[derive(Debug, Clone)]
pub(crate) enum Outcome<V, X> {
    Value(V),
    /// The loader found that there is no value.
    Missing,
    Failed(X),
    Fault(Fault),
    /// The load was dropped before it was complete.
    Cancelled,
}

impl<V, X> LoaderResult<V, X> {
    /// The outcome for the caller of this loader alone.
    pub(crate) fn into_outcome(self) -> Outcome<V, X> {
        match self {
            Self::Value(loaded) => Outcome::Value(loaded.value),
            Self::Missing => Outcome::Missing,
            Self::Failed(error) => Outcome::Failed(error),
            Self::Fault(fault) => Outcome::Fault(fault),
        }
    }
}

/// The failures of a load that are not errors of its loader.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "tier"),
    expect(unreachable_pub, reason = "part of what a tiered cache boxes")
)]
pub enum Fault {
    /// The loader panicked.
    Panicked,
    /// The loader requested the key that it loads.
    Reentrant,
    /// The load took longer than this limit.
    TimedOut(Duration),
    /// The batch loader returned another number of results than it got keys.
    WrongLength {
        /// The number of keys.
        keys: usize,
        /// The number of results.
        results: usize,
    },
}

/// The result of a loader on a runtime of flavor `F`.
pub(crate) type LoaderResultOn<F, V> = LoaderResult<V, <F as Flavor>::Error>;

/// The outcome of a flight on a runtime of flavor `F`.
pub(crate) type OutcomeOn<F, V> = Outcome<V, <F as Flavor>::Error>;

impl Fault {
    pub(crate) fn into_error<E>(self) -> LoadError<E> {
        match self {
            Self::Panicked => LoadError::Panicked,
            Self::Reentrant => LoadError::Reentrant,
            Self::TimedOut(after) => LoadError::TimedOut(after),
            Self::WrongLength { keys, results } => LoadError::WrongLength { keys, results },
        }
    }
}
