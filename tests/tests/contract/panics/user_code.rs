//! Panics in user code: equality, hash, clone, weigher, expiry and drop.
//!
//! Each operation runs repeatedly, and each time its next call of user code panics. After each
//! panic the cache must be fully usable.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use cache_core::{EvictionPolicy, Op, RemovalCause, Ttl};

use crate::contract::support::backend::parked;
use crate::contract::support::common::{Gate, Notices, SECOND, after, assert_sound, caught_in};
use crate::contract::support::traps::{Lifetime, Trap, Trapped, Traps};
use crate::harness::{Cache, advance, run, runtime, spawn};

type Fixture = Cache<Trapped, Trapped>;
type Notified = Notices<(u32, RemovalCause)>;

/// A full cache of 20 entries, 5 of which have expired, with several shards or exact LRU.
struct Stage {
    cache: Fixture,
    traps: Traps,
    notices: Notified,
}

const CAPACITY: u32 = 20;

impl Stage {
    async fn new(policy: EvictionPolicy) -> Self {
        let (traps, notices) = (Traps::default(), Notices::new());
        let weigher = {
            let traps = traps.clone();
            move |_: &Trapped, value: &Trapped| {
                traps.step_on(Trap::Weigher);
                value.number
            }
        };
        let listener = {
            let notices = notices.clone();
            move |key: &Trapped, _: &Trapped, cause| notices.push((key.number, cause))
        };
        let cache = Cache::builder_on(runtime())
            .max_capacity(u64::from(CAPACITY))
            .shards(if policy == EvictionPolicy::Lru { 1 } else { 4 })
            .hash_seed(9)
            .eviction_policy(policy)
            .weigher(weigher)
            .expire_after(Lifetime(traps.clone()))
            .eviction_listener(listener)
            .build();
        let stage = Self {
            cache,
            traps,
            notices,
        };
        for key in 0..5 {
            stage
                .cache
                .insert_with_ttl(stage.of(key), stage.of(1), after(1));
        }
        for key in 5..CAPACITY {
            stage.cache.insert(stage.of(key), stage.of(1));
        }
        advance(SECOND * 2).await;
        stage
    }

    fn of(&self, number: u32) -> Trapped {
        Trapped {
            number,
            traps: self.traps.clone(),
        }
    }

    /// Checks that the cache is as usable as a new one, with correct counts.
    async fn assert_as_good_as_new(&self) {
        let cache = &self.cache;
        cache.run_pending_tasks();
        assert_sound(cache, |_, value| value.number);
        assert_eq!(cache.flight_count(), 0);
        for cause in RemovalCause::ALL {
            let removals = cache.stats().removals(cause);
            let notices = self.notices.count(|notice| notice.1 == cause);
            assert_eq!(notices as u64, removals, "each notice once: {cause:?}");
        }
        // Every key can be written and read, and the whole capacity is usable by one entry or by
        // many.
        for key in 0..CAPACITY {
            let value = self.of(1);
            let loaded = cache.get_with(self.of(key), || async { value });
            assert!((1..=3).contains(&loaded.await.number));
        }
        assert_sound(cache, |_, value| value.number);
        cache.insert(self.of(100), self.of(CAPACITY));
        assert_eq!(cache.weighted_size(), u64::from(CAPACITY));
        for key in 0..CAPACITY {
            cache.insert(self.of(key), self.of(1));
        }
        assert_eq!(cache.weighted_size(), u64::from(CAPACITY));
        assert_sound(cache, |_, value| value.number);
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

type Operation = fn(&Stage) -> Running<'_>;

/// The operations under test.
const OPERATIONS: [(&str, Operation); 19] = [
    ("insert a new key", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(50), stage.of(1)) })
    }),
    ("replace a value", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(7), stage.of(1)) })
    }),
    ("replace an expired value", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(2), stage.of(1)) })
    }),
    ("replace a value by a heavier one", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(7), stage.of(CAPACITY - 1)) })
    }),
    ("insert a value as heavy as the capacity", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(50), stage.of(CAPACITY)) })
    }),
    ("insert an oversized value", |stage| {
        Box::pin(async { stage.cache.insert(stage.of(7), stage.of(CAPACITY + 1)) })
    }),
    ("get", |stage| {
        Box::pin(async { assert!(stage.cache.get(&stage.of(7)).is_some()) })
    }),
    ("look unseen", |stage| {
        Box::pin(async {
            assert!(stage.cache.peek(&stage.of(7)).is_some());
            assert!(stage.cache.contains_key(&stage.of(8)));
            assert!(stage.cache.set_ttl(&stage.of(9), Ttl::Never));
        })
    }),
    ("remove", |stage| {
        Box::pin(async { assert!(stage.cache.remove(&stage.of(7)).is_some()) })
    }),
    ("remove an expired value", |stage| {
        Box::pin(async { assert!(stage.cache.remove(&stage.of(2)).is_none()) })
    }),
    ("invalidate all", |stage| {
        Box::pin(async { stage.cache.invalidate_all() })
    }),
    ("invalidate all during a load", |stage| {
        Box::pin(async {
            let loader = || {
                stage.cache.invalidate_all();
                async { stage.of(3) }
            };
            let loaded = stage.cache.get_with_scoped(stage.of(50), loader);
            assert_eq!(loaded.await.number, 3);
        })
    }),
    ("drain", |stage| {
        Box::pin(async { assert!(stage.cache.drain().len() <= 15) })
    }),
    ("retain", |stage| {
        Box::pin(async { stage.cache.retain(|key, _| key.number % 2 == 0) })
    }),
    ("run pending tasks", |stage| {
        Box::pin(async { stage.cache.run_pending_tasks() })
    }),
    ("load", |stage| {
        Box::pin(async {
            let loaded = stage
                .cache
                .get_with_scoped(stage.of(50), || async { stage.of(3) });
            assert_eq!(loaded.await.number, 3);
        })
    }),
    ("load a key that is fenced meanwhile", |stage| {
        Box::pin(async {
            let loader = || {
                stage.cache.invalidate(&stage.of(50));
                async { stage.of(3) }
            };
            let loaded = stage.cache.get_with_scoped(stage.of(50), loader);
            assert_eq!(loaded.await.number, 3);
        })
    }),
    ("refresh", |stage| {
        let value = stage.of(3);
        Box::pin(async move {
            let refreshed = stage
                .cache
                .refresh(stage.of(7), || async { Ok::<_, Infallible>(value) });
            assert!(refreshed.await.is_ok());
        })
    }),
    ("compute", |stage| {
        Box::pin(async move {
            for key in [7, 50] {
                let put = |old: Option<Trapped>| async move {
                    Op::put(stage.of(old.map_or(0, |old| old.number) + 1))
                };
                let _done = stage.cache.entry(stage.of(key)).and_compute_with(put).await;
                let remove = |_| async { Op::Remove };
                let _done = stage
                    .cache
                    .entry(stage.of(key))
                    .and_compute_with(remove)
                    .await;
            }
        })
    }),
];

