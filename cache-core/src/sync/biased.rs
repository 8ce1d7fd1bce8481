//! A readers-writer lock whose readers do not write to the same memory.
//!
//! A reader of an ordinary readers-writer lock counts itself in the lock's own word, so every read
//! takes the word's cache line away from the other cores. Here a lock that is mostly read is
//! *biased*: a reader writes the lock's address to a seat that is its thread's own, and
//! looks whether the bias still holds; a writer takes the bias away and looks through the seats of
//! all threads until nobody reads any more. That is BRAVO (Dice and Kogan, "BRAVO: Biased Locking for
//! Reader-Writer Locks", USENIX ATC 2019), with two differences: a thread has one seat
//! instead of a hash of threads and locks, so that leaving it is a plain store; and a bias
//! comes back after a number of reads that no write interrupted instead of after a time.
//!
//! It is the only room with `unsafe` code. The model checker goes through its interleavings:
//! `cache-core/src/sync/model.rs`.

use core::fmt;
use core::panic::RefUnwindSafe;
use core::ptr;
use std::sync::PoisonError;

use super::primitives::{
    AtomicBool, AtomicU32, Ordering, RwLock as StdLock, RwLockReadGuard, UnsafeCell,
};
use super::thread_slots::{ReaderSlot, reads_through_its_slot, replace_innermost_held};
use super::{RwLock, used_from_inside};

/// A [`RwLock`] of the operating system, biased towards readers. A panic inside does not poison it:
/// the engine keeps its invariants through panics in user code, and a cache must stay usable after
/// one.
///
/// A read costs one atomic exchange on memory of the thread's own as long as nobody writes.
// The lock beside that part of an engine which changes by each write.
#[repr(C)]
pub struct StdRwLock<T> {
    lock: StdLock<()>,
    bias: Bias,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through `read`, by several threads at the same time, and `write`, by
// one at a time, on whatever thread: what `std::sync::StdLock` asks of its value.
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

    // Part of a hit: one that several methods call would not be inlined.
    #[inline(always)]
    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        let reading = self.bias.read();
        let _shared = reading.is_none().then(|| self.lock_shared());
        // SAFETY: as long as `reading` lives, a writer that comes waits in `Bias::revoke`; where
        // there is none, the lock is held, and writers hold it exclusively. Both are dropped after
        // the reference is gone. In one place, or `f` would not be inlined.
        self.value.with(|value| f(unsafe { &*value }))
    }

    #[inline]
    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        let _held = ReentryGuard::new(self.bias.address());
        let _exclusive = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        self.bias.revoke();
        // SAFETY: the lock is held exclusively, so there is no other writer and no reader in the
        // lock; there is no reader in a seat, and none can come to sit before the bias is back, for
        // which the lock must be held.
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }
}

impl<T> StdRwLock<T> {
    fn lock_shared(&self) -> (RwLockReadGuard<'_, ()>, ReentryGuard) {
        let held = ReentryGuard::new(self.bias.address());
        let shared = self.lock.read().unwrap_or_else(PoisonError::into_inner);
        self.bias.note_read();
        (shared, held)
    }
}

impl<T> fmt::Debug for StdRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdRwLock").finish_non_exhaustive()
    }
}

/// The current thread holds a lock, or waits for it, until this is dropped. Readers by a seat do
/// without.
struct ReentryGuard {
    /// The lock that the thread holds already, by its address; 0 if none.
    outer: usize,
}

impl ReentryGuard {
    /// # Panics
    /// If the thread holds the lock at `address` already, as the innermost one or by its seat: it
    /// would wait for itself.
    #[inline]
    fn new(address: usize) -> Self {
        let outer = replace_innermost_held(address);
        let held = Self { outer };
        if outer == address || reads_through_its_slot(address) {
            used_from_inside();
        }
        held
    }
}

impl Drop for ReentryGuard {
    #[inline]
    fn drop(&mut self) {
        replace_innermost_held(self.outer);
    }
}

/// Whether readers may come by their seats alone.
struct Bias {
    holds: AtomicBool,
    /// Reads since the last write, as long as there is no bias. Some may go uncounted.
    reads: AtomicU32,
}

impl Bias {
    /// After so many reads without a write the bias is back: enough to pay for taking it away.
    const READS: u32 = if cfg!(cache_loom) { 0 } else { 64 };

    fn new() -> Self {
        Self {
            holds: AtomicBool::new(false),
            reads: AtomicU32::new(0),
        }
    }

    /// A read by the thread's seat, if there is a bias and a seat that is free.
    #[inline]
    fn read(&self) -> Option<Reading> {
        if !self.holds.load(Ordering::Relaxed) {
            return None;
        }
        let slot = ReaderSlot::of_this_thread()?;
        // This exchange and the load after it, and those of `revoke`: either the bias is seen to be
        // gone here, or the seat is seen to be taken there.
        if !slot.enter(self.address()) {
            // This thread is reading already: the equality of keys or a clone has come here.
            return None;
        }
        let reading = Reading(slot);
        self.holds.load(Ordering::SeqCst).then_some(reading)
    }

    /// Notes a read under the lock.
    fn note_read(&self) {
        let reads = self.reads.load(Ordering::Relaxed);
        if reads < Self::READS {
            self.reads.store(reads + 1, Ordering::Relaxed);
        } else {
            // What was written before the lock was taken here is seen by whoever sees this.
            self.holds.store(true, Ordering::Release);
        }
    }

    /// Takes the bias away, and waits until nobody reads by a seat any more. To be called with the
    /// lock held exclusively.
    #[inline]
    fn revoke(&self) {
        if self.holds.load(Ordering::Relaxed) {
            self.holds.swap(false, Ordering::SeqCst);
            ReaderSlot::wait_while_any_reads(self.address());
        }
        self.reads.store(0, Ordering::Relaxed);
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}

/// A read by a seat, until it is dropped.
struct Reading(&'static ReaderSlot);

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}
