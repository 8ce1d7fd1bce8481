//! The batch function, which is the same for every contender. It may sleep, and it returns a map.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The backend that a batch function calls.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    pause: Option<Duration>,
    calls: Calls,
}

/// Counts the calls of the batch function and the keys of its largest call, over passes that all do
/// the same work.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    passes: AtomicU64,
    calls: AtomicU64,
    largest: AtomicU64,
}

impl Backend {
    pub(super) fn new(pause: Option<Duration>, calls: Calls) -> Self {
        Self { pause, calls }
    }

    pub(super) async fn fetch(&self, keys: &[u64]) -> HashMap<u64, u64> {
        self.call(keys).await;
        keys.iter().map(|&key| (key, answer(key))).collect()
    }

    pub(super) async fn fetch_in_order(&self, keys: &[u64]) -> Vec<u64> {
        self.call(keys).await;
        keys.iter().map(|&key| answer(key)).collect()
    }

    async fn call(&self, keys: &[u64]) {
        let counters = &self.calls.0;
        counters.calls.fetch_add(1, Ordering::Relaxed);
        counters
            .largest
            .fetch_max(keys.len() as u64, Ordering::Relaxed);
        if let Some(pause) = self.pause {
            tokio::time::sleep(pause).await;
        }
    }
}

impl Calls {
    pub(super) fn pass_done(&self) {
        self.0.passes.fetch_add(1, Ordering::Relaxed);
    }

    /// Mean number of calls in a pass.
    pub(super) fn a_pass(&self) -> String {
        let calls = self.0.calls.load(Ordering::Relaxed) as f64;
        let passes = self.0.passes.load(Ordering::Relaxed).max(1) as f64;
        format!("{:.0}", calls / passes)
    }

    /// Number of keys in the largest call.
    pub(super) fn largest(&self) -> String {
        self.0.largest.load(Ordering::Relaxed).to_string()
    }
}

/// The value of a key.
pub(super) fn answer(key: u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
