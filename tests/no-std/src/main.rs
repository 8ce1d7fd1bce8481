//! A bare program that uses the cache, with an allocator and a panic handler of its own.
//!
//! If a dependency linked `std`, there would be two panic handlers, and the program would not link.
//! It returns 0 if its own checks pass.

#![no_std]
#![no_main]

extern crate alloc;

mod platform;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use cache_core::machine::{Capacity, Effects, Engine, Entry, Instant, Settings};
use cache_core::runtime::{self, CurrentThread, NoTimer, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock};
use cache_core::{BatchWindow, Cache, Ttl};

/// The smallest runtime: a clock that is set by hand, no spawner and no timer.
#[derive(Default)]
struct Bare {
    now: Cell<u64>,
    context: runtime::Context,
}

impl Runtime for Bare {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = NoTimer;

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    fn timer(&self) -> Option<NoTimer> {
        None
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        Err(task)
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        f(&self.context)
    }
}

/// Polls `future` until it is ready. A few polls must be enough, or the future hangs.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the future hangs");
}

fn the_engine_alone() {
    let mut engine: Engine<u32, u32> = Engine::new(Settings::default(), Capacity::new(2));
    let (mut fx, now) = (Effects::new(), Instant::ORIGIN);
    for key in 0..3 {
        let entry = Entry::new(key, key * 10).ttl(Ttl::After(Duration::from_secs(1)));
        assert!(engine.insert(key, entry, now, &mut fx).is_ok());
    }
    assert_eq!(engine.entry_count(), 2);
    assert_eq!(engine.get(2, &2, || now), Some(&20));
    assert!(engine.purge_expired(now.after(Duration::from_secs(2)), 100, &mut fx));
    assert_eq!(engine.entry_count(), 0);
}

fn the_whole_cache() {
    let cache: Cache<u32, String, Bare> = Cache::builder_on(Bare::default())
        .hash_seed(7)
        .max_capacity(100)
        .time_to_live(Duration::from_secs(1))
        .build();
    let load = || async { String::from("one") };
    assert_eq!(run(cache.get_with(1, load)), "one");
    assert_eq!(cache.get(&1).as_deref(), Some("one"));
    cache.runtime().now.set(1_000_000_000);
    assert_eq!(cache.get(&1), None);
    assert!(
        Cache::<u32, u32, Bare>::builder_on(Bare::default())
            .try_build()
            .is_err()
    );

    let batches = cache
        .batching_builder(|keys: Vec<u32>| async move {
            keys.iter()
                .map(|_| String::from("many"))
                .collect::<Vec<_>>()
        })
        .batch_window(BatchWindow::Yield(1))
        .build();
    let found = run(batches.get_all([1, 2, 3]));
    assert_eq!(found.len(), 3);
    assert_eq!(cache.stats().batches, 1);
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    the_engine_alone();
    the_whole_cache();
    0
}
