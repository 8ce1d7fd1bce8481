//! The rounds of a run. Each uses the steady cache of the run and a cache with settings of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::actor::{Actor, Stage};
use crate::arena::{Arena, Settings};
use crate::figures::{Figure, Figures};
use crate::host::{Host, Kind};
use crate::report::Memory;
use crate::watchdog::Ages;
use crate::{Args, live_bytes};

/// Runs for the duration in `args`.
pub(crate) fn run(args: &Args, kind: Kind, figures: &Arc<Figures>) -> Memory {
    let mut run = Run::new(args, kind, figures);
    let (start, time) = (Instant::now(), Duration::from_secs(args.seconds));
    let mut memory = Memory::default();
    while start.elapsed() < time {
        let is_over = run.round(time / ROUNDS);
        if !is_over {
            // Some tasks hang, and waiting for them would hang too.
            return memory;
        }
        let live = run.live_bytes();
        if start.elapsed() <= time / 10 || memory.settled == 0 {
            memory.settled = live;
        }
        memory.most = memory.most.max(live);
    }
    let grown = memory.most.saturating_sub(memory.settled);
    figures.check(memory.growth() <= GROWTH || grown <= SLACK, || {
        let Memory { settled, most } = memory;
        format!("{settled} live bytes after the first tenth have become {most}")
    });
    memory
}

struct Run<'a> {
    args: &'a Args,
    host: Host,
    steady: Arc<Arena>,
    ages: Arc<Ages>,
    figures: &'a Arc<Figures>,
    rng: SmallRng,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, kind: Kind, figures: &'a Arc<Figures>) -> Self {
        let host = Host::new(kind);
        let settings = Settings::steady(args.keys);
        let keys = (args.keys, args.bound());
        let steady = Arena::new(settings, host.runtime(), keys, args.seed, figures);
        let ages = Arc::new(Ages::new(args.tasks as usize + 1));
        Ages::watch(&ages, args.bound() * PATIENCE, Arc::clone(figures));
        Self {
            args,
            host,
            steady: Arc::new(steady),
            ages,
            figures,
            rng: SmallRng::seed_from_u64(args.seed),
        }
    }

    /// Runs all tasks for about this time. `false` if some do not end.
    fn round(&mut self, time: Duration) -> bool {
        self.figures.count(Figure::Rounds);
        let settings = Settings::random(&mut self.rng);
        let keys = (self.args.keys, self.args.bound());
        let seed = self.rng.random();
        let arena = Arena::new(settings, self.host.runtime(), keys, seed, self.figures);
        let arena = Arc::new(arena);
        let stage = Arc::new(Stage {
            arenas: vec![Arc::clone(&self.steady), Arc::clone(&arena)],
            keys: self.args.keys,
            ages: Arc::clone(&self.ages),
            figures: Arc::clone(self.figures),
            is_over: AtomicBool::new(false),
        });
        let crowd = Crowd::default();
        for number in 0..self.args.tasks as usize {
            self.spawn(&stage, &crowd, number);
        }
        self.block(&stage, &crowd);
        self.disturb(&stage, &crowd, time);
        stage.is_over.store(true, Ordering::Relaxed);
        let limit = self.args.bound() * PATIENCE;
        let flights = || -> u64 {
            let arenas = stage.arenas.iter();
            arenas.map(|arena| arena.cache.flight_count()).sum()
        };
        // Flights must end, even without callers.
        if !crowd.wait_until_empty(limit) || !soon(limit, || flights() == 0) {
            let flights = flights();
            self.figures.violate(format_args!(
                "after {limit:?} there are {} tasks and {flights} flights left; {settings:?}",
                crowd.len()
            ));
            return false;
        }
        for place in 0..Host::PLACES {
            self.host.shut_down(place);
        }
        for arena in &stage.arenas {
            // A background task may not have ended yet.
            soon(limit, || arena.imbalance().is_none());
            arena
                .imbalance()
                .into_iter()
                .for_each(|broken| self.figures.violate(broken));
        }
        drop(stage);
        self.check_drop(arena, limit);
        true
    }

    /// Shuts runtimes down until this time is over, if the runtime supports it.
    fn disturb(&mut self, stage: &Arc<Stage>, crowd: &Crowd, time: Duration) {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            let pause = Duration::from_millis(self.rng.random_range(5..150));
            thread::sleep(pause.min(left));
            let place = self.rng.random_range(0..Host::PLACES);
            if self.host.shut_down(place) {
                self.figures.count(Figure::Shutdowns);
                let numbers = 0..self.args.tasks as usize;
                for number in numbers.filter(|number| place_of(*number) == place) {
                    self.spawn(stage, crowd, number);
                }
            }
        }
    }

    fn spawn(&mut self, stage: &Arc<Stage>, crowd: &Crowd, number: usize) {
        let actor = Actor::new(Arc::clone(stage), number, self.rng.random());
        let present = crowd.enter();
        self.host.spawn(place_of(number), async move {
            actor.act().await;
            drop(present);
        });
    }

    /// Starts a thread that loads keys without a runtime.
    fn block(&mut self, stage: &Arc<Stage>, crowd: &Crowd) {
        let number = self.args.tasks as usize;
        let actor = Actor::new(Arc::clone(stage), number, self.rng.random());
        let present = crowd.enter();
        thread::spawn(move || {
            actor.block();
            drop(present);
        });
    }

    /// Checks that a dropped cache leaves no value behind.
    fn check_drop(&self, arena: Arc<Arena>, limit: Duration) {
        let (truth, settings) = (Arc::clone(&arena.truth), *arena.settings());
        drop(arena);
        let none_left = soon(limit, || truth.census() == 0);
        self.figures.check(none_left, || {
            let left = truth.census();
            format!("{left} values are left of a cache that was dropped; {settings:?}")
        });
    }

    /// The number of allocated bytes, with the steady cache in a known state.
    fn live_bytes(&self) -> usize {
        self.steady.fill();
        live_bytes()
    }
}

/// Waits until `condition` holds. `false` if that takes longer than `limit`.
fn soon(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Half of the tasks are at each place.
const fn place_of(number: usize) -> usize {
    number % Host::PLACES
}

/// The number of running tasks. Clones share it.
#[derive(Debug, Clone, Default)]
struct Crowd(Arc<(Mutex<usize>, Condvar)>);

impl Crowd {
    fn enter(&self) -> Present {
        self.change(|len| len + 1);
        Present(self.clone())
    }

    fn len(&self) -> usize {
        self.change(|len| len)
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let (len, changed) = &*self.0;
        let mut len = len.lock().unwrap_or_else(PoisonError::into_inner);
        *len = change(*len);
        changed.notify_all();
        *len
    }

    fn wait_until_empty(&self, limit: Duration) -> bool {
        let (len, changed) = &*self.0;
        let len = len.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(len, limit, |len| *len > 0);
        let (len, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *len == 0
    }
}

/// A running task, until this is dropped.
struct Present(Crowd);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.change(|len| len - 1);
    }
}

/// The number of rounds in a run, if none takes longer than it should.
const ROUNDS: u32 = 20;

/// How many bounds of a loader a call may wait. A call that hangs waits for all of them, and a busy
/// machine delays a call by a few.
pub(crate) const PATIENCE: u32 = 60;

/// Maximum growth of live bytes after the first tenth, in percent.
const GROWTH: f64 = 5.0;

/// Growth that is let pass however small the run is, in bytes. A run settles at about 640 KiB, of
/// which 5 % are one table of the executor that doubles by chance. A leak grows with each round and
/// passes any bound.
const SLACK: usize = 64 * 1024;
