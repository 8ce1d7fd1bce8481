//! For tests: a clock that stands still, and a runtime whose time is virtual.
//!
//! [`VirtualRuntime`] runs async code on one thread with a clock that jumps to the next timer when
//! there is nothing else to do: an hour passes in no time, and every run is the same.
//! [`MockClock`] stands still until it is told to move: an adapter's runtime can be put on it.

mod mock_clock;
mod virtual_runtime;

pub use mock_clock::{MockClock, MockTimer};
pub use virtual_runtime::{JoinHandle, Sleep, VirtualRuntime, VirtualTimer};
