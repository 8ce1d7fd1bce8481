//! The sequential model: the stored value, the current load and the remembered result of each key.
//!
//! Events on a virtual runtime happen in one order. The model observes calls and the start, the end
//! and the drop of each loader. It does not observe when the cache delivers results. So the stored
//! value is known exactly, and the possible results of a waiter are few: the value of a load that
//! was current at some time since the call and ended since, or a value that was stored since. Two
//! facts are known only as a possibility: whether a waiter has used the stored value, and whether a
//! remembered result was forgotten because a caller could not return it.

use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{Computed, Instant, Ttl};

use crate::outcomes::{Accepts, Answer, End, Wants};
use crate::program::{KEYS, Settings};
use crate::stored::Stored;

pub(crate) struct Model {
    runtime: VirtualRuntime,
    settings: Settings,
    registers: Vec<Register>,
    loads: Vec<Load>,
    /// Calls in flight.
    open: Vec<Call>,
    /// The number of the last event.
    event: u64,
    next_value: u64,
    /// Observations that the model rules out.
    pub(crate) wrong: Vec<String>,
}

/// The state of one key.
#[derive(Debug, Clone, Default)]
struct Register {
    stored: Option<Stored>,
    current: Option<usize>,
    remembered: Option<Remembered>,
    /// The stored values, each with the event that stored it.
    written: Vec<(u64, u64)>,
}

/// A load without a value. For a while every caller gets its result.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    load: usize,
    until: Instant,
    /// Whether no caller since could have made the cache forget it. A caller whose method cannot
    /// return the result does so.
    surely: bool,
}

#[derive(Debug, Clone, Copy)]
struct Load {
    key: u32,
    batch: Batch,
    began: u64,
    /// The event after which the load was no longer current.
    current_until: Option<u64>,
    ended: Option<(u64, End)>,
    /// If the load is scoped: its leader.
    lead: Option<Lead>,
}

/// The leader of a scoped load.
#[derive(Debug, Clone, Copy)]
struct Lead {
    /// The event with which its call began.
    call: u64,
    /// The time from which on the leader may lose its lead: it had enough time to poll its loader.
    may_lose_at: Instant,
    hold: Hold,
}

/// Whether a scoped leader has its lead. Without it, its load ends for its own caller only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held,
    /// The load ended so late, and had been fenced, that a waiter may have taken the lead before.
    Doubtful,
    Lost,
}

/// The state of a load in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    No,
    Waits,
    AtLoader,
}

/// A call for a key, and the state of the key when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    key: u32,
    accepts: Accepts,
    began: u64,
    hit: Option<u64>,
    /// Whether the hit may have been a miss.
    may_miss: bool,
    remembered: Option<usize>,
}

impl Model {
    pub(crate) fn new(runtime: VirtualRuntime, settings: Settings) -> Self {
        Self {
            runtime,
            settings,
            registers: vec![Register::default(); KEYS as usize],
            loads: Vec::new(),
            open: Vec::new(),
            event: 0,
            next_value: 0,
            wrong: Vec::new(),
        }
    }

    /// A value that was never used before.
    pub(crate) fn fresh_value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    pub(crate) fn insert(&mut self, key: u32, value: u64, ttl: Ttl) {
        self.fence(key);
        self.store(key, value, ttl);
    }

    /// Removes the stored value and returns it.
    pub(crate) fn remove(&mut self, key: u32) -> Option<u64> {
        self.fence(key);
        let removed = self.stored(key);
        self.register(key).stored = None;
        removed
    }

    pub(crate) fn set_ttl(&mut self, key: u32, ttl: Ttl) -> bool {
        self.tick();
        let value = self.stored(key);
        if let Some(value) = value {
            self.register(key).stored = Some(self.written_now(value, ttl));
        }
        value.is_some()
    }

    /// A caller has read the stored value, or none.
    pub(crate) fn read(&mut self, key: u32, seen: Option<u64>) {
        self.check_stored("get", key, seen);
        self.touch(key);
    }