fn test(trap: Trap) {
    run(|| async {
        for (name, operation) in OPERATIONS {
            for policy in [EvictionPolicy::S3Fifo, EvictionPolicy::Lru] {
                for call in 1.. {
                    let stage = Stage::new(policy).await;
                    stage.traps.arm(trap, call);
                    let outcome = caught_in(operation(&stage)).await;
                    let waiting = stage.traps.disarm(trap);
                    println!("{name} on {policy:?}: {trap:?}, call {call}: {outcome:?}");
                    stage.assert_as_good_as_new().await;
                    if waiting {
                        assert_eq!(outcome, Ok(()));
                        break;
                    }
                }
            }
        }
    });
}

#[test]
fn a_panic_in_eq_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Eq);
}

#[test]
fn a_panic_in_hash_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Hash);
}

#[test]
fn a_panic_in_clone_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Clone);
}

#[test]
fn a_panic_in_the_weigher_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Weigher);
}

#[test]
fn a_panic_in_the_expiry_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Expiry);
}

#[test]
fn a_panic_in_drop_leaves_the_cache_usable_and_its_counts_right() {
    test(Trap::Drop);
}

#[test]
fn a_panic_while_a_shared_load_is_stored_reaches_all_waiters() {
    run(|| async {
        for trap in [Trap::Clone, Trap::Weigher, Trap::Expiry] {
            let (stage, gate) = (Stage::new(EvictionPolicy::S3Fifo).await, Gate::new());
            let callers = [(); 3].map(|()| {
                let (cache, gate) = (stage.cache.clone(), gate.clone());
                let (key, value) = (stage.of(50), stage.of(1));
                // No call compares or clones a key after this poll, or it could be what panics.
                spawn(parked(async move {
                    let loader = || async move {
                        gate.pass().await;
                        Ok::<_, Infallible>(value)
                    };
                    let loaded = caught_in(cache.try_get_with(key, loader)).await?;
                    loaded.map_err(|error| error.to_string())
                }))
            });
            assert_eq!(stage.cache.stats().coalesced, 2);
            stage.traps.arm(trap, 1);
            gate.open();
            for caller in callers {
                let error = caller.join().await.err().expect("no value");
                assert!(["boom", "the loader panicked"].contains(&&*error));
            }
            stage.assert_as_good_as_new().await;
        }
    });
}
