//! Compares the timers with a plain table: makes the same calls to both, and compares everything
//! after each. A fuzz target compiles this file, too.

use core::time::Duration;

use super::timers::Timers;
use crate::machine::list::Token;
use crate::machine::time::Instant;

/// One call of the timers.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    ScheduleIn(usize, u64),
    ScheduleAt(usize, u64),
    Cancel(usize),
    Advance(u64, usize),
    Clear,
}

/// The timers, and the deadlines in an array that is searched from end to end.
pub(crate) struct Model {
    timers: Timers,
    deadlines: [Instant; 24],
    now: Instant,
}

impl Model {
    /// Runs `steps` on the timers and on the table, and compares them after every step.
    pub(crate) fn try_out(steps: &[Step]) {
        let mut model = Self {
            timers: Timers::new(),
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
                self.timers.cancel(token(index));
                self.deadlines[index] = Instant::FAR;
            }
            Step::Advance(by, budget) => {
                self.now = self.now.after(Duration::from_nanos(by));
                self.pop(budget);
            }
            Step::Clear => {
                self.timers.clear();
                self.deadlines = [Instant::FAR; 24];
            }
        }
    }

    fn schedule(&mut self, index: usize, at: Instant) {
        self.timers.schedule(token(index), at);
        self.deadlines[index] = at;
    }

    fn pop(&mut self, mut budget: usize) {
        let mut left = budget;
        while let Some(popped) = self.timers.pop(self.now, &mut left) {
            assert!(left < budget, "a pop takes from the budget");
            budget = left;
            self.timers.validate();
            let earliest = self.earliest();
            let at = core::mem::replace(self.deadline_of(popped), Instant::FAR);
            assert!(at.has_passed(self.now), "popped early, or twice");
            assert_eq!(Some(at), earliest, "popped out of order");
        }
        if left > 0 {
            let next = self.timers.next_deadline();
            assert!(
                next.is_none_or(|at| !at.has_passed(self.now)),
                "no deadline has passed with budget left"
            );
            let earliest = self.earliest();
            assert!(
                earliest.is_none_or(|at| !at.has_passed(self.now)),
                "a passed deadline was not popped"
            );
        }
    }

    fn deadline_of(&mut self, token: Token) -> &mut Instant {
        &mut self.deadlines[token.index() / APART]
    }

    fn earliest(&self) -> Option<Instant> {
        let scheduled = self.deadlines.iter().filter(|at| **at != Instant::FAR);
        scheduled.min().copied()
    }

    fn check(&self) {
        self.timers.validate();
        for (index, at) in self.deadlines.iter().enumerate() {
            assert_eq!(self.timers.deadline(token(index)), *at);
        }
        match (self.timers.next_deadline(), self.earliest()) {
            (Some(next), Some(earliest)) => assert!(next <= earliest, "the next is too late"),
            (next, earliest) => assert_eq!(next, earliest, "one of them is empty"),
        }
    }
}

fn token(index: usize) -> Token {
    Token::from_index(index * APART)
}

/// The distance between tokens, so that there are several levels of bounds above them.
const APART: usize = 37;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step() -> impl Strategy<Value = Step> {
        // All magnitudes are equally likely, from nanoseconds to centuries.
        let span = || (any::<u64>(), 0..64u32).prop_map(|(span, shift)| span >> shift);
        // Many tokens at few times, so that budgets run out between equal deadlines.
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
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn the_timers_agree_with_a_plain_table(steps in prop::collection::vec(step(), 0..100)) {
            Model::try_out(&steps);
        }
    }
}
