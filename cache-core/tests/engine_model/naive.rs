//! A slow cache that is obviously correct.

mod aged;
mod loads;
mod tally;

use std::collections::BTreeMap;

use cache_core::machine::{
    Counters, EntryLimits, EvictionPolicy, Instant, OldDeadlines, RemovalCause, Settings, Ttl,
};

pub(crate) use loads::{Flight, Share};
use tally::Tally;

/// The expected entries and counters of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    settings: Settings,
    capacity: Option<u64>,
    /// The maximum number of remembered answers.
    answers: usize,
    /// The latest time that was passed to the engine.
    pub(crate) now: Instant,
    pub(crate) entries: BTreeMap<u8, Entry>,
    /// Keys of entries with a weight above zero, from the least to the most recently used.
    order: Vec<u8>,
    /// Capacity that was lent to the caller.
    pub(crate) lent: u64,
    /// Current flights in flight, and ended flights whose result is remembered.
    pub(crate) flights: BTreeMap<u8, Flight>,
    tally: Tally,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) value: u32,
    weight: u32,
    /// The instant at which it expires by its own ttl, independent of uses.
    own: Instant,
    /// The latest instant at which it may expire.
    cap: Instant,
    pub(crate) deadline: Instant,
    /// The instant at which it is removed.
    pub(crate) kept: Instant,
    /// The instant at which it is due.
    due: Instant,
    /// The instant from which it may be loaded again after a failure.
    retry: Instant,
}

/// An entry that was removed, or that was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Left {
    pub(crate) key: u8,
    pub(crate) value: u32,
    pub(crate) cause: RemovalCause,
}

impl Entry {
    pub(crate) const fn deadlines(self) -> OldDeadlines {
        let Self { deadline, own, .. } = self;
        OldDeadlines { deadline, own }
    }
}

impl Model {
    pub(crate) fn new(settings: Settings, capacity: Option<u64>, answers: Option<usize>) -> Self {
        Self {
            settings,
            capacity,
            answers: answers.map_or(usize::MAX, |most| most.max(1)),
            now: Instant::ORIGIN,
            entries: BTreeMap::new(),
            order: Vec::new(),
            lent: 0,
            flights: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The engine's time never runs backwards.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn reads_write(&self) -> bool {
        (self.is_lru() && self.capacity.is_some()) || self.settings.time_to_idle.is_some()
    }

    pub(crate) fn weight(&self) -> u64 {
        let weights = self.entries.values().map(|entry| u64::from(entry.weight));
        weights.sum()
    }

    /// The entry of `key` if it is live at the later of `now` and the model's time.
    pub(crate) fn live(&self, key: u8, now: Instant) -> Option<Entry> {
        let entry = self.entries.get(&key)?;
        (!entry.deadline.has_passed(now.max(self.now))).then_some(*entry)
    }

    /// Checks the counters, with `outstanding` flights that have not ended.
    pub(crate) fn check_counters(&self, counters: &Counters, outstanding: usize) {
        assert_eq!(self.tally, Tally::of(counters));
        assert_eq!(
            counters.inserted,
            self.entries.len() as u64 + counters.removed_total()
        );
        let ended = counters.loads_succeeded + counters.loads_failed + counters.loads_dropped;
        assert_eq!(counters.loads_started, ended + outstanding as u64);
    }

    pub(crate) fn insert(
        &mut self,
        (key, value): (u8, u32),
        rating: EntryLimits,
        left: &[Left],
    ) -> Result<(), u64> {
        self.fence(key);
        self.explain(left, |model, left| model.write((key, value), rating, left))
    }

    /// Writes a value that no caller requested. `None` if it is refused. It is accepted if the key
    /// has neither a value nor a flight, even if a missing value or an error is remembered.
    pub(crate) fn insert_if_absent(
        &mut self,
        (key, value): (u8, u32),
        rating: EntryLimits,
        outdated: bool,
        left: &[Left],
    ) -> Option<Result<(), u64>> {
        let flight = self.flights.get(&key);
        let in_flight = flight.is_some_and(|flight| flight.until.is_none());
        if in_flight || outdated || self.live(key, self.now).is_some() {
            assert_eq!(left, []);
            return None;
        }
        let written = self.explain(left, |model, left| model.write((key, value), rating, left));
        if written.is_ok() {
            self.fence(key);
        }
        Some(written)
    }

    /// A hit that the policy and the expiry record.
    pub(crate) fn use_entry(&mut self, key: u8) -> Option<u32> {
        self.live(key, self.now)?;
        Some(self.use_any(key))
    }

    /// A hit on an entry that may be past its ttl.
    pub(crate) fn use_any(&mut self, key: u8) -> u32 {
        let mut entry = self.entries[&key];
        entry = self.timed(entry);
        self.entries.insert(key, entry);
        if entry.weight > 0 {
            self.order.retain(|&other| other != key);
            self.order.push(key);
        }
        entry.value
    }

    /// Returns the expected result of `remove`.
    pub(crate) fn remove(&mut self, key: u8, left: &[Left]) -> Option<Left> {
        self.fence(key);
        let removed = self
            .entries
            .contains_key(&key)
            .then(|| self.leave(key, RemovalCause::Explicit));
        let (returned, flushed) = match removed {
            Some(removed) if removed.cause == RemovalCause::Expired => (None, vec![removed]),
            other => (other, vec![]),
        };
        assert_eq!(left, flushed);
        returned
    }

    pub(crate) fn set_ttl(&mut self, key: u8, ttl: Ttl, capped: bool) -> bool {
        let Some(mut entry) = self.live(key, self.now) else {
            return false;
        };
        entry.own = self.limit(ttl);
        if !capped {
            entry.cap = Instant::FAR;
        }
        entry = self.timed(entry);
        entry.due = self.due(entry.own.min(entry.cap));
        self.entries.insert(key, entry);
        true
    }

    /// Whether the last write of `key` is still the one that was seen.
    pub(crate) fn is_same(&self, key: u8, value: u32) -> bool {
        let entry = self.entries.get(&key);
        entry.is_some_and(|entry| entry.value == value)
    }

    pub(crate) fn remove_if_same(&mut self, key: u8, value: u32, left: &[Left]) -> bool {
        let same = self.is_same(key, value);
        let removed = same.then(|| self.leave(key, RemovalCause::Explicit));
        assert_eq!(left, Vec::from_iter(removed));
        same
    }

    /// A call that may only remove expired entries.
    pub(crate) fn purge(&mut self, left: &[Left]) {
        self.explain(left, |_, _| (vec![], ()));
    }

    pub(crate) fn clear(&mut self, left: &[Left]) {
        self.flights.clear();
        let mut all = vec![];
        while let Some((&key, _)) = self.entries.first_key_value() {
            all.push(self.leave(key, RemovalCause::Explicit));
        }
        let mut left = left.to_vec();
        left.sort_unstable();
        assert_eq!(left, all);
    }

    /// Returns the capacity that was freed.
    pub(crate) fn evict_for(&mut self, wanted: u64, left: &[Left]) -> u64 {
        let before = self.weight();
        let mut evicted = vec![];
        while before - self.weight() < wanted {
            let Some(victim) = self.victim(None, left.get(evicted.len())) else {
                break;
            };
            evicted.push(self.leave(victim, RemovalCause::Size));
        }
        assert_eq!(left, evicted);
        let freed = before - self.weight();
        self.lent += freed;
        freed
    }

    /// The weight of the expired entries that leave for others.
    pub(crate) fn expire_for(&mut self, wanted: u64, left: &[Left]) -> u64 {
        let before = self.weight();
        let mut expired = vec![];
        while before - self.weight() < wanted {
            let Some(first) = self.first_expired(left.get(expired.len())) else {
                break;
            };
            expired.extend(self.expire(first));
        }
        assert_eq!(left, expired);
        before - self.weight()
    }

    /// The instant at which the first entry expires or the first remembered result is forgotten.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        let entries = self.entries.values().map(|entry| entry.kept);
        let failures = self.flights.values().filter_map(|flight| flight.until);
        let all = entries.chain(failures);
        all.filter(|&at| at != Instant::FAR).min()
    }

