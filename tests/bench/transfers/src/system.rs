//! What the traced process sees of its system: as many processors as there are threads, and a clock
//! that advances with the turns, not with the time that valgrind takes. So each run of a program is
//! the same.
//!
//! The functions here replace those of the C library in the whole program, but not in its tests.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;

static PROCESSORS: AtomicUsize = AtomicUsize::new(1);

/// In nanoseconds since an hour before the process began.
static NOW: AtomicI64 = AtomicI64::new(3_600 * SECOND);

const SECOND: i64 = 1_000_000_000;

/// Makes the standard library report `count` processors, from which caches choose how many shards
/// and counters they have.
pub(crate) fn pretend_processors(count: usize) {
    PROCESSORS.store(count, Ordering::Relaxed);
    let seen = thread::available_parallelism().map_or(0, usize::from);
    assert_eq!(seen, count, "a limit of the control group hides processors");
}

/// Advances the clock.
pub(crate) fn advance(nanos: i64) {
    NOW.fetch_add(nanos, Ordering::Relaxed);
}

/// Replaces the function of the C library by which the standard library counts processors: a bit of
/// `mask` is set for each.
#[cfg(not(test))]
#[expect(unsafe_code, reason = "the symbol replaces one of the C library")]
#[unsafe(no_mangle)]
extern "C" fn sched_getaffinity(_process: i32, _size: usize, mask: &mut [u8; 128]) -> i32 {
    let count = PROCESSORS.load(Ordering::Relaxed);
    mask.fill(0);
    for processor in 0..count {
        mask[processor / 8] |= 1 << (processor % 8);
    }
    0
}

/// Replaces the clock of the C library: `time` is seconds and nanoseconds.
#[cfg(not(test))]
#[expect(unsafe_code, reason = "the symbol replaces one of the C library")]
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(_clock: i32, time: &mut [i64; 2]) -> i32 {
    let now = NOW.load(Ordering::Relaxed);
    *time = [now / SECOND, now % SECOND];
    0
}
