//! `Expiry`: a ttl computed from each entry by hooks.

use std::convert::Infallible;
use std::time::Duration;

use cache_core::{Computed, Expiry, Instant, Loaded, Op, Ttl};

use crate::contract::support::backend::parked;
use crate::contract::support::common::{Gate, Notices, SECOND, after, now, on_shards, seconds};
use crate::harness::{Cache, advance, run, runtime};

const TTL: Duration = Duration::from_secs(60);

/// A call of a hook, with the remaining time.
#[derive(Debug, Clone, PartialEq)]
enum HookCall {
    Create(u64),
    Update(u64, Option<Duration>),
    Read(u64, Option<Duration>),
}

/// The value is its ttl in seconds; 0 means the default of the cache. An update halves the ttl, and
/// a read restarts it if the value is over 1000.
struct ByValue(Notices<HookCall>);

fn lifetime(value: u64) -> Ttl {
    match value {
        0 => Ttl::Default,
        value => after(value),
    }
}

impl Expiry<u32, u64> for ByValue {
    fn expire_after_create(&self, _: &u32, value: &u64) -> Ttl {
        self.0.push(HookCall::Create(*value));
        lifetime(*value)
    }

    fn expire_after_update(
        &self,
        _: &u32,
        value: &u64,
        remaining: Option<Duration>,
    ) -> Option<Ttl> {
        self.0.push(HookCall::Update(*value, remaining));
        Some(lifetime(*value / 2))
    }

    fn expire_after_read(&self, _: &u32, value: &u64, remaining: Option<Duration>) -> Option<Ttl> {
        if *value <= 1_000 {
            return None;
        }
        self.0.push(HookCall::Read(*value, remaining));
        Some(lifetime(*value))
    }
}

fn cache(shards: usize) -> (Cache<u32, u64>, Notices<HookCall>) {
    let hook_calls = Notices::new();
    let cache = Cache::builder_on(runtime())
        .shards(shards)
        .time_to_live(TTL)
        .expire_after(ByValue(hook_calls.clone()))
        .build();
    (cache, hook_calls)
}

/// A new value gets a ttl of this many seconds, and no other method is implemented.
struct OnCreate(u64);

impl Expiry<u32, u64> for OnCreate {
    fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
        after(self.0)
    }
}

/// Each read of an entry gives it a ttl of this many seconds.
struct OnRead(u64);

impl Expiry<u32, u64> for OnRead {
    fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
        Ttl::Default
    }

    fn expire_after_read(&self, _: &u32, _: &u64, _: Option<Duration>) -> Option<Ttl> {
        Some(after(self.0))
    }
}

#[test]
fn an_entry_expires_at_the_earlier_of_the_hook_and_the_time_to_live() {
    on_shards(|shards| async move {
        for (hook, expected) in [(20, 20), (400, 60)] {
            let cache = Cache::builder_on(runtime())
                .shards(shards)
                .time_to_live(TTL)
                .expire_after(OnCreate(hook))
                .build();
            let start = now(&cache);
            cache.insert(1, 1);
            assert_eq!(cache.get_with(2, || async { 2 }).await, 2);
            cache.insert_with_ttl(3, 3, after(500));
            for key in 1..=2 {
                let deadline = start.after(seconds(expected));
                assert_eq!(cache.expires_at(&key), Some(deadline), "{key}");
            }
            assert_eq!(cache.expires_at(&3), Some(start.after(seconds(500))));
            advance(seconds(expected)).await;
            assert_eq!(cache.get_all([&1, &2, &3]), [None, None, Some(3)]);
        }
    });
}

#[test]
fn an_update_keeps_the_remaining_time_unless_the_hook_is_implemented() {
    on_shards(|shards| async move {
        let builder = Cache::builder_on(runtime()).shards(shards);
        let cache = builder.expire_after(OnCreate(100)).build();
        let start = now(&cache);
        cache.insert(1, 1);
        cache.insert_with_ttl(2, 1, Ttl::Never);
        advance(seconds(70)).await;
        cache.insert(1, 2);
        cache.insert(2, 2);
        assert_eq!(cache.expires_at(&1), Some(start.after(seconds(100))));
        assert_eq!(cache.expires_at(&2), Some(Instant::FAR));
        advance(seconds(30)).await;
        assert_eq!(cache.get(&1), None);
        cache.insert(1, 3);
        let renewed = now(&cache).after(seconds(100));
        assert_eq!(cache.expires_at(&1), Some(renewed));
    });
}

