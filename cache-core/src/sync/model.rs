//! The biased lock and the thread slots under loom: every interleaving of a few threads, and every
//! memory ordering that the standard allows.
//!
//! ```text
//! RUSTFLAGS="--cfg cache_loom" cargo test --release -p cache-core --lib sync::model
//! ```

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::{RwLock, StdRwLock};
use crate::stats::Requests;

/// A lock around two numbers that are equal whenever no writer is inside.
type Pair = Arc<StdRwLock<(u32, u32)>>;

/// Runs `body` in a spawned thread of each model: in loom, the first thread cannot give its slot
/// back.
fn check(preemptions: usize, body: fn(&Pair)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let pair = Arc::new(StdRwLock::new((0, 0)));
        run(&pair, move |pair| {
            // This read makes the lock biased.
            read(pair);
            body(pair);
        });
    });
}

fn run(pair: &Pair, body: impl FnOnce(&Pair) + 'static) {
    start(pair, body).join().expect("no panic");
}

fn start(pair: &Pair, body: impl FnOnce(&Pair) + 'static) -> JoinHandle<()> {
    let pair = Arc::clone(pair);
    thread::spawn(move || body(&pair))
}

fn read(pair: &Pair) -> u32 {
    pair.read(|(one, other)| {
        assert_eq!(one, other, "a write is seen whole or not at all");
        *one
    })
}

fn write(pair: &Pair) {
    pair.write(|(one, other)| {
        *one += 1;
        *other += 1;
    });
}

#[test]
fn a_writer_waits_for_readers_in_slots_and_readers_wait_for_the_writer() {
    check(4, |pair| {
        let writer = start(pair, write);
        let (first, second) = (read(pair), read(pair));
        assert!(first <= second, "a later read does not see an older value");
        writer.join().expect("no panic");
        assert_eq!(read(pair), 1, "no write is lost");
    });
}

#[test]
fn the_bias_can_return_between_two_writes() {
    check(3, |pair| {
        let writer = start(pair, |pair| {
            write(pair);
            read(pair);
        });
        write(pair);
        read(pair);
        writer.join().expect("no panic");
        assert_eq!(read(pair), 2, "no write is lost");
    });
}

#[test]
fn a_thread_can_reuse_the_slot_of_one_that_ended() {
    check(2, |pair| {
        let writer = start(pair, write);
        for _ in 0..2 {
            run(pair, |pair| {
                read(pair);
            });
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn a_reader_in_a_slot_sees_writes_from_before_another_thread_restored_the_bias() {
    check(3, |pair| {
        let writer = start(pair, write);
        let reader = start(pair, |pair| {
            read(pair);
        });
        read(pair);
        writer.join().expect("no panic");
        reader.join().expect("no panic");
        assert_eq!(read(pair), 1, "no write is lost");
    });
}

#[test]
fn a_reader_that_keeps_its_slot_sees_every_write_after_the_bias_returns() {
    check(3, |pair| {
        let other = start(pair, |pair| {
            write(pair);
            // This read makes the lock biased again.
            read(pair);
        });
        let seen = [read(pair), read(pair), read(pair)];
        assert!(seen.is_sorted(), "a later read does not see an older value");
        other.join().expect("no panic");
    });
}

#[test]
fn a_counter_of_a_slot_keeps_the_counts_of_threads_that_ended() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let requests = Arc::new(Requests::for_threads(1));
        let counting = || {
            let requests = Arc::clone(&requests);
            thread::spawn(move || requests.count(true))
        };
        // Not joined in between: only the slot orders the second thread after the first.
        let threads = [counting(), counting(), counting()];
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(requests.hits(), 3, "no count is lost");
    });
}
