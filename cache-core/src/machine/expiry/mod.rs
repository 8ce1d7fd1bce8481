//! Expiry: the deadline of each entry, from its ttl and the idle expiry, and timers to purge by.

mod timers;
#[cfg(test)]
mod timers_model;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::freshness::{Age, Freshness, FreshnessSettings, Times};
use super::list::{Token, ensure_slot, truncate_and_shrink};
use super::opt_in::{CustomExpiry, Enabled, Freshening, Gated, GatedState, IdleExpiry};
use super::time::Instant;

pub(crate) use timers::Timers;

/// How long one entry lives, counted from its write. A loaded value is written when its load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ttl {
    /// The cache's `time_to_live`; forever if that is not set.
    #[default]
    Default,
    /// Forever, even if the cache has a `time_to_live`. An idle expiry still applies.
    Never,
    /// This long. Zero: the value is not stored. `Duration::MAX`: forever.
    After(Duration),
}

/// The deadlines of a shard's entries. Allocates nothing until an entry can expire.
#[derive(Debug)]
pub(crate) struct Deadlines {
    ttl: Option<Duration>,
    idle: Gated<Idle, IdleExpiry>,
    caps: Gated<Caps, CustomExpiry>,
    /// Boxed: few caches have it, and every shard is moved when it is created.
    freshness: GatedState<Box<Freshness>, Freshening>,
    /// Whether an entry that is written with [`Ttl::Default`] has a deadline, or is due.
    has_times: bool,
    /// When each entry is removed.
    timers: Timers,
}

/// The caps of entries. Exists once an entry has a cap.
#[derive(Debug, Default)]
struct Caps {
    /// The cap of the entry that is being written.
    next: Option<Cap>,
    by_token: Vec<Option<Cap>>,
}

/// The deadline that an entry has by its own ttl, and the latest that it may have.
#[derive(Debug, Clone, Copy)]
struct Cap {
    own: Instant,
    latest: Instant,
}

/// The idle expiry: every hit moves the deadline, but not beyond that of the ttl.
#[derive(Debug)]
struct Idle {
    after: Duration,
    /// When each entry expires by its ttl, by token.
    ttl_deadlines: Vec<Instant>,
}

impl Deadlines {
    pub(crate) fn new(ttl: Option<Duration>, tti: Gated<Duration, IdleExpiry>) -> Self {
        let idle = |after| Idle {
            after,
            ttl_deadlines: Vec::new(),
        };
        Self {
            ttl,
            has_times: ttl.is_some() || tti.is_set(),
            idle: tti.map(idle),
            caps: Gated::UNSET,
            freshness: GatedState::UNSET,
            timers: Timers::new(),
        }
    }

    /// Sets the ages of values. Must be called before the first write.
    pub(crate) fn set_freshness(
        &mut self,
        settings: FreshnessSettings,
        enabled: Enabled<Freshening>,
    ) {
        let freshness = Freshness::new(settings, self.ttl);
        self.freshness = GatedState::new(Gated::proven(Box::new(freshness), enabled));
        self.has_times = true;
    }

    /// Whether a hit moves the deadline of an entry.
    pub(crate) fn hits_move_deadlines(&self) -> bool {
        self.idle.is_set()
    }

    /// Whether no entry of the shard has a deadline.
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Whether no entry has a deadline, nor will one that is written with [`Ttl::Default`].
    pub(crate) fn has_no_expiry(&self) -> bool {
        !self.has_times && self.timers.is_empty()
    }

    /// Whether an entry has had a cap.
    #[inline]
    pub(crate) fn has_caps(&self) -> bool {
        self.caps.is_set()
    }

    /// When an entry written at `now` expires by its ttl.
    pub(crate) fn ttl_deadline(&self, ttl: Ttl, now: Instant) -> Instant {
        let ttl = match ttl {
            Ttl::Default => self.ttl,
            Ttl::Never => None,
            Ttl::After(ttl) => Some(ttl),
        };
        ttl.map_or(Instant::FAR, |ttl| now.after(ttl))
    }

