//! `cache_tokio::Cache`, this workspace's own.

use std::sync::Arc;
use std::time::Duration;

use cache_tokio::{Cache, Ttl};

use super::{Answer, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    let mut builder = Cache::<K, V>::builder().max_capacity(settings.capacity as u64);
    if let Life::OfCache(ttl) = settings.life {
        builder = builder.time_to_live(ttl);
    }
    subject::<K, V>(builder.build())
}

impl<K: Key, V: Value> super::Cache<K, V> for Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key)
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value);
        true
    }

    async fn insert_for(&self, key: K, value: V, ttl: Duration) -> bool {
        self.insert_with_ttl(key, value, Ttl::After(ttl));
        true
    }

    async fn load<F>(&self, key: &K, loader: impl FnOnce() -> F + Send) -> Option<Answer<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut cached = true;
        let loader = || {
            cached = false;
            loader()
        };
        let value = self.get_with_by_ref(key, loader).await;
        Some(Answer { value, cached })
    }

    async fn settle(&self) {
        self.run_pending_tasks();
    }

    fn len(&self) -> usize {
        self.entry_count() as usize
    }
}
