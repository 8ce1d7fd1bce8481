//! Threads that take turns: one operation of each, in a fixed order.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};

use tokio::runtime::Runtime;

use crate::marks::Mark;
use crate::subjects::{Call, Phase};
use crate::system;

/// The turns that the threads take in each phase, first to warm up and then to be counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) warm_up: u64,
    pub(crate) measured: u64,
}

impl Lengths {
    /// As many calls as there are `entries`, of all threads together, but at least 16 of each. The
    /// least makes every thread call the operation in which `mixed` differs.
    pub(crate) fn of(entries: u64, threads: u8) -> Self {
        let turns = (entries / u64::from(threads)).max(16);
        Self {
            warm_up: turns,
            measured: turns,
        }
    }
}

/// The time in which each thread has one turn, in nanoseconds.
const ROUND: i64 = 100;

/// The thread whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    next: AtomicUsize,
    threads: OnceLock<Vec<Thread>>,
}

impl Turns {
    fn wait_for(&self, thread: usize) {
        while self.next.load(Ordering::Acquire) != thread {
            thread::park();
        }
    }

    fn pass_on(&self) {
        let threads = self.threads.get().expect("set before the first turn");
        let next = (self.next.load(Ordering::Relaxed) + 1) % threads.len();
        self.next.store(next, Ordering::Release);
        threads[next].unpark();
    }
}

/// Runs all `phases` on `count` threads, which write marks around their operations.
pub(crate) fn run(count: usize, phases: &[Phase], lengths: Lengths, runtime: &Runtime) {
    // No thread has the first turn until all are known.
    let turns = Turns::default();
    turns.next.store(count, Ordering::Relaxed);
    let turns = &turns;
    thread::scope(|scope| {
        let spawn = |thread| {
            let worker = scope.spawn(move || work(thread, count, phases, lengths, turns, runtime));
            worker.thread().clone()
        };
        let threads = turns
            .threads
            .get_or_init(|| (0..count).map(spawn).collect());
        turns.next.store(0, Ordering::Release);
        threads[0].unpark();
    });
}

fn work(
    thread: usize,
    count: usize,
    phases: &[Phase],
    lengths: Lengths,
    turns: &Turns,
    runtime: &Runtime,
) {
    let _entered = runtime.enter();
    let mut random = Random::of(thread);
    let mut new_keys = (1_000_000 + thread as u64..).step_by(count);
    for (number, phase) in (0..).zip(phases) {
        for turn in 0..lengths.warm_up + lengths.measured {
            let warms_up = turn < lengths.warm_up;
            let call = Call {
                // The threads together read each popular key while they warm up.
                popular: phase.popular(if warms_up {
                    turn * count as u64 + thread as u64
                } else {
                    random.next()
                }),
                new_key: new_keys.next().expect("an infinite range"),
                turn,
                thread,
            };
            let operation = phase.operation();
            turns.wait_for(thread);
            if thread == 0 {
                system::advance(ROUND);
            }
            if thread == 0 && turn == 0 {
                Mark::WarmUp(number).write();
            }
            if thread == 0 && turn == lengths.warm_up {
                Mark::Measured(number).write();
            }
            Mark::Begin(u8::try_from(thread).expect("at most 64 threads")).write();
            operation(call);
            Mark::End.write();
            turns.pass_on();
        }
    }
}

/// A generator of the same numbers on each run (xorshift).
#[derive(Debug)]
struct Random(u64);

impl Random {
    const fn of(thread: usize) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (thread as u64 + 1))
    }

    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }
}
