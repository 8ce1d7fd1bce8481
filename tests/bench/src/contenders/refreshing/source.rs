//! The backend of the scenarios on freshness.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::Value;

/// What a [`Source`] does when it is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceMode {
    /// Returns this value after 100 ms.
    Gives(Value),
    /// Returns this value after 10 s.
    GivesSlowly(Value),
    /// Finds nothing, after 100 ms.
    FindsNothing,
    /// Fails, after 100 ms.
    Fails,
    /// Panics, after 100 ms.
    Panics,
    /// Never returns.
    Hangs,
}

/// A backend that does what a scenario sets, and notes its calls.
#[derive(Clone, Debug)]
pub struct Source(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    mode: SourceMode,
    calls: Vec<Instant>,
}

/// The backend fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFailed;

impl fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the backend fails")
    }
}

impl std::error::Error for SourceFailed {}

impl Source {
    /// A source that has not been called.
    pub fn new(mode: SourceMode) -> Self {
        let calls = Vec::new();
        Self(Arc::new(Mutex::new(State { mode, calls })))
    }

    /// Sets what the next calls do.
    pub fn set(&self, mode: SourceMode) {
        self.state().mode = mode;
    }

    /// When the source was called.
    pub fn calls(&self) -> Vec<Instant> {
        self.state().calls.clone()
    }

    /// One call. It is noted when the future is first polled.
    pub(super) fn load(
        &self,
    ) -> impl Future<Output = Result<Option<Value>, SourceFailed>> + Send + use<> {
        let source = self.clone();
        async move {
            let mode = {
                let mut state = source.state();
                state.calls.push(Instant::now());
                state.mode
            };
            match mode {
                SourceMode::GivesSlowly(_) => sleep(Duration::from_secs(10)).await,
                SourceMode::Hangs => std::future::pending().await,
                _ => sleep(Duration::from_millis(100)).await,
            }
            match mode {
                SourceMode::Gives(value) | SourceMode::GivesSlowly(value) => Ok(Some(value)),
                SourceMode::FindsNothing => Ok(None),
                SourceMode::Panics => panic!("the backend panics, as planned"),
                SourceMode::Fails | SourceMode::Hangs => Err(SourceFailed),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
