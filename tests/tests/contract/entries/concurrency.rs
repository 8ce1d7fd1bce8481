//! Concurrent random calls: counts stay exact, and each entry leaves exactly once.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use cache_core::{Computed, EvictionPolicy, Loaded, Op, RemovalCause};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::contract::support::common::{
    Notices, SECOND, after, assert_books_balance, assert_sound, yield_once,
};
use crate::harness::{Cache, advance, on_threads, run, runtime, spawn, task_count, until};

const CAPACITY: u64 = 64;

/// A cache under concurrent use, with a unique number for each value ever written.
#[derive(Clone)]
struct Crowd {
    cache: Cache<u32, u64>,
    notices: Notices<(u32, u64, RemovalCause)>,
    numbers: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

/// A value weighs between 0 and 3.
fn weigh(_: &u32, value: &u64) -> u32 {
    (value % 4) as u32
}

impl Crowd {
    fn new(policy: EvictionPolicy, shards: usize) -> Self {
        let notices = Notices::new();
        let cache = Cache::builder_on(runtime())
            .max_capacity(CAPACITY)
            .weigher(weigh)
            .eviction_policy(policy)
            .shards(shards)
            .eviction_listener(notices.listener())
            .build();
        Self {
            cache,
            notices,
            numbers: Arc::default(),
            requests: Arc::default(),
        }
    }

