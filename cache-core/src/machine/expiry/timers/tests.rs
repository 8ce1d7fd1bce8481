//! Tests of the timers.

use core::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const LAST: Instant = Instant::from_nanos(u64::MAX - 1);

fn token(index: usize) -> Token {
    Token::from_index(index)
}

fn later(by: Duration) -> Instant {
    Instant::ORIGIN.after(by)
}

fn drain(timers: &mut Timers, now: Instant, mut budget: usize) -> Vec<usize> {
    let popped = core::iter::from_fn(|| timers.pop(now, &mut budget));
    let popped = popped.map(Token::index).collect();
    timers.validate();
    popped
}

#[test]
fn a_token_is_popped_neither_early_nor_late() {
    for nanos in [1, 1_000_000, 3_600_000_000_000, u64::MAX / 2] {
        let mut timers = Timers::new();
        timers.schedule(token(0), Instant::from_nanos(nanos));
        assert_eq!(drain(&mut timers, Instant::from_nanos(nanos - 1), 99), []);
        assert_eq!(drain(&mut timers, Instant::from_nanos(nanos), 99), [0]);
    }
}

#[test]
fn tokens_are_popped_in_the_order_of_deadlines_however_far_the_clock_jumps() {
    let mut timers = Timers::new();
    for (index, days) in [400, 1, 36_500, 30].into_iter().enumerate() {
        timers.schedule(token(index * 100), later(DAY * days));
    }
    // Only the last deadline of a token counts, and none after `cancel`.
    timers.schedule(token(7), later(DAY));
    timers.schedule(token(7), later(DAY * 401));
    timers.schedule(token(8), later(DAY * 2));
    timers.cancel(token(8));
    let all = drain(&mut timers, later(DAY * 200 * 365), 99);
    assert_eq!(all, [100, 300, 0, 7, 200]);
}

#[test]
fn the_latest_possible_deadline_is_popped_at_the_end_of_time_and_not_before() {
    let mut timers = Timers::new();
    timers.schedule(token(0), LAST);
    timers.schedule(token(1), Instant::FAR);
    assert_eq!(
        drain(&mut timers, Instant::from_nanos(u64::MAX - 2), 99),
        []
    );
    assert_eq!(drain(&mut timers, Instant::FAR, 99), [0]);
    assert!(timers.is_empty());
}

#[test]
fn a_past_deadline_is_due_at_once_and_the_end_of_time_cancels() {
    let mut timers = Timers::new();
    assert_eq!(drain(&mut timers, later(DAY), 99), []);
    timers.schedule(token(3), Instant::ORIGIN);
    timers.schedule(token(4), Instant::ORIGIN);
    timers.schedule(token(4), Instant::FAR);
    assert_eq!(timers.deadline(token(4)), Instant::FAR);
    assert_eq!(drain(&mut timers, Instant::ORIGIN, 99), [3]);
}

#[test]
fn sleeping_until_the_next_deadline_wakes_at_most_once_for_each_token_that_was_scheduled() {
    let mut timers = Timers::new();
    let all = 10 * FANOUT * FANOUT;
    for index in 0..all {
        timers.schedule(token(index), later(DAY * u32::try_from(index + 1).unwrap()));
    }
    (0..all / 2).for_each(|index| timers.cancel(token(2 * index)));
    let mut wakes = 0;
    while let Some(at) = timers.next_deadline() {
        timers.pop(at, &mut 1);
        wakes += 1;
    }
    assert!(wakes <= all, "{wakes}");
}

#[test]
fn pops_use_no_more_than_their_budget() {
    let mut timers = Timers::new();
    (0..100).for_each(|index| timers.schedule(token(index), later(DAY)));
    assert_eq!(drain(&mut timers, later(DAY), 7).len(), 7);
    let mut budget = 100;
    while timers.pop(later(DAY), &mut budget).is_some() {}
    assert_eq!(budget, 7, "one for each popped token");
}

#[test]
fn memory_is_allocated_by_the_first_token_and_does_not_grow_with_use() {
    let mut timers = Timers::new();
    assert_eq!(timers.memory_used(), 0);
    (0..1_000).for_each(|index| timers.schedule(token(index), later(DAY)));
    drain(&mut timers, later(DAY * 2), 9_999);
    let grown = timers.memory_used();
    assert!(grown < 1_000 * 10, "{grown}");
    (0..1_000).for_each(|index| timers.schedule(token(index), later(DAY * 3)));
    timers.clear();
    timers.validate();
    assert_eq!(timers.next_deadline(), None);
    (0..9).for_each(|index| timers.schedule(token(index), later(DAY * 3)));
    timers.validate();
    (0..1_000).for_each(|index| timers.schedule(token(index), later(DAY * 3)));
    assert_eq!(timers.memory_used(), grown);
    assert_eq!(drain(&mut timers, later(DAY * 3), 9_999).len(), 1_000);
}
