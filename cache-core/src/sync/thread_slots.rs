//! A slot in memory for each thread. Only its thread writes to it, so its cache line stays with one
//! core.

use core::cell::Cell;

use super::CachePadded;
use super::primitives::{AtomicBool, AtomicUsize, Ordering, spin_loop, thread_local, yield_now};

/// Threads that can have a slot at the same time. Further threads run without one.
const SLOTS: usize = if cfg!(cache_loom) { 2 } else { 128 };

/// The slots of all threads.
struct SlotTable {
    slots: [CachePadded<ReaderSlot>; SLOTS],
    /// One more than the largest number of a slot that was ever taken. A writer checks only those.
    in_use: AtomicUsize,
}

#[cfg(not(cache_loom))]
static TABLE: SlotTable = SlotTable {
    slots: [const {
        CachePadded(ReaderSlot {
            is_taken: AtomicBool::new(false),
            reading: AtomicUsize::new(0),
        })
    }; SLOTS],
    in_use: AtomicUsize::new(0),
};

// Leaked: loom drops statics before the last thread has given back its slot.
#[cfg(cache_loom)]
loom::lazy_static! {
    static ref TABLE: &'static SlotTable = std::boxed::Box::leak(std::boxed::Box::new(SlotTable {
        slots: core::array::from_fn(|_| CachePadded(ReaderSlot {
            is_taken: AtomicBool::new(false),
            reading: AtomicUsize::new(0),
        })),
        in_use: AtomicUsize::new(0),
    }));
}

thread_local! {
    /// Keeps the slot until the thread ends.
    static OWNERSHIP: SlotOwnership = SlotOwnership::acquire();
}

#[cfg(not(cache_loom))]
thread_local! {
    /// The number of this thread's slot.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
}

#[cfg(not(cache_loom))]
thread_local! {
    /// This thread's slot, once it has one: a read looks here only.
    static SLOT: Cell<Option<&'static ReaderSlot>> = const { Cell::new(None) };
}

#[cfg(not(cache_loom))]
thread_local! {
    /// The address of the innermost lock that this thread holds; 0 if none.
    static INNERMOST: Cell<usize> = const { Cell::new(0) };
}

#[cfg(cache_loom)]
thread_local! {
    static NUMBER: Cell<usize> = Cell::new(UNKNOWN);
    static SLOT: Cell<Option<&'static ReaderSlot>> = Cell::new(None);
    static INNERMOST: Cell<usize> = Cell::new(0);
}

/// The thread has not requested a slot yet.
const UNKNOWN: usize = usize::MAX;
/// There was no free slot for the thread, or the thread is about to end.
const NONE: usize = usize::MAX - 1;

/// The slot of one thread.
#[derive(Debug)]
pub(super) struct ReaderSlot {
    is_taken: AtomicBool,
    /// The address of the lock that the thread reads by this slot; 0 if none.
    reading: AtomicUsize,
}

impl ReaderSlot {
    /// The slot of the current thread, if it has one.
    #[inline]
    pub(super) fn of_this_thread() -> Option<&'static Self> {
        match known_slot() {
            None => Self::acquire(),
            known => known,
        }
    }

    /// The slot of a thread that has not used it yet, if it gets one.
    #[cold]
    fn acquire() -> Option<&'static Self> {
        slot_number()?;
        known_slot()
    }

    /// Publishes that the thread reads the lock at `address`. Returns `false` if the thread already
    /// reads by this slot.
    #[inline]
    pub(super) fn enter(&self, address: usize) -> bool {
        let is_free = self.reading.load(Ordering::Relaxed) == 0;
        if is_free {
            self.reading.swap(address, Ordering::SeqCst);
        }
        is_free
    }

    /// Ends the read.
    #[inline]
    pub(super) fn leave(&self) {
        // Release: the read is over before the writer that sees this writes.
        self.reading.store(0, Ordering::Release);
    }

    /// Waits until no thread reads the lock at `address`. That takes nanoseconds, unless a reading
    /// thread was preempted.
    pub(super) fn wait_for_readers(address: usize) {
        let in_use = TABLE.in_use.load(Ordering::SeqCst);
        for slot in TABLE.slots.iter().take(in_use) {
            let mut tries = 0_u32;
            while slot.0.reading.load(Ordering::SeqCst) == address {
                tries += 1;
                if tries.is_multiple_of(64) {
                    yield_now();
                } else {
                    spin_loop();
                }
            }
        }
    }
}

/// Records the lock at `address` as the innermost that the current thread holds. Returns the
/// previous one.
#[inline]
pub(super) fn set_innermost_lock(address: usize) -> usize {
    INNERMOST
        .try_with(|lock| lock.replace(address))
        .unwrap_or(0)
}

/// Whether the current thread reads the lock at `address` by its slot.
#[inline]
pub(super) fn thread_reads(address: usize) -> bool {
    known_slot().is_some_and(|slot| slot.reading.load(Ordering::Relaxed) == address)
}

#[inline]
fn known_slot() -> Option<&'static ReaderSlot> {
    SLOT.try_with(Cell::get).unwrap_or(None)
}

/// The number of the current thread's slot. Larger than every number if the thread has none, or has
/// not used it yet: [`slot_number`] distinguishes the two.
#[inline]
pub(crate) fn known_slot_number() -> usize {
    NUMBER.try_with(Cell::get).unwrap_or(NONE)
}

/// The number of the current thread's slot, which no other running thread has.
#[inline]
pub(crate) fn slot_number() -> Option<usize> {
    let number = known_slot_number();
    if number < SLOTS {
        Some(number)
    } else if number == UNKNOWN {
        first_number()
    } else {
        None
    }
}

#[cold]
fn first_number() -> Option<usize> {
    let number = OWNERSHIP.try_with(|owned| Some(owned.0.as_ref()?.0));
    number.ok().flatten()
}

/// A thread's ownership of its slot, if it got one; gives the slot back when the thread ends.
#[derive(Debug)]
struct SlotOwnership(Option<(usize, &'static ReaderSlot)>);

impl SlotOwnership {
    fn acquire() -> Self {
        let mut slots = TABLE.slots.iter().map(|slot| &slot.0).enumerate();
        let taken = slots.find(|(_, slot)| !slot.is_taken.swap(true, Ordering::AcqRel));
        if let Some((number, _)) = taken {
            // Must come before the first read by this slot, or a writer does not check the slot.
            TABLE.in_use.fetch_max(number + 1, Ordering::SeqCst);
        }
        let number = taken.map_or(NONE, |(number, _)| number);
        NUMBER.with(|known| known.set(number));
        SLOT.with(|known| known.set(taken.map(|(_, slot)| slot)));
        Self(taken)
    }
}

impl Drop for SlotOwnership {
    fn drop(&mut self) {
        // Must come before the slot is free: a destructor of another thread-local may still read a
        // cache, and must not do so by a slot that another thread has taken. If the number was
        // destroyed already, `try_with` fails here and in `slot_number`.
        let _ = NUMBER.try_with(|known| known.set(NONE));
        let _ = SLOT.try_with(|known| known.set(None));
        if let Some((_, slot)) = self.0 {
            slot.is_taken.store(false, Ordering::Release);
        }
    }
}
