//! When entries expire: a deadline from ttl, tti and per-entry settings, and timers to purge by.

mod timers;
#[cfg(test)]
mod timers_model;

use alloc::vec::Vec;
use core::time::Duration;

use super::list::{Token, ensure_slot, truncate_and_shrink};
use super::opt_in::IDLE_EXPIRY;
use super::time::Instant;

pub(crate) use timers::Timers;

/// How long one entry lives, counted from the write (for a loaded value: from the completion of
/// its load).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ttl {
    /// As long as the cache's `time_to_live` says; for ever if it says nothing.
    #[default]
    Default,
    /// For ever, whatever the cache's default. An idle expiry still applies.
    Never,
    /// This long. Zero: the value is not stored at all. `Duration::MAX`: for ever.
    After(Duration),
}

/// The deadlines of a shard's entries. Costs nothing until an entry can expire.
#[derive(Debug)]
pub(crate) struct Deadlines {
    ttl: Option<Duration>,
    idle: Option<Idle>,
    timers: Timers,
}

/// With an idle expiry the deadline moves at every hit, up to a ttl_deadline.
#[derive(Debug)]
struct Idle {
    after: Duration,
    /// When each entry expires however often it is touched.
    ttl_deadlines: Vec<Instant>,
}

impl Deadlines {
    pub(crate) fn new(ttl: Option<Duration>, tti: Option<Duration>) -> Self {
        let mut deadlines = Self::with_ttl(ttl);
        if let Some(after) = tti {
            IDLE_EXPIRY.enable();
            let ttl_deadlines = Vec::new();
            deadlines.idle = Some(Idle {
                after,
                ttl_deadlines,
            });
        }
        deadlines
    }

    /// As [`Deadlines::new`] without an idle expiry.
    pub(crate) const fn with_ttl(ttl: Option<Duration>) -> Self {
        Self {
            ttl,
            idle: None,
            timers: Timers::new(),
        }
    }

    /// Whether a hit moves the entry's deadline.
    pub(crate) const fn hits_move_deadlines(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether any entry of the shard can expire.
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Whether nothing can expire, now or by default after a write.
    pub(crate) fn has_no_expiry(&self) -> bool {
        self.ttl.is_none() && self.idle.is_none() && self.timers.is_empty()
    }

    /// When an entry written at `now` expires by its ttl alone.
    pub(crate) fn ttl_deadline(&self, ttl: Ttl, now: Instant) -> Instant {
        let ttl = match ttl {
            Ttl::Default => self.ttl,
            Ttl::Never => None,
            Ttl::After(ttl) => Some(ttl),
        };
        ttl.map_or(Instant::FAR, |ttl| now.after(ttl))
    }

    /// When an entry written at `now` expires if nobody touches it.
    pub(crate) fn first_deadline(&self, ttl_deadline: Instant, now: Instant) -> Instant {
        match self.idle() {
            Some(idle) => ttl_deadline.min(now.after(idle.after)),
            None => ttl_deadline,
        }
    }

    /// Sets when `token`, written or touched at `now`, expires at the latest. Returns the deadline.
    pub(crate) fn set(&mut self, token: Token, ttl_deadline: Instant, now: Instant) -> Instant {
        if ttl_deadline == Instant::FAR && self.has_no_expiry() {
            return Instant::FAR;
        }
        let deadline = self.first_deadline(ttl_deadline, now);
        if let Some(idle) = self.idle_mut() {
            ensure_slot(&mut idle.ttl_deadlines, token, Instant::FAR);
            idle.ttl_deadlines[token.index()] = ttl_deadline;
        }
        self.timers.schedule(token, deadline);
        deadline
    }

    /// A hit at `now`, called only where [`Deadlines::hits_move_deadlines`].
    pub(crate) fn record_hit(&mut self, token: Token, now: Instant) {
        if let Some(idle) = self.idle() {
            let deadline = idle.ttl_deadlines[token.index()].min(now.after(idle.after));
            self.timers.schedule(token, deadline);
        }
    }

    /// When `token` expires; [`Instant::FAR`] if it never does.
    pub(crate) fn deadline(&self, token: Token) -> Instant {
        self.deadline_inline(token)
    }

    /// As [`Deadlines::deadline`]. For hits: a program that is built for size would not inline it.
    #[inline(always)]
    pub(crate) fn deadline_inline(&self, token: Token) -> Instant {
        if self.timers.is_empty() {
            Instant::FAR
        } else {
            self.timers.deadline(token)
        }
    }

    pub(crate) fn cancel(&mut self, token: Token) {
        if !self.timers.is_empty() {
            self.timers.cancel(token);
        }
    }

    /// Forgets every entry and gives all memory back.
    pub(crate) fn clear(&mut self) {
        self.timers.clear();
        if let Some(idle) = self.idle_mut() {
            idle.ttl_deadlines = Vec::new();
        }
    }

    /// The entry at `from` is at `to` from now on.
    pub(crate) fn move_token(&mut self, from: Token, to: Token) {
        let deadline = self.deadline(from);
        self.cancel(from);
        if deadline != Instant::FAR {
            self.timers.schedule(to, deadline);
        }
        if let Some(idle) = self.idle_mut()
            && let Some(&ttl_deadline) = idle.ttl_deadlines.get(from.index())
        {
            idle.ttl_deadlines[to.index()] = ttl_deadline;
        }
    }

    /// Gives back what tokens from `len` on need. There must be no such entries.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.timers.truncate(len);
        if let Some(idle) = self.idle_mut() {
            truncate_and_shrink(&mut idle.ttl_deadlines, len);
        }
    }

    /// No later than the next time at which [`Deadlines::pop_expired`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// The entry that has expired first; the caller removes it. Each step of work takes one from
    /// `budget`; `None` when nothing is due or the budget is used up.
    pub(crate) fn pop_expired(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        self.timers.pop(now, budget)
    }

    #[inline(always)]
    fn idle(&self) -> Option<&Idle> {
        self.idle.as_ref().filter(|_| IDLE_EXPIRY.is_enabled())
    }

    #[inline(always)]
    fn idle_mut(&mut self) -> Option<&mut Idle> {
        self.idle.as_mut().filter(|_| IDLE_EXPIRY.is_enabled())
    }

    pub(crate) fn memory_used(&self) -> usize {
        let ttl_deadlines = self.idle().map_or(0, |idle| idle.ttl_deadlines.capacity());
        self.timers.memory_used() + ttl_deadlines * size_of::<Instant>()
    }

    /// Checks the timers, and that the entries that are `live` are all that they know.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self, live: impl Iterator<Item = Token>) {
        self.timers.validate();
        let scheduled = live.filter(|&token| self.deadline(token) != Instant::FAR);
        assert_eq!(
            scheduled.count(),
            self.timers.len(),
            "timers of live entries"
        );
    }
}
