//! A readers-writer lock whose readers do not write to the same memory.
//!
//! A reader of an ordinary readers-writer lock counts itself in the lock's own word, so every read
//! takes the word's cache line away from the other cores. Here a lock that is mostly read is
//! *biased*: a reader writes the lock's address to a slot of its own thread and checks that the
//! bias still holds; a writer revokes the bias and waits until no thread's slot has the lock's
//! address. That is BRAVO (Dice and Kogan, "BRAVO: Biased Locking for Reader-Writer Locks", USENIX
//! ATC 2019), with two differences: a thread has one slot instead of a hash of threads and locks,
//! so that leaving it is a plain store; and the bias returns after a number of reads that no write
//! interrupted instead of after a time.
//!
//! | state    | `holds` | a reader                        | a writer                          |
//! |----------|---------|---------------------------------|-----------------------------------|
//! | biased   | `true`  | enters its slot, checks `holds` | takes the lock, revokes the bias  |
//! | revoking | `false` | takes the lock, and waits there | waits until no slot has the lock  |
//! | unbiased | `false` | takes the lock, counts the read | takes the lock, resets the count  |
//!
//! - biased to revoking: a writer that holds the lock swaps `holds` to `false`.
//! - revoking to unbiased: no slot has the address of the lock any more; the writer writes.
//! - unbiased to biased: [`Bias::READS`] reads have passed under the lock since the last write, and
//!   the reader that holds the lock sets `holds`.
//!
//! Two orderings make it correct:
//!
//! 1. A reader writes its slot and then reads `holds`; a writer writes `holds` and then reads the
//!    slots. All four accesses are sequentially consistent, so at least one side sees the other's
//!    write: the reader takes the lock instead, or the writer waits for the reader. A reader leaves
//!    its slot by a release store, which the writer's read of the slot acquires: the read is over
//!    before the write begins.
//! 2. The reader that sets `holds` does so by a release store with the lock held, and a reader that
//!    sees `holds` in ordering 1 acquires it: so that reader sees every write made before.
//!
//! This is the only module with `unsafe` code. Loom checks its interleavings and orderings:
//! `cache-core/src/sync/model.rs`.

use core::fmt;
use core::panic::RefUnwindSafe;
use core::ptr;
use std::sync::PoisonError;

use super::primitives::{
    AtomicBool, AtomicU32, Ordering, RwLock as StdLock, RwLockReadGuard, UnsafeCell,
};
use super::thread_slots::{ReaderSlot, set_innermost_lock, thread_reads};
use super::{RwLock, used_from_inside};

/// A [`RwLock`] of the standard library, biased towards readers.
///
/// As long as no thread writes, a read costs one atomic exchange on memory of the reading thread. A
/// panic inside does not poison the lock: the engine keeps its invariants when user code panics,
/// and the cache stays usable.
// In this order, the lock and the bias are beside the part of the engine that each write changes.
#[repr(C)]
pub struct StdRwLock<T> {
    lock: StdLock<()>,
    bias: Bias,
    value: UnsafeCell<T>,
}

// SAFETY: `read` gives shared access to several threads at the same time, and `write` gives
// exclusive access to one thread at a time. So the bounds are those of `std::sync::RwLock`: `Sync`
// for the first, `Send` for the second.
unsafe impl<T: Send + Sync> Sync for StdRwLock<T> {}

impl<T> RefUnwindSafe for StdRwLock<T> {}

impl<T> RwLock<T> for StdRwLock<T> {
    fn new(value: T) -> Self {
        Self {
            lock: StdLock::new(()),
            bias: Bias::new(),
            value: UnsafeCell::new(value),
        }
    }

    // Part of a hit. A function with several callers would not be inlined.
    #[inline(always)]
    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        let _held = match self.bias.read() {
            Some(reading) => Held::BySlot(reading),
            None => self.lock_shared(),
        };
        // SAFETY: as long as a `Reading` lives, a writer waits in `Bias::revoke`; otherwise the
        // lock is held shared, and writers hold it exclusively. `_held` is dropped after the
        // reference is gone. One call of `f` for both cases: with two, the compiler would not
        // inline it.
        self.value.with(|value| f(unsafe { &*value }))
    }

    #[inline]
    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        let _held = ReentryGuard::new(self.bias.address());
        let _exclusive = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        self.bias.revoke();
        // SAFETY: the lock is held exclusively, so there is no other writer and no reader that
        // holds the lock. `revoke` has waited for the readers in slots, and no reader can enter by
        // its slot before the bias is back, which takes the lock.
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }
}