    /// Explains the removed entries `left`: some expired entries may leave first, and the rest must
    /// be what `then` predicts.
    fn explain<T>(
        &mut self,
        left: &[Left],
        then: impl Fn(&mut Self, &[Left]) -> (Vec<Left>, T),
    ) -> T {
        for purged in 0..=left.len() {
            let (purged, rest) = left.split_at(purged);
            let mut after = self.clone();
            if purged
                .iter()
                .any(|left| after.expire(left.key) != Some(*left))
            {
                break;
            }
            let (expected, answer) = then(&mut after, rest);
            if expected == rest {
                *self = after;
                return answer;
            }
        }
        panic!("the model cannot explain that {left:?} left {self:#?}")
    }

    /// The only function that admits an entry. Predicts the entries that leave for it. It takes
    /// only the choice of victims from `left`, the observed removals.
    fn write(
        &mut self,
        (key, value): (u8, u32),
        rating: EntryLimits,
        left: &[Left],
    ) -> (Vec<Left>, Result<(), u64>) {
        let mut leaving = vec![];
        let own = self.limit(rating.ttl);
        let cap = self.settings.time_to_live.filter(|_| rating.is_capped());
        let cap = cap.map_or(Instant::FAR, |cap| self.now.after(cap));
        let entry = Entry {
            value,
            weight: rating.weight,
            own,
            cap,
            deadline: Instant::FAR,
            kept: Instant::FAR,
            due: self.due(own.min(cap)),
            retry: Instant::ORIGIN,
        };
        let entry = self.timed(entry);
        let refused = self.refusal(entry);
        leaving.extend(self.expire(key));
        let held = self.entries.get(&key).map_or(0, |old| old.weight);
        let wanted = u64::from(entry.weight.saturating_sub(held));
        while refused.is_none() && self.free() < wanted {
            match self.victim(Some(key), left.get(leaving.len())) {
                Some(victim) => leaving.push(self.leave(victim, RemovalCause::Size)),
                None => return (leaving, Err(wanted)),
            }
        }
        if self.entries.contains_key(&key) {
            leaving.push(self.leave(key, RemovalCause::Replaced));
        }
        self.tally.inserted += 1;
        if let Some(cause) = refused {
            leaving.push(self.count_out(key, value, cause));
        } else {
            self.entries.insert(key, entry);
            self.order.extend((entry.weight > 0).then_some(key));
        }
        (leaving, Ok(()))
    }

