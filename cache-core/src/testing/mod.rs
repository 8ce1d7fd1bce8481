//! For tests: a deterministic runtime with virtual time, and a clock that the test sets.
//!
//! - [`VirtualRuntime`] runs async code on one thread. Its clock jumps to the next timer when no
//!   task can run: an hour takes no real time, and every run is the same.
//! - [`MockClock`] replaces the clock of an adapter's runtime. It moves only when the test moves
//!   it.

mod mock_clock;
mod virtual_runtime;

pub use mock_clock::{MockClock, MockTimer};
pub use virtual_runtime::{JoinHandle, Sleep, VirtualRuntime, VirtualTimer};