#[test]
fn an_update_that_keeps_the_remaining_time_restarts_the_other_limits() {
    on_shards(|shards| async move {
        let cache = Cache::builder_on(runtime())
            .shards(shards)
            .time_to_live(TTL)
            .time_to_idle(seconds(30))
            .expire_after(OnCreate(100))
            .build();
        let start = now(&cache);
        cache.insert(1, 1);
        for (step, expected) in [(0, 30), (25, 55), (25, 80), (20, 100), (20, 100)] {
            advance(seconds(step)).await;
            cache.insert(1, 2);
            let deadline = start.after(seconds(expected));
            assert_eq!(cache.expires_at(&1), Some(deadline), "{step}, {expected}");
        }
    });
}

#[test]
fn a_read_hook_does_not_extend_the_time_to_live_of_the_last_write() {
    on_shards(|shards| async move {
        let cache = Cache::builder_on(runtime())
            .shards(shards)
            .time_to_live(TTL)
            .expire_after(OnRead(40))
            .build();
        let start = now(&cache);
        cache.insert(1, 1);
        for (step, expected) in [(10, 50), (10, 60), (30, 60)] {
            advance(seconds(step)).await;
            assert_eq!(cache.get(&1), Some(1));
            let deadline = start.after(seconds(expected));
            assert_eq!(cache.expires_at(&1), Some(deadline), "{step}");
        }
        // The update keeps the ttl of the last read, and restarts the time to live.
        cache.insert(1, 2);
        assert_eq!(cache.expires_at(&1), Some(start.after(seconds(90))));
        // A ttl of the value's own overrides the time to live, also for later reads.
        cache.insert_with_ttl(1, 3, after(500));
        assert_eq!(cache.get(&1), Some(3));
        advance(seconds(39)).await;
        assert_eq!(cache.get(&1), Some(3));
        advance(seconds(39)).await;
        assert_eq!(cache.get(&1), Some(3));
    });
}

#[test]
fn a_new_value_gets_the_ttl_of_the_create_hook() {
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        let start = now(&cache);
        cache.insert(1, 10);
        cache.insert_weighted(2, 20, 1);
        cache.get_with(3, || async { 30 }).await;
        cache.entry(4).or_insert(40).await;
        let computed = cache.entry(5).and_compute_with(|_| async { Op::put(50) });
        assert_eq!(computed.await, Computed::Put(50));
        cache.insert(6, 0);
        for key in 1..=5 {
            let deadline = start.after(seconds(u64::from(key) * 10));
            assert_eq!(cache.expires_at(&key), Some(deadline), "{key}");
        }
        assert_eq!(cache.expires_at(&6), Some(start.after(TTL)));
        let values = [10, 20, 30, 40, 50, 0];
        assert_eq!(hook_calls.take(), values.map(HookCall::Create));
    });
}

#[test]
fn a_replacing_value_gets_the_ttl_of_the_update_hook() {
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        cache.insert(1, 10);
        cache.insert_with_ttl(2, 10, Ttl::Never);
        advance(seconds(4)).await;
        cache.insert(1, 20);
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(seconds(10))));
        cache.insert(2, 20);
        let computed = cache.entry(1).and_compute_with(|_| async { Op::put(40) });
        assert_eq!(computed.await, Computed::Put(40));
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(seconds(20))));
        let refreshed = cache.refresh(1, || async { Ok::<_, Infallible>(60) });
        assert_eq!(refreshed.await.expect("a value"), 60);
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(seconds(30))));
        let expected = [
            HookCall::Create(10),
            HookCall::Update(20, Some(seconds(6))),
            HookCall::Update(20, None),
            HookCall::Update(40, Some(seconds(10))),
            HookCall::Update(60, Some(seconds(20))),
        ];
        assert_eq!(hook_calls.take(), expected);
    });
}

#[test]
fn a_value_that_replaces_an_expired_one_is_new_to_the_hooks() {
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        for key in 1..=10 {
            cache.insert(key, 1);
        }
        hook_calls.take();
        advance(SECOND).await;
        for key in (1..=10).rev() {
            cache.insert(key, 7);
        }
        assert_eq!(hook_calls.take(), [(); 10].map(|()| HookCall::Create(7)));
    });
}

