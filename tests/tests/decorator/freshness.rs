//! Refreshes in the background, and values that are returned after their time to live.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use super::adapter::cached;
use super::mocked::clock;
use super::{Loads, run, settled, start};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_value_past_its_refresh_age_is_returned_and_refreshed_in_the_background() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "5m", refresh_after = "4m", crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        let _ = id;
        LOADS.next()
    }

    run(async {
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_secs(240) - Duration::from_nanos(1));
        assert_eq!(load(1).await, 1);
        clock().advance(Duration::from_nanos(1));
        assert_eq!(load(1).await, 1, "due: the caller does not wait");
        settled(|| load::cache().get(&1) == Some(2)).await;
        assert_eq!((load::stats().refreshes, LOADS.count()), (1, 2));
    });
}

#[test]
fn a_value_past_its_ttl_is_returned_while_it_is_refreshed() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "5m", stale_while_revalidate = "1m", crate = super::mocked)]
    async fn load(id: u64) -> Option<u64> {
        let _ = id;
        Some(LOADS.next())
    }

    run(async {
        assert_eq!(load(1).await, Some(1));
        clock().advance(Duration::from_secs(300));
        assert_eq!(load::cache().get(&1), None);
        assert_eq!(load(1).await, Some(1), "stale");
        settled(|| load::cache().get(&1) == Some(2)).await;
        assert_eq!(load::stats().stale_hits, 1);
        clock().advance(Duration::from_secs(360));
        assert_eq!(load(1).await, Some(3), "the window has ended");
    });
}

#[test]
fn a_value_is_kept_for_callers_whose_load_fails() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "5m", stale_if_error = "1h", crate = super::mocked)]
    async fn load(id: u64) -> Result<u64, String> {
        match LOADS.next() {
            1 => Ok(id),
            _ => Err("down".to_owned()),
        }
    }

    run(async {
        assert_eq!(load(7).await, Ok(7));
        clock().advance(Duration::from_secs(301));
        assert_eq!(load(7).await, Ok(7));
        assert_eq!(LOADS.count(), 2, "the caller has waited for its load");
        assert_eq!(load::stats().stale_on_error, 1);
        clock().advance(Duration::from_secs(3_600));
        assert_eq!(load(7).await, Err("down".to_owned()));
    });
}

#[test]
fn a_value_is_kept_for_callers_whose_load_is_slow() {
    static LOADS: Loads = Loads::new();

    #[cached(
        ttl = "5m",
        stale_if_error = "1h",
        stale_if_slow = "200ms",
        crate = super::mocked
    )]
    async fn load(id: u64) -> u64 {
        match LOADS.next() {
            1 => id,
            _ => pending().await,
        }
    }

    run(async {
        assert_eq!(load(7).await, 7);
        clock().advance(Duration::from_secs(301));
        let slow = start(load(7));
        clock().advance(Duration::from_millis(200));
        assert_eq!(slow.await, 7);
        assert_eq!(load::stats().stale_on_slow, 1);
    });
}

#[test]
fn a_method_refreshes_with_a_clone_of_its_receiver() {
    static LOADS: Loads = Loads::new();

    #[derive(Clone)]
    struct Users(Arc<u64>);

    impl Users {
        #[cached(
            ttl = 2 * SECOND,
            refresh_after = SECOND,
            skip(self),
            clone(self),
            crate = super::mocked
        )]
        async fn by_id(&self, id: u64) -> u64 {
            *self.0 + id + LOADS.next()
        }
    }

    run(async {
        let users = Users(Arc::new(100));
        assert_eq!(users.by_id(10).await, 111);
        clock().advance(SECOND);
        assert_eq!(users.by_id(10).await, 111);
        drop(users);
        settled(|| Users::by_id_cache().get(&10) == Some(112)).await;
    });
}

#[test]
fn jitter_shortens_the_ttl_and_never_extends_it() {
    static LOADS: Loads = Loads::new();

    #[cached(ttl = "100s", ttl_jitter = 10, max_capacity = 1_000, crate = super::mocked)]
    async fn load(id: u64) -> u64 {
        LOADS.next();
        id
    }

    run(async {
        for id in 0..100 {
            load(id).await;
        }
        clock().advance(Duration::from_secs(90) - Duration::from_nanos(1));
        assert_eq!(load::cache().iter().count(), 100);
        clock().advance(Duration::from_secs(5));
        let left = load::cache().iter().count();
        assert!((10..90).contains(&left), "{left} of 100 are left");
        clock().advance(Duration::from_secs(5) + Duration::from_nanos(1));
        assert_eq!(load::cache().iter().count(), 0);
    });
}
