//! What can be done to an engine.

use std::time::Duration;

use cache_core::machine::{Rating, Settings, Ttl};

/// An engine to try, and what to do to it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) settings: Settings,
    pub(crate) capacity: Option<u64>,
    /// How many answers are remembered.
    pub(crate) answers: Option<usize>,
    /// Keys are taken from this many.
    pub(crate) keys: u8,
    pub(crate) steps: Vec<Step>,
}

/// One call, and how many pieces of foreign code go well in it, comparisons of keys for the most
/// part; `None`: all of them.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) fuse: Option<u32>,
}

/// One call of the engine's. Flights and entries seen earlier are named by their index in the list
/// of those that there are, modulo its length.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Insert(u8, Rating),
    InsertRated(u8, Rating),
    /// Offers a value, which was read before the engine's latest epoch or not.
    Offer(u8, Rating, Read),
    Get(u8),
    LookUp(u8),
    GetMut(u8),
    Peek(u8),
    Remove(u8),
    Expire(u8),
    SetTtl(u8, Ttl),
    /// Notes token and stamp of an entry.
    See(u8),
    RemoveIfSame(usize),
    SetTtlIfSame(usize, Ttl),
    Join(u8),
    JoinFlight(u8),
    Refresh(u8),
    Settle(usize, Rating),
    SettleRemoval(usize),
    Finish(usize, End),
    /// Forgets a flight that may be remembered.
    Forget(usize),
    HandleTimeout(usize),
    /// Makes every entry leave that has expired.
    PurgeAll,
    /// Calls `handle_timeout` as long as `poll_timeout` has passed.
    CatchUp(usize),
    /// Lets time pass as a janitor sees it: asleep until the earliest deadline that it knows.
    Sleep(Duration),
    Clear,
    EvictFor(u64),
    ExpireFor(u64),
    /// Gives memory back, which takes their meaning from tokens that were seen.
    Compact,
    GiveBack(u64),
    Clock(Jump),
}

/// As `Finish`, with times relative to the clock.
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
    /// To so many nanoseconds before the end of time.
    End(u64),
}
