//! Freshness: when a value is due for a refresh, until when it is fresh, and how long it is kept.
//!
//! | age | from | to |
//! |---|---|---|
//! | `Fresh` | the write | the end of `refresh_after` |
//! | `Due` | the end of `refresh_after` | the end of the time to live |
//! | `Stale` | the end of the time to live | the end of `stale_while_revalidate` after it |
//! | `Kept` | the end of that window | the end of `stale_if_error` after the time to live |
//!
//! The timers of the shard hold the end of the last window, at which the entry is removed.

use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::time::Duration;

use super::list::{Token, ensure_slot, truncate_and_shrink};
use super::time::{Instant, nanos};

/// How old the value of a stored entry is: the table of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Age {
    /// It is returned as it is.
    Fresh,
    /// It is returned, and a caller with a loader starts a refresh.
    Due,
    /// Its time to live has ended. A caller with a loader gets it at once, and starts a refresh.
    Stale,
    /// It is returned only if the load that replaces it fails or is slow.
    Kept,
}

impl Age {
    /// Whether the time to live has ended.
    #[must_use]
    pub const fn is_past_ttl(self) -> bool {
        matches!(self, Self::Stale | Self::Kept)
    }
}

/// The times of an entry that its writer sets, in place of those of the settings.
// Two words and a niche: every loaded value has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// In nanoseconds, plus one.
    refresh_after: NonZeroU64,
    /// In nanoseconds, with [`BACKGROUND`] and [`UNCHANGED`].
    stale_for: u64,
}

/// No time of its own.
const DEFAULT_TIME: u64 = UNCHANGED - 1;

/// The bit of a value that is stored already.
const UNCHANGED: u64 = 1 << 62;

/// The bit of a value that no caller has requested.
const BACKGROUND: u64 = 1 << 63;

impl Times {
    /// The times of the settings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            refresh_after: NonZeroU64::MIN.saturating_add(DEFAULT_TIME),
            stale_for: DEFAULT_TIME,
        }
    }

    /// Sets when the value is due, counted from its write.
    #[must_use]
    pub fn refresh_after(mut self, after: Duration) -> Self {
        let after = nanos(after).min(DEFAULT_TIME - 1);
        self.refresh_after = NonZeroU64::MIN.saturating_add(after);
        self
    }

    /// Sets how long the value is kept after its time to live: the end of all windows.
    #[must_use]
    pub fn stale_for(mut self, window: Duration) -> Self {
        let window = nanos(window).min(DEFAULT_TIME - 1);
        self.stale_for = window | self.stale_for & !DEFAULT_TIME;
        self
    }

    /// No caller has requested the value: its write is not a use of the entry.
    #[must_use]
    pub const fn in_background(mut self) -> Self {
        self.stale_for |= BACKGROUND;
        self
    }

    pub(crate) const fn is_background(self) -> bool {
        self.stale_for & BACKGROUND != 0
    }

    /// The value is stored already: its times restart.
    #[must_use]
    pub const fn unchanged(mut self) -> Self {
        self.stale_for |= UNCHANGED;
        self
    }

    pub(crate) const fn is_unchanged(self) -> bool {
        self.stale_for & UNCHANGED != 0
    }

    /// When the value is due, if its writer has set that.
    fn own_refresh_after(self) -> Option<Duration> {
        let after = self.refresh_after.get() - 1;
        (after != DEFAULT_TIME).then_some(Duration::from_nanos(after))
    }

    /// In nanoseconds; [`DEFAULT_TIME`] unless its writer has set it.
    const fn own_stale_for(self) -> u64 {
        self.stale_for & DEFAULT_TIME
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// The settings of the freshness of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreshnessSettings {
    /// The age at which a value is due; `None`: never before its time to live has ended. An entry
    /// with another ttl than the engine's has the same part of that ttl.
    pub refresh_after: Option<Duration>,
    /// How long after its time to live a value is `Stale`.
    pub stale_while_revalidate: Duration,
    /// How long after its time to live a value is `Kept`, at most.
    pub stale_if_error: Duration,
    /// The first pause after a failed refresh, and the longest one.
    pub backoff: (Duration, Duration),
}

