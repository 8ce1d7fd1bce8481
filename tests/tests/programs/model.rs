//! The sequential model: what is stored under each key, and which load of it is current.
//!
//! Everything on a virtual runtime happens in one order, and all of it is seen from outside but how
//! the cache passes answers on: calls, the beginning of each loader, its end and its drop. So what is
//! stored is known exactly, and what a caller may get who waits is narrow: the value of a load that
//! was current at some time since the call and ended since, or a value that was stored since.

use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{Instant, Ttl};

use crate::program::KEYS;

pub(crate) struct Model {
    runtime: VirtualRuntime,
    ttl: Option<Duration>,
    /// Whether what is stored may be evicted.
    forgets: bool,
    registers: Vec<Register>,
    loads: Vec<Load>,
    /// The number of the last event.
    event: u64,
    next_value: u64,
    /// Everything that was seen and cannot be.
    pub(crate) wrong: Vec<String>,
}

/// One key.
#[derive(Debug, Clone, Default)]
struct Register {
    stored: Option<Stored>,
    current: Option<usize>,
    /// When each value was stored.
    written: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    value: u64,
    deadline: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Load {
    key: u32,
    batch: Batch,
    began: u64,
    /// When it ceased to be current.
    current_until: Option<u64>,
    ended: Option<(u64, End)>,
}

/// How far a load is that a batch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    No,
    Waits,
    IsAsked,
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    /// Before its end: nobody waited, or it took too long.
    Dropped,
}

/// What a caller got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    TimedOut,
}

/// A call that asks for a key: what there was when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    key: u32,
    began: u64,
    hit: Option<u64>,
}

impl Model {
    pub(crate) fn new(runtime: VirtualRuntime, ttl: Option<Duration>, forgets: bool) -> Self {
        Self {
            runtime,
            ttl,
            forgets,
            registers: vec![Register::default(); KEYS as usize],
            loads: Vec::new(),
            event: 0,
            next_value: 0,
            wrong: Vec::new(),
        }
    }

    /// A value that was never there before.
    pub(crate) fn fresh_value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    pub(crate) fn insert(&mut self, key: u32, value: u64, ttl: Ttl) {
        self.fence(key);
        self.store(key, value, ttl);
    }

    /// Removes what is stored, and returns it.
    pub(crate) fn remove(&mut self, key: u32) -> Option<u64> {
        self.fence(key);
        let removed = self.stored(key);
        self.register(key).stored = None;
        removed
    }

    pub(crate) fn set_ttl(&mut self, key: u32, ttl: Ttl) -> bool {
        self.tick();
        let deadline = self.deadline(ttl);
        let there = self.stored(key).is_some();
        if let Some(stored) = self.register(key).stored.as_mut().filter(|_| there) {
            stored.deadline = deadline;
        }
        there
    }

    /// Somebody saw that this is stored, or nothing.
    pub(crate) fn check_stored(&mut self, what: &str, key: u32, seen: Option<u64>) {
        let stored = self.stored(key);
        if seen.is_none() && self.forgets {
            self.register(key).stored = None;
        } else if seen != stored {
            self.complain(format!(
                "{what} of {key} saw {seen:?}, stored is {stored:?}"
            ));
        }
    }

    /// Somebody asks for a key.
    pub(crate) fn call(&mut self, key: u32) -> Call {
        let began = self.tick();
        let hit = self.stored(key);
        Call { key, began, hit }
    }

    /// Somebody asks a batch for a key, or is about to be polled who does and waits for `load`. If that
    /// was dropped and the key is neither there nor under way, it is asked for anew. Returns the load
    /// to wait for, and whether it is new.
    pub(crate) fn ask_batch(&mut self, key: u32, load: Option<usize>) -> (Option<usize>, bool) {
        let ended = load.map(|load| self.loads[load].ended.map(|(_, end)| end));
        if !matches!(ended, None | Some(Some(End::Dropped))) {
            return (load, false);
        }
        let is_new = self.stored(key).is_none() && self.register(key).current.is_none();
        if is_new {
            self.start(key, Batch::Waits);
        }
        (self.register(key).current, is_new)
    }

    /// Who was thought to ask a batch for `load` anew had its answer already.
    pub(crate) fn take_back(&mut self, load: usize) {
        if self.loads[load].batch == Batch::Waits {
            self.end(load, End::Dropped, Ttl::Default);
        }
    }

    /// A loader was called: nothing may be stored and nothing under way.
    pub(crate) fn begin(&mut self, key: u32) -> usize {
        if let Some(stored) = self.stored(key).filter(|_| !self.forgets) {
            self.complain(format!("{key} is loaded, but stored is {stored}"));
        }
        if let Some(current) = self.register(key).current {
            // One that waits for a batch may have been given up: only the cache knows.
            if self.loads[current].batch != Batch::Waits {
                self.complain(format!("{key} is loaded twice at the same time"));
            }
        }
        self.fence(key);
        self.start(key, Batch::No)
    }

    /// A loader was called by a refresh: whatever is under way is older.
    pub(crate) fn begin_refresh(&mut self, key: u32) -> usize {
        self.fence(key);
        self.start(key, Batch::No)
    }

