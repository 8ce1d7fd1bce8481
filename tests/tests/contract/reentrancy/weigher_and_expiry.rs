//! Weighers and expiries that use their own cache: the call panics with the name of the hook
//! instead of a deadlock, and the cache stays usable.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use cache_core::{Builder, Computed, EvictionPolicy, Expiry, Op, Ttl};

use crate::contract::support::common::{Hook, Later, after, assert_sound, caught, caught_in};
use crate::harness::{Cache, Rt, run, runtime};

type Numbers = Cache<u32, u64>;
type Call = fn(&Numbers);

/// Drops a result, whether or not it has a destructor.
fn ignore<T>(_: T) {}

/// Polls `future` once.
fn poll(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// The public calls that lock a shard.
const CALLS: [(&str, Call); 29] = [
    ("get", |cache| ignore(cache.get(&1))),
    ("get of another key", |cache| ignore(cache.get(&77))),
    ("peek", |cache| ignore(cache.peek(&1))),
    ("contains_key", |cache| ignore(cache.contains_key(&1))),
    ("get_all", |cache| ignore(cache.get_all([&1, &2]))),
    ("expires_at", |cache| ignore(cache.expires_at(&1))),
    ("iter", |cache| ignore(cache.iter().count())),
    ("insert", |cache| cache.insert(1, 1)),
    ("insert of another key", |cache| cache.insert(77, 1)),
    ("insert_with_ttl", |cache| {
        cache.insert_with_ttl(1, 1, after(1));
    }),
    ("insert_weighted", |cache| cache.insert_weighted(1, 1, 1)),
    ("remove", |cache| ignore(cache.remove(&1))),
    ("invalidate", |cache| cache.invalidate(&1)),
    ("invalidate_all", |cache| cache.invalidate_all()),
    ("drain", |cache| ignore(cache.drain())),
    ("retain", |cache| cache.retain(|_, _| true)),
    ("set_ttl", |cache| ignore(cache.set_ttl(&1, after(1)))),
    ("entry_count", |cache| ignore(cache.entry_count())),
    ("weighted_size", |cache| ignore(cache.weighted_size())),
    ("flight_count", |cache| ignore(cache.flight_count())),
    ("stats", |cache| ignore(cache.stats())),
    ("memory_used", |cache| ignore(cache.memory_used())),
    ("next_deadline", |cache| ignore(cache.next_deadline())),
    ("run_pending_tasks", |cache| cache.run_pending_tasks()),
    ("get_with", |cache| poll(cache.get_with(1, || async { 1 }))),
    ("get_with_scoped", |cache| {
        poll(cache.get_with_scoped(77, || async { 1 }));
    }),
    ("refresh", |cache| {
        poll(cache.refresh(1, || async { Ok::<_, Infallible>(1) }));
    }),
    ("and_compute_with", |cache| {
        poll(cache.entry(1).and_compute_with(|_| async { Op::Nop }));
    }),
    ("load of a batch", |cache| {
        let batching = cache.batching(|keys: Vec<u32>| async move {
            Ok::<_, Infallible>(keys.iter().map(|_| Some(1)).collect::<Vec<_>>())
        });
        poll(batching.get(1));
    }),
];

/// The hooks, by their names in panic messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Weigher,
    Create,
    Update,
    Read,
}

impl Name {
    const ALL: [Self; 4] = [Self::Weigher, Self::Create, Self::Update, Self::Read];

    fn words(self) -> &'static str {
        match self {
            Self::Weigher => "the weigher ",
            Self::Create => "the expiry (`expire_after_create`) ",
            Self::Update => "the expiry (`expire_after_update`) ",
            Self::Read => "the expiry (`expire_after_read`) ",
        }
    }
}

/// A hook that makes one call of the cache once it is armed.
struct Meddler {
    hook: Hook<u32, u64>,
    from: Name,
    /// The index of the next call; `usize::MAX` means none.
    next: Arc<AtomicUsize>,
}

impl Meddler {
    fn step(&self, name: Name) {
        if name == self.from {
            let next = self.next.swap(usize::MAX, Ordering::SeqCst);
            if let Some((_, call)) = CALLS.get(next) {
                call(&self.hook.cache());
            }
        }
    }
}

impl Expiry<u32, u64> for Meddler {
    fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
        self.step(Name::Create);
        after(60)
    }

    fn expire_after_update(&self, _: &u32, _: &u64, _: Option<std::time::Duration>) -> Option<Ttl> {
        self.step(Name::Update);
        Some(after(60))
    }

    fn expire_after_read(&self, _: &u32, _: &u64, _: Option<std::time::Duration>) -> Option<Ttl> {
        self.step(Name::Read);
        None
    }
}

