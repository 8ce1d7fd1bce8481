//! A place in memory for every thread, to itself: what it writes there no other core has to fetch.

use core::cell::Cell;

use super::CachePadded;
use super::primitives::{AtomicBool, AtomicUsize, Ordering, spin_loop, thread_local, yield_now};

/// Threads that can have a seat at the same time. The others go without.
const SLOTS: usize = if cfg!(cache_loom) { 2 } else { 128 };

/// Everything about seats that threads share.
struct SlotTable {
    slots: [CachePadded<ReaderSlot>; SLOTS],
    /// How many seats were ever taken at the same time: the rest need not be looked at.
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

// Leaked: loom drops what is static before the last thread has left its seat.
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
    /// Keeps the seat until the thread ends.
    static SLOT_GUARD: SlotGuard = SlotGuard::acquire();
}

#[cfg(not(cache_loom))]
thread_local! {
    /// The number of this thread's seat.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
}

#[cfg(not(cache_loom))]
thread_local! {
    /// The lock that this thread took last and still holds, by its address; 0 if none.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[cfg(cache_loom)]
thread_local! {
    static NUMBER: Cell<usize> = Cell::new(UNKNOWN);
    static HELD: Cell<usize> = Cell::new(0);
}

/// This thread has not asked for a seat yet.
const UNKNOWN: usize = usize::MAX;
/// There was no seat for this thread, or it is about to end.
const NONE: usize = usize::MAX - 1;

/// A thread's own place.
#[derive(Debug)]
pub(super) struct ReaderSlot {
    is_taken: AtomicBool,
    /// The address of what the thread reads by this seat; 0 if nothing.
    reading: AtomicUsize,
}

impl ReaderSlot {
    /// The seat of the current thread, if it has one.
    #[inline]
    pub(super) fn of_this_thread() -> Option<&'static Self> {
        Some(&TABLE.slots.get(slot_number()?)?.0)
    }

    /// Says that the thread reads what is at `address`, unless it is reading by this seat already.
    #[inline]
    pub(super) fn enter(&self, address: usize) -> bool {
        let is_free = self.reading.load(Ordering::Relaxed) == 0;
        if is_free {
            self.reading.swap(address, Ordering::SeqCst);
        }
        is_free
    }

    #[inline]
    pub(super) fn leave(&self) {
        self.reading.store(0, Ordering::Release);
    }

    /// Waits until no thread reads what is at `address`. It is a matter of nanoseconds, unless a
    /// thread was interrupted.
    pub(super) fn wait_while_any_reads(address: usize) {
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

/// Notes that the current thread holds the lock at `address`, and returns the one noted before.
#[inline]
pub(super) fn replace_innermost_held(address: usize) -> usize {
    HELD.try_with(|held| held.replace(address)).unwrap_or(0)
}

/// Whether the current thread reads what is at `address` by its seat.
#[inline]
pub(super) fn reads_through_its_slot(address: usize) -> bool {
    let number = NUMBER.try_with(Cell::get).unwrap_or(NONE);
    let slot = TABLE.slots.get(number);
    slot.is_some_and(|slot| slot.0.reading.load(Ordering::Relaxed) == address)
}

/// The number of the current thread's seat: no other thread that runs has the same.
#[inline]
pub(crate) fn slot_number() -> Option<usize> {
    let number = NUMBER.try_with(Cell::get).unwrap_or(NONE);
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
    let number = SLOT_GUARD.try_with(|tenure| Some(tenure.0.as_ref()?.0));
    number.ok().flatten()
}

/// The time for which a thread has its seat.
#[derive(Debug)]
struct SlotGuard(Option<(usize, &'static ReaderSlot)>);

impl SlotGuard {
    fn acquire() -> Self {
        let mut slots = TABLE.slots.iter().map(|slot| &slot.0).enumerate();
        let taken = slots.find(|(_, slot)| !slot.is_taken.swap(true, Ordering::AcqRel));
        if let Some((number, _)) = taken {
            // Before anything is read by this seat.
            TABLE.in_use.fetch_max(number + 1, Ordering::SeqCst);
        }
        let number = taken.map_or(NONE, |(number, _)| number);
        NUMBER.with(|known| known.set(number));
        Self(taken)
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        // What else is dropped with the thread may read caches too. Where the number is dropped as
        // well, that is noticed.
        let _ = NUMBER.try_with(|known| known.set(NONE));
        if let Some((_, slot)) = self.0 {
            slot.is_taken.store(false, Ordering::Release);
        }
    }
}
