//! When entries expire: a deadline from ttl, tti and per-entry settings, and timers to purge by.

mod timers;
#[cfg(test)]
mod timers_model;

use alloc::vec::Vec;
use core::time::Duration;

use super::list::{Token, extend_to, shorten};
use super::opt_in::{Gated, IdleExpiry};
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
    idle: Gated<Idle, IdleExpiry>,
    timers: Timers,
}

/// With an idle expiry the deadline moves at every hit, up to a limit.
#[derive(Debug)]
struct Idle {
    after: Duration,
    /// When each entry expires however often it is touched.
    limits: Vec<Instant>,
}

impl Deadlines {
    pub(crate) fn new(ttl: Option<Duration>, tti: Gated<Duration, IdleExpiry>) -> Self {
        let idle = |after| Idle {
            after,
            limits: Vec::new(),
        };
        Self {
            ttl,
            idle: tti.map(idle),
            timers: Timers::new(),
        }
    }

    /// Whether a hit moves the entry's deadline.
    pub(crate) fn move_on_hit(&self) -> bool {
        self.idle.is_set()
    }

    /// Whether any entry of the shard can expire.
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Whether nothing can expire, now or by default after a write.
    pub(crate) fn are_timeless(&self) -> bool {
        self.ttl.is_none() && !self.idle.is_set() && self.timers.is_empty()
    }

    /// When an entry written at `now` expires by its ttl alone.
    pub(crate) fn limit(&self, ttl: Ttl, now: Instant) -> Instant {
        let ttl = match ttl {
            Ttl::Default => self.ttl,
            Ttl::Never => None,
            Ttl::After(ttl) => Some(ttl),
        };
        ttl.map_or(Instant::FAR, |ttl| now.after(ttl))
    }

    /// When an entry written at `now` expires if nobody touches it.
    pub(crate) fn first_deadline(&self, limit: Instant, now: Instant) -> Instant {
        match self.idle.get() {
            Some(idle) => limit.min(now.after(idle.after)),
            None => limit,
        }
    }

    /// Sets when `token`, written or touched at `now`, expires at the latest. Returns the deadline.
    pub(crate) fn set(&mut self, token: Token, limit: Instant, now: Instant) -> Instant {
        if limit == Instant::FAR && self.are_timeless() {
            return Instant::FAR;
        }
        let deadline = self.first_deadline(limit, now);
        if let Some(idle) = self.idle.get_mut() {
            extend_to(&mut idle.limits, token, Instant::FAR);
            idle.limits[token.index()] = limit;
        }
        self.timers.schedule(token, deadline);
        deadline
    }

    /// A hit at `now`, called only where [`Deadlines::move_on_hit`].
    pub(crate) fn hits(&mut self, token: Token, now: Instant) {
        if let Some(idle) = self.idle.get() {
            let deadline = idle.limits[token.index()].min(now.after(idle.after));
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

    pub(crate) fn forget(&mut self, token: Token) {
        if !self.timers.is_empty() {
            self.timers.cancel(token);
        }
    }

    /// Forgets every entry and gives all memory back.
    pub(crate) fn clear(&mut self) {
        self.timers.clear();
        if let Some(idle) = self.idle.get_mut() {
            idle.limits = Vec::new();
        }
    }

    /// The entry at `from` is at `to` from now on.
    pub(crate) fn rename(&mut self, from: Token, to: Token) {
        let deadline = self.deadline(from);
        self.forget(from);
        if deadline != Instant::FAR {
            self.timers.schedule(to, deadline);
        }
        if let Some(idle) = self.idle.get_mut()
            && let Some(&limit) = idle.limits.get(from.index())
        {
            idle.limits[to.index()] = limit;
        }
    }

    /// Gives back what tokens from `len` on need. There must be no such entries.
    pub(crate) fn shorten(&mut self, len: usize) {
        self.timers.shorten(len);
        if let Some(idle) = self.idle.get_mut() {
            shorten(&mut idle.limits, len);
        }
    }

    /// No later than the next time at which [`Deadlines::expire_next`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// The entry that has expired first; the caller removes it. Each step of work takes one from
    /// `budget`; `None` when nothing is due or the budget is used up.
    pub(crate) fn expire_next(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        self.timers.pop(now, budget)
    }

    pub(crate) fn memory_used(&self) -> usize {
        let limits = self.idle.get().map_or(0, |idle| idle.limits.capacity());
        self.timers.memory_used() + limits * size_of::<Instant>()
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
