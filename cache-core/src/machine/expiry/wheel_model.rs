//! The timer wheel beside a plain table: the same calls to both, and everything compared after each. The fuzz target,
//! which is no test, compiles this file, too.

use core::time::Duration;

use super::wheel::Wheel;
use crate::machine::list::Token;
use crate::machine::time::Instant;

/// What can be done to a wheel.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    ScheduleIn(usize, u64),
    ScheduleAt(usize, u64),
    Cancel(usize),
    Advance(u64, usize),
    TakeEarly,
    Clear,
}

/// Every deadline in a row, looked through from end to end.
pub(crate) struct Model {
    wheel: Wheel,
    deadlines: [Instant; 24],
    now: Instant,
}

impl Model {
    /// Does all that to a wheel and to a table, and compares them after every step.
    pub(crate) fn try_out(steps: &[Step]) {
        let mut model = Self {
            wheel: Wheel::new(),
            deadlines: [Instant::FAR; 24],
            now: Instant::ORIGIN,
        };
        for step in steps {
            model.apply(step);
            model.check();
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::ScheduleIn(index, by) => {
                self.schedule(index, self.now.after(Duration::from_nanos(by)));
            }
            Step::ScheduleAt(index, at) => self.schedule(index, Instant::from_nanos(at)),
            Step::Cancel(index) => {
                self.wheel.cancel(Token::from_index(index));
                self.deadlines[index] = Instant::FAR;
            }
            // A clock that falls back is one that stands still.
            Step::Advance(by, budget) if by % 4 == 0 => self.advance(Instant::ORIGIN, budget),
            Step::Advance(by, budget) => {
                self.now = self.now.after(Duration::from_nanos(by));
                self.advance(self.now, budget);
            }
            Step::TakeEarly => self.take_early(),
            Step::Clear => {
                self.wheel.clear();
                self.deadlines = [Instant::FAR; 24];
            }
        }
    }

    fn schedule(&mut self, index: usize, at: Instant) {
        self.wheel.schedule(Token::from_index(index), at);
        self.deadlines[index] = at;
    }

    fn advance(&mut self, now: Instant, mut budget: usize) {
        let mut left = budget;
        while let Some(popped) = self.wheel.advance(now, &mut left) {
            assert!(left < budget, "a pop is not free");
            budget = left;
            self.wheel.validate();
            let at = core::mem::replace(&mut self.deadlines[popped.index()], Instant::FAR);
            assert!(at.has_passed(self.now), "popped early, or twice");
        }
        if left > 0 {
            let next = self.wheel.next_deadline();
            assert!(
                next.is_none_or(|at| !at.has_passed(self.now)),
                "budget unused"
            );
            assert!(self.due().is_none_or(|at| at > self.now), "popped late");
        }
    }

    fn take_early(&mut self) {
        self.advance(self.now, 1_000);
        for early in self.wheel.take_early(self.now) {
            let at = core::mem::replace(&mut self.deadlines[early.index()], Instant::FAR);
            assert!(at.has_passed(self.now), "taken too early, or twice");
        }
        let left = self.deadlines.iter().any(|at| at.has_passed(self.now));
        assert!(!left, "left until the tick is over");
    }

    /// When the first token must have come, at the latest.
    fn due(&self) -> Option<Instant> {
        let scheduled = self.deadlines.iter().filter(|at| **at != Instant::FAR);
        scheduled.min().copied().map(latest_pop)
    }

    fn check(&self) {
        self.wheel.validate();
        for (index, at) in self.deadlines.iter().enumerate() {
            let scheduled = self.wheel.scheduled(Token::from_index(index));
            assert_eq!(scheduled.unwrap_or(Instant::FAR), *at);
        }
        match (self.wheel.next_deadline(), self.due()) {
            (Some(next), Some(due)) => assert!(next <= due.max(self.now), "overslept"),
            (next, due) => assert_eq!(next, due, "one of them is empty"),
        }
    }
}

fn latest_pop(at: Instant) -> Instant {
    at.after(TICK - Duration::from_nanos(1))
}

/// How late a token may be popped at worst.
const TICK: Duration = Duration::from_nanos(1 << 20);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step() -> impl Strategy<Value = Step> {
        // As many spans of nanoseconds as of centuries.
        let span = || (any::<u64>(), 0..64u32).prop_map(|(span, shift)| span >> shift);
        // Few coarse buckets with many tokens, so that budgets run out amid them.
        let crowd = || (40..44u64).prop_map(|at| at << 32);
        let end = (0..3u64).prop_map(|before| u64::MAX - before);
        let by = prop_oneof![4 => span().prop_map(|by| by >> 8), 4 => 0..4u64 << 36, 1 => span()];
        let budget = prop_oneof![0..8usize, Just(1_000)];
        let ahead = prop_oneof![span(), crowd()];
        let fixed = prop_oneof![span(), end];
        prop_oneof![
            20 => (0..24usize, ahead).prop_map(|(index, by)| Step::ScheduleIn(index, by)),
            3 => (0..24usize, fixed).prop_map(|(index, at)| Step::ScheduleAt(index, at)),
            4 => (0..24usize).prop_map(Step::Cancel),
            18 => (by, budget).prop_map(|(by, budget)| Step::Advance(by, budget)),
            4 => Just(Step::TakeEarly),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_plain_table(steps in prop::collection::vec(step(), 0..100)) {
            Model::try_out(&steps);
        }
    }
}
