//! Counts the instructions of the most frequent operations, and the heap bytes of an entry. Fails
//! if a hit allocates or takes too many instructions.

#![no_std]
#![no_main]

use core::future::Future;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use board::{heap, hprintln, instructions};
use cache_embassy::{Cache, local};

const ENTRIES: u32 = 64;
const CALLS: u32 = 1_000;

/// A hit must take fewer instructions than this. That includes a hit of `get_with`, with its
/// future.
const GOAL: u32 = 200;

/// Returns the output of a future that is ready at its first poll.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready at its first poll"),
    }
}

/// Prints a line of the table. `what` contains no blanks.
fn line(what: &str, figure: usize) {
    hprintln!("figure {} {}", what, figure);
}

/// Measures a cache of either kind.
macro_rules! measure {
    ($name:literal, $builder:expr) => {{
        let builder = || $builder.hash_seed(0x5EED).max_capacity(u64::from(ENTRIES));
        let ttl = Duration::from_secs(60);
        let (lasting, cache) = (builder().build(), builder().time_to_live(ttl).build());
        for cache in [&lasting, &cache] {
            (0..ENTRIES).for_each(|key| cache.insert(key, key));
        }
        let mut keys = (0..ENTRIES).cycle();
        let mut next = || keys.next().unwrap_or(0);
        let nothing = instructions::of_one(CALLS, || {
            black_box(next());
        });
        let mut count = |name: &str, call: &mut dyn FnMut(u32)| {
            let before = heap::counts();
            let taken = instructions::of_one(CALLS, || call(black_box(next()))) - nothing;
            hprintln!("figure {}{} {}", $name, name, taken);
            (taken, heap::counts().allocations - before.allocations)
        };
        let hits = [
            count("hit_without_ttl", &mut |key| {
                black_box(lasting.get(&key));
            }),
            count("hit", &mut |key| {
                black_box(cache.get(&key));
            }),
            count("hit_of_get_with", &mut |key| {
                black_box(ready(cache.get_with(key, || async { 1 })));
            }),
        ];
        count("miss", &mut |key| {
            black_box(cache.get(&(key + ENTRIES)));
        });
        count("write", &mut |key| cache.insert(key, key));
        let mut fresh = ENTRIES;
        count("load_that_evicts", &mut |_| {
            fresh += 1;
            black_box(ready(cache.get_with(fresh, || async { 1 })));
        });
        hits
    }};
}

/// Prints the heap bytes of an empty cache, and of an entry in a full one.
fn heap_bytes() {
    let start = heap::counts().live;
    let cache: Cache<u32, u32> = Cache::builder()
        .hash_seed(0x5EED)
        .time_to_live(Duration::from_secs(60))
        .build();
    let empty = heap::counts().live;
    (0..ENTRIES).for_each(|key| cache.insert(key, key));
    let full = heap::counts().live;
    line("heap_bytes_empty", empty - start);
    line(
        "heap_bytes_entry",
        (full - empty).div_ceil(ENTRIES as usize),
    );
}

#[board::entry]
fn main() -> ! {
    board::init();
    heap_bytes();
    let shared: [_; 3] = measure!("critical_section_", Cache::<u32, u32>::builder());
    let local: [_; 3] = measure!("thread_mode_", local::Cache::<u32, u32>::builder());
    let mut hits = shared.into_iter().chain(local);
    board::exit(hits.all(|(taken, allocations)| taken < GOAL && allocations == 0))
}
