//! Timeouts, and callers that follow them.

use std::time::Duration;

use cache_core::machine::Instant;

use super::pair::Pair;

impl Pair {
    pub(crate) fn purge_expired(&mut self, budget: usize) {
        let due = self.engine.next_deadline();
        let (done, left) =
            self.call_safely(|engine, now, fx| engine.purge_expired(now, budget, fx));
        let now = self.model.now;
        if due.is_none_or(|due| due > now) {
            assert_eq!(
                (done, &*left),
                (budget > 0, &[][..]),
                "a call before the deadline removes nothing"
            );
        }
        assert!(left.len() <= budget, "{left:?} for {budget}");
        self.model.purge(&left);
        if done {
            let due = self.engine.next_deadline();
            assert!(!due.is_some_and(|due| due.has_passed(now)), "{due:?}");
            self.check_done(now);
        }
        self.alarm = self.engine.next_deadline();
    }

    pub(crate) fn purge_all(&mut self) {
        self.purge_expired(usize::MAX);
        self.check_done(self.model.now);
    }

    pub(crate) fn catch_up(&mut self, budget: usize) {
        for _ in 0..MANY {
            let due = self.engine.next_deadline();
            if !due.is_some_and(|due| due.has_passed(self.clock)) {
                return self.check_done(self.clock);
            }
            self.purge_expired(budget);
        }
        panic!("the engine is always due");
    }

    pub(crate) fn sleep(&mut self, span: Duration) {
        let end = self.clock.after(span);
        // One wake-up for each remaining entry and flight, for each outdated bound, each over a
        // part of at most 256 slots, and for the previous alarm.
        let most = self.model.entries.len() + self.model.flights.len() + 256 / 16 + 2;
        for _ in 0..=most {
            let alarm = self.alarm.filter(|&at| at.has_passed(end));
            let Some(alarm) = alarm else {
                self.clock = end;
                return self.check_done(end);
            };
            self.clock = self.clock.max(alarm);
            self.purge_expired(usize::MAX);
        }
        panic!("the janitor wakes too often");
    }

    /// Checks that no entry and no result outlives its deadline at `now`.
    fn check_done(&self, now: Instant) {
        for (key, entry) in &self.model.entries {
            assert!(
                !entry.kept.has_passed(now),
                "{key} has expired but is stored"
            );
        }
        for led in self.remembered.iter().filter(|led| led.is_held()) {
            let remembered = self.model.flights.get(&led.key);
            let until = remembered.and_then(|flight| flight.until);
            assert!(!until.is_some_and(|at| at.has_passed(now)), "{led:?}");
        }
    }
}

const MANY: usize = 10_000;
