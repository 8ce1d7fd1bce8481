//! A cache of sensor registers, read by three tasks over a slow bus.
//!
//! Each task reads registers as if it were alone. The cache makes one transfer of all registers
//! that are requested within two milliseconds, shares the values, and keeps them until the sensor's
//! interrupt announces a new measurement. The program checks its own figures and exits with 0 or 1.

#![no_std]
#![no_main]

extern crate alloc;

mod bus;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use board::{heap, hprintln};
use cache_embassy::{BatchLoader, BatchWindow, Cache, Runner, runner};
use embassy_executor::{Executor, Spawner};
use embassy_sync::once_lock::OnceLock;
use embassy_time::{Instant, Ticker, Timer};

/// The duration of the program in milliseconds.
const RUN_MS: u64 = 1_000;

/// The interval of measurements in milliseconds.
const MEASURES_EVERY_MS: u64 = 100;

/// The register that changes with every measurement, and the registers that change slowly.
const FAST: u8 = 0x10;
const SLOW: core::ops::Range<u8> = 0x11..0x18;

type Registers = BatchLoader<u8, u32>;

/// A static, so that the interrupt can reach it.
static CACHE: OnceLock<Cache<u8, u32>> = OnceLock::new();

/// The number of reads that the tasks have made.
static READS: AtomicU32 = AtomicU32::new(0);

/// The interrupt hook: the sensor has a new measurement.
fn data_ready(now: u64) {
    if now % MEASURES_EVERY_MS == 0 {
        bus::measure();
        if let Some(cache) = CACHE.try_get() {
            cache.invalidate(&FAST);
        }
    }
}

#[embassy_executor::task]
async fn cache_runner(runner: Runner) {
    runner.run().await;
}

/// Periodically reads neighboring registers at once.
#[embassy_executor::task(pool_size = 2)]
async fn watch(registers: Registers, first: u8, every_ms: u64) {
    let mut ticker = Ticker::every(embassy_time::Duration::from_millis(every_ms));
    loop {
        let known = bus::measurement();
        let keys = first..first + 4;
        let values = registers.get_all(keys.clone()).await;
        for (key, value) in keys.zip(values) {
            check(key, value.expect("the bus works"), known);
        }
        ticker.next().await;
    }
}

/// Periodically reads all registers, one after the other.
#[embassy_executor::task]
async fn log(registers: Registers) {
    let mut ticker = Ticker::every(embassy_time::Duration::from_millis(25));
    loop {
        for key in [FAST].into_iter().chain(SLOW) {
            let known = bus::measurement();
            let value = registers.get(key).await;
            check(key, value.expect("the bus works"), known);
        }
        ticker.next().await;
    }
}

/// Checks that the value is of its register, and that it was not invalidated before the read began.
fn check(key: u8, value: Option<u32>, known: u32) {
    READS.fetch_add(1, Ordering::Relaxed);
    let value = value.expect("the register exists");
    assert_eq!(value >> 16, u32::from(key), "another register's value");
    if key == FAST {
        assert!(value & 0xFFFF >= known, "{value:#x} is older than {known}");
    }
}

#[embassy_executor::task]
async fn main_task(spawner: Spawner) {
    let cache: Cache<u8, u32> = Cache::builder()
        .hash_seed(0x5EED)
        .max_capacity(32)
        .time_to_live(Duration::from_millis(500))
        .build();
    assert!(CACHE.init(cache.clone()).is_ok(), "once");
    let registers: Registers = cache
        .batching_builder(bus::read)
        .batch_window(BatchWindow::Fixed(Duration::from_millis(2)))
        .max_batch_size(bus::BURST)
        .build();
    let started = Instant::now();
    spawner.spawn(cache_runner(runner(cache.runtime())).unwrap());
    spawner.spawn(watch(registers.clone(), FAST, 10).unwrap());
    spawner.spawn(watch(registers.clone(), FAST + 2, 10).unwrap());
    spawner.spawn(log(registers).unwrap());
    board::on_tick(data_ready);

    Timer::at(started + embassy_time::Duration::from_millis(RUN_MS / 2)).await;
    let half_way = heap::counts();
    Timer::at(started + embassy_time::Duration::from_millis(RUN_MS)).await;
    report(&cache, half_way);
    board::exit(true)
}

/// Prints the figures and checks them.
fn report(cache: &Cache<u8, u32>, half_way: heap::Counts) {
    let stats = cache.stats();
    let (reads, transfers) = (
        READS.load(Ordering::Relaxed),
        bus::TRANSFERS.load(Ordering::Relaxed),
    );
    let words = bus::WORDS.load(Ordering::Relaxed);
    let live = heap::counts().live;
    hprintln!("{} reads of registers in {} ms", reads, RUN_MS);
    hprintln!("{} hits, {} shared a load", stats.hits, stats.coalesced);
    hprintln!("{} transfers, {} registers", transfers, words);
    hprintln!("{} bytes of heap, {} half way", live, half_way.live);
    // Each measurement is read once, together with all registers that are requested at the same
    // time. The other registers are read when their TTL has expired. Without a cache each read
    // would be a transfer.
    let measurements = (RUN_MS / MEASURES_EVERY_MS) as u32;
    let rounds = (RUN_MS / 500) as u32 + 1;
    assert!(reads > 1_000, "{reads} reads");
    assert!(transfers <= measurements + 1 + rounds * 8, "{transfers}");
    assert!(words <= measurements + 1 + rounds * 8, "{words}");
    assert_eq!(
        u64::from(words),
        stats.loads,
        "each load reads its register once"
    );
    assert!(
        stats.mean_batch() > 1.0,
        "neighboring registers share a transfer"
    );
    assert!(cache.entry_count() <= 8, "an entry a register");
    assert!(live <= half_way.live + 1_024, "the heap grows");
}

#[board::entry]
fn main() -> ! {
    static mut EXECUTOR: Option<Executor> = None;
    board::init();
    let executor = EXECUTOR.insert(Executor::new());
    executor.run(|spawner| spawner.spawn(main_task(spawner).unwrap()));
}
