//! `moka::future::Cache`.

use std::error::Error;

use moka::future::Cache;

use super::{Contender, Key, Refusal, Settings, Value};

/// moka with its default policy.
#[derive(Clone, Debug)]
pub struct Moka(Cache<Key, Value>);

impl Contender for Moka {
    const PACKAGE: &'static str = "moka";

    fn build(settings: Settings) -> Self {
        let weigh = settings.weigh;
        let mut builder = Cache::builder()
            .max_capacity(settings.capacity)
            .weigher(move |_, value| weigh(*value));
        if let Some(listener) = settings.listener {
            builder = builder.eviction_listener(move |key, _, _| listener(*key));
        }
        Self(builder.build())
    }

    async fn load<F>(&self, key: Key, loader: F) -> Value
    where
        F: Future<Output = Value> + Send + 'static,
    {
        self.0.get_with(key, loader).await
    }

    async fn try_load<E, F>(&self, key: Key, loader: F) -> Result<Value, Refusal>
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static,
    {
        self.0.try_get_with(key, loader).await.map_err(Refusal::new)
    }

    async fn find<F>(&self, key: Key, loader: F) -> Option<Value>
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        self.0.optionally_get_with(key, loader).await
    }

    async fn get(&self, key: Key) -> Option<Value> {
        self.0.get(&key).await
    }

    async fn insert(&self, key: Key, value: Value) {
        self.0.insert(key, value).await;
    }

    async fn invalidate(&self, key: Key) {
        self.0.invalidate(&key).await;
    }

    async fn invalidate_all(&self) {
        self.0.invalidate_all();
    }

    fn entry_count(&self) -> u64 {
        self.0.entry_count()
    }

    async fn settle(&self) {
        self.0.run_pending_tasks().await;
    }
}
