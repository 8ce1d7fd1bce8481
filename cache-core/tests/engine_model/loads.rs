//! Loads: joined, settled and fenced.

use std::rc::Rc;

use cache_core::machine::{
    EntryLimits, FlightId, FlightRole, Instant, Join, LoadEnd, OldDeadlines, Settled,
};

use super::entries::short;
use super::foreign::{Flight, Key, Value, burn};
use super::naive;
use super::op::End;
use super::pair::{Led, Pair};

/// Which method settles a flight with a value.
#[derive(Clone, Copy, PartialEq)]
enum Settling {
    Load,
    Write,
}

/// A flight that a call may start.
struct Attempt {
    key: u8,
    serial: usize,
    id: Option<FlightId>,
    handle: Rc<()>,
}

impl Attempt {
    fn make(&mut self, id: FlightId) -> Flight {
        self.id = Some(id);
        burn();
        Flight::new(self.serial, &self.handle)
    }
}

impl Pair {
    /// Joins in an engine with freshness. What the caller can start depends on the serial.
    fn join_aged(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, lookup_key) = (Key::new(key).hash(), Key::new(key));
        let mut attempt = self.attempt(key);
        let (may_refresh, starts) = match attempt.serial % 3 {
            0 => (true, true),
            1 => (false, false),
            _ => (true, false),
        };
        let make = |id| attempt.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            match engine.join(hash, lookup_key, may_refresh, make, now, fx) {
                Join::Hit { value, key, .. } => (naive::Share::Hit(value.write), Some(key)),
                Join::Due { value, key, .. } => (naive::Share::Due(value.write), Some(key)),
                Join::Load(share) => share_of(share),
            }
        });
        let Some(((share, unused), left)) = called else {
            return;
        };
        assert!(unused.is_none_or(|unused| unused.id == key));
        let expected = self
            .model
            .join_aged(key, attempt.serial, may_refresh, &left);
        assert_eq!(share, expected);
        if starts && matches!(share, naive::Share::Due(_)) {
            self.start_refresh(key, &mut attempt, fuse);
        }
        self.lead(attempt);
    }

    fn start_refresh(&mut self, key: u8, attempt: &mut Attempt, fuse: Option<u32>) {
        let (hash, owned) = (Key::new(key).hash(), Key::new(key));
        let make = |id| attempt.make(id);
        let called = self.call_timeless(fuse, |engine, _| {
            engine.start_refresh(hash, owned, make).serial
        });
        if let Some((serial, left)) = called {
            assert_eq!((serial, left), (attempt.serial, vec![]));
            self.model.refresh(key, serial);
        } else {
            // The panic has ended the start of the flight.
            attempt.id = None;
        }
    }

    pub(crate) fn join(&mut self, key: u8, fuse: Option<u32>) {
        if self.model.has_freshness() {
            return self.join_aged(key, fuse);
        }
        let (hash, lookup_key) = (Key::new(key).hash(), Key::new(key));
        let mut attempt = self.attempt(key);
        let make = |id| attempt.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            match engine.join(hash, lookup_key, true, make, now, fx) {
                Join::Hit { value, key, .. } => (naive::Share::Hit(value.write), Some(key)),
                Join::Due { .. } => unreachable!("the case has no freshness"),
                Join::Load(share) => share_of(share),
            }
        });
        if let Some(((share, unused), left)) = called {
            assert!(unused.is_none_or(|unused| unused.id == key));
            assert_eq!(share, self.model.join(key, attempt.serial, &left));
            self.lead(attempt);
        }
    }

    pub(crate) fn join_flight(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, lookup_key) = (Key::new(key).hash(), Key::new(key));
        let mut attempt = self.attempt(key);
        let make = |id| attempt.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            share_of(engine.join_flight(hash, lookup_key, make, now, fx))
        });
        if let Some(((share, unused), left)) = called {
            assert!(unused.is_none_or(|unused| unused.id == key));
            let expired = self.model.expire(key);
            assert_eq!(left, Vec::from_iter(expired));
            assert_eq!(share, self.model.join_flight(key, attempt.serial));
            self.lead(attempt);
        }
    }

    pub(crate) fn refresh(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, lookup_key) = (Key::new(key).hash(), Key::new(key));
        let mut attempt = self.attempt(key);
        let make = |id| attempt.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            engine.refresh(hash, lookup_key, make, now, fx).serial
        });
        if let Some((serial, left)) = called {
            let expired = self.model.expire(key);
            assert_eq!((serial, left), (attempt.serial, Vec::from_iter(expired)));
            self.model.end_backoff(key);
            self.model.refresh(key, serial);
            self.lead(attempt);
        } else if attempt.id.is_some() {
            self.model.fence(key);
        }
    }

    pub(crate) fn settle(&mut self, flight: usize, rating: EntryLimits, fuse: Option<u32>) {
        self.settle_as(Settling::Load, flight, rating, fuse);
    }

    pub(crate) fn settle_write(&mut self, flight: usize, rating: EntryLimits, fuse: Option<u32>) {
        self.settle_as(Settling::Write, flight, rating, fuse);
    }

    fn settle_as(
        &mut self,
        settling: Settling,
        flight: usize,
        rating: EntryLimits,
        fuse: Option<u32>,
    ) {
        let Some(index) = flight.checked_rem(self.leading.len()) else {
            return;
        };
        let (hash, id) = (self.leading[index].hash(), self.leading[index].id);
        let (key, serial) = (self.leading[index].key, self.leading[index].serial);
        let (write, mut rated) = (self.next_value(), None);
        let value = Value::new(write);
        let rate = |key: &Key, value: &Value, old: Option<OldDeadlines>| {
            rated = Some((key.id, value.write, old));
            burn();
            rating
        };
        let called = self.call(fuse, |engine, now, fx| match settling {
            Settling::Load => engine.settle(hash, id, value, rate, now, fx),
            Settling::Write => engine.settle_write(hash, id, value, rate, now, fx),
        });
        let Some((settled, left)) = called else {
            return;
        };
        let settled = settled.map_err(|shortfall| short(&shortfall));
        let settled = settled.map(|settled| match settled {
            Settled::Written => true,
            Settled::Fenced(value) => {
                assert_eq!(value.write, write);
                false
            }
        });
        let current = self.model.is_current(key, serial);
        self.has_written = current && settling == Settling::Write;
        let old = self
            .model
            .live(key, self.clock)
            .map(naive::Entry::deadlines);
        assert_eq!(rated, current.then_some((key, write, old)));
        let expected = self.model.settle((key, serial), write, rating, &left);
        assert_eq!(settled, expected);
        // A flight whose value did not fit must be settled again.
        if expected.is_ok() {
            self.leading.swap_remove(index);
        }
    }

    pub(crate) fn settle_removal(&mut self, flight: usize, fuse: Option<u32>) {
        let Some(index) = flight.checked_rem(self.leading.len()) else {
            return;
        };
        let (hash, id) = (self.leading[index].hash(), self.leading[index].id);
        let called = self.call(fuse, |engine, now, fx| {
            engine.settle_removal(hash, id, now, fx)
        });
        if let Some((removed, left)) = called {
            let Led { key, serial, .. } = self.leading.swap_remove(index);
            assert_eq!(removed, self.model.settle_removal(key, serial, &left));
            self.has_written = removed;
        }
    }

    /// Ends a load in an engine with freshness, if its key has a usable value.
    fn finish_aged(&mut self, index: usize, how: End) -> bool {
        let led = &self.leading[index];
        let (key, serial, id) = (led.key, led.serial, led.id);
        let is_usable =
            self.model.is_current(key, serial) && self.model.age(key, self.clock).is_some();
        if !self.model.has_freshness() || !is_usable {
            return false;
        }
        self.model.tick(self.clock);
        self.leading.swap_remove(index);
        let (end, mut leaving) = (load_end(how, self.clock), vec![]);
        match end {
            LoadEnd::Missing | LoadEnd::MissingUntil(_) => {
                leaving.push(self.model.leave_as_missing(key));
                self.model.find_nothing(key, serial, None);
            }
            LoadEnd::Failed | LoadEnd::FailedUntil(_) => {
                self.model.back_off(key);
                self.model.fail(key, serial, None);
            }
            LoadEnd::Dropped => self.model.drop_load(key, serial),
        }
        // A missing value is not remembered here, so that the model needs no more cases.
        let end = match end {
            LoadEnd::MissingUntil(_) => LoadEnd::Missing,
            end => end,
        };
        let finished = self.call(None, |engine, now, fx| {
            engine.finish_aged(id, end, true, now, fx)
        });
        assert_eq!(finished, Some((true, leaving)));
        true
    }

    pub(crate) fn finish(&mut self, flight: usize, how: End) {
        let Some(index) = flight.checked_rem(self.leading.len()) else {
            return;
        };
        if self.finish_aged(index, how) {
            return;
        }
        let led = self.leading.swap_remove(index);
        let (id, clock) = (led.id, self.clock);
        let current = self.model.is_current(led.key, led.serial);
        let how = load_end(how, clock);
        match how {
            LoadEnd::Missing => self.model.find_nothing(led.key, led.serial, None),
            LoadEnd::MissingUntil(at) => self.model.find_nothing(led.key, led.serial, Some(at)),
            LoadEnd::Failed => self.model.fail(led.key, led.serial, None),
            LoadEnd::FailedUntil(at) => self.model.fail(led.key, led.serial, Some(at)),
            LoadEnd::Dropped => self.model.drop_load(led.key, led.serial),
        }
        let finished = self.call_timeless(None, |engine, fx| engine.finish(id, how, fx));
        assert_eq!(finished, Some((current, vec![])));
        let (serial, remembered) = (led.serial, &mut self.remembered);
        remembered.push(led);
        if current && matches!(how, LoadEnd::FailedUntil(_) | LoadEnd::MissingUntil(_)) {
            let is_held = |serial| {
                remembered
                    .iter()
                    .any(|led| led.serial == serial && led.is_held())
            };
            self.model.give_way(serial, is_held);
        }
    }

    pub(crate) fn forget(&mut self, flight: usize) {
        let Some(index) = flight.checked_rem(self.remembered.len()) else {
            return;
        };
        let led = &self.remembered[index];
        let id = led.id;
        self.model.forget(led.key, led.serial);
        let called = self.call_timeless(None, |engine, fx| engine.forget(id, fx));
        assert_eq!(called, Some(((), vec![])));
    }

    fn attempt(&mut self, key: u8) -> Attempt {
        Attempt {
            key,
            serial: self.next_serial(),
            id: None,
            handle: Rc::new(()),
        }
    }

    /// Records the flight, if it was started.
    fn lead(&mut self, attempt: Attempt) {
        let Attempt {
            key,
            serial,
            id,
            handle,
        } = attempt;
        self.leading.extend(id.map(|id| Led {
            key,
            serial,
            id,
            handle,
        }));
    }
}

fn load_end(how: End, now: Instant) -> LoadEnd {
    match how {
        End::Missing => LoadEnd::Missing,
        End::MissingFor(time) => LoadEnd::MissingUntil(now.after(time)),
        End::Failed => LoadEnd::Failed,
        End::FailedFor(time) => LoadEnd::FailedUntil(now.after(time)),
        End::Dropped => LoadEnd::Dropped,
    }
}

fn share_of(share: FlightRole<'_, Key, Flight>) -> (naive::Share, Option<Key>) {
    match share {
        FlightRole::Lead { flight } => (naive::Share::Lead(flight.serial), None),
        FlightRole::Wait { flight, key } => (naive::Share::Wait(flight.serial), Some(key)),
    }
}
