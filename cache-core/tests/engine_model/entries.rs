//! Reads, writes and removals.

use cache_core::machine::{
    Age, Aged, Budget, Capacity, CapacityShortfall, Entry, EntryLimits, InsertIfAbsent, Lookup,
    OldDeadlines, Ttl,
};

use super::foreign::{Key, Value, burn, call};
use super::naive;
use super::op::Read;
use super::pair::{Pair, Seen, left};

impl Pair {
    pub(crate) fn insert(&mut self, key: u8, rating: EntryLimits, fuse: Option<u32>) {
        let (value, ttl, weight) = (self.next_value(), rating.ttl, rating.weight);
        let entry = Entry::new(Key::new(key), Value::new(value));
        let entry = entry.ttl(ttl).weight(weight);
        let rating = EntryLimits::new(ttl, weight);
        let hash = Key::new(key).hash();
        let called = self.call(fuse, |engine, now, fx| engine.insert(hash, entry, now, fx));
        if let Some((inserted, left)) = called {
            let expected = self.model.insert((key, value), rating, &left);
            assert_eq!(inserted.map_err(|shortfall| short(&shortfall)), expected);
        }
    }

    pub(crate) fn insert_with_limits(&mut self, key: u8, rating: EntryLimits, fuse: Option<u32>) {
        let (value, mut notified) = (self.next_value(), None);
        let entry = (Key::new(key), Value::new(value));
        let rate = |key: &Key, value: &Value, old: Option<OldDeadlines>| {
            notified = Some((key.id, value.write, old));
            burn();
            rating
        };
        let hash = entry.0.hash();
        let called = self.call(fuse, |engine, now, fx| {
            engine.insert_with_limits(hash, entry, rate, now, fx)
        });
        if let Some((inserted, left)) = called {
            let old = self.model.live(key, self.clock);
            assert_eq!(
                notified,
                Some((key, value, old.map(naive::Entry::deadlines)))
            );
            let expected = self.model.insert((key, value), rating, &left);
            assert_eq!(inserted.map_err(|shortfall| short(&shortfall)), expected);
        } else if notified.is_some() {
            self.model.fence(key);
        }
    }

    pub(crate) fn insert_if_absent(
        &mut self,
        key: u8,
        rating: EntryLimits,
        read: Read,
        fuse: Option<u32>,
    ) {
        let (value, mut notified) = (self.next_value(), None);
        let entry = (Key::new(key), Value::new(value));
        let rate = |key: &Key, value: &Value, old: Option<OldDeadlines>| {
            notified = Some((key.id, value.write, old));
            burn();
            rating
        };
        let epoch = match read {
            Read::Whenever => None,
            Read::InThisEpoch => Some(self.engine.epoch()),
            Read::InTheLast => Some(self.engine.epoch().wrapping_sub(1)),
        };
        let hash = entry.0.hash();
        let called = self.call(fuse, |engine, now, fx| {
            engine.insert_if_absent(hash, entry, rate, epoch, now, fx)
        });
        if let Some((offered, left)) = called {
            let offered = offered.map_err(|shortfall| short(&shortfall));
            let returned = matches!(offered, Ok(InsertIfAbsent::Refused(..)));
            assert_eq!(notified, (!returned).then_some((key, value, None)));
            let outdated = matches!(read, Read::InTheLast);
            match self
                .model
                .insert_if_absent((key, value), rating, outdated, &left)
            {
                Some(expected) => assert_eq!(offered.map(|_| ()), expected),
                None => assert!(returned, "the model refuses this value"),
            }
        }
    }

    /// Reads through a shared reference, with any policy and expiry.
    pub(crate) fn get(&self, key: u8, fuse: Option<u32>) {
        if self.model.has_freshness() {
            return self.look_up_aged(key, fuse);
        }
        let (key, clock, engine) = (Key::new(key), self.clock(), &self.engine);
        let found = call(fuse, || engine.get(key.hash(), &key, clock));
        self.check_found(key.id, found.ok());
    }

    /// A read through a shared reference, without a loader and with one.
    fn look_up_aged(&self, id: u8, fuse: Option<u32>) {
        for has_loader in [false, true] {
            let (key, clock, engine) = (Key::new(id), self.clock(), &self.engine);
            let found = call(fuse, || {
                engine.look_up_aged(key.hash(), &key, has_loader, clock)
            });
            if let Ok(found) = found {
                let expected = self.model.look_up_aged(id, has_loader, self.clock);
                self.look_up_fresh(&key, expected);
                match found {
                    Lookup::Hit(Aged { value, age }) => {
                        assert_eq!(expected, Some((value.write, age)));
                    }
                    Lookup::Expired | Lookup::Absent => assert_eq!(expected, None),
                }
            }
        }
    }

