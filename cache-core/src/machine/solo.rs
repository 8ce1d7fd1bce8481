//! Loads in their first poll that only their leader knows.
//!
//! Most loads of a busy cache are ready at their first poll, and no other caller joins them. Such a
//! load needs no flight: it is an entry of this list.
//!
//! | state | event | next state |
//! |---|---|---|
//! | none | `start` | alone |
//! | alone | `end`: the leader stores its value, or makes a flight | none |
//! | alone | `fence`, `drain`: the key was written, invalidated or refreshed | none: fenced |
//! | alone | `join`: a second caller makes the flight | joined |
//! | joined | `end`: the leader takes the flight | none |
//!
//! A joined load has its flight in the table of flights, which fences it. The load stays in this
//! list because its leader does not know the flight yet.
//!
//! A shard has as many of them as threads poll loaders of its keys, and one for each load that such
//! a loader makes. So the list has no index.

use alloc::vec::Vec;

use equivalent::Equivalent;

use super::time::Instant;

/// The loads of a shard that are in their first poll.
#[derive(Debug)]
pub(crate) struct SoloLoads<K, F>(Vec<Solo<K, F>>);

/// A load in its first poll.
#[derive(Debug)]
pub(crate) struct Solo<K, F> {
    /// Its number among the loads of the shard. A flight that it becomes has the same.
    pub(crate) serial: u64,
    pub(crate) hash: u32,
    pub(crate) started: Instant,
    pub(crate) state: SoloState<K, F>,
}

/// What other callers know of a load in its first poll.
#[derive(Debug)]
pub(crate) enum SoloState<K, F> {
    /// No other caller has requested the key.
    Alone(K),
    /// Another caller has made this flight.
    Joined(F),
}

impl<K, F> Solo<K, F> {
    fn is_of<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        match &self.state {
            SoloState::Alone(known) => self.hash == hash && key.equivalent(known),
            SoloState::Joined(_) => false,
        }
    }
}

impl<K, F> SoloLoads<K, F> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there is none. Constant on a microcontroller, where each load has a flight: that
    /// takes less code.
    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        cfg!(target_os = "none") || self.0.is_empty()
    }

    /// How many are alone. O(loads).
    pub(crate) fn alone(&self) -> impl Iterator<Item = (u32, &K)> + '_ {
        self.0.iter().filter_map(|solo| match &solo.state {
            SoloState::Alone(key) => Some((solo.hash, key)),
            SoloState::Joined(_) => None,
        })
    }

    /// Whether `key` has a load that is alone.
    #[inline]
    pub(crate) fn has<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.find(hash, key).is_some()
    }

    /// Adds a load of a key that has none.
    #[inline]
    pub(crate) fn start(&mut self, serial: u64, hash: u32, key: K, started: Instant) {
        self.0.push(Solo {
            serial,
            hash,
            started,
            state: SoloState::Alone(key),
        });
    }

    /// The index of load `serial`. `None` if it was fenced.
    #[inline]
    pub(crate) fn index_of(&self, serial: u64) -> Option<usize> {
        // The innermost load ends first.
        self.0.iter().rposition(|solo| solo.serial == serial)
    }

    /// Removes the load at `index` and returns its key, if it is alone.
    #[inline]
    pub(crate) fn end_alone(&mut self, index: usize) -> Option<K> {
        if let Some(Solo {
            state: SoloState::Alone(_),
            ..
        }) = self.0.get(index)
            && let SoloState::Alone(key) = self.0.swap_remove(index).state
        {
            return Some(key);
        }
        None
    }

    /// Removes load `serial`. `None` if it was fenced.
    pub(crate) fn end(&mut self, serial: u64) -> Option<Solo<K, F>> {
        Some(self.0.swap_remove(self.index_of(serial)?))
    }

    /// The load of `key` that is alone: its index, its serial and its start.
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<(usize, u64, Instant)>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.is_empty() {
            return None;
        }
        let index = self.0.iter().position(|solo| solo.is_of(hash, key))?;
        let solo = &self.0[index];
        Some((index, solo.serial, solo.started))
    }

    /// Records that the load at `index` has a flight, which its leader does not know. Returns the
    /// key of the load.
    pub(crate) fn set_joined(&mut self, index: usize, flight: F) -> Option<K> {
        let solo = self.0.get_mut(index)?;
        match core::mem::replace(&mut solo.state, SoloState::Joined(flight)) {
            SoloState::Alone(key) => Some(key),
            SoloState::Joined(_) => None,
        }
    }

    /// Removes the load of `key` that is alone, so that its value is not stored. Returns its key.
    pub(crate) fn fence<Q>(&mut self, hash: u32, key: &Q) -> Option<K>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let (index, ..) = self.find(hash, key)?;
        self.end_alone(index)
    }

    /// Removes every load that is alone, and calls `fenced` with its key.
    pub(crate) fn fence_all(&mut self, mut fenced: impl FnMut(K)) {
        if self.is_empty() {
            return;
        }
        for solo in core::mem::take(&mut self.0) {
            match solo.state {
                SoloState::Alone(key) => fenced(key),
                SoloState::Joined(_) => self.0.push(solo),
            }
        }
    }

    pub(crate) fn memory_used(&self) -> usize {
        self.0.capacity() * size_of::<Solo<K, F>>()
    }
}
