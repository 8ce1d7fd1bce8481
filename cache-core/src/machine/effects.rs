//! Side effects of a call, for its caller to flush after it has released the lock.

use alloc::vec::Vec;

use super::stats::RemovalCause;
use super::time::Instant;

/// An entry that was removed, or a value that was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed<K, V> {
    /// The entry's key.
    pub key: K,
    /// The entry's value.
    pub value: V,
    /// Why it was removed.
    pub cause: RemovalCause,
    /// The number that [`Budget::number_removal`](super::Budget::number_removal) gave.
    pub number: u64,
}

/// The side effects of calls to an [`Engine`](super::Engine), in the order in which they arose.
///
/// The engine only adds to the buffer. After the caller has released the lock around the engine, it
/// notifies its listeners, re-arms its timer and drops the rest. It must not drop the buffer under
/// the lock: the `Drop` of keys and values is user code. One buffer may serve many calls. It
/// allocates nothing until a call removes a second entry.
#[derive(Debug)]
pub struct Effects<K, V, F = ()> {
    removed: OneOrMany<Removed<K, V>>,
    /// Flights that are no longer current, with the key, unless that was stored with the value. The
    /// key alone for a load that had no flight.
    released: OneOrMany<(Option<K>, Option<F>)>,
    deadline: Option<Instant>,
}

impl<K, V, F> Effects<K, V, F> {
    /// Creates an empty buffer.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub const fn new() -> Self {
        Self {
            removed: OneOrMany::new(),
            released: OneOrMany::new(),
            deadline: None,
        }
    }

    /// Takes out the removed entries, the earliest first.
    pub fn drain_removed(&mut self) -> impl Iterator<Item = Removed<K, V>> + use<K, V, F> {
        self.removed.drain()
    }

    /// Takes out the flights that are no longer current, each with its key, unless the key was
    /// stored with a value. The key alone for a load that had no flight.
    pub fn drain_released(
        &mut self,
    ) -> impl Iterator<Item = (Option<K>, Option<F>)> + use<K, V, F> {
        self.released.drain()
    }

    /// Whether an entry was removed.
    #[must_use]
    pub fn has_removed(&self) -> bool {
        self.removed.first.is_some()
    }

    /// Whether no entry was removed and no deadline was set. The buffer may still hold flights,
    /// which are only to be dropped.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn has_no_effects(&self) -> bool {
        self.removed.first.is_none() && self.deadline.is_none()
    }

    /// Takes out the earliest deadline that was set. A timer that is set for later must be
    /// re-armed.
    pub fn take_deadline(&mut self) -> Option<Instant> {
        self.deadline.take()
    }

    /// Makes space for `more` removed entries.
    pub(super) fn reserve_removed(&mut self, more: usize) {
        if more > 1 {
            self.removed.rest.reserve(more);
        }
    }

    pub(super) fn push_removed(&mut self, removed: Removed<K, V>) {
        self.removed.push(removed);
    }

    /// Adds a flight that is no longer current, with its key.
    pub(super) fn push_released(&mut self, key: K, flight: F) {
        self.released.push((Some(key), Some(flight)));
    }

    /// Adds the key of a load without a flight, which was fenced.
    pub(super) fn push_fenced(&mut self, key: K) {
        self.released.push((Some(key), None));
    }

    /// Adds a flight that has ended with a value. Its key was stored with the value.
    pub(super) fn push_completed(&mut self, flight: F) {
        self.released.push((None, Some(flight)));
    }

    pub(super) fn push_deadline(&mut self, at: Instant) {
        self.deadline = Some(self.deadline.map_or(at, |known| known.min(at)));
    }
}

impl<K, V, F> Default for Effects<K, V, F> {
    fn default() -> Self {
        Self::new()
    }
}

/// A list that rarely has more than one element: the first needs no allocation.
#[derive(Debug)]
struct OneOrMany<T> {
    first: Option<T>,
    rest: Vec<T>,
}

impl<T> OneOrMany<T> {
    #[cfg_attr(not(target_os = "none"), inline)]
    const fn new() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn push(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.rest.push(item);
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.first
            .take()
            .into_iter()
            .chain(core::mem::take(&mut self.rest))
    }
}
