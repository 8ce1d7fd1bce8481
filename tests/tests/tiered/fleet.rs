use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use cache_core::runtime::CurrentThread;
use cache_core::testing::{Fault, MemoryTier, Step, VirtualRuntime};
use cache_core::tier::{Tier, TierSettings, Tiered};
use cache_core::{Cache, DefaultHasher, Instant};

/// The bound on staleness in these tests.
pub const DELTA: Duration = Duration::from_millis(600);

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A value of the backend: the number of the load or of the insert that made it.
pub type Value = u64;

pub type Server = MemoryTier<u32, Value>;
pub type TieredOn<T> = Tiered<u32, Value, T, VirtualRuntime, DefaultHasher>;

/// Processes with caches on one server, and what they have done.
#[derive(Clone)]
pub struct Fleet {
    pub runtime: VirtualRuntime,
    pub server: Server,
    log: Rc<RefCell<Log>>,
}

/// A process: a tiered cache, whose calls are logged.
pub struct Process<T: Tier<u32, Value, CurrentThread> = Server> {
    pub cache: TieredOn<T>,
    fleet: Fleet,
}

#[derive(Default)]
struct Log {
    /// Orders events at the same instant.
    events: u64,
    /// When each value was made.
    made: HashMap<Value, Event>,
    reads: Vec<Read>,
    writes: Vec<Write>,
    loads: HashMap<u32, u64>,
}

type Event = (Instant, u64);

struct Read {
    key: u32,
    value: Value,
    began: Event,
}

struct Write {
    /// `None` for all keys.
    key: Option<u32>,
    began: Event,
    returned: Event,
}

/// How long after the invalidation of a value a read that got the value began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staleness {
    pub worst: Duration,
    /// Reads that began after the bound.
    pub violations: usize,
    pub reads: usize,
    pub writes: usize,
}

pub fn settings() -> TierSettings {
    let mut settings = TierSettings::default();
    settings.max_staleness = DELTA;
    settings
}

impl Fleet {
    pub fn on(runtime: VirtualRuntime) -> Self {
        let server = MemoryTier::new(runtime.clone()).with_settings(settings());
        Self {
            runtime,
            server,
            log: Rc::default(),
        }
    }

    pub fn new() -> Self {
        Self::on(VirtualRuntime::new())
    }

    /// A process, whose stream is connected if no fault prevents that.
    pub fn process(&self) -> Process {
        self.process_on(self.server.process())
    }

    pub fn process_on<T: Tier<u32, Value, CurrentThread>>(&self, tier: T) -> Process<T> {
        let builder = Cache::builder_on(self.runtime.clone()).hash_seed(1);
        let cache = builder.time_to_live(Duration::from_secs(60)).tiered(tier);
        self.runtime.run_until_idle();
        Process {
            cache,
            fleet: self.clone(),
        }
    }

    pub fn processes<const N: usize>(&self) -> [Process; N] {
        [(); N].map(|()| self.process())
    }

    /// The number of loads of `key`.
    pub fn loads(&self, key: u32) -> u64 {
        self.log.borrow().loads.get(&key).copied().unwrap_or(0)
    }

    pub fn all_loads(&self) -> u64 {
        self.log.borrow().loads.values().sum()
    }

    /// The next event.
    fn event(&self) -> Event {
        let mut log = self.log.borrow_mut();
        log.events += 1;
        (self.runtime.now(), log.events)
    }

    /// Begins a load of the backend. Its value is as old as this call.
    pub fn begin_load(&self, key: u32) -> Value {
        let began = self.event();
        let mut log = self.log.borrow_mut();
        *log.loads.entry(key).or_default() += 1;
        log.made.insert(began.1, began);
        began.1
    }

    /// A loader that takes `time`.
    pub fn loader(&self, key: u32, time: Duration) -> impl Future<Output = Value> + use<> {
        let fleet = self.clone();
        async move {
            let value = fleet.begin_load(key);
            if !time.is_zero() {
                fleet.runtime.sleep(time).await;
            }
            value
        }
    }

