//! Free functions and their companions.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;

use super::adapter::{EvictionPolicy, RemovalCause, cached};
use super::{Gate, Loads, run, start};

#[test]
fn concurrent_calls_with_one_argument_load_once() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached]
    async fn slow(id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        id * 10
    }

    run(async {
        let calls: Vec<_> = (0..100).map(|_| start(slow(7))).collect();
        assert_eq!(LOADS.count(), 1);
        GATE.open();
        assert_eq!(join_all(calls).await, [70; 100]);
        assert_eq!(slow(7).await, 70);
        assert_eq!(LOADS.count(), 1);
        let stats = slow::stats();
        assert_eq!((stats.hits, stats.misses, stats.coalesced), (1, 100, 99));
    });
}

#[test]
fn different_arguments_have_separate_loads() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn tens(id: u64) -> u64 {
        LOADS.next();
        id * 10
    }

    run(async {
        let answers = join_all([1, 2, 3, 2, 1].map(tens)).await;
        assert_eq!(answers, [10, 20, 30, 20, 10]);
        assert_eq!(LOADS.count(), 3);
    });
}

#[test]
fn a_cancelled_caller_does_not_restart_the_load() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached]
    async fn slow(id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        id
    }

    run(async {
        let leader = start(slow(1));
        let waiter = start(slow(1));
        drop(leader);
        GATE.open();
        assert_eq!(waiter.await, 1);
        assert_eq!(LOADS.count(), 1);
    });
}

#[test]
fn a_refresh_reloads_replaces_and_counts() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn version(name: &str) -> String {
        format!("{name} {}", LOADS.next())
    }

    run(async {
        assert_eq!(version("a").await, "a 1");
        assert_eq!(version("a").await, "a 1");
        assert_eq!(version::refresh("a").await, "a 2");
        assert_eq!(version("a").await, "a 2");
        assert_eq!(version::refresh("b").await, "b 3", "no value needs to be stored");
        let stats = version::stats();
        assert_eq!((stats.loads, stats.hits, stats.misses), (3, 2, 1));
    });
}

#[test]
fn a_load_does_not_overwrite_a_refresh_that_started_during_it() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached]
    async fn version() -> u64 {
        let number = LOADS.next();
        if number == 1 {
            GATE.pass().await;
        }
        number
    }

    run(async {
        let old = start(version());
        assert_eq!(version::refresh().await, 2);
        GATE.open();
        assert_eq!(old.await, 1);
        assert_eq!(version().await, 2);
    });
}

#[test]
fn invalidate_removes_one_entry_and_clear_all_of_them() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn load(name: String, page: u32) -> u64 {
        let _ = (name, page);
        LOADS.next()
    }

    let call = |page| load("a".to_owned(), page);
    run(async {
        assert_eq!((call(1).await, call(2).await), (1, 2));
        load::invalidate("a".to_owned(), 1);
        load::invalidate("b".to_owned(), 2);
        assert_eq!((call(1).await, call(2).await), (3, 2));
        load::clear();
        assert_eq!(load::cache().entry_count(), 0);
        assert_eq!((call(1).await, call(2).await), (4, 5));
    });
}

#[test]
fn an_invalidation_during_a_load_prevents_the_store() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached]
    async fn load(id: u64) -> u64 {
        let number = LOADS.next();
        GATE.pass().await;
        id + number
    }

    run(async {
        let stale = start(load(0));
        load::invalidate(0);
        GATE.open();
        assert_eq!(stale.await, 1);
        assert_eq!(load(0).await, 2);
    });
}

#[test]
fn stats_returns_the_counters_of_the_cache() {
    #[cached]
    async fn load(id: u64) -> u64 {
        id
    }

    run(async {
        for id in [1, 2, 1, 1] {
            load(id).await;
        }
        let stats = load::stats();
        assert_eq!((stats.hits, stats.misses, stats.loads), (2, 2, 2));
        assert!((stats.hit_rate() - 0.5).abs() < 1e-9);
        assert_eq!(load::cache().stats(), stats);
        assert_eq!(load::cache().get(&1), Some(1));
        load::cache().insert(3, 30);
        assert_eq!(load(3).await, 30);
    });
}