impl Default for FreshnessSettings {
    fn default() -> Self {
        Self {
            refresh_after: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            backoff: (Duration::from_secs(1), Duration::from_secs(60)),
        }
    }
}

impl FreshnessSettings {
    /// How long after its time to live a value is kept.
    pub(crate) fn window(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    fn has_both(&self) -> bool {
        self.refresh_after.is_some() && self.window() > Duration::ZERO
    }
}

/// The freshness of a shard's entries, by token.
#[derive(Debug)]
pub(crate) struct Freshness {
    settings: FreshnessSettings,
    ttl: Option<Duration>,
    /// What a hit compares: when the value is due, at the latest when its ttl ends.
    due: Vec<Instant>,
    /// When the ttl ends. Empty if `due` or the timers say so too.
    fresh: Vec<Instant>,
    /// The windows that writers have set, in nanoseconds. Empty until a writer sets one.
    windows: Vec<u64>,
    /// When a failed refresh may be repeated. Empty until one fails.
    retry: Vec<Instant>,
    /// How many refreshes have failed in a row. Empty until one fails.
    failures: Vec<u8>,
    /// The times of the entry that is being written; unset for one whose ttl changes.
    next: Option<Times>,
}

impl Freshness {
    pub(crate) fn new(settings: FreshnessSettings, ttl: Option<Duration>) -> Self {
        Self {
            settings,
            ttl,
            due: Vec::new(),
            fresh: Vec::new(),
            windows: Vec::new(),
            retry: Vec::new(),
            failures: Vec::new(),
            next: None,
        }
    }

    /// Whether values are kept after their ttl.
    pub(crate) fn keeps_values(&self) -> bool {
        self.settings.window() > Duration::ZERO
    }

    /// Sets the times of the entry that is written next.
    pub(crate) fn prepare(&mut self, times: Times) {
        self.next = Some(times);
    }

    /// Whether no caller has requested the entry that is written next.
    pub(crate) fn writes_in_background(&self) -> bool {
        self.next.is_some_and(Times::is_background)
    }

    /// Sets the end of the ttl of the entry at `token`, which is written at `now`, or whose ttl
    /// changes. Returns until when the entry is kept.
    pub(crate) fn set(&mut self, token: Token, fresh: Instant, now: Instant) -> Instant {
        let written = self.next.take();
        let times = written.unwrap_or_default();
        let due = self.due_at(fresh, times, now);
        set_slot(&mut self.due, token, due, Instant::FAR);
        if self.settings.has_both() {
            set_slot(&mut self.fresh, token, fresh, Instant::FAR);
        }
        if written.is_some() {
            let window = times.own_stale_for();
            set_unless_default(&mut self.windows, token, window, DEFAULT_TIME);
            self.forget_failures(token);
        }
        fresh.after(self.window(token))
    }

    /// The end of the ttl of the entry at `token`, which is kept until `kept`, without regard to
    /// its idle time.
    pub(crate) fn fresh_until(&self, token: Token, kept: Instant) -> Instant {
        if self.settings.window() == Duration::ZERO {
            return kept;
        }
        let ends = if self.settings.has_both() {
            &self.fresh
        } else {
            &self.due
        };
        ends.get(token.index()).copied().unwrap_or(kept)
    }

    /// When the entry at `token` is older than [`Age::Fresh`].
    #[inline(always)]
    pub(crate) fn due(&self, token: Token) -> Instant {
        let due = self.due.get(token.index()).copied();
        due.unwrap_or(Instant::ORIGIN)
    }

    /// The age of the entry at `token`, which is kept until `kept`, later than `now`.
    pub(crate) fn age(&self, token: Token, kept: Instant, now: Instant) -> Age {
        if !self.due(token).has_passed(now) {
            return Age::Fresh;
        }
        let fresh = self.fresh_until(token, kept);
        if !fresh.has_passed(now) {
            return Age::Due;
        }
        if !fresh.after(self.stale_window(token)).has_passed(now) {
            return Age::Stale;
        }
        Age::Kept
    }

