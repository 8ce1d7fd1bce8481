//! Loads: joined, settled and fenced.

use std::rc::Rc;

use cache_core::machine::{EntryLimits, FlightId, FlightRole, Instant, Join, LoadEnd, Settled};

use super::entries::short;
use super::foreign::{Flight, Key, Value, burn};
use super::naive;
use super::op::End;
use super::pair::{Led, Pair};

/// A flight that a call may start.
struct Boarding {
    key: u8,
    serial: usize,
    id: Option<FlightId>,
    handle: Rc<()>,
}

impl Boarding {
    fn make(&mut self, id: FlightId) -> Flight {
        self.id = Some(id);
        burn();
        Flight::new(self.serial, &self.handle)
    }
}

impl Pair {
    pub(crate) fn join(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, asked) = (Key::new(key).hash(), Key::new(key));
        let mut boarding = self.board(key);
        let make = |id| boarding.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            match engine.join(hash, asked, make, now, fx) {
                Join::Hit { value, key } => (naive::Share::Hit(value.write), Some(key)),
                Join::Load(share) => told(share),
            }
        });
        if let Some(((share, unused), left)) = called {
            assert!(unused.is_none_or(|unused| unused.id == key));
            assert_eq!(share, self.model.join(key, boarding.serial, &left));
            self.lead(boarding);
        }
    }

    pub(crate) fn join_flight(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, asked) = (Key::new(key).hash(), Key::new(key));
        let mut boarding = self.board(key);
        let make = |id| boarding.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            told(engine.join_flight(hash, asked, make, now, fx))
        });
        if let Some(((share, unused), left)) = called {
            assert!(unused.is_none_or(|unused| unused.id == key));
            let expired = self.model.expire(key);
            assert_eq!(left, Vec::from_iter(expired));
            assert_eq!(share, self.model.join_flight(key, boarding.serial));
            self.lead(boarding);
        }
    }

    pub(crate) fn refresh(&mut self, key: u8, fuse: Option<u32>) {
        let (hash, asked) = (Key::new(key).hash(), Key::new(key));
        let mut boarding = self.board(key);
        let make = |id| boarding.make(id);
        let called = self.call(fuse, |engine, now, fx| {
            engine.refresh(hash, asked, make, now, fx).serial
        });
        if let Some((serial, left)) = called {
            let expired = self.model.expire(key);
            assert_eq!((serial, left), (boarding.serial, Vec::from_iter(expired)));
            self.model.refresh(key, serial);
            self.lead(boarding);
        } else if boarding.id.is_some() {
            self.model.fence(key);
        }
    }

    pub(crate) fn settle(&mut self, flight: usize, rating: EntryLimits, fuse: Option<u32>) {
        let Some(index) = flight.checked_rem(self.leading.len()) else {
            return;
        };
        let (hash, id) = (self.leading[index].hash(), self.leading[index].id);
        let (key, serial) = (self.leading[index].key, self.leading[index].serial);
        let (write, mut asked) = (self.next_value(), None);
        let value = Value::new(write);
        let rate = |key: &Key, value: &Value, old: Option<Instant>| {
            asked = Some((key.id, value.write, old));
            burn();
            rating
        };
        let called = self.call(fuse, |engine, now, fx| {
            engine.settle(hash, id, value, rate, now, fx)
        });
        let Some((settled, left)) = called else {
            return;
        };
        let settled = settled.map_err(|no_room| short(&no_room));
        let settled = settled.map(|settled| match settled {
            Settled::Written => true,
            Settled::Fenced(value) => {
                assert_eq!(value.write, write);
                false
            }
        });
        let current = self.model.is_current(key, serial);
        let old = self.model.live(key, self.clock).map(|old| old.deadline);
        assert_eq!(asked, current.then_some((key, write, old)));
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
        }
    }

    pub(crate) fn finish(&mut self, flight: usize, how: End) {
        let Some(index) = flight.checked_rem(self.leading.len()) else {
            return;
        };
        let led = self.leading.swap_remove(index);
        let (id, clock) = (led.id, self.clock);
        let current = self.model.is_current(led.key, led.serial);
        let how = match how {
            End::Missing => LoadEnd::Missing,
            End::MissingFor(time) => LoadEnd::MissingUntil(clock.after(time)),
            End::Failed => LoadEnd::Failed,
            End::FailedFor(time) => LoadEnd::FailedUntil(clock.after(time)),
            End::Dropped => LoadEnd::Dropped,
        };
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

    fn board(&mut self, key: u8) -> Boarding {
        Boarding {
            key,
            serial: self.next_serial(),
            id: None,
            handle: Rc::new(()),
        }
    }

    /// Records the flight, if it was started.
    fn lead(&mut self, boarding: Boarding) {
        let Boarding {
            key,
            serial,
            id,
            handle,
        } = boarding;
        self.leading.extend(id.map(|id| Led {
            key,
            serial,
            id,
            handle,
        }));
    }
}

fn told(share: FlightRole<'_, Key, Flight>) -> (naive::Share, Option<Key>) {
    match share {
        FlightRole::Lead { flight } => (naive::Share::Lead(flight.serial), None),
        FlightRole::Wait { flight, key } => (naive::Share::Wait(flight.serial), Some(key)),
    }
}
