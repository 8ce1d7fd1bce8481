//! Errors that are remembered for a while.

use std::time::Duration;

use crate::harness::{Cache, run, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime())
        .error_ttl(Duration::from_secs(5))
        .build()
}

#[test]
fn a_remembered_error_does_not_keep_a_caller_from_a_value_that_its_method_can_return() {
    run(|| async {
        let cache = cache();
        let failed = cache.try_get_with(1, || async { Err::<u64, _>("down") });
        assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        // `get_with` cannot return an error, and `u8` is not the error that is remembered.
        assert_eq!(cache.get_with(1, || async { 7 }).await, 7);
        let failed = cache.try_get_with(2, || async { Err::<u64, _>("down") });
        assert!(failed.await.is_err());
        let other = cache.try_get_with(2, || async { Ok::<_, u8>(8) });
        assert_eq!(other.await.unwrap(), 8);
    });
}

#[test]
fn a_remembered_error_is_every_callers_answer_until_its_time_is_over() {
    run(|| async {
        let cache = cache();
        for _ in 0..3 {
            let failed = cache.try_get_with(1, || async { Err::<u64, _>("down") });
            assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        }
        assert_eq!(cache.stats().loads, 1);
        crate::harness::advance(Duration::from_secs(5)).await;
        let loaded = cache.try_get_with(1, || async { Ok::<_, &str>(1) });
        assert_eq!(loaded.await.unwrap(), 1);
        assert_eq!(cache.stats().loads, 2);
    });
}
