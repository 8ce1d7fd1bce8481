//! Runs the engine and the model side by side.

use cache_core::machine::{Capacity, Effects, Engine, FlightId, Instant, Removed, Token, Version};
use std::rc::Rc;

use super::foreign::{Flight, Key, Value, call};
use super::naive::{Left, Model};
use super::op::{Case, Jump, Op, Step};

pub(crate) type Subject = Engine<Key, Value, Flight>;
pub(crate) type Fx = Effects<Key, Value, Flight>;

/// An engine, its model, and the state that its caller has to keep.
pub(crate) struct Pair {
    pub(crate) engine: Subject,
    pub(crate) model: Model,
    pub(crate) clock: Instant,
    /// The deadline of a janitor's timer: the earliest deadline in effects so far, or the result of
    /// `next_deadline` after a `purge_expired`.
    pub(crate) alarm: Option<Instant>,
    /// Flights that have not ended.
    pub(crate) leading: Vec<Led>,
    /// Ended flights whose result the engine may remember.
    pub(crate) remembered: Vec<Led>,
    pub(crate) seen: Vec<Seen>,
    keys: u8,
    writes: u32,
    flights: usize,
    /// Whether there ever was an entry that could expire.
    can_expire: bool,
    /// Whether foreign code panicked in this step.
    blown: bool,
    /// Whether the step ended a current flight with a caller's write or removal.
    pub(crate) has_written: bool,
}

/// A started flight. The engine holds the other reference to `handle` as long as it holds the
/// flight.
#[derive(Debug)]
pub(crate) struct Led {
    pub(crate) key: u8,
    pub(crate) serial: usize,
    pub(crate) id: FlightId,
    pub(crate) handle: Rc<()>,
}

/// An entry as it was when it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) key: u8,
    pub(crate) value: u32,
    pub(crate) token: Token,
    pub(crate) version: Version,
}

impl Pair {
    /// Runs `case` on an engine and on the model, and compares them after every step.
    pub(crate) fn try_out(case: &Case) {
        let mut pair = Self::new(case);
        pair.check();
        for step in &case.steps {
            pair.step(step);
            pair.check();
        }
    }

    fn new(case: &Case) -> Self {
        let capacity = case.capacity.map_or(Capacity::unbounded(), Capacity::new);
        let mut engine = Engine::new(case.settings, capacity);
        if let Some(most) = case.answers {
            engine.set_max_remembered(most);
        }
        Self {
            engine,
            model: Model::new(case.settings, case.capacity, case.answers),
            clock: Instant::ORIGIN,
            alarm: None,
            leading: Vec::new(),
            remembered: Vec::new(),
            seen: Vec::new(),
            keys: case.keys,
            writes: 0,
            flights: 0,
            can_expire: false,
            blown: false,
            has_written: false,
        }
    }

    fn step(&mut self, step: &Step) {
        let epoch = self.engine.epoch();
        self.blown = false;
        self.has_written = false;
        self.run(step);
        match step.op {
            Op::Insert(..)
            | Op::InsertRated(..)
            | Op::Remove(_)
            | Op::Refresh(_)
            | Op::MarkStale(_)
            | Op::Clear => {
                assert!(self.engine.epoch() != epoch || self.blown);
            }
            Op::SettleWrite(..) | Op::SettleRemoval(_) => {
                assert!((self.engine.epoch() != epoch) == self.has_written || self.blown);
            }
            _ => assert_eq!(self.engine.epoch(), epoch),
        }
    }

