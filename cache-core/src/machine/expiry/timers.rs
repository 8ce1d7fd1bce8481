//! Timers: which token is due next, without a sorted structure.

use alloc::{vec, vec::Vec};

use crate::machine::list::{Token, ensure_slot};
use crate::machine::time::Instant;

/// A deadline for each token, and which of them is the earliest.
///
/// Over the array of deadlines lies a tree of bounds: one for each [`FANOUT`] deadlines, one for each
/// `FANOUT` of these bounds, and so on up to a single one. No bound is later than anything below it,
/// but it may be earlier: where a deadline moves away, the bounds above it stay as they are. Who
/// follows them down and does not find what they promise puts them right. This is a tournament tree
/// (Knuth, "The Art of Computer Programming", volume 3, 5.4.1) that is repaired as late as possible.
///
/// Deadlines mostly come in the order of time, later than what they replace: then scheduling is a
/// store and a comparison, and so is what an idle expiry does at each hit. At worst it is O(levels).
/// Cancelling is a store. Popping is O(levels × `FANOUT`), levels being the logarithm to `FANOUT`; so
/// is a repair, of which every call to schedule can make one necessary. Memory is 8.5 bytes a token.
///
/// Drive it so: sleep until [`Timers::next_deadline`], call [`Timers::pop`] until it returns `None`,
/// ask again. A call with nothing due is cheap and harmless. Where the budget ran out, the next
/// deadline lies in the past; any other call may come in between.
#[derive(Debug)]
pub(crate) struct Timers {
    /// [`Instant::FAR`] for a token that is not scheduled.
    deadlines: Vec<Instant>,
    /// The bounds, those of deadlines first. The last level has a single one.
    bounds: Vec<Vec<Instant>>,
    len: usize,
}

impl Timers {
    /// Nothing is allocated before the first token is scheduled.
    pub(crate) const fn new() -> Self {
        Self {
            deadlines: Vec::new(),
            bounds: Vec::new(),
            len: 0,
        }
    }

    /// Gives `token` the deadline `at`, in place of any it had; [`Instant::FAR`] takes it out.
    /// A deadline in the past is due at the next [`Timers::pop`].
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

    /// Takes `token` out; nothing happens if it is not scheduled.
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

    /// No later than the earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.root())
    }

    /// Takes out the token with the earliest deadline, if that has passed.
    ///
    /// Every token popped and every repair takes one from `budget`. `None` with some budget left
    /// means that nothing is due.
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

    /// Takes out every token and gives all memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives back what tokens from `len` on need. They must not be scheduled.
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

    /// Bytes held on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        let bounds = self.bounds.iter().map(Vec::capacity).sum::<usize>();
        (self.deadlines.capacity() + bounds) * size_of::<Instant>()
            + self.bounds.capacity() * size_of::<Vec<Instant>>()
    }

    /// Checks that no bound is later than what lies below it.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self) {
        let mut below = &self.deadlines;
        for level in &self.bounds {
            assert_eq!(
                level.len(),
                below.len().div_ceil(FANOUT),
                "bounds of a level"
            );
            for (bound, children) in level.iter().zip(below.chunks(FANOUT)) {
                assert!(children.iter().all(|at| bound <= at), "{bound:?} is late");
            }
            below = level;
        }
        assert!(below.len() <= 1, "a single root");
        let scheduled = self.deadlines.iter().filter(|at| **at != Instant::FAR);
        assert_eq!(scheduled.count(), self.len, "tokens with a deadline");
    }

    /// The bound of all. To be called where something is scheduled.
    fn root(&self) -> Instant {
        let root = self.bounds.last().and_then(|level| level.first());
        *root.expect("a root over what is scheduled")
    }

    /// Follows the earliest bounds down from place `index` of `level`, which says that there is a
    /// deadline at `promised`. Takes its token out if there is, and in any case puts right what was
    /// followed. Returns what is the earliest there now.
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
            // Without a branch that the processor would have to guess.
            least = if at < first { child } else { least };
            second = second.min(first.max(at));
            first = first.min(at);
        }
        let (popped, at) = self.pop_or_repair(level - 1, start + least, promised);
        let earliest = at.min(second);
        self.bounds[level - 1][index] = earliest;
        (popped, earliest)
    }

    /// Makes a place for `token`, with bounds over it.
    fn grow(&mut self, token: Token) {
        if token.index() < self.deadlines.len() {
            return;
        }
        ensure_slot(&mut self.deadlines, token, Instant::FAR);
        let (mut last, mut level) = (token.index(), 0);
        while level < self.bounds.len() || last > 0 || level == 0 {
            if level == self.bounds.len() {
                // A new root over the old one.
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

/// How many children a bound has: two cache lines of them. Less would cost more memory, more would
/// cost more comparisons.
const FANOUT: usize = 16;

#[cfg(test)]
mod tests;
