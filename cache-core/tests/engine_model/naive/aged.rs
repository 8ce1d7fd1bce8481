//! The ages of values in the model.

use cache_core::machine::{Age, Instant, RemovalCause};

use super::{Left, Model, Share};

impl Model {
    pub(crate) const fn has_freshness(&self) -> bool {
        self.settings.freshness.is_some()
    }

    /// The age of the entry of `key` at the later of `now` and the model's time, and whether a
    /// caller with a loader starts nothing; `None` if the entry is gone.
    pub(crate) fn age(&self, key: u8, now: Instant) -> Option<(Age, bool)> {
        let (entry, now) = (self.entries.get(&key)?, now.max(self.now));
        if entry.kept.has_passed(now) {
            return None;
        }
        let fresh = entry.own.min(entry.cap);
        let stale = self.settings.freshness.unwrap_or_default();
        let stale = fresh.after(stale.stale_while_revalidate);
        let age = if !entry.due.has_passed(now) {
            Age::Fresh
        } else if !fresh.has_passed(now) {
            Age::Due
        } else if !stale.has_passed(now) {
            Age::Stale
        } else {
            Age::Kept
        };
        let backs_off = !entry.retry.has_passed(now);
        let nothing = match age {
            Age::Fresh => true,
            Age::Due | Age::Stale => backs_off || self.flights.contains_key(&key),
            Age::Kept => backs_off,
        };
        Some((age, nothing))
    }

    /// The value that a lookup returns.
    pub(crate) fn look_up_aged(
        &self,
        key: u8,
        has_loader: bool,
        now: Instant,
    ) -> Option<(u32, Age)> {
        let (age, nothing) = self.age(key, now)?;
        let returns = if has_loader {
            nothing
        } else {
            !age.is_past_ttl()
        };
        returns.then(|| (self.entries[&key].value, age))
    }

    pub(crate) fn join_aged(
        &mut self,
        key: u8,
        serial: usize,
        may_refresh: bool,
        left: &[Left],
    ) -> Share {
        self.explain(left, |model, _| {
            let expired = Vec::from_iter(model.expire(key));
            let Some((age, nothing)) = model.age(key, model.now) else {
                return (expired, model.join_flight(key, serial));
            };
            let share = if nothing {
                Share::Hit(model.use_any(key))
            } else if may_refresh && age != Age::Kept {
                Share::Due(model.use_any(key))
            } else if age.is_past_ttl() {
                model.join_flight(key, serial)
            } else {
                Share::Hit(model.use_any(key))
            };
            (expired, share)
        })
    }

    /// Ends a back-off for a load that a caller requests in any case.
    pub(crate) fn end_backoff(&mut self, key: u8) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.retry = Instant::ORIGIN;
        }
    }

    /// A load that found no value removes the entry.
    pub(crate) fn leave_as_missing(&mut self, key: u8) -> Left {
        let entry = self.entries.remove(&key).expect("the entry is usable");
        self.order.retain(|&other| other != key);
        self.count_out(key, entry.value, RemovalCause::Missing)
    }

    /// A failed load makes the key back off.
    pub(crate) fn back_off(&mut self, key: u8) {
        let freshness = self.settings.freshness.expect("the case has freshness");
        let retry = self.now.after(freshness.backoff.0);
        let entry = self.entries.get_mut(&key).expect("the entry is usable");
        entry.retry = retry;
    }

    pub(crate) fn mark_stale(&mut self, key: u8, left: &[Left]) -> bool {
        self.fence(key);
        let Some(mut entry) = self.live(key, self.now) else {
            assert_eq!(left, []);
            return false;
        };
        entry.own = self.now;
        entry.retry = Instant::ORIGIN;
        entry.due = self.now;
        let entry = self.timed(entry);
        self.entries.insert(key, entry);
        let mut leaving = vec![];
        if entry.kept.has_passed(self.now) {
            self.entries.remove(&key);
            self.order.retain(|&other| other != key);
            leaving.push(self.count_out(key, entry.value, RemovalCause::Explicit));
        }
        assert_eq!(left, leaving);
        true
    }
}
