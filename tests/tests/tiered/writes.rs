use std::pin::pin;

use cache_core::testing::{Fault, Step};
use cache_core::{Loaded, Ttl};
use futures_util::future::{Either, join, select};

use crate::fleet::{Fleet, ms};

#[test]
fn the_process_that_inserts_a_value_keeps_it() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = second.get(7, ms(1)).await;
        assert!(first.insert(7).await);
        fleet.sleep(ms(1)).await;
        let new = first.peek(7).expect("the writer has its own value");
        assert_eq!(fleet.server.value(&7), Some(new));
        assert_ne!(new, old);
        assert_eq!(
            second.peek(7),
            None,
            "the message has removed the old value"
        );
    });
    assert_eq!(first.stats().fetches, 0);
}

#[test]
fn a_process_keeps_its_value_once_its_message_has_come_back() {
    let fleet = Fleet::new();
    let [first] = fleet.processes();
    fleet.fail_at(Step::Message, Fault::Delay(ms(30)));
    fleet.run(async {
        assert!(first.insert(7).await);
        assert_eq!(first.peek(7), None);
        // Before that, the value comes from the second tier.
        let new = first.get(7, ms(1)).await;
        assert_eq!(fleet.server.value(&7), Some(new));
        fleet.sleep(ms(40)).await;
        assert_eq!(first.peek(7), Some(new));
    });
    assert_eq!(fleet.loads(7), 0);
}

#[test]
fn a_later_invalidation_of_another_process_removes_an_inserted_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        assert!(first.insert(7).await);
        assert!(second.invalidate(7).await);
        fleet.sleep(ms(1)).await;
        assert_eq!(first.peek(7), None);
    });
}

#[test]
fn a_write_of_another_process_before_the_answer_of_an_insert_wins() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    // The server does the first insert at once, and answers it late.
    fleet.fail_at_process(1, Step::Answer, Fault::Delay(ms(50)));
    fleet.run(async {
        let newer = async {
            fleet.sleep(ms(10)).await;
            assert!(second.insert(7).await);
        };
        let (inserted, ()) = join(first.insert(7), newer).await;
        assert!(inserted);
        let newest = fleet.server.value(&7);
        assert_eq!(first.peek(7), None);
        assert_eq!(second.peek(7), newest);
        assert_eq!(Some(first.get(7, ms(1)).await), newest);
    });
}

#[test]
fn an_older_write_whose_message_is_late_does_not_remove_a_newer_value() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    // All messages to the first process are late, in their order.
    fleet.fail_at_process(1, Step::Message, Fault::Delay(ms(20)));
    fleet.run(async {
        assert!(second.insert(7).await);
        fleet.sleep(ms(10)).await;
        assert!(first.insert(7).await);
        let newest = fleet.server.value(&7);
        fleet.sleep(ms(25)).await;
        assert_eq!(first.peek(7), newest);
    });
}

#[test]
fn an_insert_that_fails_leaves_no_value() {
    let fleet = Fleet::new();
    let [first] = fleet.processes();
    fleet.run(async {
        first.get(7, ms(1)).await;
        fleet.fail_at(Step::Request, Fault::Fail);
        assert!(!first.insert(7).await);
        fleet.sleep(ms(1)).await;
        assert_eq!(first.peek(7), None);
    });
    assert_eq!(first.stats().removals_failed, 1);
}

#[test]
fn an_insert_that_is_dropped_leaves_no_old_value() {
    let fleet = Fleet::new();
    let [first] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        for step in [Step::Request, Step::Answer] {
            fleet.fail_at(step, Fault::Delay(ms(50)));
            let insert = pin!(first.insert(7));
            let limit = fleet.runtime.sleep(ms(10));
            assert!(matches!(select(insert, limit).await, Either::Right(_)));
            fleet.end_faults();
            fleet.sleep(ms(100)).await;
            assert_ne!(first.peek(7), Some(old));
        }
    });
}

#[test]
fn a_message_that_is_lost_with_its_stream_leaves_no_value() {
    let fleet = Fleet::new();
    let [first] = fleet.processes();
    fleet.run(async {
        fleet.fail_at(Step::Message, Fault::Cut);
        assert!(first.insert(7).await);
        fleet.end_faults();
        fleet.sleep(ms(1_000)).await;
        assert_eq!(first.peek(7), None);
        let new = fleet.server.value(&7);
        assert_eq!(Some(first.get(7, ms(1)).await), new);
    });
}

#[test]
fn an_inserted_entry_keeps_its_ttl_in_both_tiers() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let entry = Loaded::new(1).ttl(Ttl::After(ms(1_000)));
        first.cache.insert_entry(7, entry).await.unwrap();
        fleet.sleep(ms(400)).await;
        assert_eq!(first.cache.cache().time_to_expiry(&7), Some(ms(600)));
        second.get(7, ms(1)).await;
        assert_eq!(second.cache.cache().time_to_expiry(&7), Some(ms(600)));
        let forever = Loaded::new(2).ttl(Ttl::Never);
        first.cache.insert_entry(8, forever).await.unwrap();
        fleet.sleep(ms(1)).await;
        assert!(
            first.cache.cache().time_to_expiry(&8).is_some(),
            "it has a deadline"
        );
    });
}