    /// Ends the windows of the entry at `token`: it is gone when its ttl ends. Returns that time.
    pub(crate) fn end_windows(&mut self, token: Token, kept: Instant) -> Instant {
        let fresh = self.fresh_until(token, kept);
        set_slot(&mut self.windows, token, 0, DEFAULT_TIME);
        fresh
    }

    /// Whether a refresh of the entry at `token` has failed so recently that none starts at `now`.
    pub(crate) fn backs_off(&self, token: Token, now: Instant) -> bool {
        let retry = self.retry.get(token.index());
        retry.is_some_and(|retry| !retry.has_passed(now))
    }

    /// Records that a refresh of the entry at `token` failed at `now`. `hash` spreads the pauses of
    /// keys that fail together.
    pub(crate) fn record_failure(&mut self, token: Token, hash: u32, now: Instant) {
        let failures = self.failures.get(token.index()).copied().unwrap_or(0);
        let failures = failures.saturating_add(1);
        set_slot(&mut self.failures, token, failures, 0);
        let pause = pause(self.settings.backoff, failures, hash);
        set_slot(&mut self.retry, token, now.after(pause), Instant::ORIGIN);
    }

    /// Ends the back-off of the entry at `token`.
    pub(crate) fn forget_failures(&mut self, token: Token) {
        set_unless_default(&mut self.failures, token, 0, 0);
        set_unless_default(&mut self.retry, token, Instant::ORIGIN, Instant::ORIGIN);
    }

    pub(crate) fn move_token(&mut self, from: Token, to: Token) {
        move_slot(&mut self.due, from, to, Instant::FAR);
        move_slot(&mut self.fresh, from, to, Instant::FAR);
        move_slot(&mut self.windows, from, to, DEFAULT_TIME);
        move_slot(&mut self.retry, from, to, Instant::ORIGIN);
        move_slot(&mut self.failures, from, to, 0);
    }

    /// Frees the memory of tokens from `len` on, which must have no entries.
    pub(crate) fn truncate(&mut self, len: usize) {
        truncate_and_shrink(&mut self.due, len);
        truncate_and_shrink(&mut self.fresh, len);
        truncate_and_shrink(&mut self.windows, len);
        truncate_and_shrink(&mut self.retry, len);
        truncate_and_shrink(&mut self.failures, len);
    }

    /// Forgets all entries and frees all memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.settings, self.ttl);
    }

    pub(crate) fn memory_used(&self) -> usize {
        let words = self.due.capacity()
            + self.fresh.capacity()
            + self.windows.capacity()
            + self.retry.capacity();
        size_of::<Self>() + words * size_of::<u64>() + self.failures.capacity()
    }

    /// Checks the times of the entry at `token`, which is kept until `kept`.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self, token: Token, kept: Instant) {
        let due = self.due.get(token.index());
        let due = *due.expect("each entry has a time at which it is due");
        let fresh = self.fresh_until(token, kept);
        assert!(due <= fresh, "a value is due before its ttl ends");
        let failed = self.failures.get(token.index()).is_some_and(|&n| n > 0);
        assert!(
            failed || !self.backs_off(token, Instant::ORIGIN),
            "only a failed refresh makes a key back off"
        );
    }

    /// When a value that is written at `now`, and whose ttl ends at `fresh`, is due.
    fn due_at(&self, fresh: Instant, times: Times, now: Instant) -> Instant {
        let Some(default) = self.settings.refresh_after else {
            return fresh;
        };
        let after = match (times.own_refresh_after(), self.ttl) {
            (Some(own), _) => own,
            (None, Some(ttl)) if fresh != Instant::FAR => {
                let part = u128::from(nanos(fresh.since(now))) * u128::from(nanos(default));
                let part = part / u128::from(nanos(ttl).max(1));
                Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
            }
            _ => default,
        };
        now.after(after).min(fresh)
    }

    /// How long after its ttl the entry at `token` is kept.
    fn window(&self, token: Token) -> Duration {
        self.own_window(token)
            .unwrap_or_else(|| self.settings.window())
    }

    /// How long after its ttl the entry at `token` is `Stale`.
    fn stale_window(&self, token: Token) -> Duration {
        let default = self.settings.stale_while_revalidate;
        if default == Duration::ZERO {
            return default;
        }
        self.own_window(token).unwrap_or(default)
    }

    fn own_window(&self, token: Token) -> Option<Duration> {
        if self.settings.window() == Duration::ZERO {
            return None;
        }
        let window = self.windows.get(token.index()).copied();
        let window = window.filter(|&window| window != DEFAULT_TIME);
        window.map(Duration::from_nanos)
    }
}

