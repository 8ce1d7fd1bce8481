//! Loads of the model.

use cache_core::machine::{EntryLimits, Instant, RemovalCause};

use super::{Left, Model};

/// A flight that is current, or that has ended and whose result is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) serial: usize,
    /// Set once it has ended and its result is remembered.
    pub(crate) until: Option<Instant>,
}

/// The share of a caller that wants a value and can load it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Hit(u32),
    Lead(usize),
    Wait(usize),
    /// The value, which the caller may refresh.
    Due(u32),
}

impl Model {
    pub(crate) fn is_current(&self, key: u8, serial: usize) -> bool {
        let current = Flight {
            serial,
            until: None,
        };
        self.flights.get(&key) == Some(&current)
    }

    /// Ensures that the load of `key` is not stored.
    pub(crate) fn fence(&mut self, key: u8) {
        self.flights.remove(&key);
    }

    pub(crate) fn join(&mut self, key: u8, serial: usize, left: &[Left]) -> Share {
        self.explain(left, |model, _| {
            let mut expired = vec![];
            let share = match model.use_entry(key) {
                Some(value) => Share::Hit(value),
                None => {
                    expired.extend(model.expire(key));
                    model.join_flight(key, serial)
                }
            };
            (expired, share)
        })
    }

    /// Joins the flight of `key`, or starts one with this serial number.
    pub(crate) fn join_flight(&mut self, key: u8, serial: usize) -> Share {
        let known = self.flights.get(&key);
        if let Some(flight) = known.filter(|flight| !self.is_over(**flight)) {
            self.tally.joined += 1;
            return Share::Wait(flight.serial);
        }
        self.refresh(key, serial);
        Share::Lead(serial)
    }

    pub(crate) fn refresh(&mut self, key: u8, serial: usize) {
        let flight = Flight {
            serial,
            until: None,
        };
        self.flights.insert(key, flight);
        self.tally.started += 1;
    }

    /// Whether the value was written, or the missing capacity.
    pub(crate) fn settle(
        &mut self,
        (key, serial): (u8, usize),
        value: u32,
        rating: EntryLimits,
        left: &[Left],
    ) -> Result<bool, u64> {
        if !self.is_current(key, serial) {
            self.explain(left, |_, _| (vec![], ()));
            self.tally.succeeded += 1;
            self.tally.fenced += 1;
            return Ok(false);
        }
        self.explain(left, |model, left| model.write((key, value), rating, left))?;
        self.flights.remove(&key);
        self.tally.succeeded += 1;
        Ok(true)
    }

    pub(crate) fn settle_removal(&mut self, key: u8, serial: usize, left: &[Left]) -> bool {
        let current = self.is_current(key, serial);
        let mut removed = vec![];
        if current {
            self.flights.remove(&key);
            if self.entries.contains_key(&key) {
                removed.push(self.leave(key, RemovalCause::Explicit));
            }
        }
        self.tally.succeeded += 1;
        assert_eq!(left, removed);
        current
    }

    pub(crate) fn find_nothing(&mut self, key: u8, serial: usize, until: Option<Instant>) {
        self.tally.succeeded += 1;
        self.end(key, serial, until);
    }

    pub(crate) fn fail(&mut self, key: u8, serial: usize, until: Option<Instant>) {
        self.tally.failed += 1;
        self.end(key, serial, until);
    }

    pub(crate) fn drop_load(&mut self, key: u8, serial: usize) {
        self.tally.dropped += 1;
        self.end(key, serial, None);
    }

    /// Forgets the remembered result of the flight.
    pub(crate) fn forget(&mut self, key: u8, serial: usize) {
        self.flights
            .retain(|&other, flight| (other, flight.serial) != (key, serial));
    }

    /// Removes a remembered answer for flight `newest` if the limit is reached: the one that
    /// expires first. `is_held` determines which of several.
    pub(crate) fn give_way(&mut self, newest: usize, is_held: impl Fn(usize) -> bool) {
        let all = self.flights.iter().map(|(&key, &flight)| (key, flight));
        let others = all.filter(|(_, flight)| flight.until.is_some() && flight.serial != newest);
        let others: Vec<_> = others.collect();
        if others.len() < self.answers {
            return;
        }
        let first = others.iter().filter_map(|(_, flight)| flight.until).min();
        let mut gone = others.iter().filter(|(_, flight)| !is_held(flight.serial));
        let &(key, flight) = gone.next().expect("one answer is removed");
        assert_eq!(
            flight.until, first,
            "an answer that expires earlier must be removed first"
        );
        assert_eq!(gone.next(), None, "one answer is removed");
        self.flights.remove(&key);
    }

    fn end(&mut self, key: u8, serial: usize, until: Option<Instant>) {
        if self.is_current(key, serial) {
            self.flights.remove(&key);
            if until.is_some() {
                self.flights.insert(key, Flight { serial, until });
            }
        }
    }

    /// Whether the remembered result of the flight has expired.
    pub(super) fn is_over(&self, flight: Flight) -> bool {
        flight.until.is_some_and(|until| until.has_passed(self.now))
    }
}
