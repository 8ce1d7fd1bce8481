//! hashlink's LRU cache in a mutex, the simplest shared cache. It has no loads and no lifetimes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;

use super::{Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    (settings.life == Life::Unlimited)
        .then(|| Lru::<K, V>(Mutex::new(LruCache::new(settings.capacity))))
        .and_then(subject::<K, V>)
}

struct Lru<K, V>(Mutex<LruCache<K, V>>);

impl<K, V> Lru<K, V> {
    fn lock(&self) -> MutexGuard<'_, LruCache<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, V: Value> Cache<K, V> for Lru<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.lock().insert(key, value);
        true
    }

    fn len(&self) -> usize {
        self.lock().len()
    }
}
