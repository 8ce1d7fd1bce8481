//! `cache_tokio::Cache` with all settings of freshness, this workspace's own.

use std::time::Duration;

use cache_tokio::Cache;
use tokio::time::sleep;

use super::super::{Contender, Key, Ours, Refusal, Value};
use super::{DUE, KEEP, KEY, REVALIDATE, Refreshing, SLOW, Source, TTL};

/// This cache, in front of a source.
#[derive(Clone, Debug)]
pub struct OursRefreshing {
    cache: Cache<Key, Value>,
    source: Source,
}

impl Refreshing for OursRefreshing {
    const PACKAGE: &'static str = Ours::PACKAGE;
    const REFRESHES: bool = true;
    const KEEPS: bool = true;
    const LEAVES_SLOW_LOADS: bool = true;

    fn build(source: Source) -> Self {
        let cache = Cache::builder()
            .max_capacity(100)
            .time_to_live(TTL)
            .refresh_after(DUE)
            .stale_while_revalidate(REVALIDATE)
            .stale_if_error(KEEP)
            .stale_if_slow(SLOW)
            .build();
        Self { cache, source }
    }

    async fn get(&self) -> Result<Option<Value>, Refusal> {
        let load = || self.source.load();
        let answer = self.cache.try_optionally_get_with(KEY, load).await;
        answer.map_err(Refusal::new)
    }

    async fn peek(&self) -> Option<Value> {
        self.cache.get(&KEY)
    }

    async fn insert(&self, value: Value) {
        self.cache.insert(KEY, value);
    }

    async fn invalidate(&self) {
        self.cache.invalidate(&KEY);
    }

    async fn pass(&self, time: Duration) {
        sleep(time).await;
    }
}
