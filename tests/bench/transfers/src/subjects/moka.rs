use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use moka::policy::EvictionPolicy;

use super::{Contender, Setting, ready};

type Hasher = BuildHasherDefault<DefaultHasher>;

pub(super) type Cache = moka::future::Cache<u64, u64, Hasher>;

impl Contender for Cache {
    fn new(setting: Setting, capacity: u64) -> Self {
        let builder = moka::future::Cache::builder().max_capacity(capacity);
        let hour = Duration::from_secs(3_600);
        match setting {
            Setting::Plain | Setting::Spacious => builder,
            Setting::TimeToLive => builder.time_to_live(hour),
            Setting::TimeToIdle => builder.time_to_idle(hour),
            Setting::Lru => builder.eviction_policy(EvictionPolicy::lru()),
        }
        .build_with_hasher(Hasher::default())
    }

    fn get(&self, key: u64) -> Option<u64> {
        ready(self.get(&key))
    }

    fn get_with(&self, key: u64) -> u64 {
        ready(self.get_with(key, async move { key }))
    }

    fn insert(&self, key: u64) {
        ready(self.insert(key, key));
    }
}
