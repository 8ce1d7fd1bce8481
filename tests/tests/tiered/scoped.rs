use std::pin::pin;

use cache_core::Cache;
use cache_core::testing::MemoryTier;
use futures_util::future::{Either, join, select};

use crate::fleet::{Fleet, ms};

#[test]
fn a_loader_that_borrows_runs_once_for_the_fleet() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let (one, other) = join(first.get_scoped(7, ms(20)), second.get_scoped(7, ms(20))).await;
        assert_eq!(one, other);
        assert_eq!(
            first.get_scoped(7, ms(1)).await,
            one,
            "the first tier has it"
        );
    });
    assert_eq!(fleet.loads(7), 1);
    assert_eq!(fleet.server.value(&7), first.peek(7));
}

#[test]
fn callers_with_and_without_a_loader_that_borrows_share_a_load() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        let (one, other) = join(process.get_scoped(7, ms(20)), process.get(7, ms(20))).await;
        assert_eq!(one, other);
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn a_scoped_load_that_is_dropped_gives_its_lease_up() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        {
            let load = pin!(first.get_scoped(7, ms(1_000)));
            let limit = fleet.runtime.sleep(ms(10));
            assert!(matches!(select(load, limit).await, Either::Right(_)));
            assert!(fleet.server.is_leased(&7));
        }
        let start = fleet.runtime.elapsed();
        second.get(7, ms(1)).await;
        assert!(fleet.runtime.elapsed() - start < ms(100));
    });
}

#[test]
fn a_scoped_load_past_the_horizon_reads_the_second_tier() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let value = second.get(7, ms(1)).await;
        first.cache.tier().stall(true);
        fleet.sleep(ms(610)).await;
        assert_eq!(first.get_scoped(7, ms(1)).await, value);
    });
    assert_eq!(first.stats().past_horizon, 1);
}

#[test]
fn every_method_has_a_form_for_borrowed_keys_and_for_loaders_that_borrow() {
    let fleet = Fleet::new();
    let server = MemoryTier::<String, u64>::new(fleet.runtime.clone());
    let process = |tier| Cache::builder_on(fleet.runtime.clone()).tiered(tier);
    let (first, second) = (process(server.process()), process(server.process()));
    fleet.runtime.run_until_idle();
    let answer = 42;
    let one = || async { answer };
    let ok = || async { Ok::<_, ()>(answer) };
    let some = || async { Some(answer) };
    let ok_some = || async { Ok::<_, ()>(Some(answer)) };
    let loaded = || async { Ok::<_, ()>(cache_core::Loaded::new(answer)) };
    let key = |key: &str| key.to_owned();
    fleet.run(async {
        assert_eq!(first.get_with_scoped(key("a"), one).await, 42);
        assert_eq!(first.get_with_by_ref_scoped("b", one).await, 42);
        assert_eq!(first.try_get_with_scoped(key("c"), ok).await, Ok(42));
        assert_eq!(first.try_get_with_by_ref_scoped("d", ok).await, Ok(42));
        assert_eq!(
            first.optionally_get_with_scoped(key("e"), some).await,
            Some(42)
        );
        assert_eq!(
            first.optionally_get_with_by_ref_scoped("f", some).await,
            Some(42)
        );
        let found = first.try_optionally_get_with_scoped(key("g"), ok_some);
        assert_eq!(found.await, Ok(Some(42)));
        let found = first.try_optionally_get_with_by_ref_scoped("h", ok_some);
        assert_eq!(found.await, Ok(Some(42)));
        assert_eq!(first.load_with_scoped(key("i"), loaded).await, Ok(42));
        assert_eq!(first.load_with_by_ref_scoped("j", loaded).await, Ok(42));
        // The second process gets all of them from the second tier, by borrowed keys.
        assert_eq!(second.get_with_by_ref("a", || async { 1 }).await, 42);
        assert_eq!(
            second
                .try_get_with_by_ref("b", || async { Ok::<_, ()>(1) })
                .await,
            Ok(42)
        );
        assert_eq!(
            second
                .optionally_get_with_by_ref("c", || async { Some(1) })
                .await,
            Some(42)
        );
        let found = second.try_optionally_get_with_by_ref("d", || async { Ok::<_, ()>(Some(1)) });
        assert_eq!(found.await, Ok(Some(42)));
        let found = second.load_with_by_ref("e", || async { Ok::<_, ()>(1.into()) });
        assert_eq!(found.await, Ok(42));
    });
    assert_eq!(
        (first.tier_stats().misses, second.tier_stats().hits),
        (10, 5)
    );
}
