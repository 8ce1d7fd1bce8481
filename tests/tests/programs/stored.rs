//! What the model knows of a stored value: for how long it is there.

use std::time::Duration;

use cache_core::{Instant, Ttl};

use crate::program::Settings;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) value: u64,
    /// When it expires however often it is used.
    limit: Instant,
    /// When it expires by what was surely a use.
    deadline: Instant,
    /// When it expires if that was a use, too, which may have been none: a caller who waited got the
    /// value, perhaps from its load, and perhaps from the cache.
    at_most: Instant,
}

impl Stored {
    /// A value that is written now.
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

    /// It is used now, if it is there.
    pub(crate) fn touch(&mut self, now: Instant, settings: &Settings) {
        if !self.may_be_idle(now) {
            self.deadline = self.limit.min(idle_from(now, settings));
        }
        self.may_be_touched(now, settings);
    }

    /// It may be used now.
    pub(crate) fn may_be_touched(&mut self, now: Instant, settings: &Settings) {
        self.at_most = self.limit.min(idle_from(now, settings));
    }

    /// Whether it has expired.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.at_most.has_passed(now)
    }

    /// Whether it may have expired, for want of use.
    pub(crate) fn may_be_idle(&self, now: Instant) -> bool {
        self.deadline.has_passed(now)
    }
}

/// When an entry expires that is used now, and never again.
fn idle_from(now: Instant, settings: &Settings) -> Instant {
    let idle = settings.tti.map(Duration::from_millis);
    idle.map_or(Instant::FAR, |idle| now.after(idle))
}