#[test]
fn a_value_that_replaces_an_expired_one_is_new_however_many_have_expired() {
    const MANY: u32 = 30;
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        for key in 0..MANY {
            cache.insert(key, 5);
        }
        // The load starts in time, and ends after the old value has expired.
        let gate = Gate::new();
        let held_back = gate.clone();
        let load = parked(cache.refresh(MANY - 1, || async move {
            held_back.pass().await;
            Ok::<_, Infallible>(8)
        }));
        advance(seconds(5)).await;
        hook_calls.take();
        cache.insert(MANY - 2, 7);
        assert_eq!(hook_calls.take(), [HookCall::Create(7)]);
        gate.open();
        assert_eq!(load.await.expect("a value"), 8);
        assert_eq!(hook_calls.take(), [HookCall::Create(8)]);
        let computed = cache.entry(MANY - 3);
        let computed = computed.and_compute_with(|_| async { Op::put(9) });
        assert_eq!(computed.await, Computed::Put(9));
        assert_eq!(hook_calls.take(), [HookCall::Create(9)]);
        for (key, seconds_left) in [(MANY - 1, 8), (MANY - 2, 7), (MANY - 3, 9)] {
            let deadline = now(&cache).after(seconds(seconds_left));
            assert_eq!(cache.expires_at(&key), Some(deadline), "{key}");
        }
    });
}

#[test]
fn a_read_sets_the_ttl_that_the_read_hook_returns() {
    on_shards(|shards| async move {
        let hook_calls = Notices::new();
        let builder = Cache::builder_on(runtime()).shards(shards);
        let cache = builder.expire_after(ByValue(hook_calls.clone())).build();
        cache.insert(1, 2_000);
        cache.insert(2, 50);
        hook_calls.take();
        advance(seconds(45)).await;
        assert_eq!(cache.get(&1), Some(2_000));
        assert_eq!(cache.get_with(1, || async { 1 }).await, 2_000);
        assert_eq!(cache.get_all([&1, &2]), [Some(2_000), Some(50)]);
        let fresh = Some(seconds(2_000));
        let expected = [
            HookCall::Read(2_000, Some(seconds(1_955))),
            HookCall::Read(2_000, fresh),
            HookCall::Read(2_000, fresh),
        ];
        assert_eq!(hook_calls.take(), expected);
        assert_eq!(
            cache.expires_at(&1),
            Some(now(&cache).after(seconds(2_000)))
        );
        assert_eq!(cache.expires_at(&2), Some(now(&cache).after(seconds(5))));
    });
}

#[test]
fn peeking_at_an_entry_does_not_call_the_read_hook() {
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        cache.insert(1, 2_000);
        hook_calls.take();
        assert_eq!(cache.peek(&1), Some(2_000));
        assert!(cache.contains_key(&1));
        assert_eq!(cache.iter().count(), 1);
        cache.retain(|_, _| true);
        assert!(cache.expires_at(&1).is_some());
        assert_eq!(hook_calls.take(), []);
    });
}

#[test]
fn an_explicit_ttl_overrides_the_hooks_and_does_not_call_them() {
    on_shards(|shards| async move {
        let (cache, hook_calls) = cache(shards);
        let deadline = Some(now(&cache).after(seconds(5)));
        for _ in 0..2 {
            cache.insert_with_ttl(1, 10, after(5));
            let loader = || async { Ok::<_, Infallible>(Loaded::new(10).ttl(after(5))) };
            assert_eq!(cache.load_with(2, loader).await.expect("a value"), 10);
            let put = |_| async { Op::Put(Loaded::new(10).ttl(after(5))) };
            let computed = cache.entry(3).and_compute_with(put).await;
            assert_eq!(computed, Computed::Put(10));
            assert_eq!(hook_calls.take(), []);
            for key in 1..=3 {
                assert_eq!(cache.expires_at(&key), deadline, "{key}");
            }
        }
    });
}

#[test]
fn a_read_hook_may_expire_an_entry_immediately() {
    struct Once;
    impl Expiry<u32, u64> for Once {
        fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
            Ttl::Never
        }
        fn expire_after_read(&self, _: &u32, _: &u64, left: Option<Duration>) -> Option<Ttl> {
            assert_eq!(left, None);
            Some(after(0))
        }
    }
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).expire_after(Once).build();
        cache.insert(1, 1);
        assert_eq!(cache.get(&1), Some(1));
        assert_eq!(cache.peek(&1), None);
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn a_hook_is_called_once_for_a_value_that_needs_capacity_of_other_shards() {
    run(|| async {
        let hook_calls = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .expire_after(ByValue(hook_calls.clone()))
            .max_capacity(64)
            .shards(16)
            .hash_seed(1)
            .build();
        for key in 0..64 {
            cache.insert(key, 5);
        }
        hook_calls.take();
        cache.insert_weighted(1_000, 7, 64);
        assert_eq!(cache.get(&1_000), Some(7));
        assert_eq!(hook_calls.take(), [HookCall::Create(7)]);
    });
}
