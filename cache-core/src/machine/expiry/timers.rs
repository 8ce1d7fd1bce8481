//! Timers: the token with the earliest deadline, without a sorted structure.

// The fuzz targets include this file by its path.
#[path = "timers/due.rs"]
mod due;

use alloc::{vec, vec::Vec};

use crate::machine::list::{Token, ensure_slot};
use crate::machine::time::Instant;

/// The deadline of each token, and a search tree for the earliest one.
///
/// The leaves are the deadlines, indexed by token. Above them lies a tree of bounds: one for each
/// [`FANOUT`] deadlines, one for each `FANOUT` of these bounds, and so on up to a single root. A
/// bound is never later than a deadline below it, but it may be earlier: if a deadline moves back,
/// the bounds above it are not updated. A `pop` that follows such a bound and does not find its
/// deadline repairs it. So this is a tournament tree (Knuth, "The Art of Computer Programming",
/// volume 3, section 5.4.1) that is repaired lazily.
///
/// | token | event | effect |
/// |---|---|---|
/// | unscheduled or scheduled | `schedule`, earlier than the bounds above | they are lowered to it |
/// | unscheduled or scheduled | `schedule`, later | scheduled; the bounds above may now be too early |
/// | scheduled | `cancel` | unscheduled; the bounds above may now be too early |
/// | due | `pop` finds it | unscheduled and returned; the bounds above are recomputed |
/// | any, below a bound that is too early | `pop` follows the bound | the bounds above are recomputed |
///
/// Most deadlines are later than the one that they replace: scheduling then is a store and a
/// comparison, also for each hit with an idle expiry. In the worst case it is O(levels), the levels
/// being the logarithm of the tokens to base `FANOUT`. `cancel` is a store. `pop` is
/// O(levels × `FANOUT`), and so is a repair, of which each `schedule` can make one
/// necessary. Memory: 8.5 bytes per token.
///
/// To drive the timers, sleep until [`Timers::next_deadline`], call [`Timers::pop`] until it
/// returns `None`, and repeat. A call with nothing due is cheap. If the budget has run out, the
/// next deadline has passed already; other calls may come before the next `pop`.
#[derive(Debug)]
pub(crate) struct Timers {
    /// By token; [`Instant::FAR`] for a token that is not scheduled.
    deadlines: Vec<Instant>,
    /// The levels of bounds, from those above the deadlines to the root.
    bounds: Vec<Vec<Instant>>,
    len: usize,
}

impl Timers {
    /// Creates empty timers. Allocates nothing until the first token is scheduled.
    pub(crate) const fn new() -> Self {
        Self {
            deadlines: Vec::new(),
            bounds: Vec::new(),
            len: 0,
        }
    }

    /// Sets the deadline of `token`, also if it has one. [`Instant::FAR`] cancels it. A deadline in
    /// the past is due at the next [`Timers::pop`].
    pub(crate) fn schedule(&mut self, token: Token, at: Instant) {
        if at == Instant::FAR {
            return self.cancel(token);
        }
        self.grow(token);
        let mut index = token.index();
        let old = core::mem::replace(&mut self.deadlines[index], at);
        self.len += usize::from(old == Instant::FAR);
        for level in &mut self.bounds {
            index /= FANOUT;
            if level[index] <= at {
                return;
            }
            level[index] = at;
        }
    }

    /// Removes the deadline of `token`, if it has one.
    pub(crate) fn cancel(&mut self, token: Token) {
        if let Some(at) = self.deadlines.get_mut(token.index()) {
            self.len -= usize::from(*at != Instant::FAR);
            *at = Instant::FAR;
        }
    }

    /// The deadline of `token`; [`Instant::FAR`] if it is not scheduled.
    pub(crate) fn deadline(&self, token: Token) -> Instant {
        let at = self.deadlines.get(token.index());
        at.copied().unwrap_or(Instant::FAR)
    }

