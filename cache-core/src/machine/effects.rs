//! What a call leaves to be done once the lock is released.

use alloc::vec::Vec;

use super::stats::RemovalCause;
use super::time::Instant;

/// An entry that left the cache, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed<K, V> {
    /// The entry's key.
    pub key: K,
    /// The entry's value.
    pub value: V,
    /// Why it left.
    pub cause: RemovalCause,
}

/// Side effects of calls to an [`Engine`](super::Engine), in the order they arose.
///
/// The engine only ever adds. The caller flushes the buffer after it has released whatever
/// guards the engine: it tells its listeners, re-arms its timer, and drops the rest. Dropping
/// matters: the buffer holds values and keys whose `Drop` is foreign code. One buffer may serve
/// many calls. Until the second entry leaves in one call, nothing is allocated.
#[derive(Debug)]
pub struct Effects<K, V, F = ()> {
    removed: OneOrMany<Removed<K, V>>,
    /// Flights that are no longer current, each with the key under which it was, if that is left.
    released: OneOrMany<(Option<K>, F)>,
    deadline: Option<Instant>,
}

impl<K, V, F> Effects<K, V, F> {
    /// An empty buffer.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub const fn new() -> Self {
        Self {
            removed: OneOrMany::new(),
            released: OneOrMany::new(),
            deadline: None,
        }
    }

    /// Takes out the entries that left, oldest first.
    pub fn drain_removed(&mut self) -> impl Iterator<Item = Removed<K, V>> + use<K, V, F> {
        self.removed.drain()
    }

    /// Whether an entry left.
    #[must_use]
    pub fn has_removed(&self) -> bool {
        self.removed.first.is_some()
    }

    /// Whether no entry left and no deadline came up: what else there may be is only to be dropped.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn has_no_effects(&self) -> bool {
        self.removed.first.is_none() && self.deadline.is_none()
    }

    /// Takes out the earliest deadline that came up: a timer set for later must be re-armed.
    pub fn take_deadline(&mut self) -> Option<Instant> {
        self.deadline.take()
    }

    pub(super) fn push_removed(&mut self, removed: Removed<K, V>) {
        self.removed.push(removed);
    }

    /// A flight that is no longer current, with the key under which it was.
    pub(super) fn push_released(&mut self, key: K, flight: F) {
        self.released.push((Some(key), flight));
    }

    /// A flight that has ended with a value; its key went with the value.
    pub(super) fn push_completed(&mut self, flight: F) {
        self.released.push((None, flight));
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

/// A list that is nearly always empty or of one element: the first element needs no allocation.
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
