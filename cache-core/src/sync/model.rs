//! The biased lock and the seats of threads under a model checker, which goes through every interleaving, and every order of
//! memory that the standard allows, of a few threads:
//! `RUSTFLAGS="--cfg cache_loom" cargo test --release -p cache-core --lib sync::model`.

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::{RwLock, StdRwLock};
use crate::stats::Requests;

/// A lock around two numbers that no writer leaves different.
type Twins = Arc<StdRwLock<(u32, u32)>>;

/// Runs `body` in a thread of each model: the first one has no seat to leave in loom.
fn check(preemptions: usize, body: fn(&Twins)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let twins = Arc::new(StdRwLock::new((0, 0)));
        run(&twins, move |twins| {
            // With this the lock is biased.
            read(twins);
            body(twins);
        });
    });
}

fn run(twins: &Twins, body: impl FnOnce(&Twins) + 'static) {
    start(twins, body).join().expect("no panic");
}

fn start(twins: &Twins, body: impl FnOnce(&Twins) + 'static) -> JoinHandle<()> {
    let twins = Arc::clone(twins);
    thread::spawn(move || body(&twins))
}

fn read(twins: &Twins) -> u32 {
    twins.read(|(one, other)| {
        assert_eq!(one, other, "a write is seen whole or not at all");
        *one
    })
}

fn write(twins: &Twins) {
    twins.write(|(one, other)| {
        *one += 1;
        *other += 1;
    });
}

#[test]
fn a_writer_waits_for_readers_in_their_seats_and_readers_for_the_writer() {
    check(4, |twins| {
        let writer = start(twins, write);
        let (first, second) = (read(twins), read(twins));
        assert!(first <= second, "time does not run backwards");
        writer.join().expect("no panic");
        assert_eq!(read(twins), 1, "nothing is lost");
    });
}

#[test]
fn readers_bring_the_bias_back_between_two_writers() {
    check(3, |twins| {
        let writer = start(twins, |twins| {
            write(twins);
            read(twins);
        });
        write(twins);
        read(twins);
        writer.join().expect("no panic");
        assert_eq!(read(twins), 2, "nothing is lost");
    });
}

#[test]
fn a_seat_goes_from_one_thread_to_the_next() {
    check(2, |twins| {
        let writer = start(twins, write);
        for _ in 0..2 {
            run(twins, |twins| {
                read(twins);
            });
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn a_reader_by_its_seat_sees_what_was_written_before_another_thread_brought_the_bias_back() {
    check(3, |twins| {
        let writer = start(twins, write);
        let reader = start(twins, |twins| {
            read(twins);
        });
        read(twins);
        writer.join().expect("no panic");
        reader.join().expect("no panic");
        assert_eq!(read(twins), 1, "nothing is lost");
    });
}

#[test]
fn a_reader_who_keeps_its_seat_sees_every_write_once_the_bias_is_back() {
    check(3, |twins| {
        let other = start(twins, |twins| {
            write(twins);
            // With this the lock is biased again.
            read(twins);
        });
        let seen = [read(twins), read(twins), read(twins)];
        assert!(seen.is_sorted(), "time does not run backwards");
        other.join().expect("no panic");
    });
}

#[test]
fn a_count_goes_with_the_seat_from_one_thread_to_the_next() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let requests = Arc::new(Requests::for_threads(1));
        let counting = || {
            let requests = Arc::clone(&requests);
            thread::spawn(move || requests.count(true))
        };
        // Not joined in between: only the seat orders the second thread after the first.
        let threads = [counting(), counting(), counting()];
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(requests.hits(), 3, "nothing is lost");
    });
}
