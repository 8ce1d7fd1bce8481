//! The model's knowledge of the lifetime of a stored value.

use std::time::Duration;

use cache_core::{Instant, Ttl};

use crate::program::Settings;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) value: u64,
    /// The instant at which it expires, independent of uses.
    limit: Instant,
    /// The instant at which it expires if only certain uses count.
    deadline: Instant,
    /// The instant at which it expires if possible uses count too. A waiter may have got the value
    /// from its load or from the cache.
    at_most: Instant,
}

impl Stored {
    /// A value that is written at `now`.
    pub(crate) fn new(value: u64, ttl: Ttl, now: Instant, settings: &Settings) -> Self {
        let usual = settings.ttl.map(Duration::from_millis);
        let limit = match (ttl, usual) {
            (Ttl::After(ttl), _) | (Ttl::Default, Some(ttl)) => now.after(ttl),
            (Ttl::Never | Ttl::Default, _) => Instant::FAR,
        };
        let deadline = limit.min(idle_from(now, settings));
        Self {
            value,
            limit,
            deadline,
            at_most: deadline,
        }
    }

    /// Records a use at `now`, if the value has not expired.
    pub(crate) fn touch(&mut self, now: Instant, settings: &Settings) {
        if !self.may_be_idle(now) {
            self.deadline = self.limit.min(idle_from(now, settings));
        }
        self.may_be_touched(now, settings);
    }

    /// Records a possible use at `now`.
    pub(crate) fn may_be_touched(&mut self, now: Instant, settings: &Settings) {
        self.at_most = self.limit.min(idle_from(now, settings));
    }

    /// Whether the value has certainly expired.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.at_most.has_passed(now)
    }

    /// Whether the value may have expired for lack of use.
    pub(crate) fn may_be_idle(&self, now: Instant) -> bool {
        self.deadline.has_passed(now)
    }
}

/// The instant at which an entry expires if `now` is its last use.
fn idle_from(now: Instant, settings: &Settings) -> Instant {
    let idle = settings.tti.map(Duration::from_millis);
    idle.map_or(Instant::FAR, |idle| now.after(idle))
}
