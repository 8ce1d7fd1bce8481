//! What an observer is notified of.

use core::time::Duration;

use crate::stats::LoadResult;

/// A load that begins.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoadBegun<'a> {
    /// The name of the cache, if it has one.
    pub cache: Option<&'a str>,
    /// Which method begins the load.
    pub kind: LoadKind,
    /// The name of the key, if the builder sets [`observed_keys`](crate::Builder::observed_keys).
    pub key: Option<&'a str>,
}

/// Which method begins a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadKind {
    /// A loading method missed the key, or retries after a load that ended without its answer.
    Single,
    /// [`refresh`](crate::Cache::refresh).
    Refresh,
    /// [`warm`](crate::Cache::warm).
    Warm,
    /// [`and_compute_with`](crate::KeyEntry::and_compute_with) and its siblings.
    Compute,
}

impl LoadKind {
    /// Returns the name of the kind, for traces: `single`, `refresh`, `warm` or `compute`.
    ///
    /// ```
    /// assert_eq!(cache_core::LoadKind::Refresh.name(), "refresh");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Refresh => "refresh",
            Self::Warm => "warm",
            Self::Compute => "compute",
        }
    }
}

/// A load that has ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoadEnded<'a> {
    /// The name of the cache, if it has one.
    pub cache: Option<&'a str>,
    /// How the load ended.
    pub result: LoadResult,
    /// Whether the result is not stored, because the key was written, invalidated or refreshed
    /// while the load was in flight.
    pub fenced: bool,
    /// How many callers have joined the load, besides the one that began it.
    pub waiters: u64,
    /// The time since the load began.
    pub took: Duration,
}

/// A batch whose window opens.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BatchBegun<'a> {
    /// The name of the cache, if it has one.
    pub cache: Option<&'a str>,
}

/// A batch whose loader is called.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BatchDispatched {
    /// The number of keys that the loader gets.
    pub keys: u64,
    /// Why the window closed.
    pub reason: BatchReason,
    /// How long the window was open.
    pub window_time: Duration,
}

/// Why the window of a batch closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchReason {
    /// Its time has passed.
    Window,
    /// It had as many keys as a batch may have.
    Full,
    /// [`dispatch`](crate::BatchLoader::dispatch) was called.
    Dispatch,
}

impl BatchReason {
    /// Returns the name of the reason, for traces: `window`, `full` or `dispatch`.
    ///
    /// ```
    /// assert_eq!(cache_core::BatchReason::Full.name(), "full");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Full => "full",
            Self::Dispatch => "dispatch",
        }
    }
}

/// A batch that has ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BatchEnded<'a> {
    /// The name of the cache, if it has one.
    pub cache: Option<&'a str>,
    /// How the batch ended.
    pub result: LoadResult,
    /// The number of keys that the loader got; 0 if the batch was dropped before the call.
    pub keys: u64,
    /// The time since the call of the loader; zero if the batch was dropped before the call.
    pub took: Duration,
}