    fn run(&mut self, Step { op, fuse }: &Step) {
        let fuse = *fuse;
        match *op {
            Op::Insert(key, rating) => self.insert(self.key(key), rating, fuse),
            Op::InsertRated(key, rating) => self.insert_with_limits(self.key(key), rating, fuse),
            Op::Offer(key, rating, read) => {
                self.insert_if_absent(self.key(key), rating, read, fuse)
            }
            Op::Get(key) => self.get(self.key(key), fuse),
            Op::LookUp(key) => self.look_up(self.key(key), fuse),
            Op::GetMut(key) => self.get_mut(self.key(key), fuse),
            Op::Peek(key) => self.peek(self.key(key), fuse),
            Op::Remove(key) => self.remove(self.key(key), fuse),
            Op::Expire(key) => self.expire(self.key(key), fuse),
            Op::SetTtl(key, ttl) => self.set_ttl(self.key(key), ttl, fuse),
            Op::See(key) => self.see(self.key(key)),
            Op::RemoveIfSame(seen) => self.remove_if_same(seen),
            Op::SetTtlIfSame(seen, ttl) => self.set_ttl_if_same(seen, ttl),
            Op::Join(key) => self.join(self.key(key), fuse),
            Op::JoinFlight(key) => self.join_flight(self.key(key), fuse),
            Op::Refresh(key) => self.refresh(self.key(key), fuse),
            Op::MarkStale(key) => self.mark_stale(self.key(key), fuse),
            Op::Settle(flight, rating) => self.settle(flight, rating, fuse),
            Op::SettleWrite(flight, rating) => self.settle_write(flight, rating, fuse),
            Op::SettleRemoval(flight) => self.settle_removal(flight, fuse),
            Op::LoadEnd(flight, how) => self.finish(flight, how),
            Op::Forget(flight) => self.forget(flight),
            Op::HandleTimeout(budget) => self.purge_expired(budget),
            Op::PurgeAll => self.purge_all(),
            Op::CatchUp(budget) => self.catch_up(budget),
            Op::Sleep(span) => self.sleep(span),
            Op::Clear => self.clear(),
            Op::EvictFor(wanted) => self.evict_for(wanted),
            Op::Compact => {
                self.engine.compact();
                self.seen.clear();
            }
            Op::ExpireFor(wanted) => self.expire_for(wanted),
            Op::GiveBack(amount) => self.give_back(amount),
            Op::Clock(jump) => self.clock = jump_from(self.clock, jump),
        }
    }

    fn key(&self, key: u8) -> u8 {
        key % self.keys
    }

    /// A distinct value for each write.
    pub(crate) fn next_value(&mut self) -> u32 {
        self.writes += 1;
        self.writes
    }

    /// A distinct number for each flight.
    pub(crate) fn next_serial(&mut self) -> usize {
        self.flights += 1;
        self.flights
    }

    /// Calls the engine at the current time. `None` if foreign code panicked in it. Then nothing
    /// has changed, except that some expired entries may have been removed.
    pub(crate) fn call<T>(
        &mut self,
        fuse: Option<u32>,
        f: impl FnOnce(&mut Subject, Instant, &mut Fx) -> T,
    ) -> Option<(T, Vec<Left>)> {
        let now = self.clock;
        self.model.tick(now);
        self.call_timeless(fuse, |engine, fx| f(engine, now, fx))
    }

    /// Calls the engine without passing the time.
    pub(crate) fn call_timeless<T>(
        &mut self,
        fuse: Option<u32>,
        f: impl FnOnce(&mut Subject, &mut Fx) -> T,
    ) -> Option<(T, Vec<Left>)> {
        let (engine, mut fx) = (&mut self.engine, Fx::new());
        let answer = call(fuse, || f(engine, &mut fx));
        let alarms = self.alarm.into_iter().chain(fx.take_deadline());
        self.alarm = alarms.min();
        let has_removed = fx.has_removed();
        let left: Vec<_> = fx.drain_removed().map(|removed| left(&removed)).collect();
        assert_eq!(has_removed, !left.is_empty());
        match answer {
            Ok(answer) => Some((answer, left)),
            Err(_) => {
                self.model.purge(&left);
                self.blown = true;
                None
            }
        }
    }

    /// Calls a method that compares no keys.
    pub(crate) fn call_safely<T>(
        &mut self,
        f: impl FnOnce(&mut Subject, Instant, &mut Fx) -> T,
    ) -> (T, Vec<Left>) {
        let called = self.call(None, f);
        called.expect("no fuse is lit")
    }