    /// Why an entry is not admitted.
    fn refusal(&self, entry: Entry) -> Option<RemovalCause> {
        let weight = u64::from(entry.weight);
        if self.capacity.is_some_and(|max| weight > max) {
            return Some(RemovalCause::Oversized);
        }
        let dead = entry.deadline.has_passed(self.now);
        dead.then_some(RemovalCause::Expired)
    }

    /// The entry to evict for `newcomer`: any expired entry, if there is one. Otherwise exact LRU
    /// determines it. The default policy may choose, and its choice is the first entry that left.
    /// `None`: no entry with a weight is left.
    fn victim(&self, newcomer: Option<u8>, left: Option<&Left>) -> Option<u8> {
        if let Some(expired) = self.first_expired(left) {
            return Some(expired);
        }
        self.capacity?;
        let mut candidates = self.order.iter().filter(|&&key| Some(key) != newcomer);
        let chosen = candidates
            .clone()
            .find(|&&key| !self.is_lru() && left.is_some_and(|left| left.key == key));
        chosen.or_else(|| candidates.next()).copied()
    }

    /// An entry that has expired: the one that left, if it had.
    fn first_expired(&self, left: Option<&Left>) -> Option<u8> {
        let expired = |key: &u8| self.entries[key].kept.has_passed(self.now);
        let chosen = left.map(|left| left.key);
        let chosen = chosen.filter(|key| self.entries.contains_key(key) && expired(key));
        chosen.or_else(|| self.entries.keys().copied().find(expired))
    }

    fn free(&self) -> u64 {
        self.capacity
            .map_or(u64::MAX, |max| max - self.weight() - self.lent)
    }

    /// Removes the entry of `key` if it has expired.
    pub(crate) fn expire(&mut self, key: u8) -> Option<Left> {
        let expired = self.entries.get(&key)?.kept.has_passed(self.now);
        expired.then(|| self.leave(key, RemovalCause::Expired))
    }

    /// The only function that removes an entry. An expired entry is removed as expired, independent
    /// of the cause of its removal.
    fn leave(&mut self, key: u8, cause: RemovalCause) -> Left {
        let entry = self
            .entries
            .remove(&key)
            .expect("only a stored entry can leave");
        self.order.retain(|&other| other != key);
        // A value that is evicted while it is kept after its ttl leaves for its size.
        let end = if cause == RemovalCause::Size {
            entry.kept
        } else {
            entry.deadline
        };
        let cause = if end.has_passed(self.now) {
            RemovalCause::Expired
        } else {
            cause
        };
        if cause == RemovalCause::Size {
            self.tally.evicted_weight += u64::from(entry.weight);
        }
        self.count_out(key, entry.value, cause)
    }

    fn count_out(&mut self, key: u8, value: u32, cause: RemovalCause) -> Left {
        *self.tally.removed.entry(cause).or_default() += 1;
        Left { key, value, cause }
    }

    fn limit(&self, ttl: Ttl) -> Instant {
        match (ttl, self.settings.time_to_live) {
            (Ttl::After(ttl), _) | (Ttl::Default, Some(ttl)) => self.now.after(ttl),
            (Ttl::Default, None) | (Ttl::Never, _) => Instant::FAR,
        }
    }

    /// The entry with the times that follow from its ttl and its last use.
    fn timed(&self, mut entry: Entry) -> Entry {
        let limit = entry.own.min(entry.cap);
        let windows = self.settings.freshness.unwrap_or_default();
        let window = windows.stale_while_revalidate.max(windows.stale_if_error);
        entry.deadline = self.deadline(limit);
        entry.kept = self.deadline(limit.after(window));
        entry
    }

    fn due(&self, limit: Instant) -> Instant {
        let Some(after) = self.settings.freshness.and_then(|set| set.refresh_after) else {
            return limit;
        };
        let after = match self.settings.time_to_live {
            Some(ttl) if limit != Instant::FAR => {
                let nanos = |time: std::time::Duration| {
                    u128::from(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
                };
                let part = nanos(limit.since(self.now)) * nanos(after) / nanos(ttl).max(1);
                let part = u64::try_from(part).unwrap_or(u64::MAX);
                std::time::Duration::from_nanos(part)
            }
            _ => after,
        };
        self.now.after(after).min(limit)
    }

    fn deadline(&self, limit: Instant) -> Instant {
        let idle = self.settings.time_to_idle;
        idle.map_or(limit, |tti| limit.min(self.now.after(tti)))
    }

    fn is_lru(&self) -> bool {
        self.settings.eviction_policy == EvictionPolicy::Lru
    }
}