#[test]
fn capacity_evicts_exactly_the_least_recently_used() {
    static LOADS: Loads = Loads::new();

    #[cached(max_capacity = 3)]
    async fn load(id: u64) -> u64 {
        LOADS.next();
        id
    }

    run(async {
        for id in [1, 2, 3, 1, 4] {
            load(id).await;
        }
        let kept = [1, 2, 3, 4].map(|id| load::cache().contains_key(&id));
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(LOADS.count(), 4);
        assert_eq!(load::stats().removals(RemovalCause::Size), 1);
    });
}

#[test]
fn capacity_zero_stores_nothing_and_still_shares_loads() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached(max_capacity = 0)]
    async fn load(id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        id
    }

    run(async {
        let calls = [1, 1, 1].map(|id| start(load(id)));
        GATE.open();
        join_all(calls).await;
        assert_eq!(LOADS.count(), 1);
        load(1).await;
        assert_eq!((LOADS.count(), load::cache().entry_count()), (2, 0));
    });
}

#[test]
fn the_default_capacity_is_128_entries() {
    const HALF: u64 = 2;

    #[cached]
    async fn plain(id: u64) -> u64 {
        id
    }

    #[cached(ttl = "1h")]
    async fn expiring(id: u64) -> u64 {
        id
    }

    #[cached(max_capacity = 2 * HALF, ttl = "1h")]
    async fn notified(id: u64) -> u64 {
        id
    }

    run(async {
        for id in 0..2_000 {
            plain(id).await;
            expiring(id).await;
            notified(id).await;
        }
        assert_eq!(plain::cache().entry_count(), 128);
        assert_eq!(expiring::cache().entry_count(), 1024);
        assert_eq!(notified::cache().entry_count(), 4);
    });
}

#[test]
fn a_weigher_bounds_by_weight() {
    #[cached(
        max_capacity = 10,
        weigher = |_, text: &String| text.len() as u32,
        policy = "s3-fifo"
    )]
    async fn text(length: usize) -> String {
        "x".repeat(length)
    }

    run(async {
        text(4).await;
        text(6).await;
        assert_eq!(text::cache().weighted_size(), 10);
        text(11).await;
        assert!(!text::cache().contains_key(&11));
        let _is_exported = EvictionPolicy::S3Fifo;
    });
}

#[test]
fn a_builder_reaches_every_setting_after_the_other_arguments() {
    static EVICTED: AtomicU64 = AtomicU64::new(0);

    #[cached(max_capacity = 10, builder = |builder| {
        builder.max_capacity(2).eviction_listener(|id: &u64, _, cause| {
            assert_eq!(cause, RemovalCause::Size);
            EVICTED.fetch_add(*id, Ordering::SeqCst);
        })
    })]
    async fn load(id: u64) -> u64 {
        id
    }

    #[cached(key = "id.len()", builder = |builder| builder.max_capacity(1))]
    async fn by_expression(id: &str) -> usize {
        id.len()
    }

    run(async {
        for id in [5, 6, 7] {
            load(id).await;
        }
        assert_eq!(EVICTED.load(Ordering::SeqCst), 5);
        by_expression("a").await;
        by_expression("bb").await;
        assert_eq!(by_expression::cache().entry_count(), 1);
    });
}

#[test]
fn functions_with_equal_signatures_have_separate_caches() {
    #[cached]
    async fn one(id: u64) -> u64 {
        id + 1
    }

    #[cached]
    async fn two(id: u64) -> u64 {
        id + 2
    }

    run(async {
        assert_eq!((one(0).await, two(0).await), (1, 2));
        one::clear();
        assert_eq!(two::cache().entry_count(), 1);
    });
}