impl<T> StdRwLock<T> {
    fn lock_shared(&self) -> Held<'_> {
        let held = ReentryGuard::new(self.bias.address());
        let shared = self.lock.read().unwrap_or_else(PoisonError::into_inner);
        self.bias.note_read();
        Held::ByLock(shared, held)
    }
}

/// What keeps writers out during a read, until it is dropped.
enum Held<'a> {
    BySlot(#[expect(dead_code, reason = "held for its drop")] Reading),
    ByLock(
        #[expect(dead_code, reason = "held for its drop")] RwLockReadGuard<'a, ()>,
        #[expect(dead_code, reason = "held for its drop")] ReentryGuard,
    ),
}

impl<T> fmt::Debug for StdRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdRwLock").finish_non_exhaustive()
    }
}

/// Marks a lock as held or awaited by the current thread until it is dropped. A reader by its slot
/// needs no such mark.
struct ReentryGuard {
    /// The address of the lock that the thread held before; 0 if none.
    outer: usize,
}

impl ReentryGuard {
    /// # Panics
    /// If the thread already holds the lock at `address`, as its innermost lock or by its slot: it
    /// would deadlock with itself.
    #[inline]
    fn new(address: usize) -> Self {
        let outer = set_innermost_lock(address);
        let held = Self { outer };
        if outer == address || thread_reads(address) {
            used_from_inside();
        }
        held
    }
}

impl Drop for ReentryGuard {
    #[inline]
    fn drop(&mut self) {
        set_innermost_lock(self.outer);
    }
}

/// Whether readers may enter by their slots alone: see the table at the top.
struct Bias {
    holds: AtomicBool,
    /// Reads since the last write, while the lock is unbiased. Concurrent reads may count as one.
    reads: AtomicU32,
}

impl Bias {
    /// The bias returns after this many reads without a write: enough to outweigh its revocation.
    const READS: u32 = if cfg!(cache_loom) { 0 } else { 64 };

    fn new() -> Self {
        Self {
            holds: AtomicBool::new(false),
            reads: AtomicU32::new(0),
        }
    }

    /// Enters the slot of the current thread, if the lock is biased and the slot is free.
    #[inline]
    fn read(&self) -> Option<Reading> {
        if !self.holds.load(Ordering::Relaxed) {
            return None;
        }
        let slot = ReaderSlot::of_this_thread()?;
        // Must come before the load below: either that load sees a revocation, or the writer in
        // `revoke` sees this slot.
        if !slot.enter(self.address()) {
            // The thread is inside another read: the equality or the clone of a key or value has
            // called a cache.
            return None;
        }
        // Leaves the slot again if the bias is gone.
        let reading = Reading(slot);
        self.holds.load(Ordering::SeqCst).then_some(reading)
    }

    /// Counts a read under the lock, and makes the lock biased if it was the last one needed.
    fn note_read(&self) {
        let reads = self.reads.load(Ordering::Relaxed);
        if reads < Self::READS {
            self.reads.store(reads + 1, Ordering::Relaxed);
        } else {
            // Release: a reader that sees the bias also sees every write made under the lock so
            // far.
            self.holds.store(true, Ordering::Release);
        }
    }

    /// Revokes the bias and waits until no thread reads by its slot. The caller holds the lock
    /// exclusively.
    #[inline]
    fn revoke(&self) {
        if self.holds.load(Ordering::Relaxed) {
            // Must come before the loads of the slots: see `read`.
            self.holds.swap(false, Ordering::SeqCst);
            ReaderSlot::wait_for_readers(self.address());
        }
        self.reads.store(0, Ordering::Relaxed);
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}

/// A read by a slot, until it is dropped.
struct Reading(&'static ReaderSlot);

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}
