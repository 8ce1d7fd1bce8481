//! mini-moka: no loads, one lifetime for all entries.

use std::sync::Arc;

use mini_moka::sync;

use super::{Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    let builder = sync::Cache::<K, V>::builder().max_capacity(settings.capacity as u64);
    subject::<K, V>(match settings.life {
        Life::Unlimited => builder.build(),
        Life::OfCache(ttl) => builder.time_to_live(ttl).build(),
        Life::OfEntry(_) => return None,
    })
}

impl<K: Key, V: Value> Cache<K, V> for sync::Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key)
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value);
        true
    }

    async fn settle(&self) {
        mini_moka::sync::ConcurrentCacheExt::sync(self);
    }

    fn len(&self) -> usize {
        self.entry_count() as usize
    }
}
