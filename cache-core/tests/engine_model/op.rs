//! The operations on an engine.

use std::time::Duration;

use cache_core::machine::{EntryLimits, Settings, Ttl};

/// The settings of an engine, and the steps to run on it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) settings: Settings,
    pub(crate) capacity: Option<u64>,
    /// The limit of remembered answers.
    pub(crate) answers: Option<usize>,
    /// Number of distinct keys.
    pub(crate) keys: u8,
    pub(crate) steps: Vec<Step>,
}

/// One call, and the number of pieces of foreign code in it that succeed before the next one
/// panics, mostly comparisons of keys. `None`: all of them succeed.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) fuse: Option<u32>,
}

/// One call of the engine. Flights and seen entries are identified by their index in the list of
/// those that exist, modulo its length.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Insert(u8, EntryLimits),
    InsertRated(u8, EntryLimits),
    /// Offers a value that was read before or after the engine's latest epoch.
    Offer(u8, EntryLimits, Read),
    Get(u8),
    LookUp(u8),
    GetMut(u8),
    Peek(u8),
    Remove(u8),
    Expire(u8),
    SetTtl(u8, Ttl),
    /// Records the token and the stamp of an entry.
    See(u8),
    RemoveIfSame(usize),
    SetTtlIfSame(usize, Ttl),
    Join(u8),
    JoinFlight(u8),
    Refresh(u8),
    MarkStale(u8),
    Settle(usize, EntryLimits),
    SettleWrite(usize, EntryLimits),
    SettleRemoval(usize),
    LoadEnd(usize, End),
    /// Forgets a flight whose result may be remembered.
    Forget(usize),
    HandleTimeout(usize),
    /// Removes every expired entry.
    PurgeAll,
    /// Calls `purge_expired` as long as `next_deadline` has passed.
    CatchUp(usize),
    /// Advances time as a janitor does, which sleeps until the earliest deadline that it knows.
    Sleep(Duration),
    Clear,
    EvictFor(u64),
    ExpireFor(u64),
    /// Releases memory, which invalidates tokens that were seen.
    Compact,
    GiveBack(u64),
    Clock(Jump),
}

/// Like `LoadEnd`, with times relative to the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Missing,
    MissingFor(Duration),
    Failed,
    FailedFor(Duration),
    Dropped,
}

/// When an offered value was read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    Whenever,
    InThisEpoch,
    InTheLast,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Jump {
    Forward(Duration),
    Back(Duration),
    /// To this many nanoseconds before the end of time.
    End(u64),
}