    fn next(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    fn requested(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    /// Performs one random operation.
    async fn act(&self, random: &mut SmallRng) {
        let (cache, key) = (&self.cache, random.random_range(0..100));
        let slow = random.random();
        let numbers = Arc::clone(&self.numbers);
        let load = async move {
            if slow {
                yield_once().await;
            }
            numbers.fetch_add(1, Ordering::SeqCst)
        };
        match random.random_range(0..100) {
            0..25 => {
                self.requested();
                let _hit = cache.get(&key);
            }
            25..45 => cache.insert(key, self.next()),
            45..50 => cache.insert_with_ttl(key, self.next(), after(1)),
            50..55 => cache.insert_with_ttl(key, self.next(), after(0)),
            55..60 => drop(cache.remove(&key)),
            60..75 => {
                self.requested();
                cache.get_with(key, || load).await;
            }
            75..80 => {
                self.requested();
                let loader = || async move { if slow { Err(()) } else { Ok(load.await) } };
                let _loaded = cache.try_get_with_scoped(key, loader).await;
            }
            80..85 => {
                self.requested();
                let loader = || async move { Ok::<_, ()>(Loaded::new(load.await).ttl(after(1))) };
                let _loaded = cache.load_with(key, loader).await;
            }
            85..90 => {
                let _loaded = cache
                    .refresh(key, || async move { Ok::<_, ()>(load.await) })
                    .await;
            }
            90..95 => {
                let put = |_| async move {
                    if slow {
                        Op::Remove
                    } else {
                        Op::put(load.await)
                    }
                };
                let _done: Computed<_> = cache.entry(key).and_compute_with(put).await;
            }
            95..97 => cache.retain(|key, _| key % 7 != 0),
            97 => drop(cache.set_ttl(&key, after(1))),
            98 => cache.run_pending_tasks(),
            // Heavier than any other entry: its capacity may come from every shard.
            _ => cache.insert_weighted(1_000, self.next() * 4, CAPACITY as u32),
        }
    }

    /// Checks the totals after all tasks have ended.
    async fn assert_exact(&self) {
        let cache = &self.cache;
        // A background load or an aborted task may still run.
        until(|| task_count() == 0).await;
        assert_eq!(cache.flight_count(), 0);
        let stats = cache.stats();
        assert_books_balance(cache);
        assert_eq!(stats.requests(), self.requests.load(Ordering::SeqCst));
        assert!(cache.weighted_size() <= CAPACITY);
        let notices = self.notices.take();
        for cause in RemovalCause::ALL {
            let count = notices.iter().filter(|notice| notice.2 == cause).count();
            assert_eq!(count as u64, stats.removals(cause), "{cause:?}");
        }
        cache.run_pending_tasks();
        self.assert_each_left_once(notices.into_iter().chain(self.notices.take()));
        cache.invalidate(&1_000);
        assert_sound(cache, weigh);
    }

    fn assert_each_left_once(&self, notices: impl Iterator<Item = (u32, u64, RemovalCause)>) {
        // The heavy values count in fours, from a range of their own.
        let (mut seen, mut heavy) = (BTreeSet::new(), BTreeSet::new());
        let left = notices.map(|(key, value, _)| (key, value));
        for (key, value) in left.chain(self.cache.iter()) {
            let seen = if key == 1_000 { &mut heavy } else { &mut seen };
            assert!(seen.insert(value), "{value} of {key} left twice");
        }
        let written = (seen.len() + heavy.len()) as u64;
        assert_eq!(written, self.cache.stats().insertions);
    }
}

/// Runs `future` on the current thread, outside of any runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

const SHAPES: [(EvictionPolicy, usize); 3] = [
    (EvictionPolicy::S3Fifo, 1),
    (EvictionPolicy::S3Fifo, 8),
    (EvictionPolicy::Lru, 1),
];

#[test]
fn counts_are_exact_and_each_entry_leaves_once_under_many_tasks() {
    run(|| async {
        for (policy, shards) in SHAPES {
            let crowd = Crowd::new(policy, shards);
            let tasks: Vec<_> = (0..40)
                .map(|seed| {
                    let crowd = crowd.clone();
                    spawn(async move {
                        let mut random = SmallRng::seed_from_u64(seed);
                        for _ in 0..100 {
                            crowd.act(&mut random).await;
                        }
                    })
                })
                .collect();
            for _ in 0..5 {
                advance(SECOND).await;
                yield_once().await;
            }
            for task in tasks {
                task.join().await;
            }
            // The entries of the last second have expired by now.
            advance(SECOND * 2).await;
            crowd.assert_exact().await;
        }
    });
}

#[test]
fn counts_are_exact_and_each_entry_leaves_once_under_plain_threads() {
    run(|| async {
        for (policy, shards) in SHAPES {
            let crowd = Crowd::new(policy, shards);
            on_threads(4, |number| {
                let mut random = SmallRng::seed_from_u64(number as u64);
                for _ in 0..1_000 {
                    block_on(crowd.act(&mut random));
                }
            });
            advance(SECOND * 2).await;
            crowd.assert_exact().await;
        }
    });
}

#[test]
fn counts_are_exact_and_each_entry_leaves_once_under_tasks_and_threads() {
    run(|| async {
        let crowd = Crowd::new(EvictionPolicy::S3Fifo, 4);
        let tasks: Vec<_> = (0..20)
            .map(|seed| {
                let crowd = crowd.clone();
                spawn(async move {
                    let mut random = SmallRng::seed_from_u64(seed + 1_000);
                    for _ in 0..100 {
                        crowd.act(&mut random).await;
                    }
                })
            })
            .collect();
        on_threads(2, |number| {
            let mut random = SmallRng::seed_from_u64(number as u64);
            for _ in 0..1_000 {
                block_on(crowd.act(&mut random));
            }
        });
        for task in tasks {
            task.join().await;
        }
        advance(SECOND * 2).await;
        crowd.assert_exact().await;
    });
}

#[test]
fn counts_are_exact_when_loads_are_cancelled() {
    run(|| async {
        let crowd = Crowd::new(EvictionPolicy::S3Fifo, 2);
        for round in 0..20 {
            let tasks: Vec<_> = (0..20)
                .map(|seed| {
                    let crowd = crowd.clone();
                    spawn(async move {
                        let mut random = SmallRng::seed_from_u64(round * 100 + seed);
                        for _ in 0..20 {
                            crowd.act(&mut random).await;
                        }
                    })
                })
                .collect();
            for _ in 0..round {
                yield_once().await;
            }
            for (number, task) in tasks.into_iter().enumerate() {
                if number % 2 == 0 {
                    task.abort();
                } else {
                    task.join().await;
                }
            }
        }
        advance(SECOND * 2).await;
        crowd.assert_exact().await;
    });
}
