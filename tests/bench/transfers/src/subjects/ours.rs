use std::time::Duration;

use cache_tokio::EvictionPolicy;

use super::{Contender, SHARDS, Setting, ready};

pub(super) type Cache = cache_tokio::Cache<u64, u64>;

impl Contender for Cache {
    fn new(setting: Setting, capacity: u64) -> Self {
        let builder = Self::builder().max_capacity(capacity).hash_seed(7);
        let hour = Duration::from_secs(3_600);
        match setting {
            Setting::Plain | Setting::Spacious => builder.shards(SHARDS),
            Setting::TimeToLive => builder.shards(SHARDS).time_to_live(hour),
            Setting::TimeToIdle => builder.shards(SHARDS).time_to_idle(hour),
            Setting::Lru => builder.eviction_policy(EvictionPolicy::Lru),
        }
        .build()
    }

    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn get_with(&self, key: u64) -> u64 {
        ready(self.get_with(key, || async move { key }))
    }

    fn insert(&self, key: u64) {
        self.insert(key, key);
    }
}
