use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::{Fault, Step};

use futures_util::future::join;

use crate::fleet::{Fleet, ms};

#[test]
fn a_herd_of_four_processes_loads_a_key_once() {
    let fleet = Fleet::new();
    fleet.server.set_faults(|_, _| Fault::Delay(ms(1)));
    let processes = Rc::new(fleet.processes::<4>());
    fleet.runtime.advance(ms(10));
    let start = fleet.runtime.now();
    let callers: Vec<_> = (0..4_000)
        .map(|caller| {
            let processes = Rc::clone(&processes);
            fleet
                .runtime
                .spawn(async move { processes[caller % 4].get(7, ms(50)).await })
        })
        .collect();
    fleet.run(async {
        let mut values = vec![];
        for caller in callers {
            values.push(caller.await);
        }
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]));
    });
    assert_eq!(fleet.loads(7), 1);
    let took = fleet.runtime.now().since(start);
    assert!(took <= ms(60), "the last answer comes after {took:?}");
}

#[test]
fn a_thousand_concurrent_misses_are_at_most_ten_fetches() {
    let fleet = Fleet::new();
    let process = Rc::new(fleet.process());
    let callers: Vec<_> = (0..1_000)
        .map(|key| {
            let process = Rc::clone(&process);
            fleet
                .runtime
                .spawn(async move { process.get(key, Duration::ZERO).await })
        })
        .collect();
    fleet.run(async {
        for caller in callers {
            caller.await;
        }
    });
    let stats = process.stats();
    assert_eq!(stats.fetched_keys, 1_000);
    assert!(stats.fetches <= 10, "{} fetches", stats.fetches);
    assert_eq!(fleet.all_loads(), 1_000);
}

#[test]
fn a_load_that_began_before_an_invalidation_is_stored_in_no_tier() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let early = first.get(7, ms(100));
        let invalidation = async {
            fleet.sleep(ms(50)).await;
            assert!(second.invalidate(7).await);
        };
        let (old, ()) = join(early, invalidation).await;
        assert_eq!(first.peek(7), None);
        assert_eq!(fleet.server.value(&7), None);
        assert_ne!(first.get(7, ms(1)).await, old);
    });
    assert_eq!(first.stats().fills_refused, 1);
    assert_eq!(fleet.staleness().worst, Duration::ZERO);
}

#[test]
fn a_failed_load_gives_its_lease_up_and_the_next_process_tries_at_once() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let failing = first.cache.try_get_with(7, {
            let fleet = fleet.clone();
            move || async move {
                fleet.sleep(ms(20)).await;
                Err::<u64, _>("backend is down")
            }
        });
        let waiting = fleet.get_meanwhile(&second, 7);
        let (failed, _) = join(failing, waiting).await;
        assert_eq!(failed.unwrap_err().loader(), Some(&"backend is down"));
    });
    assert!(fleet.runtime.elapsed() < ms(25));
}

#[test]
fn a_dropped_load_gives_its_lease_up() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let caller = fleet
            .runtime
            .spawn(async move { first.get(7, ms(1_000)).await });
        fleet.sleep(ms(1)).await;
        assert!(fleet.server.is_leased(&7));
        caller.abort();
        fleet.sleep(ms(1)).await;
        assert!(!fleet.server.is_leased(&7));
        second.get(7, ms(1)).await;
    });
    assert!(fleet.runtime.elapsed() < ms(10));
}

#[test]
fn the_key_of_a_dead_process_is_free_after_the_lease_time() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let dead = fleet
            .runtime
            .spawn(async move { first.get(7, ms(60_000)).await });
        fleet.sleep(ms(1)).await;
        // Nothing of the first process reaches the server from here on.
        fleet.fail_at_process(1, Step::Request, Fault::Fail);
        dead.abort();
        second.get(7, ms(1)).await;
    });
    let elapsed = fleet.runtime.elapsed();
    assert!(elapsed >= Duration::from_secs(3), "{elapsed:?}");
    assert!(elapsed <= ms(3_100), "{elapsed:?}");
    assert_eq!(fleet.loads(7), 2);
}

#[test]
fn a_load_longer_than_the_lease_time_keeps_its_lease() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let waiting = fleet.get_meanwhile(&second, 7);
        let (loaded, waited) = join(first.get(7, ms(3_900)), waiting).await;
        assert_eq!(loaded, waited);
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn no_call_waits_longer_than_max_wait_for_another_process() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let waiting = async {
            fleet.get_meanwhile(&second, 7).await;
            fleet.runtime.elapsed()
        };
        let (_, elapsed) = join(first.get(7, ms(20_000)), waiting).await;
        assert!(elapsed <= ms(4_100), "{elapsed:?}");
    });
    assert_eq!(second.stats().waits_expired, 1);
    assert_eq!(second.stats().fills_stored, 0);
}

#[test]
fn the_fill_of_a_process_that_lost_its_lease_is_refused() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let stopped = first.get(7, ms(3_500));
        let other = async {
            fleet.sleep(ms(1)).await;
            // No request of the first process arrives until its lease is lost.
            fleet.fail_at_process(1, Step::Request, Fault::Lose);
            let value = second.get(7, ms(1)).await;
            fleet.end_faults();
            value
        };
        let (_, new) = join(stopped, other).await;
        assert_eq!(fleet.server.value(&7), Some(new));
    });
    assert_eq!(first.stats().fills_refused, 1);
    assert_eq!(fleet.loads(7), 2);
}

#[test]
fn the_loader_is_not_called_for_a_value_of_the_second_tier() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let value = first.get(7, ms(1)).await;
        let found = second.cache.get_with(7, || -> std::future::Ready<u64> {
            panic!("the second tier has the value")
        });
        assert_eq!(found.await, value);
    });
    assert_eq!(second.stats().hits, 1);
}

#[test]
fn loads_of_one_process_that_share_a_lookup_do_not_share_its_lease() {
    let fleet = Fleet::new();
    let process = Rc::new(fleet.process());
    let get = || {
        let process = Rc::clone(&process);
        fleet
            .runtime
            .spawn(async move { process.get(7, ms(10)).await })
    };
    fleet.server.set_faults(|_, _| Fault::Delay(ms(1)));
    fleet.run(async {
        let first = get();
        // The first load has requested its lookup, and no lookup was dispatched.
        fleet.runtime.yield_now().await;
        process.cache.cache().invalidate(&7);
        let second = get();
        assert_eq!(first.await, second.await);
    });
    assert_eq!(fleet.loads(7), 1);
}