    /// A caller has seen this value, or none, without using it.
    pub(crate) fn check_stored(&mut self, what: &str, key: u32, seen: Option<u64>) {
        let stored = self.stored(key);
        if seen.is_none() && self.may_be_gone(key) {
            self.register(key).stored = None;
        } else if seen != stored {
            self.complain(format!(
                "{what} of {key} saw {seen:?}, stored is {stored:?}"
            ));
        }
    }

    /// A caller requests a key.
    pub(crate) fn call(&mut self, key: u32, accepts: Accepts) -> Call {
        let call = self.look(key, accepts);
        self.touch(key);
        call
    }

    /// A caller begins a call that ignores the stored value: a refresh or a computation.
    pub(crate) fn look(&mut self, key: u32, accepts: Accepts) -> Call {
        let began = self.tick();
        let (hit, may_miss) = (self.stored(key), self.may_be_gone(key));
        let remembered = self.remembered(key);
        if let Some(remembered) = remembered {
            self.doubt(key, remembered, accepts);
        }
        let call = Call {
            key,
            accepts,
            began,
            hit,
            may_miss,
            remembered: remembered.map(|remembered| remembered.load),
        };
        self.open.push(call);
        call
    }

    /// A call has ended, with or without a result.
    pub(crate) fn close(&mut self, call: Call) {
        self.open.retain(|open| open.began != call.began);
    }

    /// A caller requests a key from a batch, or such a caller that waits for `load` is about to be
    /// polled. If `load` was dropped and the key is neither stored nor in flight, the key is
    /// requested again. Returns the load to wait for, and whether it is new.
    pub(crate) fn begin_batch(&mut self, key: u32, load: Option<usize>) -> (Option<usize>, bool) {
        let ended = load.map(|load| self.loads[load].ended.map(|(_, end)| end));
        if !matches!(ended, None | Some(Some(End::Dropped | End::WroteNothing))) {
            return (load, false);
        }
        let is_remembered = self.remembered(key).is_some_and(|known| known.surely);
        let is_there = self.stored(key).is_some() && !self.may_be_gone(key);
        let is_new = !is_there && !is_remembered && self.register(key).current.is_none();
        if is_new {
            self.start(key, Batch::Waits);
        }
        (self.register(key).current, is_new)
    }

    /// Undoes the new request for `load`: its caller already had its result.
    pub(crate) fn take_back(&mut self, load: usize) {
        let (event, key) = (self.tick(), self.loads[load].key);
        if self.loads[load].batch == Batch::Waits {
            self.loads[load].ended = Some((event, End::Dropped));
            self.register(key).current = None;
        }
    }

    /// A loader was called. No value may be stored, no load in flight, and no result remembered.
    pub(crate) fn begin(&mut self, call: Call) -> usize {
        let key = call.key;
        if let Some(stored) = self.stored(key).filter(|_| !self.may_be_gone(key)) {
            self.complain(format!("{key} is loaded, but stored is {stored}"));
        }
        if let Some(known) = self.remembered(key).filter(|known| known.surely)
            && self.is_answered(call.accepts, known.load)
        {
            self.complain(format!("{key} is loaded, but its result is remembered"));
        }
        self.begin_alone(key)
    }

    /// A computation begins and sees the stored value. No load may be in flight.
    pub(crate) fn begin_computation(&mut self, key: u32, seen: Option<u64>) -> usize {
        self.check_stored("a computation", key, seen);
        self.begin_alone(key)
    }

    /// A scoped loader was called: as `begin`. It is woken after `takes`, or by its timeout.
    pub(crate) fn begin_scoped(&mut self, call: Call, takes: u64) -> usize {
        let number = self.begin(call);
        let Settings {
            timeout, takeover, ..
        } = self.settings;
        let woken_after = timeout.map_or(takes, |timeout| takes.min(timeout));
        self.loads[number].lead = takeover.map(|takeover| Lead {
            call: call.began,
            may_lose_at: self
                .runtime
                .now()
                .after(Duration::from_millis(woken_after + takeover)),
            hold: Hold::Held,
        });
        number
    }

    /// Whether a waiter may have taken the lead of this load, which a later poll would have ended.
    fn may_lose_lead(&self, load: usize) -> bool {
        let Load { ended, lead, .. } = self.loads[load];
        let now = self.runtime.now();
        ended.is_none() && lead.is_some_and(|lead| lead.may_lose_at.has_passed(now))
    }

