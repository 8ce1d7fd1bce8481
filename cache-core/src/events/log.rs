//! The log of removals that the streams of a cache share.
//!
//! The log keeps the removals that some stream has not read, up to the capacity of that stream. No
//! method drops a key or a waker: the caller gets them, and drops them outside of the lock.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::Waker;

use slab::Slab;

use crate::machine::RemovalCause;
use crate::sync::Arc;

/// The number of unread removals that a stream holds by default.
const CAPACITY: u64 = 1_024;

pub(super) struct Log<K> {
    /// The number of the first slot.
    base: u64,
    /// Removals by number.
    slots: VecDeque<Slot<K>>,
    readers: Slab<Reader>,
    is_closed: bool,
}

/// The removal of one number.
pub(super) enum Slot<K> {
    /// Its thread has not published it yet.
    Unpublished,
    /// The clone of its key panicked.
    Lost,
    Ready(Arc<Removal<K>>),
}

#[derive(Clone)]
pub(super) struct Removal<K> {
    pub(super) key: K,
    pub(super) cause: RemovalCause,
}

/// A stream.
struct Reader {
    /// The number that the stream reads next.
    cursor: u64,
    capacity: u64,
    waker: Option<Waker>,
}

/// What a stream reads.
pub(super) enum Next<K> {
    Removal(Arc<Removal<K>>),
    /// The number of removals that the stream missed.
    Lagged(u64),
    /// The cache is dropped, and the stream has read everything.
    Closed,
    Nothing,
}

impl Reader {
    /// The first number that the stream can still read, in a log that ends at `end`.
    fn first(&self, end: u64) -> u64 {
        self.cursor.max(end.saturating_sub(self.capacity))
    }
}

impl<K> Log<K> {
    pub(super) const fn new() -> Self {
        Self {
            base: 0,
            slots: VecDeque::new(),
            readers: Slab::new(),
            is_closed: false,
        }
    }

    /// Adds a stream that reads from number `next` on.
    pub(super) fn subscribe(&mut self, next: u64) -> usize {
        if self.readers.is_empty() {
            self.base = next;
        }
        self.readers.insert(Reader {
            cursor: next,
            capacity: CAPACITY,
            waker: None,
        })
    }

    pub(super) fn set_capacity(&mut self, id: usize, capacity: u64) {
        self.readers[id].capacity = capacity;
    }

    /// Removes a stream.
    pub(super) fn unsubscribe(&mut self, id: usize) -> (Option<Waker>, VecDeque<Slot<K>>) {
        let reader = self.readers.remove(id);
        (reader.waker, self.take_unread(self.end()))
    }

    /// Publishes removal `number`. Returns slots that no stream reads, and the wakers of the
    /// streams that now have something to read.
    pub(super) fn fill(&mut self, number: u64, slot: Slot<K>) -> (VecDeque<Slot<K>>, Vec<Waker>) {
        let mut unread = self.take_unread(self.end().max(number + 1));
        // All streams have missed it, or there is none.
        if number < self.base || self.readers.is_empty() {
            unread.push_back(slot);
            return (unread, Vec::new());
        }
        let index = usize::try_from(number - self.base);
        let index = index.expect("a log is not longer than the capacity of a stream");
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || Slot::Unpublished);
        }
        self.slots[index] = slot;
        (unread, self.take_wakers())
    }

    /// Reads the next removal for a stream. Also returns a slot that no stream reads any more.
    pub(super) fn next(&mut self, id: usize) -> (Next<K>, Option<Slot<K>>) {
        let cursor = self.readers[id].cursor;
        // The capacity may have grown since the log dropped removals.
        let mut at = self.readers[id].first(self.end()).max(self.base);
        while let Some(Slot::Lost) = self.slot(at) {
            at += 1;
        }
        let next = match self.slot(at) {
            _ if at > cursor => Next::Lagged(at - cursor),
            Some(Slot::Ready(removal)) => {
                let removal = Arc::clone(removal);
                at += 1;
                Next::Removal(removal)
            }
            None if self.is_closed => Next::Closed,
            None | Some(Slot::Unpublished | Slot::Lost) => Next::Nothing,
        };
        self.readers[id].cursor = at;
        let first = matches!(next, Next::Removal(_)).then(|| self.take_first());
        (next, first.flatten())
    }

    /// Takes the first slot if no stream reads it any more.
    fn take_first(&mut self) -> Option<Slot<K>> {
        let (base, end) = (self.base, self.end());
        let is_past = |(_, reader): (_, &Reader)| reader.first(end) > base;
        if !self.readers.iter().all(is_past) {
            return None;
        }
        let first = self.slots.pop_front();
        self.base += u64::from(first.is_some());
        first
    }

    /// Registers the waker of a stream that has nothing to read. Returns a waker to drop.
    #[must_use]
    pub(super) fn register(&mut self, id: usize, waker: Waker) -> Option<Waker> {
        self.readers[id].waker.replace(waker)
    }

    /// Ends the log. Returns the wakers of all streams that wait.
    pub(super) fn close(&mut self) -> Vec<Waker> {
        self.is_closed = true;
        self.take_wakers()
    }

    /// The number after the last slot.
    fn end(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    fn slot(&self, number: u64) -> Option<&Slot<K>> {
        let index = number.checked_sub(self.base)?;
        self.slots.get(usize::try_from(index).ok()?)
    }

    /// Takes the slots that no stream reads in a log that is to end at `end`.
    fn take_unread(&mut self, end: u64) -> VecDeque<Slot<K>> {
        let first = self.readers.iter().map(|(_, reader)| reader.first(end));
        let first = first.min().unwrap_or(end).max(self.base);
        let count = usize::try_from(first - self.base).unwrap_or(usize::MAX);
        self.base = first;
        self.slots.drain(..count.min(self.slots.len())).collect()
    }

    /// Takes the wakers of the streams that have something to read.
    fn take_wakers(&mut self) -> Vec<Waker> {
        let (slots, base, end) = (&self.slots, self.base, self.end());
        let is_readable = |reader: &Reader| {
            let at = reader.first(end).max(base);
            let slot = usize::try_from(at - base).ok().and_then(|at| slots.get(at));
            at > reader.cursor || self.is_closed || !matches!(slot, None | Some(Slot::Unpublished))
        };
        let waiting = self.readers.iter_mut().map(|(_, reader)| reader);
        let readable = waiting.filter(|reader| reader.waker.is_some() && is_readable(reader));
        readable.filter_map(|reader| reader.waker.take()).collect()
    }
}
