//! A thousand callers, one load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::harness::{Cache, run, runtime, spawn, until};

#[test]
fn ten_thousand_misses_of_one_key_are_one_load() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        let (loads, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, loads, gate) = (cache.clone(), loads.clone(), gate.clone());
                spawn(async move {
                    let load = || async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.expect("the gate stays").forget();
                        42
                    };
                    cache.get_with(7, load).await
                })
            })
            .collect();
        until(|| cache.stats().coalesced == 9_999).await;
        gate.add_permits(1);
        for task in tasks {
            assert_eq!(task.join().await, 42);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.flight_count(), 0);
    });
}
