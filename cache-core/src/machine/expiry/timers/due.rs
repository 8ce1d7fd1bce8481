//! All tokens whose deadline has passed, in one pass.

use super::{FANOUT, Timers};
use crate::machine::list::Token;
use crate::machine::time::Instant;

impl Timers {
    /// Removes tokens whose deadline has passed, in no particular order, and passes each to
    /// `popped`.
    ///
    /// [`Timers::pop`] walks down the tree for each token; this walks over the due part of the tree
    /// once. Every popped token and every repair takes one from `budget`. A budget that is left
    /// means that no deadline has passed.
    pub(crate) fn pop_due(
        &mut self,
        now: Instant,
        budget: &mut usize,
        mut popped: impl FnMut(Token),
    ) {
        while *budget > 0 && self.next_deadline().is_some_and(|at| at.has_passed(now)) {
            self.pop_due_below(self.bounds.len(), 0, now, budget, &mut popped);
        }
    }

    /// Pops due tokens below bound `index` of `level`, as long as the budget lasts, and recomputes
    /// the bound. Returns it.
    fn pop_due_below(
        &mut self,
        level: usize,
        index: usize,
        now: Instant,
        budget: &mut usize,
        popped: &mut impl FnMut(Token),
    ) -> Instant {
        let before = *budget;
        let earliest = if level == 1 {
            self.pop_due_of(index, now, budget, popped)
        } else {
            let children = self.bounds[level - 2].len();
            let start = index * FANOUT;
            (start..children.min(start + FANOUT)).fold(Instant::FAR, |earliest, child| {
                let bound = self.bounds[level - 2][child];
                earliest.min(if *budget > 0 && bound.has_passed(now) {
                    self.pop_due_below(level - 1, child, now, budget, popped)
                } else {
                    bound
                })
            })
        };
        if *budget == before {
            // The bound was too early: a repair.
            *budget -= 1;
        }
        self.bounds[level - 1][index] = earliest;
        earliest
    }

    /// Pops due tokens of one group of deadlines. Returns the earliest deadline that is left.
    fn pop_due_of(
        &mut self,
        group: usize,
        now: Instant,
        budget: &mut usize,
        popped: &mut impl FnMut(Token),
    ) -> Instant {
        let start = group * FANOUT;
        let end = self.deadlines.len().min(start + FANOUT);
        let mut earliest = Instant::FAR;
        for (index, at) in self.deadlines[start..end].iter_mut().enumerate() {
            if *budget > 0 && at.has_passed(now) {
                *budget -= 1;
                self.len -= 1;
                *at = Instant::FAR;
                popped(Token::from_index(start + index));
            }
            earliest = earliest.min(*at);
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;

    /// Timers with deadlines from 0 to 99 in no order, of which some were moved or canceled.
    fn mixed(tokens: usize) -> Timers {
        let mut timers = Timers::new();
        let at = |number: usize| Instant::from_nanos((number * 7_919 % 100) as u64);
        for index in 0..tokens {
            timers.schedule(Token::from_index(index), at(index));
        }
        for index in (0..tokens).step_by(3) {
            timers.schedule(Token::from_index(index), at(index * 31 + 5));
        }
        (0..tokens)
            .step_by(7)
            .for_each(|index| timers.cancel(Token::from_index(index)));
        timers
    }

    fn pop_due(timers: &mut Timers, now: Instant, mut budget: usize) -> (Vec<Token>, usize) {
        let mut popped = Vec::new();
        timers.pop_due(now, &mut budget, |token| popped.push(token));
        timers.validate();
        (popped, budget)
    }

    #[test]
    fn exactly_the_due_tokens_are_popped() {
        for tokens in [0, 1, FANOUT, FANOUT + 1, 3 * FANOUT * FANOUT + 5] {
            let mut timers = mixed(tokens);
            for now in [0, 10, 10, 57, 99].map(Instant::from_nanos) {
                let token = Token::from_index;
                let due = |timers: &Timers, index| timers.deadline(token(index)).has_passed(now);
                let expected: BTreeSet<_> = (0..tokens)
                    .filter(|&index| due(&timers, index))
                    .map(token)
                    .collect();
                let (popped, left) = pop_due(&mut timers, now, 1 << 20);
                assert_eq!(popped.len(), expected.len());
                assert_eq!(BTreeSet::from_iter(popped), expected);
                assert!(left > 0);
                let next = timers.next_deadline();
                assert!(next.is_none_or(|at| !at.has_passed(now)));
            }
            assert!(timers.is_empty());
        }
    }

    #[test]
    fn a_small_budget_pops_all_due_tokens_in_several_calls() {
        let mut timers = mixed(1_000);
        let (all, now) = (timers.len(), Instant::from_nanos(99));
        let mut seen = BTreeSet::new();
        while !timers.is_empty() {
            let (popped, left) = pop_due(&mut timers, now, 7);
            assert!(popped.len() <= 7);
            assert!(left == 0 || timers.is_empty(), "{left}");
            seen.extend(popped);
        }
        assert_eq!(seen.len(), all);
    }
}