    /// A read that finds fresh values alone.
    fn look_up_fresh(&self, key: &Key, expected: Option<(u32, Age)>) {
        if self.engine.reads_mutate() {
            return;
        }
        match self.engine.look_up_fresh(key.hash(), key, self.clock()) {
            Lookup::Hit(value) => assert_eq!(expected, Some((value.write, Age::Fresh))),
            Lookup::Expired => assert_ne!(expected.map(|found| found.1), Some(Age::Fresh)),
            Lookup::Absent => assert_eq!(expected, None),
        }
    }

    /// A read that any policy and an idle expiry learn of.
    fn look_up_aged_exclusive(&mut self, id: u8, fuse: Option<u32>) {
        let (key, clock, mut read_clock) = (Key::new(id), self.clock(), false);
        let now = || {
            read_clock = true;
            clock()
        };
        let (has_loader, engine) = (self.clock.as_nanos().is_multiple_of(2), &mut self.engine);
        let found = call(fuse, || {
            engine.look_up_aged_exclusive(key.hash(), &key, has_loader, now)
        });
        let found = found.map(|found| match found {
            Lookup::Hit(found) => Some((found.value.write, found.age)),
            Lookup::Expired | Lookup::Absent => None,
        });
        if read_clock {
            self.model.tick(self.clock);
        }
        if let Ok(found) = found {
            let expected = self.model.look_up_aged(id, has_loader, self.clock);
            assert_eq!(found, expected);
            if found.is_some() {
                self.model.use_any(id);
            }
        }
    }

    pub(crate) fn mark_stale(&mut self, key: u8, fuse: Option<u32>) {
        let key = Key::new(key);
        let called = self.call(fuse, |engine, now, fx| {
            engine.mark_stale(key.hash(), &key, now, fx)
        });
        if let Some((marked, left)) = called {
            assert_eq!(marked, self.model.mark_stale(key.id, &left));
        }
    }

    pub(crate) fn look_up(&mut self, key: u8, fuse: Option<u32>) {
        if self.model.has_freshness() {
            return self.look_up_aged(key, fuse);
        }
        if self.engine.logs_hits() {
            return self.look_up_logged(key, fuse);
        }
        let (key, clock, engine) = (Key::new(key), self.clock(), &self.engine);
        let Ok(found) = call(fuse, || engine.look_up(key.hash(), &key, clock)) else {
            return;
        };
        let known = self.model.entries.contains_key(&key.id);
        match (found, self.model.live(key.id, self.clock)) {
            (Lookup::Hit(value), Some(entry)) => assert_eq!(value.write, entry.value),
            (Lookup::Expired, None) => assert!(known),
            (Lookup::Absent, None) => assert!(!known),
            (found, expected) => panic!("{found:?} for {expected:?}"),
        }
    }

    /// A read through a shared reference that exact LRU learns of, or else an exclusive one.
    fn look_up_logged(&mut self, id: u8, fuse: Option<u32>) {
        let (key, clock, engine) = (Key::new(id), self.clock(), &self.engine);
        let found = call(fuse, || engine.look_up_logged(key.hash(), &key, clock));
        let found = found.map(|found| {
            found.map(|found| match found {
                Lookup::Hit(value) => Some(value.write),
                Lookup::Expired | Lookup::Absent => None,
            })
        });
        match found {
            Ok(Some(Some(write))) => assert_eq!(self.model.use_entry(id), Some(write)),
            Ok(Some(None)) => assert!(self.model.live(id, self.clock).is_none()),
            Ok(None) => self.get_mut(id, None),
            Err(_) => {}
        }
    }

    pub(crate) fn peek(&self, key: u8, fuse: Option<u32>) {
        let (key, clock, engine) = (Key::new(key), self.clock(), &self.engine);
        let found = call(fuse, || engine.peek(key.hash(), &key, clock));
        self.check_found(key.id, found.ok());
    }

    fn check_found(&self, key: u8, found: Option<Option<&Value>>) {
        if let Some(found) = found {
            let expected = self.model.live(key, self.clock);
            let expected = expected.map(|entry| entry.value);
            assert_eq!(found.map(|value| value.write), expected);
        }
    }

