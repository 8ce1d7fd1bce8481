//! `cachet::Cache`: a tier in memory with `time_to_refresh`, in front of a tier that calls the
//! source.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyspawn::Spawner;
use cachet::{Cache, CacheEntry, CacheTier, Error, InsertOutcome, TimeToRefresh};
use tick::ClockControl;
use tokio::time::sleep;

use super::super::{Key, Refusal, Value};
use super::{DUE, KEY, Refreshing, Source, TTL};

/// cachet with a clock that the scenario controls.
#[derive(Clone)]
pub struct Cachet {
    cache: Arc<Cache<Key, Value>>,
    clock: ClockControl,
}

impl Refreshing for Cachet {
    const PACKAGE: &'static str = "cachet";
    const REFRESHES: bool = true;
    const KEEPS: bool = false;
    const LEAVES_SLOW_LOADS: bool = false;

    fn build(source: Source) -> Self {
        let clock = ClockControl::new();
        let source = Cache::builder::<Key, Value>(clock.to_clock()).storage(Tier(source));
        let cache = Cache::builder::<Key, Value>(clock.to_clock())
            .memory()
            .ttl(TTL)
            .fallback(source)
            .time_to_refresh(TimeToRefresh::new(DUE, Spawner::new_tokio()))
            .stampede_protection()
            .build();
        let cache = Arc::new(cache);
        Self { cache, clock }
    }

    async fn get(&self) -> Result<Option<Value>, Refusal> {
        let found = self.cache.get(&KEY).await.map_err(Refusal::new)?;
        Ok(found.map(CacheEntry::into_value))
    }

    /// A cache with a fallback has no read that cannot load.
    async fn peek(&self) -> Option<Value> {
        None
    }

    async fn insert(&self, value: Value) {
        let inserted = self.cache.insert(KEY, CacheEntry::new(value)).await;
        inserted.expect("neither tier fails");
    }

    async fn invalidate(&self) {
        let invalidated = self.cache.invalidate(&KEY).await;
        invalidated.expect("neither tier fails");
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        sleep(time).await;
    }
}

impl fmt::Debug for Cachet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cachet").finish_non_exhaustive()
    }
}

/// The source as a tier. A backend that is only read ignores writes.
struct Tier(Source);

impl CacheTier<Key, Value> for Tier {
    async fn get(&self, _: &Key) -> Result<Option<CacheEntry<Value>>, Error> {
        let found = self.0.load().await.map_err(Error::from_source)?;
        Ok(found.map(CacheEntry::new))
    }

    async fn insert(&self, _: Key, _: CacheEntry<Value>) -> Result<InsertOutcome, Error> {
        Ok(InsertOutcome::Accepted)
    }

    async fn invalidate(&self, _: &Key) -> Result<(), Error> {
        Ok(())
    }

    async fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
}