    fn lose_lead(&mut self, load: usize) {
        let key = self.loads[load].key;
        let lead = self.loads[load].lead.as_mut();
        lead.into_iter().for_each(|lead| lead.hold = Hold::Lost);
        self.fence(key);
    }

    fn begin_alone(&mut self, key: u32) -> usize {
        if let Some(current) = self.register(key).current {
            if self.may_lose_lead(current) {
                self.lose_lead(current);
            // A load that waits for its batch may have been dropped. Only the cache knows.
            } else if self.loads[current].batch != Batch::Waits {
                self.complain(format!("{key} is loaded twice at the same time"));
            }
        }
        self.fence(key);
        self.start(key, Batch::No)
    }

    /// A refresh has called its loader. Loads in flight are older.
    pub(crate) fn begin_refresh(&mut self, key: u32) -> usize {
        self.fence(key);
        self.start(key, Batch::No)
    }

    /// A batch loader was called with a key. Returns all loads that it serves, the newest last.
    pub(crate) fn begin_batched(&mut self, key: u32) -> Vec<usize> {
        self.tick();
        let current = self.register(key).current;
        if current.is_some_and(|load| self.loads[load].batch == Batch::AtLoader) {
            self.complain(format!(
                "a batch loads {key}, but another batch is loading it"
            ));
        }
        let loads = self.loads.iter_mut().enumerate();
        let waiting = loads.filter(|(_, load)| load.key == key && load.batch == Batch::Waits);
        let at_loader: Vec<_> = waiting
            .map(|(number, load)| {
                load.batch = Batch::AtLoader;
                number
            })
            .collect();
        if at_loader.is_empty() {
            self.complain(format!("a batch loads {key}, but no caller requested it"));
        }
        at_loader
    }

    /// A load has ended. Its value is stored if the load is current.
    pub(crate) fn end(&mut self, load: usize, end: End, ttl: Ttl) {
        let event = self.tick();
        let key = self.loads[load].key;
        let is_current = self.register(key).current == Some(load);
        let is_doubtful = !is_current && self.may_lose_lead(load);
        if let Some(lead) = &mut self.loads[load].lead
            && is_doubtful
            && lead.hold == Hold::Held
        {
            lead.hold = Hold::Doubtful;
        }
        self.loads[load].ended = Some((event, end));
        if is_current {
            self.fence(key);
            match end {
                End::Value(value) => self.store(key, value, ttl),
                End::Missing => self.remember(load, self.settings.negative_ttl),
                End::Error(_) => self.remember(load, self.settings.error_ttl),
                End::Panicked | End::Dropped | End::WroteNothing => {}
            }
        }
    }

    /// A computation that saw `old` has ended and wants to write a value, to remove the entry or to
    /// leave it. Returns the outcome that its caller must get.
    pub(crate) fn end_computation(
        &mut self,
        load: usize,
        (wants, ttl): (Wants, Ttl),
        old: Option<u64>,
    ) -> Computed<u64> {
        let key = self.loads[load].key;
        let is_current = self.register(key).current == Some(load);
        let (end, computed) = match wants {
            Wants::Value(value) => (End::Value(value), Computed::Put(value)),
            Wants::Removal => (End::WroteNothing, Computed::Removed(old)),
            Wants::Nothing => (End::WroteNothing, Computed::Unchanged(old)),
        };
        self.end(load, end, ttl);
        if !is_current {
            return Computed::Fenced;
        }
        if matches!(wants, Wants::Removal) {
            self.register(key).stored = None;
        }
        computed
    }

    /// A call has returned a result.
    pub(crate) fn check_answer(&mut self, call: Call, answer: Answer) {
        self.tick();
        let explained = match (call.hit, answer) {
            (Some(hit), _) if !call.may_miss => answer == Answer::Value(hit),
            (Some(hit), Answer::Value(value)) if hit == value => true,
            _ => {
                self.was_written(call, answer)
                    || self.ended_in(call, answer)
                    || self.was_remembered(call, answer)
            }
        };
        if let Answer::Value(value) = answer {
            self.may_have_touched(call.key, value);
        }
        if !explained {
            self.complain(format!("{call:?} got {answer:?}"));
        }
    }

