//! What loaders return and what flights end with.

use alloc::boxed::Box;
use core::time::Duration;

use crate::error::LoadError;
use crate::machine::{Times, Ttl};
use crate::opt_in::{Enabled, Feature, Freshening, Gated, GatedState};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<V> {
    pub(crate) value: V,
    pub(crate) ttl: Ttl,
    pub(crate) weight: Option<u32>,
    /// Boxed: few values have any, and every loaded value is moved several times.
    times: GatedState<Box<Times>, Freshening>,
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
            times: GatedState::UNSET,
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

    /// Sets when the value is due for a refresh, counted from its write, in place of the builder's
    /// [`refresh_after`](crate::Builder::refresh_after), which has to be set. A value whose ttl ends
    /// before that is not due before its ttl ends.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// use cache_core::Loaded;
    /// use core::time::Duration;
    ///
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .refresh_after(Duration::from_secs(240))
    ///     .build();
    /// cache.insert_entry(1, Loaded::new("price").refresh_after(Duration::from_secs(5)));
    /// # runtime.advance(Duration::from_secs(5));
    /// # runtime.block_on(async {
    /// // Five seconds later, a caller gets the stored value and starts a refresh:
    /// assert_eq!(cache.get_with(1, || async { "new price" }).await, "price");
    /// # });
    /// # runtime.run_until_idle();
    /// assert_eq!(cache.get(&1), Some("new price"));
    /// ```
    #[must_use]
    pub fn refresh_after(self, after: Duration) -> Self {
        self.with_times(|times| times.refresh_after(after))
    }

    /// Sets how long the value may be returned after its ttl, in place of the windows that the
    /// builder sets: it ends both, and sets none that the builder does not set. Zero: the value is
    /// never returned after its ttl.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// use cache_core::Loaded;
    /// use core::time::Duration;
    ///
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(60))
    ///     .stale_if_error(Duration::from_secs(3_600))
    ///     .build();
    /// cache.insert_entry(1, Loaded::new("token").stale_for(Duration::ZERO));
    /// # runtime.advance(Duration::from_secs(60));
    /// // One minute later the token is gone:
    /// assert_eq!(cache.get_stale(&1), None);
    /// ```
    #[must_use]
    pub fn stale_for(self, window: Duration) -> Self {
        self.with_times(|times| times.stale_for(window))
    }

    fn with_times(self, set: impl FnOnce(Times) -> Times) -> Self {
        self.with_times_if(Freshening::enable(), set)
    }

    /// Changes the times, in code that runs only where the feature is enabled.
    pub(crate) fn with_times_if(
        mut self,
        enabled: Enabled<Freshening>,
        set: impl FnOnce(Times) -> Times,
    ) -> Self {
        let times = self.times.get_or_insert_with(enabled, Box::default);
        **times = set(**times);
        self
    }

    /// Marks a value that is stored already: its times restart, and no value is replaced.
    pub(crate) fn unchanged(self) -> Self {
        self.with_times(Times::unchanged)
    }

    /// Whether the value is stored already.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self) -> bool {
        self.times().value().is_some_and(Times::is_unchanged)
    }

    /// The times of the value, if it has any of its own.
    #[inline(always)]
    pub(crate) fn times(&self) -> Gated<Times, Freshening> {
        match (self.times.get(), self.times.proof()) {
            (Some(times), Some(enabled)) => Gated::proven(**times, enabled),
            _ => Gated::UNSET,
        }
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
