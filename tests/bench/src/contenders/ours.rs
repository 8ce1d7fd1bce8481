//! `cache_tokio::Cache`, this workspace's own.

use std::error::Error;

use cache_tokio::Cache;

use super::{Contender, Key, Refusal, Settings, Value};

/// This cache with its default policy.
#[derive(Clone, Debug)]
pub struct Ours(Cache<Key, Value>);

impl Contender for Ours {
    const PACKAGE: &'static str = "cache-tokio";

    fn build(settings: Settings) -> Self {
        let weigh = settings.weigh;
        let mut builder = Cache::builder()
            .max_capacity(settings.capacity)
            .weigher(move |_: &Key, value: &Value| weigh(*value));
        if let Some(listener) = settings.listener {
            builder = builder.eviction_listener(move |key: &Key, _: &Value, _| listener(*key));
        }
        Self(builder.build())
    }

    async fn load<F>(&self, key: Key, loader: F) -> Value
    where
        F: Future<Output = Value> + Send + 'static,
    {
        self.0.get_with(key, || loader).await
    }

    async fn try_load<E, F>(&self, key: Key, loader: F) -> Result<Value, Refusal>
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static,
    {
        self.0
            .try_get_with(key, || loader)
            .await
            .map_err(Refusal::new)
    }

    async fn find<F>(&self, key: Key, loader: F) -> Option<Value>
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        self.0.optionally_get_with(key, || loader).await
    }

    async fn get(&self, key: Key) -> Option<Value> {
        self.0.get(&key)
    }

    async fn insert(&self, key: Key, value: Value) {
        self.0.insert(key, value);
    }

    async fn invalidate(&self, key: Key) {
        self.0.invalidate(&key);
    }

    async fn invalidate_all(&self) {
        self.0.invalidate_all();
    }

    fn entry_count(&self) -> u64 {
        self.0.entry_count()
    }
}