    /// A refresh has returned the result of a load that began after the call.
    pub(crate) fn check_refreshed(&mut self, call: Call, answer: Answer) {
        self.tick();
        let began = |load: &Load| load.began > call.began && load.answers(call, answer);
        if !self.loads.iter().any(began) {
            self.complain(format!("refresh: {call:?} got {answer:?}"));
        }
    }

    /// Numbers of loads that succeeded (with a value or without one) and of other ended loads.
    pub(crate) fn loads_that_ended(&self) -> (u64, u64) {
        let ended = self.loads.iter().filter(|load| load.ended.is_some());
        let (succeeded, others): (Vec<&Load>, Vec<_>) =
            ended.partition(|load| load.has_succeeded());
        (succeeded.len() as u64, others.len() as u64)
    }

    /// Number of loads that succeeded, unless their leaders had lost their leads before.
    pub(crate) fn leads_that_may_be_lost(&self) -> u64 {
        let loads = self.loads.iter().filter(|load| load.has_succeeded());
        let leads = loads.filter_map(|load| load.lead);
        leads.filter(|lead| lead.hold == Hold::Doubtful).count() as u64
    }

    /// Whether a caller requested an absent key from a batch.
    pub(crate) fn has_batches(&self) -> bool {
        self.loads.iter().any(|load| load.batch != Batch::No)
    }

    /// Number of loaders that were called and have neither ended nor been dropped.
    pub(crate) fn loads_in_flight(&self) -> usize {
        let at_loader = self.loads.iter().filter(|load| load.batch != Batch::Waits);
        at_loader.filter(|load| load.ended.is_none()).count()
    }

    /// The stored value of `key`.
    pub(crate) fn stored(&self, key: u32) -> Option<u64> {
        let stored = self.registers[key as usize].stored?;
        let has_expired = stored.has_expired(self.runtime.now());
        (!has_expired).then_some(stored.value)
    }

    /// Whether the entry of `key` may have been evicted or may have expired for lack of use.
    fn may_be_gone(&self, key: u32) -> bool {
        let stored = self.registers[key as usize].stored;
        let is_idle = stored.is_some_and(|stored| stored.may_be_idle(self.runtime.now()));
        is_idle || self.settings.capacity.is_some()
    }

    /// Records a use of the entry of `key`, if there is one.
    fn touch(&mut self, key: u32) {
        let now = self.runtime.now();
        if self.stored(key).is_some() {
            let stored = &mut self.registers[key as usize].stored;
            stored
                .iter_mut()
                .for_each(|stored| stored.touch(now, &self.settings));
        }
    }

    /// Records a possible use of the entry of `key`, if its value is `value`.
    fn may_have_touched(&mut self, key: u32, value: u64) {
        let now = self.runtime.now();
        if self.stored(key) == Some(value) {
            let stored = &mut self.registers[key as usize].stored;
            stored
                .iter_mut()
                .for_each(|stored| stored.may_be_touched(now, &self.settings));
        }
    }

    /// The load whose result is remembered for `key`.
    fn remembered(&self, key: u32) -> Option<Remembered> {
        let remembered = self.registers[key as usize].remembered?;
        let now = self.runtime.now();
        (!remembered.until.has_passed(now)).then_some(remembered)
    }

    fn remember(&mut self, load: usize, millis: Option<u64>) {
        let Some(millis) = millis else { return };
        let key = self.loads[load].key;
        let remembered = Remembered {
            load,
            until: self.runtime.now().after(Duration::from_millis(millis)),
            surely: true,
        };
        self.register(key).remembered = Some(remembered);
        self.doubt_beyond_capacity(key);
        for call in self.open.clone() {
            if call.key == key {
                self.doubt(key, remembered, call.accepts);
            }
        }
    }

