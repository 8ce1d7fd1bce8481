//! `foyer_memory::Cache`, the in-memory half of foyer: no lifetimes.

use std::convert::Infallible;
use std::sync::Arc;

use foyer_memory::{Cache, CacheBuilder, EvictionConfig, LfuConfig, S3FifoConfig};

use super::{Answer, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build_s3fifo<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    build::<K, V>(settings, S3FifoConfig::default().into())
}

pub(super) fn build_lfu<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    build::<K, V>(settings, LfuConfig::default().into())
}

fn build<K: Key, V: Value>(
    settings: Settings,
    policy: EvictionConfig,
) -> Option<Arc<dyn Subject<K>>> {
    let mut builder = CacheBuilder::<K, V, _>::new(settings.capacity).with_eviction_config(policy);
    if settings.in_one_piece {
        builder = builder.with_shards(1);
    }
    (settings.life == Life::Unlimited)
        .then(|| builder.build())
        .and_then(subject::<K, V>)
}

impl<K: Key, V: Value> super::Cache<K, V> for Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key).map(|entry| entry.value().clone())
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value);
        true
    }

    async fn load<F>(&self, key: &K, loader: impl FnOnce() -> F + Send) -> Option<Answer<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let fetched = self.get_or_fetch(key, || {
            let loader = loader();
            async { Ok::<_, Infallible>(loader.await) }
        });
        let cached = !fetched.need_await();
        let entry = fetched.await.expect("the loader cannot fail");
        let value = entry.value().clone();
        Some(Answer { value, cached })
    }

    fn len(&self) -> usize {
        self.entries()
    }
}
