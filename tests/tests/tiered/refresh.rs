use cache_core::testing::{Fault, Step};
use futures_util::future::join;

use crate::fleet::{Fleet, ms};

#[test]
fn a_refresh_replaces_the_value_in_both_tiers_of_every_process() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        assert_eq!(second.get(7, ms(1)).await, old);
        let new = first.refresh(7, ms(1)).await;
        assert_ne!(new, old);
        fleet.sleep(ms(1)).await;
        assert_eq!(fleet.server.value(&7), Some(new));
        assert_eq!((first.peek(7), second.peek(7)), (Some(new), None));
        assert_eq!(second.get(7, ms(1)).await, new);
    });
    assert_eq!(fleet.loads(7), 2);
    let stats = first.stats();
    assert_eq!(
        (stats.refreshes, stats.misses, stats.fills_stored),
        (1, 1, 2)
    );
}

#[test]
fn a_refresh_of_an_absent_key_stores_its_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let new = first.refresh(7, ms(1)).await;
        assert_eq!(second.get(7, ms(1)).await, new);
        assert_eq!(first.peek(7), Some(new));
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn other_calls_of_the_process_join_a_refresh() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        let (new, joined) = join(process.refresh(7, ms(20)), async {
            fleet.sleep(ms(10)).await;
            process.get(7, ms(1)).await
        })
        .await;
        assert_eq!(joined, new);
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn a_key_that_is_invalidated_during_a_refresh_has_no_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        let (loaded, _) = join(first.refresh(7, ms(20)), async {
            fleet.sleep(ms(10)).await;
            assert!(second.invalidate(7).await);
        })
        .await;
        fleet.sleep(ms(1)).await;
        assert_eq!(fleet.server.value(&7), None);
        assert_eq!(first.peek(7), None);
        assert_ne!(second.get(7, ms(1)).await, loaded);
    });
    assert_eq!(first.stats().fills_refused, 1);
}

#[test]
fn a_key_that_is_written_during_a_refresh_does_not_get_the_older_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        let (loaded, _) = join(first.refresh(7, ms(20)), async {
            fleet.sleep(ms(10)).await;
            assert!(second.insert(7).await);
        })
        .await;
        fleet.sleep(ms(1)).await;
        assert_ne!(fleet.server.value(&7), Some(loaded));
        assert_ne!(first.get(7, ms(1)).await, loaded);
        assert_ne!(second.get(7, ms(1)).await, loaded);
    });
}

#[test]
fn an_older_load_of_another_process_does_not_outlive_a_refresh() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let (older, refreshed) = join(first.get(7, ms(50)), async {
            fleet.sleep(ms(10)).await;
            second.refresh(7, ms(1)).await
        })
        .await;
        assert!(older < refreshed);
        fleet.sleep(ms(1)).await;
        assert_ne!(fleet.server.value(&7), Some(older));
        assert!(first.get(7, ms(1)).await >= refreshed);
        assert!(second.get(7, ms(1)).await >= refreshed);
    });
}

#[test]
fn refreshes_of_two_processes_leave_one_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        join(first.refresh(7, ms(10)), second.refresh(7, ms(10))).await;
        fleet.sleep(ms(1)).await;
        let value = first.get(7, ms(1)).await;
        assert_eq!(second.get(7, ms(1)).await, value);
        assert_eq!(fleet.server.value(&7), Some(value));
    });
}

#[test]
fn a_refresh_that_fails_leaves_the_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        let failed = first.cache.refresh(7, || async { Err::<u64, _>("down") });
        assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(
            (first.peek(7), fleet.server.value(&7)),
            (Some(old), Some(old))
        );
        // A key without a value is free for the next process.
        let failed = first.cache.refresh(8, || async { Err::<u64, _>("down") });
        assert!(failed.await.is_err());
        fleet.sleep(ms(1)).await;
        assert!(!fleet.server.is_leased(&8));
        second.get(8, ms(1)).await;
    });
}

#[test]
fn a_refresh_works_without_the_server() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        let old = process.get(7, ms(1)).await;
        for fault in [Fault::Fail, Fault::Lose] {
            fleet.fail_at(Step::Request, fault);
            assert_ne!(process.refresh(7, ms(1)).await, old);
            fleet.end_faults();
        }
    });
    assert_eq!(process.stats().refreshes, 2);
}

#[test]
fn a_refresh_past_the_horizon_reads_no_older_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        first.cache.tier().stall(true);
        fleet.sleep(ms(610)).await;
        assert_eq!(first.get(7, ms(1)).await, old, "the second tier has it");
        let new = first.refresh(7, ms(1)).await;
        assert_ne!(new, old);
        assert_eq!(first.get(7, ms(1)).await, new);
        assert_eq!(second.get(7, ms(1)).await, new);
    });
}