    /// A cache remembers as many results as it may have entries, and at least one. The next to
    /// expire makes way for that of `latest`. Results that the cache may have forgotten before
    /// count here too, so those that expire first are in doubt, not gone.
    fn doubt_beyond_capacity(&mut self, latest: u32) {
        let Some(capacity) = self.settings.capacity else {
            return;
        };
        let others = (0..KEYS).filter(|key| *key != latest);
        let mut expiries: Vec<_> = others
            .filter_map(|key| Some((self.remembered(key)?.until, key)))
            .collect();
        expiries.sort_unstable();
        let most = usize::try_from(capacity.max(1)).expect("a small capacity");
        let Some(last_beyond) = (expiries.len() + 1).checked_sub(most + 1) else {
            return;
        };
        let (until, _) = expiries[last_beyond];
        for (_, key) in expiries.into_iter().filter(|(at, _)| *at <= until) {
            let known = self.register(key).remembered.as_mut();
            known.into_iter().for_each(|known| known.surely = false);
        }
    }

    /// A caller makes the cache forget the remembered result if its method cannot return it.
    fn doubt(&mut self, key: u32, remembered: Remembered, accepts: Accepts) {
        if !self.is_answered(accepts, remembered.load) {
            let known = self.register(key).remembered.as_mut();
            known.into_iter().for_each(|known| known.surely = false);
        }
    }

    fn is_answered(&self, accepts: Accepts, load: usize) -> bool {
        let end = self.loads[load].ended.map(|(_, end)| end);
        end.is_some_and(|end| accepts.is_answered_by(end))
    }

    fn was_written(&mut self, call: Call, answer: Answer) -> bool {
        let written = self.register(call.key).written.clone();
        let since = |(event, value)| event > call.began && answer == Answer::Value(value);
        written.into_iter().any(since)
    }

    fn ended_in(&self, call: Call, answer: Answer) -> bool {
        self.loads.iter().any(|load| load.answers(call, answer))
    }

    fn was_remembered(&self, call: Call, answer: Answer) -> bool {
        let load = call.remembered.and_then(|load| self.loads[load].ended);
        load.is_some_and(|(_, end)| end.is_answered_with(answer))
    }

    fn start(&mut self, key: u32, batch: Batch) -> usize {
        let began = self.tick();
        self.loads.push(Load {
            key,
            batch,
            began,
            current_until: None,
            ended: None,
            lead: None,
        });
        let load = self.loads.len() - 1;
        self.register(key).current = Some(load);
        load
    }

    fn store(&mut self, key: u32, value: u64, ttl: Ttl) {
        let (event, stored) = (self.tick(), self.written_now(value, ttl));
        let register = self.register(key);
        register.stored = Some(stored);
        register.written.push((event, value));
    }

    /// Fences the load of `key` and forgets the remembered result of an older one.
    fn fence(&mut self, key: u32) {
        let event = self.tick();
        self.register(key).remembered = None;
        if let Some(load) = self.register(key).current.take() {
            self.loads[load].current_until = Some(event);
        }
    }

    fn written_now(&self, value: u64, ttl: Ttl) -> Stored {
        Stored::new(value, ttl, self.runtime.now(), &self.settings)
    }

    fn register(&mut self, key: u32) -> &mut Register {
        &mut self.registers[key as usize]
    }

    const fn tick(&mut self) -> u64 {
        self.event += 1;
        self.event
    }

    fn complain(&mut self, wrong: String) {
        let at = self.runtime.elapsed();
        self.wrong.push(format!("at {at:?}: {wrong}"));
    }
}

impl Load {
    fn has_lost_lead(&self) -> bool {
        self.lead.is_some_and(|lead| lead.hold == Hold::Lost)
    }

    /// Whether the cache counts this load as one that succeeded.
    fn has_succeeded(&self) -> bool {
        let end = self.ended.map(|(_, end)| end);
        let succeeded = matches!(end, Some(End::Value(_) | End::Missing | End::WroteNothing));
        succeeded && !self.has_lost_lead()
    }

    /// Whether this load explains a result: it was current at some time since the call, and ended
    /// since.
    fn answers(&self, call: Call, answer: Answer) -> bool {
        let Some((ended, end)) = self.ended else {
            return false;
        };
        let is_own = self.lead.is_some_and(|lead| lead.call == call.began);
        if self.has_lost_lead() && !is_own {
            return false;
        }
        let was_current = self.current_until.is_none_or(|until| until > call.began);
        let answers = end.is_answered_with(answer);
        self.key == call.key && was_current && ended > call.began && answers
    }
}