    /// A batch loader was called with a key. Returns all loads that it is for, the newest last.
    pub(crate) fn begin_batched(&mut self, key: u32) -> Vec<usize> {
        self.tick();
        let current = self.register(key).current;
        if current.is_some_and(|load| self.loads[load].batch == Batch::IsAsked) {
            self.complain(format!("a batch asks for {key}, as another does already"));
        }
        let loads = self.loads.iter_mut().enumerate();
        let waiting = loads.filter(|(_, load)| load.key == key && load.batch == Batch::Waits);
        let asked: Vec<_> = waiting
            .map(|(number, load)| {
                load.batch = Batch::IsAsked;
                number
            })
            .collect();
        if asked.is_empty() {
            self.complain(format!("a batch asks for {key}, as nobody did"));
        }
        asked
    }

    /// A load ended: what it brought is stored if it is current.
    pub(crate) fn end(&mut self, load: usize, end: End, ttl: Ttl) {
        let event = self.tick();
        let key = self.loads[load].key;
        self.loads[load].ended = Some((event, end));
        if self.register(key).current == Some(load) {
            self.fence(key);
            if let End::Value(value) = end {
                self.store(key, value, ttl);
            }
        }
    }

    /// A call got its answer.
    pub(crate) fn check_answer(&mut self, call: Call, answer: Answer) {
        self.tick();
        let explained = match (call.hit, answer) {
            (Some(hit), _) if !self.forgets => answer == Answer::Value(hit),
            (Some(hit), Answer::Value(value)) if hit == value => true,
            _ => self.was_written(call, answer) || self.ended_in(call, answer),
        };
        if !explained {
            self.complain(format!("{call:?} got {answer:?}"));
        }
    }

    /// A refresh got its answer: that of a load that began after the call.
    pub(crate) fn check_refreshed(&mut self, call: Call, answer: Answer) {
        self.tick();
        let began = |load: &Load| load.began > call.began && load.answers(call, answer);
        if !self.loads.iter().any(began) {
            self.complain(format!("refresh: {call:?} got {answer:?}"));
        }
    }

    /// Loads that ended, by whether a value or its absence was the end.
    pub(crate) fn loads_that_ended(&self) -> (u64, u64) {
        let ends = self.loads.iter().filter_map(|load| load.ended);
        let (succeeded, others): (Vec<_>, Vec<_>) =
            ends.partition(|(_, end)| matches!(end, End::Value(_) | End::Missing));
        (succeeded.len() as u64, others.len() as u64)
    }

    /// Whether anybody asked a batch for a key that was not there.
    pub(crate) fn has_batches(&self) -> bool {
        self.loads.iter().any(|load| load.batch != Batch::No)
    }

    /// Loaders that were called and neither ended nor were dropped.
    pub(crate) fn loads_under_way(&self) -> usize {
        let asked = self.loads.iter().filter(|load| load.batch != Batch::Waits);
        asked.filter(|load| load.ended.is_none()).count()
    }

    /// What is stored under `key`.
    pub(crate) fn stored(&self, key: u32) -> Option<u64> {
        let stored = self.registers[key as usize].stored?;
        let now = self.runtime.now();
        (!stored.deadline.has_passed(now)).then_some(stored.value)
    }

    fn was_written(&mut self, call: Call, answer: Answer) -> bool {
        let written = self.register(call.key).written.clone();
        let since = |(event, value)| event > call.began && answer == Answer::Value(value);
        written.into_iter().any(since)
    }

    fn ended_in(&self, call: Call, answer: Answer) -> bool {
        self.loads.iter().any(|load| load.answers(call, answer))
    }

    fn start(&mut self, key: u32, batch: Batch) -> usize {
        let began = self.tick();
        self.loads.push(Load {
            key,
            batch,
            began,
            current_until: None,
            ended: None,
        });
        let load = self.loads.len() - 1;
        self.register(key).current = Some(load);
        load
    }

    fn store(&mut self, key: u32, value: u64, ttl: Ttl) {
        let (event, deadline) = (self.tick(), self.deadline(ttl));
        let register = self.register(key);
        register.stored = Some(Stored { value, deadline });
        register.written.push((event, value));
    }

    /// The load of `key` is no longer current.
    fn fence(&mut self, key: u32) {
        let event = self.tick();
        if let Some(load) = self.register(key).current.take() {
            self.loads[load].current_until = Some(event);
        }
    }

    fn deadline(&self, ttl: Ttl) -> Instant {
        let now = self.runtime.now();
        match (ttl, self.ttl) {
            (Ttl::After(ttl), _) | (Ttl::Default, Some(ttl)) => now.after(ttl),
            (Ttl::Never | Ttl::Default, _) => Instant::FAR,
        }
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
    /// Whether this load explains an answer: it was current at some time since the call, and ended
    /// since.
    fn answers(&self, call: Call, answer: Answer) -> bool {
        let Some((ended, end)) = self.ended else {
            return false;
        };
        let was_current = self.current_until.is_none_or(|until| until > call.began);
        let answers = match (end, answer) {
            (End::Value(brought), Answer::Value(value)) => brought == value,
            (End::Error(brought), Answer::Error(error)) => brought == error,
            (End::Missing, Answer::Missing) | (End::Panicked, Answer::Panicked) => true,
            // Methods without an error type panic.
            (End::Dropped, Answer::TimedOut | Answer::Panicked) => true,
            _ => false,
        };
        self.key == call.key && was_current && ended > call.began && answers
    }
}
