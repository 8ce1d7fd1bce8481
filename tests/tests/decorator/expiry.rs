//! Time to live and time to idle, on a clock that the test sets.

use std::time::Duration;

use super::adapter::cached;
use super::mocked::clock;
use super::{Loads, run};

#[test]
fn a_value_lives_exactly_for_its_ttl() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "1m 30s", runtime = "super::mocked")]
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

    #[cached(tti = "60s", runtime = "super::mocked")]
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
