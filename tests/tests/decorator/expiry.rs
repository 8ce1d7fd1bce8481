//! Time to live and time to idle, on a clock that the test sets.

use std::time::Duration;

use super::adapter::cached;
use super::mocked::clock;
use super::{Loads, run};

#[test]
fn a_value_lives_exactly_for_its_ttl() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "1m 30s", crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        let _ = id;
        LOADS.next()
    }

    run(async {
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_secs(90) - Duration::from_nanos(1));
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_nanos(1));
        assert_eq!(load(1).await, 2);
    });
}

#[test]
fn using_a_value_restarts_its_tti() {
    static LOADS: Loads = Loads::new();

    #[cached(tti = "60s", crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        let _ = id;
        LOADS.next()
    }

    run(async {
        for _ in 0..5 {
            assert_eq!(load(1).await, 1);
            clock().advance(Duration::from_secs(40));
        }
        clock().advance(Duration::from_secs(20));
        assert_eq!(load(1).await, 2);
    });
}

#[test]
fn a_ttl_without_a_duration_is_a_minute() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl, crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        let _ = id;
        LOADS.next()
    }

    run(async {
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_secs(60) - Duration::from_nanos(1));
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_nanos(1));
        assert_eq!(load(1).await, 2);
    });
}

#[test]
fn a_duration_may_be_an_expression() {
    static LOADS: Loads = Loads::new();
    const LIFETIME: Duration = Duration::from_secs(5);

    #[cached(ttl = 2 * LIFETIME, tti = LIFETIME, crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        let _ = id;
        LOADS.next()
    }

    run(async {
        for expected in [1, 1, 1, 2] {
            assert_eq!(load(1).await, expected);
            clock().advance(Duration::from_secs(4));
        }
        clock().advance(Duration::from_secs(1));
        assert_eq!(load(1).await, 3);
    });
}

#[test]
fn a_failure_is_remembered_for_its_own_time_or_as_long_as_a_value() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "60s", cache_err = "5s", cache_none, crate = super::mocked)]
    async fn find(id: u64) -> Result<Option<u64>, u64> {
        let number = LOADS.next();
        if id == 0 { Err(number) } else { Ok(None) }
    }

    #[cached(tti = "60s", cache_err, crate = super::mocked)]
    async fn idle() -> Result<u64, u64> {
        Err(LOADS.next())
    }

    run(async {
        let seconds = |seconds| clock().advance(Duration::from_secs(seconds));
        assert_eq!((find(0).await, find(1).await), (Err(1), Ok(None)));
        seconds(4);
        assert_eq!((find(0).await, find(1).await), (Err(1), Ok(None)));
        seconds(1);
        assert_eq!((find(0).await, find(1).await), (Err(3), Ok(None)));
        seconds(54);
        assert_eq!((find(1).await, LOADS.count()), (Ok(None), 3));
        seconds(1);
        assert_eq!((find(1).await, LOADS.count()), (Ok(None), 4));

        assert_eq!(idle().await, Err(5));
        seconds(59);
        assert_eq!(idle().await, Err(5));
        seconds(1);
        assert_eq!(idle().await, Err(6));
    });
}
