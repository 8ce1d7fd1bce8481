//! The cache under frequent interrupts. They occur at any instruction of the tasks' calls, read,
//! write and invalidate, and wake the janitor.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use board::hprintln;
use cache_embassy::{BatchWindow, Cache, RemovalCause, Runner, Ttl, runner};
use embassy_executor::{Executor, Spawner};
use embassy_sync::once_lock::OnceLock;
use embassy_time::Timer;

/// The keys that all tasks and the interrupt use. The capacity is less than half of them.
const KEYS: u32 = 20;
const CAPACITY: u64 = 8;

/// The number of interrupts before the test ends.
const INTERRUPTS: u32 = 5_000;

static CACHE: OnceLock<Cache<u32, u32>> = OnceLock::new();

/// The number of interrupts so far, and of calls that tasks have made.
static INTERRUPTS_SO_FAR: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);

/// The number of tasks that have ended.
static DONE: AtomicU32 = AtomicU32::new(0);

fn is_over() -> bool {
    INTERRUPTS_SO_FAR.load(Ordering::Relaxed) >= INTERRUPTS
}

fn count(counter: &AtomicU32) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A value that encodes its key.
const fn value(key: u32, number: u32) -> u32 {
    number * KEYS + key
}

fn check(key: u32, value: u32) {
    assert_eq!(value % KEYS, key, "the value of another key");
}

fn interrupt(_: u64) {
    let number = INTERRUPTS_SO_FAR.load(Ordering::Relaxed);
    count(&INTERRUPTS_SO_FAR);
    let Some(cache) = CACHE.try_get() else { return };
    let key = number * 7 % KEYS;
    match number % 6 {
        0 => cache.insert(key, value(key, number)),
        1 => cache.insert_with_ttl(
            key,
            value(key, number),
            Ttl::After(Duration::from_millis(3)),
        ),
        2 => cache.invalidate(&key),
        3 => drop(cache.remove(&key)),
        4 => drop(cache.set_ttl(&key, Ttl::After(Duration::from_millis(1)))),
        _ => drop(cache.get(&key).map(|value| check(key, value))),
    }
}

#[embassy_executor::task]
async fn cache_runner(runner: Runner) {
    runner.run().await;
}

#[embassy_executor::task(pool_size = 2)]
async fn loads(cache: Cache<u32, u32>, stride: u32) {
    for number in (0..).take_while(|_| !is_over()) {
        let key = number * stride % KEYS;
        let loader = || async move {
            if number % 3 == 0 {
                Timer::after_ticks(1).await;
            }
            value(key, number)
        };
        check(key, cache.get_with(key, loader).await);
        count(&CALLS);
        if number % 16 == 0 {
            Timer::after_ticks(1).await;
        }
    }
    count(&DONE);
}

#[embassy_executor::task]
async fn batches(cache: Cache<u32, u32>) {
    let view = cache
        .batching_builder(|keys: Vec<u32>| async move {
            Timer::after_ticks(2).await;
            keys.into_iter()
                .map(|key| value(key, 1))
                .collect::<Vec<_>>()
        })
        .batch_window(BatchWindow::Fixed(Duration::from_millis(1)))
        .build();
    for number in (0..).take_while(|_| !is_over()) {
        let keys = [number % KEYS, (number + 5) % KEYS, (number + 9) % KEYS];
        for (key, loaded) in keys.into_iter().zip(view.get_all(keys).await) {
            let loaded = loaded.expect("the loader works");
            check(key, loaded.expect("there is a value"));
        }
    }
    count(&DONE);
}

#[embassy_executor::task]
async fn main_task(spawner: Spawner) {
    let cache: Cache<u32, u32> = Cache::builder()
        .hash_seed(1)
        .max_capacity(CAPACITY)
        .time_to_live(Duration::from_millis(20))
        .janitor(true)
        .build();
    spawner.spawn(cache_runner(runner(cache.runtime())).unwrap());
    assert!(CACHE.init(cache.clone()).is_ok(), "once");
    board::on_tick_about_every(5_000, interrupt);
    spawner.spawn(loads(cache.clone(), 3).unwrap());
    spawner.spawn(loads(cache.clone(), 11).unwrap());
    spawner.spawn(batches(cache.clone()).unwrap());
    while DONE.load(Ordering::Relaxed) < 3 {
        Timer::after_ticks(10).await;
        assert!(cache.entry_count() <= CAPACITY);
    }
    board::on_tick(|_| ());
    assert_counters_agree(&cache);
    board::exit(true)
}

/// Every inserted entry is present or was removed, and every load has ended.
fn assert_counters_agree(cache: &Cache<u32, u32>) {
    let stats = cache.stats();
    let removed = RemovalCause::ALL.map(|cause| stats.removals(cause));
    let left: u64 = removed.iter().sum();
    assert_eq!(stats.insertions, cache.entry_count() + left, "{stats:?}");
    let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
    assert_eq!(stats.loads, ended + cache.flight_count(), "{stats:?}");
    assert_eq!(stats.load_failures, 0, "{stats:?}");
    assert!(
        stats.removals(RemovalCause::Expired) > 0 && stats.coalesced > 0,
        "{stats:?}"
    );
    hprintln!(
        "{} interrupts during {} loads and {} batches",
        INTERRUPTS_SO_FAR.load(Ordering::Relaxed),
        CALLS.load(Ordering::Relaxed),
        stats.batches
    );
}

#[board::entry]
fn main() -> ! {
    static mut EXECUTOR: Option<Executor> = None;
    board::init();
    let executor = EXECUTOR.insert(Executor::new());
    executor.run(|spawner| spawner.spawn(main_task(spawner).unwrap()));
}
