//! Timers: the token with the earliest deadline, without a sorted structure.

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
mod tests;
