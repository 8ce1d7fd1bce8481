//! Three programs that read registers: directly, through a cache, and through a cache with batches.
//! The size of the cache is the difference to the first program.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use embassy_executor::{Executor, Spawner};
use embassy_time::Timer;

/// A slow read of some registers.
async fn read(registers: Vec<u32>) -> Vec<u32> {
    Timer::after_millis(3).await;
    registers
        .into_iter()
        .map(|register| register * 10)
        .collect()
}

#[cfg(not(feature = "cache"))]
async fn sum(_: Spawner) -> u32 {
    let values = [read(Vec::from([1])).await, read(Vec::from([2])).await];
    values.into_iter().flatten().sum()
}

#[cfg(feature = "cache")]
async fn sum(spawner: Spawner) -> u32 {
    use cache_embassy::{Cache, Runner, runner};

    #[embassy_executor::task]
    async fn cache_runner(runner: Runner) {
        runner.run().await;
    }

    let cache: Cache<u32, u32> = Cache::builder()
        .hash_seed(0x5EED)
        .max_capacity(64)
        .time_to_live(core::time::Duration::from_secs(60))
        .build();
    if let Ok(token) = cache_runner(runner(cache.runtime())) {
        spawner.spawn(token);
    }
    #[cfg(not(feature = "batches"))]
    {
        let load = |key| async move { read(Vec::from([key])).await.pop().unwrap_or(0) };
        cache.get_with(1, || load(1)).await + cache.get_with(2, || load(2)).await
    }
    #[cfg(feature = "batches")]
    {
        let view = cache.batching(read);
        let values = [view.get(1).await, view.get(2).await];
        let values = values.into_iter().filter_map(Result::ok).flatten();
        values.sum()
    }
}

#[embassy_executor::task]
async fn main_task(spawner: Spawner) {
    let sum = sum(spawner).await;
    board::exit(black_box(sum) == 30);
}

#[board::entry]
fn main() -> ! {
    static mut EXECUTOR: Option<Executor> = None;
    board::init();
    let executor = EXECUTOR.insert(Executor::new());
    executor.run(|spawner| {
        if let Ok(token) = main_task(spawner) {
            spawner.spawn(token);
        }
    });
}
