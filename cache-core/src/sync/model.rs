//! The biased lock under a model checker, which goes through every interleaving, and every order of
//! memory that the standard allows, of a few threads:
//! `RUSTFLAGS="--cfg cache_loom" cargo test --release -p cache-core --lib sync::model`.

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::{Lock, OsLock};

/// A lock around two numbers that no writer leaves different.
type Twins = Arc<OsLock<(u32, u32)>>;

/// Runs `body` in a thread of each model: the first one has no seat to leave in loom.
fn check(preemptions: usize, body: fn(&Twins)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let twins = Arc::new(OsLock::new((0, 0)));
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
