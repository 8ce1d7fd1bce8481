//! moka, async and sync. The loads of the sync cache cannot await a future, so they take no part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::{Expiry, future, sync};

use super::{Answer, Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    let builder = future::Cache::<K, V>::builder().max_capacity(settings.capacity as u64);
    subject::<K, V>(match settings.life {
        Life::Unlimited => builder.build(),
        Life::OfCache(ttl) => builder.time_to_live(ttl).build(),
        Life::OfEntry(ttl) => builder.expire_after(Always(ttl)).build(),
    })
}

pub(super) fn build_sync<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    let builder = sync::Cache::<K, V>::builder().max_capacity(settings.capacity as u64);
    subject::<K, V>(match settings.life {
        Life::Unlimited => builder.build(),
        Life::OfCache(ttl) => builder.time_to_live(ttl).build(),
        Life::OfEntry(ttl) => builder.expire_after(Always(ttl)).build(),
    })
}

impl<K: Key, V: Value> Cache<K, V> for future::Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key).await
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value).await;
        true
    }

    /// The cache's [`Expiry`] sets the lifetime.
    async fn insert_for(&self, key: K, value: V, _: Duration) -> bool {
        self.insert(key, value).await;
        true
    }

    async fn load<F>(&self, key: &K, loader: impl FnOnce() -> F + Send) -> Option<Answer<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut cached = true;
        let loader = async {
            cached = false;
            loader().await
        };
        let value = self.get_with_by_ref(key, loader).await;
        Some(Answer { value, cached })
    }

    async fn settle(&self) {
        self.run_pending_tasks().await;
    }

    fn len(&self) -> usize {
        self.entry_count() as usize
    }
}

impl<K: Key, V: Value> Cache<K, V> for sync::Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key)
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value);
        true
    }

    /// The cache's [`Expiry`] sets the lifetime.
    async fn insert_for(&self, key: K, value: V, _: Duration) -> bool {
        self.insert(key, value);
        true
    }

    async fn settle(&self) {
        self.run_pending_tasks();
    }

    fn len(&self) -> usize {
        self.entry_count() as usize
    }
}

/// Gives every entry the same lifetime, but is called for each entry.
struct Always(Duration);

impl<K, V> Expiry<K, V> for Always {
    fn expire_after_create(&self, _: &K, _: &V, _: Instant) -> Option<Duration> {
        Some(self.0)
    }
}
