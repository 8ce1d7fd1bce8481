//! `quick_cache`: no lifetimes.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::sync;

use super::{Answer, Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    (settings.life == Life::Unlimited)
        .then(|| sync::Cache::<K, V>::new(settings.capacity))
        .and_then(subject::<K, V>)
}

impl<K: Key, V: Value> Cache<K, V> for sync::Cache<K, V> {
    async fn get(&self, key: &K) -> Option<V> {
        self.get(key)
    }

    async fn insert(&self, key: K, value: V) -> bool {
        self.insert(key, value);
        true
    }

    async fn load<F>(&self, key: &K, loader: impl FnOnce() -> F + Send) -> Option<Answer<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut cached = true;
        let loader = async {
            cached = false;
            Ok::<_, Infallible>(loader().await)
        };
        let Ok(value) = self.get_or_insert_async(key, loader).await;
        Some(Answer { value, cached })
    }

    fn len(&self) -> usize {
        self.len()
    }
}
