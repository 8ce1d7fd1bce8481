//! cached: it has several stores. The sharded stores are concurrent. The store with a lifetime for
//! each entry is not, and gets a mutex. There are no single-flight loads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cached::{Cached, ConcurrentCached, ShardedLruCache, ShardedLruTtlCache, TtlSortedCache};

use super::{Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key + Ord, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    const SOUND: &str = "the settings are valid";
    let size = settings.capacity;
    match settings.life {
        Life::Unlimited => {
            let store = ShardedLruCache::<K, V>::builder().max_size(size).build();
            subject::<K, V>(store.expect(SOUND))
        }
        Life::OfCache(ttl) => {
            let builder = ShardedLruTtlCache::<K, V>::builder().max_size(size);
            subject::<K, V>(builder.ttl(ttl).build().expect(SOUND))
        }
        Life::OfEntry(ttl) => {
            let builder = TtlSortedCache::<K, V>::builder().max_size(size);
            subject::<K, V>(Sorted(Mutex::new(builder.ttl(ttl).build().expect(SOUND))))
        }
    }
}

impl<K: Key, V: Value> Cache<K, V> for ShardedLruCache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        let Ok(value) = self.cache_get(key);
        value
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.cache_set(key, value).is_ok()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl<K: Key, V: Value> Cache<K, V> for ShardedLruTtlCache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        let Ok(value) = self.cache_get(key);
        value
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.cache_set(key, value).is_ok()
    }

    async fn settle(&self) {
        let _removed = self.evict();
    }

    fn len(&self) -> usize {
        self.len()
    }
}

struct Sorted<K, V>(Mutex<TtlSortedCache<K, V>>);

impl<K, V> Sorted<K, V> {
    fn lock(&self) -> MutexGuard<'_, TtlSortedCache<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key + Ord, V: Value> Cache<K, V> for Sorted<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.lock().cache_get(key).cloned()
    }

    async fn insert(&self, key: K, value: V) -> bool {
        let _replaced = self.lock().set(key, value);
        true
    }

    async fn insert_for(&self, key: K, value: V, ttl: Duration) -> bool {
        let _replaced = self.lock().set_with(key, value).ttl(ttl).set();
        true
    }

    async fn settle(&self) {
        let _removed = self.lock().evict();
    }

    fn len(&self) -> usize {
        self.lock().cache_size()
    }
}
