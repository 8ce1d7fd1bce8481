//! The shipped biased lock on real threads. A model checker knows the memory orderings of the
//! standard, and this test those of the processor. It needs a release build, in which the accesses
//! are close together: `cargo test --release -p cache-core --test torn_reads`.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cache_core::sync::{RwLock, StdRwLock};

/// So long that a read during a write sees a part of it.
type Copies = [u64; 64];

const READERS: usize = 2;

/// The reads after a write until the lock is biased again, and a margin.
const READS: usize = 200;

/// A read that saw a part of a write.
fn is_torn(copies: &Copies) -> bool {
    let copies = black_box(copies);
    copies.iter().any(|copy| copy != &copies[0])
}

#[test]
fn no_reader_sees_a_partial_write() {
    let lock = StdRwLock::new([0; 64]);
    let (reads, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (torn, writes) = thread::scope(|scope| {
        let reader = || {
            let mut torn = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                for _ in 0..READS {
                    torn += u64::from(lock.read(is_torn));
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
            torn
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        let end = Instant::now() + Duration::from_millis(1_500);
        let mut writes = 0_u64;
        while Instant::now() < end {
            // Until the readers have biased the lock again.
            let seen = reads.load(Ordering::Relaxed);
            while reads.load(Ordering::Relaxed) == seen && Instant::now() < end {
                spin_loop();
            }
            writes += 1;
            lock.write(|copies| {
                for copy in copies {
                    *black_box(copy) = writes;
                }
            });
        }
        is_over.store(true, Ordering::Relaxed);
        let torn = readers
            .into_iter()
            .map(|reader| reader.join().expect("no panic"));
        (torn.sum::<u64>(), writes)
    });
    assert_eq!(torn, 0, "of the reads during {writes} writes");
    assert!(
        lock.read(|copies| copies == &[writes; 64]),
        "nothing is lost"
    );
}
