//! Refreshes of batching views.

use std::time::Duration;

use crate::contract::freshness::support::{DUE, builder};
use crate::contract::support::batch_backend::{MS, Store, View, building, tens};
use crate::harness::{Cache, advance};

mod ends;
mod windows;

/// How long refreshes wait for misses, by default.
const REFRESH_WINDOW: Duration = Duration::from_millis(100);

/// A cache in which the keys 1, 2 and 3 have values that are due: the numbers 1, 2 and 3.
async fn due_cache() -> Cache<u32, u64> {
    let cache = builder().build();
    make_due(&cache).await;
    cache
}

async fn make_due(cache: &Cache<u32, u64>) {
    for key in 1..=3 {
        cache.insert(key, key.into());
    }
    advance(DUE).await;
}

/// Ends a window that has just opened. A task sets the timer of the window when it is first polled,
/// so the time passes in two steps.
async fn end_window(length: Duration) {
    advance(MS).await;
    advance(length - MS).await;
}

fn view(cache: &Cache<u32, u64>, store: &Store) -> View {
    building(cache, store, tens).build()
}

/// Requests `keys`, whose values are due, and checks that each request returns the stored value.
async fn hit(view: &View, keys: impl IntoIterator<Item = u32>) {
    for key in keys {
        assert_eq!(view.get(key).await.unwrap(), Some(key.into()));
    }
}
