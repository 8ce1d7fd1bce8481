//! When entries expire: a deadline from ttl, tti and per-entry settings, and a wheel to purge by.

mod wheel;
#[cfg(test)]
mod wheel_model;

use alloc::vec::Vec;
use core::time::Duration;

use super::asked::IDLE_EXPIRY;
use super::list::{Token, extend_to};
use super::time::Instant;
use wheel::Wheel;

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
    wheel: Wheel,
}

/// With an idle expiry the deadline moves at every hit. The wheel is not touched then: when it
/// fires at the deadline of old, the entry is scheduled anew.
#[derive(Debug)]
struct Idle {
    after: Duration,
    lives: Vec<Life>,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    /// When it expires if nobody touches it.
    deadline: Instant,
    /// When it expires however often it is touched.
    limit: Instant,
}

impl Deadlines {
    pub(crate) fn new(ttl: Option<Duration>, tti: Option<Duration>) -> Self {
        let mut deadlines = Self::of_ttl(ttl);
        if let Some(after) = tti {
            IDLE_EXPIRY.raise();
            let lives = Vec::new();
            deadlines.idle = Some(Idle { after, lives });
        }
        deadlines
    }

    /// As [`Deadlines::new`] without an idle expiry.
    pub(crate) fn of_ttl(ttl: Option<Duration>) -> Self {
        Self {
            ttl,
            idle: None,
            wheel: Wheel::new(),
        }
    }

    /// Whether a hit moves the entry's deadline.
    pub(crate) const fn move_on_hit(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether any entry of the shard can expire.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.is_empty()
    }

    /// Whether nothing can expire, now or by default after a write.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn are_timeless(&self) -> bool {
        self.ttl.is_none() && self.idle.is_none() && self.wheel.is_empty()
    }

    /// When an entry written at `now` expires by its ttl alone.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn limit(&self, ttl: Ttl, now: Instant) -> Instant {
        let ttl = match ttl {
            Ttl::Default => self.ttl,
            Ttl::Never => None,
            Ttl::After(ttl) => Some(ttl),
        };
        ttl.map_or(Instant::FAR, |ttl| now.after(ttl))
    }

    /// When an entry written at `now` expires if nobody touches it.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn first_deadline(&self, limit: Instant, now: Instant) -> Instant {
        match self.idle() {
            Some(idle) => limit.min(now.after(idle.after)),
            None => limit,
        }
    }

    /// Sets when `token`, written or touched at `now`, expires at the latest. Returns the deadline.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn set(&mut self, token: Token, limit: Instant, now: Instant) -> Instant {
        if limit == Instant::FAR && self.are_timeless() {
            return Instant::FAR;
        }
        let deadline = self.first_deadline(limit, now);
        if let Some(idle) = self.idle_mut() {
            idle.set(token, Life { deadline, limit });
        }
        self.wheel.schedule(token, deadline);
        deadline
    }

    /// A hit at `now`, called only where [`Deadlines::move_on_hit`].
    pub(crate) fn touch(&mut self, token: Token, now: Instant) {
        let Some(idle) = self.idle_mut() else { return };
        if let Some(life) = idle.lives.get_mut(token.index()) {
            life.deadline = life.limit.min(now.after(idle.after));
        }
    }

    /// When `token` expires; [`Instant::FAR`] if it never does.
    pub(crate) fn deadline(&self, token: Token) -> Instant {
        self.deadline_inline(token)
    }

    /// As [`Deadlines::deadline`]. For hits: a program that is built for size would not inline it.
    #[inline(always)]
    pub(crate) fn deadline_inline(&self, token: Token) -> Instant {
        if self.wheel.is_empty() {
            return Instant::FAR;
        }
        match self.idle() {
            Some(idle) => idle.lives[token.index()].deadline,
            None => self.wheel.scheduled(token).unwrap_or(Instant::FAR),
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn forget(&mut self, token: Token) {
        if !self.wheel.is_empty() {
            self.wheel.cancel(token);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.wheel.clear();
    }

    /// No later than the next time at which [`Deadlines::expire_next`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// An entry that has expired; the caller removes it. Each step of work takes one from
    /// `budget`; `None` when nothing is due or the budget is used up.
    pub(crate) fn expire_next(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        loop {
            let token = self.wheel.advance(now, budget)?;
            let Some(idle) = self.idle() else {
                return Some(token);
            };
            let deadline = idle.lives[token.index()].deadline;
            if deadline.has_passed(now) {
                return Some(token);
            }
            self.wheel.schedule(token, deadline);
        }
    }

    /// The entries that have expired within the wheel's tick in progress; the caller removes them.
    pub(crate) fn expire_early(&mut self, now: Instant) -> Vec<Token> {
        let mut tokens = self.wheel.take_early(now);
        if let Some(idle) = self.idle.as_ref().filter(|_| IDLE_EXPIRY.is_up()) {
            tokens.retain(|&token| {
                let deadline = idle.lives[token.index()].deadline;
                let expired = deadline.has_passed(now);
                if !expired {
                    self.wheel.schedule(token, deadline);
                }
                expired
            });
        }
        tokens
    }

    #[inline(always)]
    fn idle(&self) -> Option<&Idle> {
        self.idle.as_ref().filter(|_| IDLE_EXPIRY.is_up())
    }

    #[inline(always)]
    fn idle_mut(&mut self) -> Option<&mut Idle> {
        self.idle.as_mut().filter(|_| IDLE_EXPIRY.is_up())
    }

    pub(crate) fn memory_used(&self) -> usize {
        let idle = self.idle().map_or(0, |idle| idle.lives.capacity());
        self.wheel.memory_used() + idle * size_of::<Life>()
    }

    /// Checks the wheel, and that `live` is what it knows.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self, live: impl Iterator<Item = Token>) {
        self.wheel.validate();
        let mut scheduled = 0;
        for token in live {
            let deadline = self.deadline(token);
            let at = self.wheel.scheduled(token);
            scheduled += usize::from(at.is_some());
            let at = at.unwrap_or(Instant::FAR);
            assert!(
                at <= deadline,
                "an entry is looked at no later than it expires"
            );
        }
        assert_eq!(
            scheduled,
            self.wheel.len(),
            "the wheel holds live entries only"
        );
    }
}

impl Idle {
    fn set(&mut self, token: Token, life: Life) {
        let never = Life {
            deadline: Instant::FAR,
            limit: Instant::FAR,
        };
        extend_to(&mut self.lives, token, never);
        self.lives[token.index()] = life;
    }
}