/// The pause after the `failures`-th failure in a row. It doubles with each failure, grows by up to
/// a quarter that depends on `hash`, and is at most the longest one.
fn pause((first, longest): (Duration, Duration), failures: u8, hash: u32) -> Duration {
    let doublings = u32::from(failures.saturating_sub(1)).min(63);
    let pause = nanos(first).saturating_mul(1 << doublings);
    let mixed = (hash ^ u32::from(failures)).wrapping_mul(0x9E37_79B1) >> 8;
    let spread = u128::from(pause / 4) * u128::from(mixed) / (1 << 24);
    let spread = u64::try_from(spread).unwrap_or(u64::MAX);
    Duration::from_nanos(pause.saturating_add(spread)).min(longest)
}

fn set_slot<T: Copy>(array: &mut Vec<T>, token: Token, value: T, default: T) {
    ensure_slot(array, token, default);
    array[token.index()] = value;
}

/// As [`set_slot`], but does not grow the array for the default.
fn set_unless_default<T: Copy + PartialEq>(array: &mut Vec<T>, token: Token, value: T, default: T) {
    if value != default {
        set_slot(array, token, value, default);
    } else if let Some(slot) = array.get_mut(token.index()) {
        *slot = default;
    }
}

/// Moves a value to another slot, which holds that of a removed entry.
fn move_slot<T: Copy + PartialEq>(array: &mut Vec<T>, from: Token, to: Token, default: T) {
    let value = array.get(from.index()).copied();
    set_unless_default(array, to, value.unwrap_or(default), default);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_doubles_grows_by_at_most_a_quarter_and_is_bounded() {
        for hash in [0, 1, 7, u32::MAX] {
            for (failures, least) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
                let pause = pause((SECOND, 60 * SECOND), failures, hash);
                assert!(pause >= least * SECOND, "{pause:?}");
                assert!(pause <= least * SECOND * 5 / 4, "{pause:?}");
            }
            for failures in [7, 100, u8::MAX] {
                let pause = pause((SECOND, 60 * SECOND), failures, hash);
                assert_eq!(pause, 60 * SECOND);
            }
        }
    }

    #[test]
    fn an_entry_with_a_ttl_of_its_own_is_due_at_the_same_part_of_it() {
        let settings = FreshnessSettings {
            refresh_after: Some(8 * SECOND),
            ..FreshnessSettings::default()
        };
        let mut freshness = Freshness::new(settings, Some(10 * SECOND));
        let (token, start) = (Token::from_index(0), Instant::ORIGIN);
        let at = |seconds| start.after(seconds * SECOND);
        freshness.prepare(Times::default());
        assert_eq!(freshness.set(token, at(100), start), at(100));
        assert!(!freshness.due(token).has_passed(at(79)));
        assert_eq!(freshness.due(token), at(80));
        assert_eq!(freshness.age(token, at(100), at(99)), Age::Due);
        freshness.prepare(Times::default());
        assert_eq!(freshness.set(token, Instant::FAR, start), Instant::FAR);
        assert_eq!(freshness.due(token), at(8));
    }
}
