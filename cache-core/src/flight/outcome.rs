//! What loaders return, what flights end with, and what each method makes of that.

use core::time::Duration;

use crate::error::LoadError;
use crate::machine::Ttl;
use crate::runtime::Flavor;

/// A loaded value, and what the cache is to know of it.
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
    /// A value that lives as long and weighs as much as the cache's settings say.
    #[must_use]
    pub const fn new(value: V) -> Self {
        Self {
            value,
            ttl: Ttl::Default,
            weight: None,
        }
    }

    /// Sets how long it lives, counted from the completion of the load.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how much it weighs; the cache's weigher is not asked.
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

/// How a loader ended, in the same words for every method. `X` is an error without its type.
#[derive(Debug, Clone)]
pub(crate) enum LoaderResult<V, X> {
    Value(Loaded<V>),
    Missing,
    Failed(X),
    TimedOut(Duration),
    WrongLength(LengthMismatch),
}

/// A batch loader was asked for this many keys and returned that many results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LengthMismatch {
    pub(crate) keys: usize,
    pub(crate) results: usize,
}

/// How a flight ended, as everybody who waited for it sees it.
#[derive(Debug, Clone)]
pub(crate) enum Outcome<V, X> {
    Value(V),
    /// The loader found that there is no value.
    Missing,
    Failed(X),
    Panicked,
    Reentrant,
    TimedOut(Duration),
    WrongLength(LengthMismatch),
    /// The load was dropped before it ended.
    Cancelled,
}

/// The outcome of a flight on a runtime of flavour `F`.
pub(crate) type OutcomeOn<F, V> = Outcome<V, <F as Flavor>::Error>;

impl LengthMismatch {
    pub(crate) const fn into_error<E>(self) -> LoadError<E> {
        LoadError::WrongLength {
            keys: self.keys,
            results: self.results,
        }
    }
}
