//! Values whose drop uses the cache: no lock may be held while a value is dropped.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Loaded, Op, Ttl};

use crate::contract::support::common::{Hook, Later, SECOND, after, assert_sound};
use crate::harness::{Cache, advance, run, runtime};

/// A value that uses the cache in every way when it is dropped.
#[derive(Clone)]
struct Busy(Arc<Mind>);

struct Mind {
    hook: Hook<u32, Busy>,
    drops: AtomicU64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(cache) = self.0.hook.try_cache() else {
            return;
        };
        for key in 0..10 {
            let _there = cache.contains_key(&key);
        }
        cache.set_ttl(&1_000, Ttl::Never);
        cache.invalidate(&1_000);
        let _ = (cache.stats(), cache.weighted_size(), cache.next_deadline());
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

type Act = fn(&Stage);

struct Stage {
    cache: Cache<u32, Busy>,
    mind: Arc<Mind>,
    _later: Later<u32, Busy>,
}

impl Stage {
    #[allow(
        clippy::arc_with_non_send_sync,
        reason = "it is Send where values must be"
    )]
    fn new() -> Self {
        let later = Later::new();
        let mind = Arc::new(Mind {
            hook: later.hook(),
            drops: AtomicU64::new(0),
        });
        let cache = Cache::builder_on(runtime())
            .max_capacity(10)
            .shards(2)
            .build();
        later.set(&cache);
        Self {
            cache,
            mind,
            _later: later,
        }
    }

    fn busy(&self) -> Busy {
        Busy(Arc::clone(&self.mind))
    }

    /// Takes the number of drops since the last call.
    fn drops(&self) -> u64 {
        self.mind.drops.swap(0, Ordering::SeqCst)
    }
}

#[test]
fn a_value_removed_by_a_write_may_use_the_cache_in_its_drop() {
    run(|| async {
        let stage = Stage::new();
        let cache = &stage.cache;
        for key in 0..10 {
            cache.insert(key, stage.busy());
        }
        assert_eq!(stage.drops(), 0);
        cache.insert(0, stage.busy());
        assert_eq!(stage.drops(), 1, "replaced");
        cache.insert(10, stage.busy());
        assert_eq!(stage.drops(), 1, "evicted");
        cache.insert_weighted(10, stage.busy(), 10);
        assert_eq!(stage.drops(), 10, "all evicted, from both shards");
        cache.insert_weighted(10, stage.busy(), 11);
        assert_eq!(stage.drops(), 2, "refused, and removed for it");
        cache.insert_with_ttl(1, stage.busy(), after(0));
        assert_eq!(stage.drops(), 1, "never stored");
        cache.insert(1, stage.busy());
        cache.remove(&1);
        assert_eq!(stage.drops(), 1, "removed");
        assert_sound(cache, |_, _| 1);
    });
}

#[test]
fn an_expired_value_may_use_the_cache_in_its_drop() {
    run(|| async {
        let leave: [Act; 4] = [
            |stage| stage.cache.run_pending_tasks(),
            |stage| stage.cache.insert(1, stage.busy()),
            |stage| assert!(stage.cache.get(&1).is_none()),
            |stage| assert!(stage.cache.remove(&1).is_none()),
        ];
        for leave in leave {
            let stage = Stage::new();
            stage.cache.insert_with_ttl(1, stage.busy(), after(1));
            advance(SECOND * 2).await;
            leave(&stage);
            assert_eq!(stage.drops(), 1);
        }
    });
}

#[test]
fn values_removed_together_may_use_the_cache_in_their_drops() {
    run(|| async {
        let leave: [(Act, u64); 4] = [
            (|stage| stage.cache.invalidate_all(), 10),
            (|stage| drop(stage.cache.drain()), 10),
            // The copies that `retain` passes are dropped too.
            (|stage| stage.cache.retain(|_, _| false), 20),
            (|stage| assert_eq!(stage.cache.iter().count(), 10), 10),
        ];
        for (leave, drops) in leave {
            let stage = Stage::new();
            for key in 0..10 {
                stage.cache.insert(key, stage.busy());
            }
            leave(&stage);
            assert_eq!(stage.drops(), drops);
        }
    });
}

#[test]
fn a_loaded_value_may_use_the_cache_in_its_drop() {
    run(|| async {
        let stage = Stage::new();
        let cache = &stage.cache;
        drop(cache.get_with_scoped(1, || async { stage.busy() }).await);
        cache.invalidate_all();
        let fenced = || {
            cache.invalidate(&1);
            async { stage.busy() }
        };
        drop(cache.get_with_scoped(1, fenced).await);
        let unstored = || async { Ok::<_, Infallible>(Loaded::new(stage.busy()).ttl(after(0))) };
        drop(cache.load_with_scoped(1, unstored).await);
        assert!(stage.drops() >= 6);
        assert_eq!(cache.entry_count(), 0);

        cache.insert(1, stage.busy());
        let value = stage.busy();
        drop(
            cache
                .refresh(1, || async { Ok::<_, Infallible>(value) })
                .await,
        );
        let put = |_| async { Op::put(stage.busy()) };
        let _put = cache.entry(1).and_compute_with(put).await;
        let superseded = |_| {
            cache.invalidate(&1);
            async { Op::put(stage.busy()) }
        };
        let _superseded = cache.entry(1).and_compute_with(superseded).await;
        assert!(stage.drops() >= 6);
        assert_sound(cache, |_, _| 1);
    });
}
