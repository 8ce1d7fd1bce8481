//! What is traced: operations on one cache that all threads share.

mod controls;
mod moka;
mod ours;
mod quick_cache;

use std::fmt;

use clap::ValueEnum;
use futures_util::FutureExt as _;

/// Shards of a cache that lets its user choose. Transfers do not depend on it, because operations
/// do not overlap. Each shard must hold enough entries to be a typical one.
const SHARDS: usize = 16;

/// A cache, or the controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// Two counters, whose transfers are known.
    Controls,
    #[value(name = "this-cache")]
    Ours,
    #[value(name = "quick_cache")]
    QuickCache,
    Moka,
}

/// An operation. Those that change what a cache holds come last, because operations of one setting
/// share a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Operation {
    /// An addition to an atomic counter of all threads.
    SharedCounter,
    /// An addition to an atomic counter on a line of the thread.
    OwnCounter,
    /// A hit.
    Get,
    /// A hit in a cache with a time to live.
    GetTtl,
    /// A hit in a cache with an idle expiry.
    GetIdle,
    /// A hit in a cache with exact LRU (moka: its LRU).
    GetLru,
    /// A hit of the method that loads.
    GetWith,
    /// Fifteen hits, and then an insert that replaces the value of a popular key.
    Mixed,
    /// An insert of a new key, which evicts another.
    Insert,
    /// A miss whose loader is ready at its first poll, which evicts a key.
    Miss,
    /// An insert of a new key into a cache that has space for it.
    InsertFree,
}

/// One call of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// A popular key.
    pub(crate) popular: u64,
    /// A key that no other call has.
    pub(crate) new_key: u64,
    /// How many calls the thread has made in this phase.
    pub(crate) turn: u64,
    pub(crate) thread: usize,
}

/// An operation on a cache that is set up.
pub(crate) struct Phase {
    operation: Box<dyn Fn(Call) + Send + Sync>,
    popular: Vec<u64>,
}

/// Shares its line, and the line that is fetched with it, with nothing else.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phase").finish_non_exhaustive()
    }
}

impl Phase {
    /// A phase that calls `operation` with the fixed parts of it and with keys out of `popular`.
    fn new<T: Send + Sync + 'static>(
        fixed: T,
        popular: Vec<u64>,
        operation: impl Fn(&T, Call) + Send + Sync + 'static,
    ) -> Self {
        let fixed = Padded(fixed);
        Self {
            operation: Box::new(move |call| operation(&fixed.0, call)),
            popular,
        }
    }

    pub(crate) fn operation(&self) -> &(dyn Fn(Call) + Send + Sync) {
        &*self.operation
    }

    /// The popular key of this number, counted in circles.
    pub(crate) fn popular(&self, number: u64) -> u64 {
        let at = number % self.popular.len() as u64;
        self.popular[to_usize(at)]
    }
}

/// The values of the command line, as they are written there.
pub(crate) fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is skipped");
    value.get_name().to_owned()
}

impl Subject {
    /// Whether the subject has `operation`.
    pub(crate) const fn has(self, operation: Operation) -> bool {
        use Operation::{GetIdle, GetLru, GetTtl, OwnCounter, SharedCounter};
        let is_control = matches!(operation, SharedCounter | OwnCounter);
        match self {
            Self::Controls => is_control,
            Self::Ours | Self::Moka => !is_control,
            Self::QuickCache => !is_control && !matches!(operation, GetTtl | GetIdle | GetLru),
        }
    }

    /// Fills a cache of `entries` for each setting that `operations` need.
    pub(crate) fn set_up(self, operations: &[Operation], entries: u64) -> Vec<Phase> {
        match self {
            Self::Controls => controls::set_up(operations),
            Self::Ours => set_up::<ours::Cache>(operations, entries),
            Self::QuickCache => set_up::<quick_cache::Cache>(operations, entries),
            Self::Moka => set_up::<moka::Cache>(operations, entries),
        }
    }
}

/// What distinguishes the caches of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Plain,
    TimeToLive,
    TimeToIdle,
    Lru,
    /// With space for all keys.
    Spacious,
}

impl Setting {
    const fn of(operation: Operation) -> Self {
        match operation {
            Operation::GetTtl => Self::TimeToLive,
            Operation::GetIdle => Self::TimeToIdle,
            Operation::GetLru => Self::Lru,
            Operation::InsertFree => Self::Spacious,
            _ => Self::Plain,
        }
    }
}

/// A cache of `u64` to `u64`. A clone is a handle of the same cache.
trait Contender: Clone + Send + Sync + 'static {
    fn new(setting: Setting, capacity: u64) -> Self;
    fn get(&self, key: u64) -> Option<u64>;
    fn get_with(&self, key: u64) -> u64;
    fn insert(&self, key: u64);
}

fn set_up<C: Contender>(operations: &[Operation], entries: u64) -> Vec<Phase> {
    let mut caches: Vec<(Setting, C, Vec<u64>)> = Vec::new();
    let phase = |&operation| {
        let setting = Setting::of(operation);
        if !caches.iter().any(|known| known.0 == setting) {
            let space = if setting == Setting::Spacious { 8 } else { 1 };
            let cache = C::new(setting, space * entries);
            let popular = fill(&cache, entries);
            caches.push((setting, cache, popular));
        }
        let known = caches.iter().find(|known| known.0 == setting);
        let (_, cache, popular) = known.expect("pushed above").clone();
        phase(operation, cache, popular)
    };
    operations.iter().map(phase).collect()
}

/// Reads of popular keys in the set-up: so many that each shard is settled, whatever it learns from
/// its hits.
const SETTLING_READS: u64 = 4_096;

/// Fills `cache`. Returns keys that it holds, an eighth of all, which have been read often.
fn fill<C: Contender>(cache: &C, entries: u64) -> Vec<u64> {
    (0..entries).for_each(|key| cache.insert(key));
    let stored = (0..entries).rev().filter(|&key| cache.get(key).is_some());
    let popular: Vec<u64> = stored.take(to_usize(entries / 8)).collect();
    for &key in popular.iter().cycle().take(to_usize(SETTLING_READS)) {
        assert_eq!(cache.get(key), Some(key), "a popular key was evicted");
    }
    popular
}

fn phase<C: Contender>(operation: Operation, cache: C, popular: Vec<u64>) -> Phase {
    fn hit<C: Contender>(cache: &C, call: Call) {
        assert_eq!(cache.get(call.popular), Some(call.popular), "no hit");
    }
    let operation: fn(&C, Call) = match operation {
        Operation::GetWith => |cache, call| {
            assert_eq!(cache.get_with(call.popular), call.popular);
        },
        Operation::Insert | Operation::InsertFree => |cache, call| cache.insert(call.new_key),
        Operation::Miss => |cache, call| {
            assert_eq!(cache.get_with(call.new_key), call.new_key);
        },
        Operation::Mixed => |cache, call| {
            if call.turn % 16 == 15 {
                cache.insert(call.popular);
            } else {
                hit(cache, call);
            }
        },
        _ => hit,
    };
    Phase::new((cache, operation), popular, |(cache, operation), call| {
        operation(cache, call);
    })
}

/// The output of a future that is ready at its first poll.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing to wait for")
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).expect("a small number")
}
