//! A function with `#[cached(result_fallback = true)]`.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use cached::Cached as _;
use tokio::time::sleep;

use super::super::{Key, Refusal, Value};
use super::source::SourceFailed;
use super::{KEY, Refreshing, Source};

/// The cache of the function below. A process has one, and runs one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Cached;

/// The source of the scenario.
static SOURCE: Mutex<Option<Source>> = Mutex::new(None);

/// The cache has no clock but the system's, so its times are shorter than those of the scenarios.
const SHORTER: u32 = 4_000;

#[cached::macros::cached(ttl_millis = 250, result_fallback = true)]
async fn fetch(_key: Key) -> Result<Value, SourceFailed> {
    let source = SOURCE.lock().expect("no scenario panics here").clone();
    let found = source.ok_or(SourceFailed)?.load().await?;
    found.ok_or(SourceFailed)
}

impl Refreshing for Cached {
    const PACKAGE: &'static str = "cached";
    const REFRESHES: bool = false;
    const KEEPS: bool = true;
    const LEAVES_SLOW_LOADS: bool = false;

    fn build(source: Source) -> Self {
        *SOURCE.lock().expect("no scenario panics here") = Some(source);
        Self
    }

    async fn get(&self) -> Result<Option<Value>, Refusal> {
        fetch(KEY).await.map(Some).map_err(Refusal::new)
    }

    async fn peek(&self) -> Option<Value> {
        FETCH.write().await.cache_get(&KEY).copied()
    }

    async fn insert(&self, value: Value) {
        FETCH.write().await.cache_set(KEY, value);
    }

    async fn invalidate(&self) {
        // An absent key is not an error.
        let _ = FETCH.write().await.cache_remove(&KEY);
    }

    async fn pass(&self, time: Duration) {
        thread::sleep(time / SHORTER);
        sleep(time).await;
    }
}
