//! Every key and value is dropped exactly once. The live ones are counted.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::BatchWindow;

use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::{SECOND, after};
use crate::harness::{Cache, advance, run, runtime, until};

/// A key or value type that counts its live instances.
#[derive(Debug)]
struct Counted {
    id: u32,
    census: Census,
}

/// The live instances, by number.
#[derive(Debug, Clone, Default)]
struct Census(Arc<AtomicU64>);

impl Census {
    fn make(&self, id: u32) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        let census = self.clone();
        Counted { id, census }
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until only the entries of `cache` are alive. A background task may end later.
    async fn settles(&self, cache: &Cache<Counted, Counted>) {
        until(|| self.count() == 2 * cache.entry_count()).await;
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.census.make(self.id)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let before = self.census.0.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "{} is dropped twice", self.id);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

fn cache() -> (Cache<Counted, Counted>, Census) {
    let cache = Cache::builder_on(runtime()).max_capacity(8).build();
    (cache, Census::default())
}

#[test]
fn keys_and_values_that_are_written_are_dropped_once() {
    run(|| async {
        let (cache, census) = cache();
        for id in 0..20 {
            cache.insert(census.make(id), census.make(id));
        }
        assert_eq!(census.count(), 2 * 8, "the others were evicted");
        cache.insert(census.make(19), census.make(20));
        assert_eq!(census.count(), 2 * 8, "replaced");
        cache.insert_weighted(census.make(19), census.make(21), 9);
        assert_eq!(census.count(), 2 * 7, "refused, and removed for it");
        cache.insert_with_ttl(census.make(19), census.make(22), after(1));
        advance(SECOND * 2).await;
        cache.run_pending_tasks();
        assert_eq!(census.count(), 2 * 7, "expired");
        let removed = cache.iter().next().expect("seven are left").0;
        drop(cache.remove(&removed));
        drop(removed);
        assert_eq!(census.count(), 2 * 6, "removed");
        cache.retain(|_, _| false);
        assert_eq!(census.count(), 0, "not retained");
        for id in 0..4 {
            cache.insert(census.make(id), census.make(id));
        }
        drop(cache.drain());
        assert_eq!(census.count(), 0, "drained");
        for id in 0..4 {
            cache.insert(census.make(id), census.make(id));
        }
        drop(cache);
        assert_eq!(census.count(), 0, "dropped with the cache");
    });
}

#[test]
fn keys_and_values_of_loads_are_dropped_once() {
    run(|| async {
        let ((cache, census), backend) = (cache(), Backend::new());
        let answers = Backend::opened();
        for _ in 0..2 {
            let load = || answers.answer(census.make(1));
            drop(cache.get_with(census.make(1), load).await);
        }
        census.settles(&cache).await;
        let fails = || answers.answer(Err::<Counted, _>("down"));
        drop(cache.try_get_with(census.make(2), fails).await);
        let load = || backend.answer(census.make(3));
        drop(parked(cache.get_with(census.make(3), load)));
        census.settles(&cache).await;
        assert_eq!(cache.entry_count(), 1, "neither failed nor cancelled loads");
        let load = || backend.answer(census.make(4));
        let overtaken = parked(cache.get_with(census.make(4), load));
        let waits = parked(cache.get_with(census.make(4), || answers.answer(census.make(4))));
        cache.insert(census.make(4), census.make(5));
        backend.open();
        drop((overtaken.await, waits.await));
        census.settles(&cache).await;
        assert_eq!(cache.entry_count(), 2);
        drop(cache);
        until(|| census.count() == 0).await;
    });
}

#[test]
fn keys_and_values_of_batches_are_dropped_once() {
    run(|| async {
        let (cache, census) = cache();
        let loader = |keys: Vec<Counted>| async move {
            let found = keys.into_iter().filter(|key| key.id != 2);
            found
                .map(|key| (key.clone(), key))
                .collect::<HashMap<_, _>>()
        };
        let view = |window| cache.batching_builder(loader).batch_window(window).build();
        let (open, view) = (
            view(BatchWindow::Fixed(Duration::MAX)),
            view(BatchWindow::Yield(1)),
        );
        drop(view.get_all((0..4).map(|id| census.make(id))).await);
        census.settles(&cache).await;
        assert_eq!(cache.entry_count(), 3, "one was not found");
        drop(parked(open.get(census.make(5))));
        drop(view.get(census.make(6)).await);
        census.settles(&cache).await;
        assert_eq!(cache.entry_count(), 4, "one was cancelled");
        drop((cache, open, view));
        until(|| census.count() == 0).await;
    });
}