    /// The clock that is passed to reads. A read may use it only if an entry can expire.
    pub(crate) fn clock(&self) -> impl Fn() -> Instant + use<> {
        let (now, can_expire) = (self.clock, self.can_expire);
        move || {
            assert!(can_expire, "no entry can expire, but the clock is read");
            now
        }
    }

    fn check(&mut self) {
        self.engine.validate();
        self.check_entries();
        self.check_flights();
        self.check_alarms();
        let counters = self.engine.counters();
        self.model.check_counters(counters, self.leading.len());
        assert_eq!(self.engine.reads_mutate(), self.model.reads_write());
    }

    fn check_entries(&mut self) {
        let (engine, model, now) = (&self.engine, &self.model, self.clock);
        assert_eq!(engine.entry_count(), model.entries.len() as u64);
        assert_eq!(engine.weighted_size(), model.weight());
        let mut live = 0;
        for id in 0..self.keys {
            let key = Key::new(id);
            let found = engine.find(key.hash(), &key, now);
            let found = found.map(|found| (found.key.id, found.value.write, found.deadline));
            let expected = model.live(id, now);
            live += usize::from(expected.is_some());
            assert_eq!(
                found,
                expected.map(|entry| (id, entry.value, entry.deadline))
            );
        }
        let found = engine.iter_from(0, now);
        let found = found.filter(|found| model.live(found.key.id, now).is_some());
        assert_eq!(found.count(), live);
        assert_eq!(engine.iter_from(0, now).count(), live);
        let deadlines = model.entries.values().map(|entry| entry.deadline);
        self.can_expire |= deadlines.min().is_some_and(|at| at != Instant::FAR);
        self.can_expire |= model.has_freshness();
    }

    fn check_flights(&mut self) {
        for led in &self.leading {
            let current = self.model.is_current(led.key, led.serial);
            assert_eq!(self.engine.is_current(led.id), current);
            assert_eq!(led.is_held(), current, "{led:?}");
        }
        let current = self.model.flights.values();
        let current = current.filter(|flight| flight.until.is_none()).count();
        assert_eq!(self.engine.flight_count(), current);
        self.remembered.retain(Led::is_held);
        for (&key, flight) in &self.model.flights {
            let held = self
                .remembered
                .iter()
                .any(|led| led.serial == flight.serial);
            let due = flight.until.is_none_or(|at| at.has_passed(self.model.now));
            assert!(held || due, "the result of {key} was forgotten early");
        }
        // A flight whose time is over may be forgotten at any call.
        self.model.flights.retain(|_, flight| {
            flight.until.is_none()
                || self
                    .remembered
                    .iter()
                    .any(|led| led.serial == flight.serial)
        });
    }

    /// Neither `next_deadline` nor the earliest deadline in effects is later than the first
    /// deadline, unless that has passed.
    fn check_alarms(&self) {
        let Some(first) = self.model.first_deadline() else {
            let due = self.engine.next_deadline();
            return assert_eq!(due, None, "nothing can expire");
        };
        let latest = first.max(self.model.now);
        let due = self.engine.next_deadline();
        assert!(due.is_some_and(|at| at <= latest), "{due:?} > {latest:?}");
        let alarm = self.alarm;
        assert!(
            alarm.is_some_and(|at| at <= latest),
            "{alarm:?} > {latest:?}"
        );
    }
}

impl Led {
    pub(crate) fn hash(&self) -> u32 {
        Key::new(self.key).hash()
    }

    /// Whether the engine holds the flight.
    pub(crate) fn is_held(&self) -> bool {
        Rc::strong_count(&self.handle) > 1
    }
}

pub(crate) fn left(removed: &Removed<Key, Value>) -> Left {
    Left {
        key: removed.key.id,
        value: removed.value.write,
        cause: removed.cause,
    }
}

fn jump_from(now: Instant, jump: Jump) -> Instant {
    match jump {
        Jump::Forward(by) => now.after(by),
        Jump::Back(by) => {
            let elapsed = now.since(Instant::ORIGIN);
            Instant::ORIGIN.after(elapsed.saturating_sub(by))
        }
        Jump::End(before) => Instant::from_nanos(u64::MAX - before),
    }
}