    /// Runs `future` until it ends.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub async fn sleep(&self, time: Duration) {
        self.runtime.sleep(time).await;
    }

    /// Lets `fault` happen to every message at `step`, and none to the others.
    pub fn fail_at(&self, step: Step, fault: Fault) {
        self.server
            .set_faults(move |_, at| if at == step { fault } else { Fault::None });
    }

    /// As [`Fleet::fail_at`], for the messages of the process with this number alone.
    pub fn fail_at_process(&self, process: usize, step: Step, fault: Fault) {
        self.server.set_faults(move |of, at| {
            if (of, at) == (process, step) {
                fault
            } else {
                Fault::None
            }
        });
    }

    pub fn end_faults(&self) {
        self.server.set_faults(|_, _| Fault::None);
    }

    /// Gets a key in `process` while a load that another process has begun is in flight.
    pub async fn get_meanwhile(&self, process: &Process, key: u32) -> Value {
        self.sleep(ms(1)).await;
        process.get(key, ms(1)).await
    }

    pub fn staleness(&self) -> Staleness {
        let log = self.log.borrow();
        let mut staleness = Staleness {
            worst: Duration::ZERO,
            violations: 0,
            reads: log.reads.len(),
            writes: log.writes.len(),
        };
        for read in &log.reads {
            // An insert that has not returned may take effect at any time.
            let Some(made) = log.made.get(&read.value) else {
                continue;
            };
            let of_key = log
                .writes
                .iter()
                .filter(|write| write.key.is_none_or(|key| key == read.key));
            let missed =
                of_key.filter(|write| made.1 < write.began.1 && write.returned.1 < read.began.1);
            let stale = missed
                .map(|write| read.began.0.since(write.returned.0))
                .max();
            if let Some(stale) = stale {
                staleness.worst = staleness.worst.max(stale);
                staleness.violations += usize::from(stale > DELTA);
            }
        }
        staleness
    }
}

impl<T: Tier<u32, Value, CurrentThread>> Process<T> {
    /// Gets `key`; a load takes `time`.
    pub async fn get(&self, key: u32, time: Duration) -> Value {
        let began = self.fleet.event();
        let fleet = self.fleet.clone();
        let load = move || fleet.loader(key, time);
        let value = self.cache.get_with(key, load).await;
        self.log_read(key, value, began);
        value
    }

    /// Gets `key` if the first tier has it.
    pub fn peek(&self, key: u32) -> Option<Value> {
        let began = self.fleet.event();
        let value = self.cache.get(&key)?;
        self.log_read(key, value, began);
        Some(value)
    }

    pub fn log_read(&self, key: u32, value: Value, began: (Instant, u64)) {
        let read = Read { key, value, began };
        self.fleet.log.borrow_mut().reads.push(read);
    }

    pub fn begin(&self) -> (Instant, u64) {
        self.fleet.event()
    }

    /// As [`Process::get`], by a method whose loader borrows.
    pub async fn get_scoped(&self, key: u32, time: Duration) -> Value {
        let began = self.fleet.event();
        let fleet = &self.fleet;
        let load = || async move { fleet.loader(key, time).await };
        let value = self.cache.get_with_scoped(key, load).await;
        self.log_read(key, value, began);
        value
    }

    /// Loads `key` again; the load takes `time`.
    pub async fn refresh(&self, key: u32, time: Duration) -> Value {
        let began = self.fleet.event();
        let fleet = self.fleet.clone();
        let load = move || async move { Ok::<_, String>(fleet.loader(key, time).await) };
        let value = self.cache.refresh(key, load).await;
        let value = value.expect("the loader does not fail");
        self.log_read(key, value, began);
        value
    }

    /// Removes `key`. Returns whether the second tier did.
    pub async fn invalidate(&self, key: u32) -> bool {
        let began = self.fleet.event();
        let written = self.cache.invalidate(&key).await.is_ok();
        self.log_write(Some(key), began, written)
    }

    pub async fn invalidate_all(&self) -> bool {
        let began = self.fleet.event();
        let written = self.cache.invalidate_all().await.is_ok();
        self.log_write(None, began, written)
    }

    pub async fn insert(&self, key: u32) -> bool {
        let began = self.fleet.event();
        let value = began.1;
        let written = self.cache.insert(key, value).await.is_ok();
        if written {
            let event = self.fleet.event();
            self.fleet.log.borrow_mut().made.insert(value, event);
        }
        written
    }

    fn log_write(&self, key: Option<u32>, began: Event, written: bool) -> bool {
        let returned = self.fleet.event();
        if written {
            let write = Write {
                key,
                began,
                returned,
            };
            self.fleet.log.borrow_mut().writes.push(write);
        }
        written
    }

    pub fn stats(&self) -> cache_core::tier::TierStats {
        self.cache.tier_stats()
    }
}