/// A cache with such a hook, and what arms the hook.
fn stage(
    from: Name,
    set: impl FnOnce(Builder<u32, u64, Rt>) -> Builder<u32, u64, Rt>,
) -> (Numbers, Arc<AtomicUsize>, Later<u32, u64>) {
    let (later, next) = (Later::new(), Arc::new(AtomicUsize::new(usize::MAX)));
    let meddler = Meddler {
        hook: later.hook(),
        from,
        next: Arc::clone(&next),
    };
    let builder = set(Cache::builder_on(runtime()).hash_seed(5));
    let cache = if from == Name::Weigher {
        let weigher = move |_: &u32, _: &u64| {
            meddler.step(Name::Weigher);
            1
        };
        builder.weigher(weigher).build()
    } else {
        builder.expire_after(meddler).build()
    };
    later.set(&cache);
    for key in 0..10 {
        cache.insert(key, 1);
    }
    // After this many reads the lock may be biased towards readers.
    for _ in 0..300 {
        for key in [1, 2, 3, 77] {
            ignore(cache.get(&key));
        }
    }
    (cache, next, later)
}

/// Makes the cache run the hook: by a write of a new or known key, or by a read.
fn call_on(cache: &Numbers, from: Name) {
    match from {
        Name::Weigher | Name::Update => cache.insert(1, 2),
        Name::Create => cache.insert(100, 2),
        Name::Read => ignore(cache.get(&1)),
    }
}

fn assert_names(from: Name, call: &str, answer: Result<(), String>) {
    let words = answer.expect_err("the call panics");
    assert!(words.starts_with(from.words()), "{call}: {words}");
    assert!(
        words.contains("must not use its own cache"),
        "{call}: {words}"
    );
}

#[test]
fn a_hook_that_uses_its_own_cache_panics_and_is_named() {
    type Set = fn(Builder<u32, u64, Rt>) -> Builder<u32, u64, Rt>;
    let settings: [Set; 3] = [
        |builder| builder.shards(4),
        |builder| builder.shards(1).max_capacity(50),
        |builder| builder.eviction_policy(EvictionPolicy::Lru),
    ];
    for (from, set) in Name::ALL
        .into_iter()
        .flat_map(|from| settings.map(|set| (from, set)))
    {
        run(|| async move {
            let (cache, next, _later) = stage(from, set);
            for (number, (call, _)) in CALLS.into_iter().enumerate() {
                next.store(number, Ordering::SeqCst);
                assert_names(from, call, caught(|| call_on(&cache, from)));
                assert_eq!(cache.get(&2), Some(1), "{call}");
            }
            assert_sound(&cache, |_, _| 1);
            call_on(&cache, from);
            assert_eq!(cache.get(&1), cache.peek(&1));
        });
    }
}

#[test]
fn a_hook_that_uses_its_own_cache_while_a_loaded_value_is_stored_panics() {
    for from in [Name::Weigher, Name::Create] {
        run(|| async move {
            let (cache, next, _later) = stage(from, |builder| builder.shards(2));
            for (number, (call, _)) in CALLS.into_iter().enumerate() {
                let key = 200 + u32::try_from(number).expect("a small number");
                next.store(number, Ordering::SeqCst);
                let answer = caught_in(cache.get_with(key, || async { 7 })).await;
                assert_names(from, call, answer.map(drop));
                assert_eq!(cache.flight_count(), 0, "{call}");
                assert_eq!(cache.get_with(key, || async { 8 }).await, 8, "{call}");
            }
            assert_sound(&cache, |_, _| 1);
        });
    }
}

#[test]
fn a_computation_whose_hook_uses_the_cache_panics_and_changes_nothing() {
    run(|| async {
        let (cache, next, _later) = stage(Name::Update, |builder| builder);
        next.store(0, Ordering::SeqCst);
        let put = |_| async { Op::put(9) };
        let answer = caught_in(cache.entry(1).and_compute_with(put)).await;
        assert_names(Name::Update, "get", answer.map(drop));
        assert_eq!(cache.peek(&1), Some(1));
        let answer = cache.entry(1).and_compute_with(put).await;
        assert!(matches!(answer, Computed::Put(9)), "{answer:?}");
    });
}

#[test]
fn a_hook_may_use_another_cache_which_may_use_its_own_hooks() {
    run(|| async {
        let weights: Cache<u64, u32> = Cache::builder_on(runtime()).weigher(|_, _| 1).build();
        let source = weights.clone();
        let weigher = move |_: &u32, value: &u64| {
            source.insert(*value, 3);
            source.get(value).unwrap_or(0)
        };
        let cache: Numbers = Cache::builder_on(runtime()).weigher(weigher).build();
        cache.insert(1, 10);
        assert_eq!((cache.weighted_size(), weights.entry_count()), (3, 1));
        assert_eq!(cache.get(&1), Some(10));
    });
}