    pub(crate) fn get_mut(&mut self, key: u8, fuse: Option<u32>) {
        if self.model.has_freshness() {
            return self.look_up_aged_exclusive(key, fuse);
        }
        let (key, clock, mut read_clock) = (Key::new(key), self.clock(), false);
        let now = || {
            read_clock = true;
            clock()
        };
        let engine = &mut self.engine;
        let found = call(fuse, || engine.look_up_exclusive(key.hash(), &key, now));
        let found = found.map(|found| match found {
            Lookup::Hit(value) => Some(value.write),
            Lookup::Expired => None,
            Lookup::Absent => {
                assert!(!self.model.entries.contains_key(&key.id));
                None
            }
        });
        if read_clock {
            self.model.tick(self.clock);
        }
        if let Ok(found) = found {
            assert_eq!(found, self.model.use_entry(key.id));
        }
    }

    pub(crate) fn remove(&mut self, key: u8, fuse: Option<u32>) {
        let key = Key::new(key);
        let called = self.call(fuse, |engine, now, fx| {
            engine.remove(key.hash(), &key, now, fx)
        });
        if let Some((removed, flushed)) = called {
            let expected = self.model.remove(key.id, &flushed);
            assert_eq!(removed.as_ref().map(left), expected);
        }
    }

    pub(crate) fn expire(&mut self, key: u8, fuse: Option<u32>) {
        let key = Key::new(key);
        let called = self.call(fuse, |engine, now, fx| {
            engine.expire(key.hash(), &key, now, fx);
        });
        if let Some(((), left)) = called {
            let expired = self.model.expire(key.id);
            assert_eq!(left, Vec::from_iter(expired));
        }
    }

    pub(crate) fn set_ttl(&mut self, key: u8, ttl: Ttl, fuse: Option<u32>) {
        let key = Key::new(key);
        let called = self.call(fuse, |engine, now, fx| {
            engine.set_ttl(key.hash(), &key, ttl, now, fx)
        });
        if let Some((known, left)) = called {
            assert_eq!(left, []);
            assert_eq!(known, self.model.set_ttl(key.id, ttl, false));
        }
    }

    pub(crate) fn see(&mut self, key: u8) {
        let key = Key::new(key);
        let found = self.engine.find(key.hash(), &key, self.clock);
        self.seen.extend(found.map(|found| Seen {
            key: found.key.id,
            value: found.value.write,
            token: found.token,
            version: found.version,
        }));
    }

    pub(crate) fn remove_if_same(&mut self, seen: usize) {
        if let Some(seen) = self.pick(seen) {
            let (token, version) = (seen.token, seen.version);
            let (removed, left) =
                self.call_safely(|engine, now, fx| engine.remove_if_same(token, version, now, fx));
            let expected = self.model.remove_if_same(seen.key, seen.value, &left);
            assert_eq!(removed, expected);
        }
    }

    pub(crate) fn set_ttl_if_same(&mut self, seen: usize, ttl: Ttl) {
        if let Some(seen) = self.pick(seen) {
            let (token, version) = (seen.token, seen.version);
            let ((), left) = self.call_safely(|engine, now, fx| {
                engine.set_ttl_if_same(token, version, ttl, now, fx);
            });
            assert_eq!(left, []);
            if self.model.is_same(seen.key, seen.value) {
                self.model.set_ttl(seen.key, ttl, true);
            }
        }
    }

    fn pick(&self, seen: usize) -> Option<Seen> {
        let index = seen.checked_rem(self.seen.len())?;
        Some(self.seen[index])
    }

    pub(crate) fn clear(&mut self) {
        let ((), left) = self.call_safely(|engine, now, fx| engine.clear(now, fx));
        self.model.clear(&left);
    }

    pub(crate) fn evict_for(&mut self, wanted: u64) {
        let (freed, left) = self.call_safely(|engine, now, fx| engine.evict_for(wanted, now, fx));
        assert_eq!(freed, self.model.evict_for(wanted, &left));
    }

    pub(crate) fn expire_for(&mut self, wanted: u64) {
        let (freed, left) = self.call_safely(|engine, now, fx| engine.expire_for(wanted, now, fx));
        assert_eq!(freed, self.model.expire_for(wanted, &left));
    }

    /// Returns capacity that was lent to the caller.
    pub(crate) fn give_back(&mut self, amount: u64) {
        let amount = amount.min(self.model.lent);
        self.model.lent -= amount;
        let budget: &mut Capacity = self.engine.budget_mut();
        budget.give_back(amount);
    }
}

pub(crate) const fn short<T>(shortfall: &CapacityShortfall<T>) -> u64 {
    shortfall.missing
}