    /// How many tokens are scheduled.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A time no later than the earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.root())
    }

    /// Removes the token with the earliest deadline and returns it, if that deadline has passed.
    ///
    /// Every popped token and every repair takes one from `budget`. `None` with budget left means
    /// that no deadline has passed.
    pub(crate) fn pop(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        while *budget > 0 && self.next_deadline()?.has_passed(now) {
            *budget -= 1;
            let (popped, _) = self.pop_or_repair(self.bounds.len(), 0, self.root());
            if popped.is_some() {
                return popped;
            }
        }
        None
    }

    /// Removes every token and frees all memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Frees the memory of tokens from `len` on, which must not be scheduled. O(tokens).
    pub(crate) fn truncate(&mut self, len: usize) {
        let len = len.min(self.deadlines.len());
        let old = core::mem::replace(self, Self::new());
        if old.len == 0 {
            return;
        }
        self.grow(Token::from_index(len - 1));
        for (index, &at) in old.deadlines[..len].iter().enumerate() {
            self.schedule(Token::from_index(index), at);
        }
    }

    /// Bytes allocated on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        let bounds = self.bounds.iter().map(Vec::capacity).sum::<usize>();
        (self.deadlines.capacity() + bounds) * size_of::<Instant>()
            + self.bounds.capacity() * size_of::<Vec<Instant>>()
    }

    /// Checks that no bound is later than a bound or deadline below it.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self) {
        let mut below = &self.deadlines;
        for level in &self.bounds {
            assert_eq!(
                level.len(),
                below.len().div_ceil(FANOUT),
                "one bound for each group"
            );
            for (bound, children) in level.iter().zip(below.chunks(FANOUT)) {
                assert!(
                    children.iter().all(|at| bound <= at),
                    "{bound:?} is too late"
                );
            }
            below = level;
        }
        assert!(below.len() <= 1, "a single root");
        let scheduled = self.deadlines.iter().filter(|at| **at != Instant::FAR);
        assert_eq!(scheduled.count(), self.len, "scheduled tokens");
    }

    /// The bound over all deadlines. Must not be called without a scheduled token.
    fn root(&self) -> Instant {
        let root = self.bounds.last().and_then(|level| level.first());
        *root.expect("a root over the deadlines")
    }

    /// Follows the earliest bounds down from bound `index` of `level`. If they lead to a deadline
    /// at `promised`, pops its token; otherwise they were too early. Recomputes the bounds that it
    /// followed, and returns the token and the earliest time below bound `index`.
    fn pop_or_repair(
        &mut self,
        level: usize,
        index: usize,
        promised: Instant,
    ) -> (Option<Token>, Instant) {
        if level == 0 {
            let at = self.deadlines[index];
            if at != promised {
                return (None, at);
            }
            let token = Token::from_index(index);
            self.cancel(token);
            return (Some(token), Instant::FAR);
        }
        let below = match level {
            1 => &self.deadlines,
            _ => &self.bounds[level - 2],
        };
        let start = index * FANOUT;
        let end = below.len().min(start + FANOUT);
        let (mut least, mut first, mut second) = (0, Instant::FAR, Instant::FAR);
        for (child, &at) in below[start..end].iter().enumerate() {
            // Without a branch, which the processor would mispredict.
            least = if at < first { child } else { least };
            second = second.min(first.max(at));
            first = first.min(at);
        }
        let (popped, at) = self.pop_or_repair(level - 1, start + least, promised);
        let earliest = at.min(second);
        self.bounds[level - 1][index] = earliest;
        (popped, earliest)
    }

    /// Extends the deadlines to `token`, and the bounds above them.
    fn grow(&mut self, token: Token) {
        if token.index() < self.deadlines.len() {
            return;
        }
        ensure_slot(&mut self.deadlines, token, Instant::FAR);
        let (mut last, mut level) = (token.index(), 0);
        while level < self.bounds.len() || last > 0 || level == 0 {
            if level == self.bounds.len() {
                // A new root, which starts with the bound of the old one.
                let root = self.bounds.last().and_then(|level| level.first().copied());
                self.bounds.push(vec![root.unwrap_or(Instant::FAR)]);
            }
            last /= FANOUT;
            ensure_slot(
                &mut self.bounds[level],
                Token::from_index(last),
                Instant::FAR,
            );
            level += 1;
        }
    }
}

/// The children of a bound: two cache lines. Fewer cost more memory, more cost more comparisons.
const FANOUT: usize = 16;

#[cfg(test)]
mod tests {
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
}
