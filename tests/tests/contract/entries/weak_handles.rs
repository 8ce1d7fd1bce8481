//! Weak handles: they reach the cache while it exists, and do not keep it.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, hooks do not travel"
)]

use std::sync::{Arc, OnceLock};

use crate::contract::support::backend::{Backend, parked};
use crate::harness::{Cache, run, runtime};

#[test]
fn a_weak_handle_reaches_the_cache_until_its_last_handle_is_dropped() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        let other = cache.clone();
        let weak = cache.downgrade();
        drop(cache);
        weak.upgrade().expect("another handle exists").insert(1, 10);
        assert_eq!(other.get(&1), Some(10));
        let copy = weak.clone();
        drop(other);
        assert!(weak.upgrade().is_none());
        assert!(copy.upgrade().is_none());
    });
}

#[test]
fn a_listener_with_a_weak_handle_of_its_cache_does_not_keep_the_cache() {
    run(|| async {
        let handle = Arc::new(OnceLock::new());
        let token = Arc::new(());
        let cache: Cache<u32, u64> = {
            let (handle, token) = (Arc::clone(&handle), Arc::clone(&token));
            Cache::builder_on(runtime())
                .eviction_listener(move |_, _, _| {
                    let _used = &token;
                    let weak: &cache_core::WeakCache<u32, u64, _> =
                        handle.get().expect("set before the first removal");
                    weak.upgrade()
                        .expect("the caller has a handle")
                        .insert(2, 20);
                })
                .build()
        };
        assert!(handle.set(cache.downgrade()).is_ok());
        cache.insert(1, 10);
        cache.invalidate(&1);
        assert_eq!(cache.get(&2), Some(20));
        drop(cache);
        assert!(handle.get().expect("set above").upgrade().is_none());
        assert_eq!(Arc::strong_count(&token), 1, "the hooks are dropped");
    });
}

#[test]
fn a_load_in_flight_is_reached_through_a_weak_handle() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        let (weak, backend) = (cache.downgrade(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let upgraded = weak.upgrade().expect("a handle exists");
        let waiter = parked(upgraded.get_with(1, || backend.answer(11)));
        backend.open();
        assert_eq!((leader.await, waiter.await), (10, 10));
        assert_eq!(backend.calls(), 1);
    });
}
