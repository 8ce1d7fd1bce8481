//! The cache as a state machine, without a lock, a clock, a waker or an executor.
//!
//! [`Engine`] is one shard. Calls take `&mut self` (some reads `&self`) and the time, and return
//! their result. What must happen outside of the caller's lock, such as dropping values, notifying
//! listeners and waking waiters, is added to the caller's [`Effects`]. A program with one thread of
//! control, such as interrupt-driven firmware or a game loop, can use it directly:
//!
//! ```
//! use cache_core::machine::{Capacity, Effects, Engine, Entry, Instant, Settings, Ttl};
//! use core::time::Duration;
//!
//! let mut engine: Engine<&str, u32> = Engine::new(Settings::default(), Capacity::new(2));
//! let mut fx = Effects::new();
//! let now = Instant::from_nanos(0);
//! let hash = |key: &str| key.len() as u32; // any hash will do
//!
//! let entry = Entry::new("pi", 314).ttl(Ttl::After(Duration::from_secs(1)));
//! assert!(engine.insert(hash("pi"), entry, now, &mut fx).is_ok());
//! assert_eq!(engine.get(hash("pi"), "pi", || now), Some(&314));
//! assert_eq!(engine.next_deadline().is_some(), true);
//! ```

mod batch;
mod effects;
mod engine;
mod expiry;
mod flight;
mod freshness;
mod list;
pub(crate) mod opt_in;
mod policy;
mod solo;
mod stats;
mod store;
mod table;
mod time;
mod validate;

pub use batch::{Batch, BatchWindow, Generation, Push};
pub use effects::{Effects, Removed};
pub use engine::{
    Aged, Budget, Capacity, CapacityShortfall, Engine, Entry, EntryLimits, EntryRef,
    EvictionPolicy, FlightRole, InsertIfAbsent, Join, LoadEnd, Lookup, OldDeadlines, Settings,
    Settled, Version,
};
pub(crate) use engine::{GatedSettings, SoloSettled};
pub use expiry::Ttl;
pub use flight::FlightId;
pub use freshness::{Age, FreshnessSettings, Times};
pub use list::Token;
pub(crate) use opt_in::{
    CustomExpiry, Enabled, Feature, Freshening, Gated, GatedState, IdleExpiry, LruPolicy,
    RememberedResults, features,
};
pub use stats::{Counters, RemovalCause};
pub use time::Instant;
pub(crate) use time::nanos;