    /// Records the cap of an entry that is to be written at `now`, and whose ttl ends at `own`, for
    /// [`Deadlines::store_cap`]. Returns the earlier of the two.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn prepare_cap(
        &mut self,
        own: Instant,
        capped: Gated<(), CustomExpiry>,
        now: Instant,
    ) -> Instant {
        let proof = capped.proof();
        if let Some(proof) = proof
            && !self.caps.is_set()
        {
            self.caps = Gated::proven(Caps::default(), proof);
        }
        let Some(caps) = self.caps.get_mut() else {
            return own;
        };
        let ttl = self.ttl.filter(|_| proof.is_some());
        let latest = ttl.map_or(Instant::FAR, |ttl| now.after(ttl));
        caps.next = Some(Cap { own, latest });
        own.min(latest)
    }

    /// Stores the cap of the entry that was written at `token`.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn store_cap(&mut self, token: Token) {
        if let Some(Caps { next, by_token }) = self.caps.get_mut() {
            ensure_slot(by_token, token, None);
            by_token[token.index()] = next.take();
        }
    }

    /// Gives the entry at `token` a new ttl at `now`. Returns when it expires by that ttl or its
    /// cap.
    pub(crate) fn set_own(&mut self, token: Token, ttl: Ttl, now: Instant) -> Instant {
        let own = self.ttl_deadline(ttl, now);
        let caps = self.caps.get_mut();
        let Some(Some(cap)) = caps.and_then(|caps| caps.by_token.get_mut(token.index())) else {
            return own;
        };
        cap.own = own;
        own.min(cap.latest)
    }

    /// When the entry at `token` expires by its own ttl, without the idle expiry and the cap.
    /// `deadline` is when it expires.
    pub(crate) fn own_deadline(&self, token: Token, deadline: Instant) -> Instant {
        let caps = self.caps.get();
        if let Some(Some(cap)) = caps.and_then(|caps| caps.by_token.get(token.index())) {
            return cap.own;
        }
        let idle = self.idle.get();
        let by_ttl = idle.and_then(|idle| idle.ttl_deadlines.get(token.index()));
        let by_ttl = by_ttl.copied();
        match self.freshness.get() {
            Some(freshness) => freshness.fresh_until(token, by_ttl.unwrap_or(deadline)),
            None => by_ttl.unwrap_or(deadline),
        }
    }

    /// When an entry written at `now` expires if it is not used.
    pub(crate) fn first_deadline(&self, ttl_deadline: Instant, now: Instant) -> Instant {
        match self.idle.get() {
            Some(idle) => ttl_deadline.min(now.after(idle.after)),
            None => ttl_deadline,
        }
    }

    /// Sets the times of the entry that is written next. Has no effect without freshness.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn prepare_times(&mut self, times: Gated<Times, Freshening>) {
        if let Some(freshness) = self.freshness.get_mut() {
            freshness.prepare(times.value().unwrap_or_default());
        }
    }

    /// Whether no caller has requested the entry that is written next.
    #[inline(always)]
    pub(crate) fn writes_in_background(&self) -> bool {
        self.freshness
            .get()
            .is_some_and(|freshness| freshness.writes_in_background())
    }

    /// Sets the end of the ttl of `token`, which is written or used at `now`. Returns when the
    /// entry is removed.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn set(&mut self, token: Token, ttl_deadline: Instant, now: Instant) -> Instant {
        let ttl_deadline = match self.freshness.get_mut() {
            Some(freshness) => freshness.set(token, ttl_deadline, now),
            None => ttl_deadline,
        };
        self.set_kept(token, ttl_deadline, now)
    }

    /// Sets when `token` is removed, unless it is idle before that. Without freshness, that is the
    /// end of its ttl.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn set_kept(
        &mut self,
        token: Token,
        ttl_deadline: Instant,
        now: Instant,
    ) -> Instant {
        if ttl_deadline == Instant::FAR && self.has_no_expiry() {
            return Instant::FAR;
        }
        let deadline = self.first_deadline(ttl_deadline, now);
        if let Some(idle) = self.idle.get_mut() {
            ensure_slot(&mut idle.ttl_deadlines, token, Instant::FAR);
            idle.ttl_deadlines[token.index()] = ttl_deadline;
        }
        self.timers.schedule(token, deadline);
        deadline
    }

    /// Moves the deadline of `token` for a hit at `now`. Does nothing without an idle expiry.
    pub(crate) fn record_hit(&mut self, token: Token, now: Instant) {
        if let Some(idle) = self.idle.get() {
            let deadline = idle.ttl_deadlines[token.index()].min(now.after(idle.after));
            self.timers.schedule(token, deadline);
        }
    }

    /// When `token` expires; [`Instant::FAR`] if never. With freshness the entry may be kept
    /// longer.
    pub(crate) fn deadline(&self, token: Token) -> Instant {
        // Without a timer too: a value may be kept forever after its ttl.
        let kept = self.kept_until(token);
        match self.freshness.get() {
            Some(freshness) => freshness.fresh_until(token, kept).min(kept),
            None => kept,
        }
    }

    /// When the value of `token` is older than fresh; [`Instant::FAR`] without freshness.
    #[inline(always)]
    pub(crate) fn due(&self, token: Token) -> Instant {
        let freshness = self.freshness.get();
        freshness.map_or(Instant::FAR, |freshness| freshness.due(token))
    }

    /// The freshness of the entries, if it is set.
    #[inline(always)]
    pub(crate) fn freshness(&self) -> Option<&Freshness> {
        self.freshness.get().map(Box::as_ref)
    }

    /// As [`Deadlines::freshness`].
    pub(crate) fn freshness_mut(&mut self) -> Option<&mut Freshness> {
        self.freshness.get_mut().map(Box::as_mut)
    }

    /// The age of the entry at `token`, which is not removed before `now`.
    pub(crate) fn age(&self, token: Token, now: Instant) -> Age {
        let kept = self.kept_until(token);
        self.freshness
            .get()
            .map_or(Age::Fresh, |freshness| freshness.age(token, kept, now))
    }

    /// Ends the windows of the entry at `token` after its ttl.
    pub(crate) fn end_windows(&mut self, token: Token, now: Instant) {
        let kept = self.kept_until(token);
        if let Some(freshness) = self.freshness.get_mut() {
            let fresh = freshness.end_windows(token, kept);
            self.set_kept(token, fresh, now);
        }
    }

    /// When `token` is removed; [`Instant::FAR`] if never. Without freshness, that is when it
    /// expires. Inlined into hits also if a program is optimized for size.
    #[inline(always)]
    pub(crate) fn kept_until(&self, token: Token) -> Instant {
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
        self.forget_cap(token);
    }

    /// Removes the cap of an entry that is removed: the next entry at `token` may have none.
    fn forget_cap(&mut self, token: Token) {
        let caps = self.caps.get_mut();
        if let Some(cap) = caps.and_then(|caps| caps.by_token.get_mut(token.index())) {
            *cap = None;
        }
    }

    /// Removes every deadline and frees all memory.
    pub(crate) fn clear(&mut self) {
        self.timers.clear();
        if let Some(idle) = self.idle.get_mut() {
            idle.ttl_deadlines = Vec::new();
        }
        if let Some(caps) = self.caps.get_mut() {
            caps.by_token = Vec::new();
        }
        if let Some(freshness) = self.freshness.get_mut() {
            freshness.clear();
        }
    }

    /// Moves the deadlines of token `from`, which was moved, to token `to`.
    pub(crate) fn move_token(&mut self, from: Token, to: Token) {
        let deadline = self.kept_until(from);
        let caps = self.caps.get_mut();
        let cap = caps.and_then(|caps| caps.by_token.get_mut(from.index())?.take());
        self.cancel(from);
        if deadline != Instant::FAR {
            self.timers.schedule(to, deadline);
        }
        if let Some(idle) = self.idle.get_mut()
            && let Some(&ttl_deadline) = idle.ttl_deadlines.get(from.index())
        {
            idle.ttl_deadlines[to.index()] = ttl_deadline;
        }
        if let Some(caps) = self.caps.get_mut()
            && cap.is_some()
        {
            caps.by_token[to.index()] = cap;
        }
        if let Some(freshness) = self.freshness.get_mut() {
            freshness.move_token(from, to);
        }
    }

    /// Frees the memory of tokens from `len` on, which must have no entries.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.timers.truncate(len);
        if let Some(idle) = self.idle.get_mut() {
            truncate_and_shrink(&mut idle.ttl_deadlines, len);
        }
        if let Some(caps) = self.caps.get_mut() {
            truncate_and_shrink(&mut caps.by_token, len);
        }
        if let Some(freshness) = self.freshness.get_mut() {
            freshness.truncate(len);
        }
    }

    /// A time no later than the earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// The entry with the earliest deadline, if that has passed; the caller must remove the entry.
    /// Each step of work takes one from `budget`. `None` if no deadline has passed, or if the
    /// budget is used up.
    pub(crate) fn pop_expired(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        let expired = self.timers.pop(now, budget)?;
        self.forget_cap(expired);
        Some(expired)
    }

    /// Passes entries whose deadline has passed to `expired`, in no particular order; the caller
    /// must remove them. Each step of work takes one from `budget`. A budget that is left means
    /// that no deadline has passed.
    pub(crate) fn pop_all_expired(
        &mut self,
        now: Instant,
        budget: &mut usize,
        expired: impl FnMut(Token),
    ) {
        self.timers.pop_due(now, budget, expired);
    }

    pub(crate) fn memory_used(&self) -> usize {
        let ttl_deadlines = self
            .idle
            .get()
            .map_or(0, |idle| idle.ttl_deadlines.capacity());
        let caps = self.caps.get().map_or(0, |caps| caps.by_token.capacity());
        let freshness = self
            .freshness
            .get()
            .map_or(0, |freshness| freshness.memory_used());
        self.timers.memory_used()
            + freshness
            + ttl_deadlines * size_of::<Instant>()
            + caps * size_of::<Option<Cap>>()
    }

    /// Checks the timers, and that exactly the entries in `live` have some.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self, live: impl Iterator<Item = Token>) {
        self.timers.validate();
        let mut scheduled = 0;
        for token in live {
            let kept = self.kept_until(token);
            scheduled += usize::from(kept != Instant::FAR);
            if let Some(freshness) = self.freshness.get() {
                let idle = self.idle.get();
                let by_ttl = idle.map_or(kept, |idle| idle.ttl_deadlines[token.index()]);
                freshness.validate(token, by_ttl);
            }
        }
        assert_eq!(
            scheduled,
            self.timers.len(),
            "only live entries have timers"
        );
    }
}
