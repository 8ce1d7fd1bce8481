use std::time::Duration;

use cache_core::testing::{Fault, Step};

use futures_util::future::join;

use crate::fleet::{DELTA, Fleet, Process, ms};

/// Lets `first` have a value that `second` removes, and keeps the message from it.
async fn miss_invalidation(first: &Process, second: &Process) {
    first.get(7, ms(1)).await;
    first.cache.tier().stall(true);
    assert!(second.invalidate(7).await);
}

#[test]
fn a_stream_that_breaks_clears_the_first_tier() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        // The message is lost with the stream.
        fleet.fail_at_process(1, Step::Message, Fault::Cut);
        assert!(second.invalidate(7).await);
        fleet.end_faults();
        fleet.sleep(ms(1)).await;
        assert_eq!(first.peek(7), None);
    });
    assert_eq!(first.stats().connections, 2);
}

#[test]
fn a_stalled_stream_is_noticed_within_the_bound() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        miss_invalidation(&first, &second).await;
        for _ in 0..200 {
            fleet.sleep(ms(10)).await;
            first.peek(7);
            first.get(7, ms(1)).await;
        }
        assert_eq!(first.peek(7), None);
    });
    let staleness = fleet.staleness();
    assert!(staleness.worst > Duration::ZERO, "the fault has no effect");
    assert_eq!(staleness.violations, 0, "{staleness:?}");
}

#[test]
fn past_the_horizon_a_process_loads_a_key_twice_in_the_bound_at_most() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        process.cache.tier().stall(true);
        fleet.sleep(2 * DELTA).await;
        // The data link is dead too.
        fleet.server.set_faults(|_, _| Fault::Fail);
        let loads = fleet.loads(7);
        let until = fleet.runtime.now().after(10 * DELTA);
        while !until.has_passed(fleet.runtime.now()) {
            process.get(7, Duration::ZERO).await;
            fleet.sleep(ms(1)).await;
        }
        let loads = fleet.loads(7) - loads;
        assert!((10..=21).contains(&loads), "{loads} loads");
    });
}

#[test]
fn past_the_horizon_the_second_tier_is_used_while_it_takes_writes() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let value = second.get(7, ms(1)).await;
        first.cache.tier().stall(true);
        fleet.sleep(2 * DELTA).await;
        assert_eq!(first.get(7, ms(1)).await, value);
        // The content of a server that takes no writes may be old.
        fleet.server.set_read_only(true);
        fleet.sleep(DELTA).await;
        assert_ne!(first.get(7, ms(1)).await, value);
    });
}

#[test]
fn a_lapse_without_a_break_clears_nothing() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        let value = process.get(7, ms(1)).await;
        // The process stops: no task of it runs, and the next read is the first thing it does.
        fleet.runtime.set_now(fleet.runtime.now().after(2 * DELTA));
        assert_eq!(process.peek(7), None);
        fleet
            .runtime
            .set_now(fleet.runtime.now().before(DELTA + DELTA / 2));
        fleet.sleep(ms(1)).await;
        assert_eq!(process.peek(7), Some(value));
    });
    assert_eq!(process.stats().connections, 1);
}

#[test]
fn a_process_that_was_stopped_returns_no_old_value_from_its_first_read_on() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        miss_invalidation(&first, &second).await;
    });
    fleet
        .runtime
        .set_now(fleet.runtime.now().after(DELTA + ms(1)));
    assert_eq!(first.peek(7), None);
}

#[test]
fn a_dead_second_tier_costs_nothing_once_the_breaker_is_open() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        fleet.server.set_faults(|_, step| match step {
            Step::Request => Fault::Lose,
            Step::Heartbeat => Fault::Lose,
            _ => Fault::None,
        });
        for key in 0..5 {
            let start = fleet.runtime.now();
            process.get(key, ms(1)).await;
            let took = fleet.runtime.now().since(start);
            assert_eq!(took, ms(51), "one soft timeout");
        }
        assert!(process.stats().is_breaker_open);
        let fetches = process.stats().fetches;
        for key in 5..50 {
            let start = fleet.runtime.now();
            process.get(key, ms(1)).await;
            assert_eq!(fleet.runtime.now().since(start), ms(1));
        }
        assert_eq!(process.stats().fetches, fetches);
        // A heartbeat is answered again.
        fleet.end_faults();
        fleet.sleep(DELTA).await;
        assert!(!process.stats().is_breaker_open);
        process.get(99, ms(1)).await;
        assert_eq!(fleet.server.value(&99), process.peek(99));
    });
}

#[test]
fn a_cache_starts_and_works_without_its_server() {
    let fleet = Fleet::new();
    fleet.server.set_faults(|_, _| Fault::Fail);
    let process = fleet.process();
    fleet.run(async {
        let value = process.get(7, ms(1)).await;
        // Calls of the same interval share the value.
        assert_eq!(process.get(7, ms(1)).await, value);
        fleet.end_faults();
        fleet.sleep(DELTA).await;
        let new = process.get(7, ms(1)).await;
        assert_eq!(process.peek(7), Some(new));
        assert_eq!(fleet.server.value(&7), Some(new));
    });
}

#[test]
fn after_a_restart_of_the_server_each_key_is_loaded_once_by_the_fleet() {
    let fleet = Fleet::new();
    let processes = fleet.processes::<4>();
    fleet.run(async {
        for key in 0..100 {
            for process in &processes {
                process.get(key, ms(1)).await;
            }
        }
        assert_eq!(fleet.all_loads(), 100);
        fleet.server.restart();
        fleet.sleep(ms(1)).await;
        for key in 0..100 {
            let calls = processes.iter().map(|process| process.get(key, ms(1)));
            futures_util::future::join_all(calls).await;
        }
    });
    assert_eq!(fleet.all_loads(), 200);
}

#[test]
fn an_invalidation_whose_answer_is_lost_is_an_error_and_may_have_been_done() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        fleet.fail_at(Step::Answer, Fault::Fail);
        assert!(!second.invalidate(7).await);
        fleet.sleep(ms(1)).await;
        assert_eq!(fleet.server.value(&7), None);
        assert_eq!(first.peek(7), None);
    });
    assert_eq!(second.stats().removals_failed, 1);
}

#[test]
fn a_fill_whose_answer_is_lost_gives_the_value_to_the_callers() {
    let fleet = Fleet::new();
    let process = fleet.process();
    fleet.run(async {
        let load = process.get(7, ms(10));
        let fault = async {
            fleet.sleep(ms(5)).await;
            fleet.fail_at(Step::Answer, Fault::Lose);
        };
        let (value, ()) = join(load, fault).await;
        assert_eq!(process.peek(7), Some(value));
    });
    assert_eq!(process.stats().fills_failed, 1);
    assert!(fleet.runtime.elapsed() <= ms(60));
}

#[test]
fn a_lost_message_that_a_key_is_filled_costs_one_poll() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        second.cache.tier().stall(true);
        let waiting = async {
            fleet.get_meanwhile(&second, 7).await;
            fleet.runtime.elapsed()
        };
        let (_, elapsed) = join(first.get(7, ms(100)), waiting).await;
        assert!(elapsed <= ms(151), "{elapsed:?}");
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn a_clock_that_steps_back_makes_no_value_older_than_the_bound() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        fleet.sleep(ms(300)).await;
        assert!(second.invalidate(7).await);
        fleet.sleep(ms(1)).await;
        fleet.runtime.set_now(fleet.runtime.now().before(ms(200)));
        assert_eq!(first.peek(7), None);
    });
}
