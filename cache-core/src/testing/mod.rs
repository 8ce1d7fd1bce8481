//! For tests: a deterministic runtime with virtual time, and a clock that the test sets.
//!
//! - [`VirtualRuntime`] runs async code on one thread. Its clock jumps to the next timer when no
//!   task can run: an hour takes no real time, and every run is the same.
//! - [`MockClock`] replaces the clock of an adapter's runtime. It moves only when the test moves
//!   it.
//! - `MemoryTier` is a second tier in memory for a tiered cache, with faults. It needs the feature
//!   `tier`.

#[cfg(feature = "tier")]
mod memory_tier;
mod mock_clock;
mod virtual_runtime;

#[cfg(feature = "tier")]
pub use memory_tier::{Fault, MemoryTier, MemoryTierError, Step};
pub use mock_clock::{MockClock, MockTimer};
pub use virtual_runtime::{JoinHandle, Sleep, VirtualRuntime, VirtualTimer};
