//! `quick_cache::sync::Cache`.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use super::{Contender, Key, Listener, Refusal, Settings, Value};

/// `quick_cache` in one shard.
#[derive(Clone, Debug)]
pub struct QuickCache(Arc<Cache<Key, Value, Weigh, DefaultHashBuilder, Notify>>);

impl Contender for QuickCache {
    const PACKAGE: &'static str = "quick_cache";

    fn build(settings: Settings) -> Self {
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(usize::try_from(settings.capacity).unwrap_or(usize::MAX))
            .weight_capacity(settings.capacity)
            .build()
            .expect("every option that has no default is set");
        let weigh = Weigh(settings.weigh);
        let notify = Notify(settings.listener);
        Self(Arc::new(Cache::with_options(
            options,
            weigh,
            DefaultHashBuilder::default(),
            notify,
        )))
    }

    async fn load<F>(&self, key: Key, loader: F) -> Value
    where
        F: Future<Output = Value> + Send + 'static,
    {
        let loader = async { Ok::<_, Infallible>(loader.await) };
        let Ok(value) = self.0.get_or_insert_async(&key, loader).await;
        value
    }

    async fn try_load<E, F>(&self, key: Key, loader: F) -> Result<Value, Refusal>
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static,
    {
        self.0
            .get_or_insert_async(&key, loader)
            .await
            .map_err(Refusal::new)
    }

    async fn find<F>(&self, key: Key, loader: F) -> Option<Value>
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        match self.0.get_value_or_guard_async(&key).await {
            Ok(value) => Some(value),
            Err(guard) => {
                let value = loader.await?;
                // The insert is refused if the key was written or removed meanwhile. The loaded
                // value is still the answer.
                let _ = guard.insert(value);
                Some(value)
            }
        }
    }

    async fn get(&self, key: Key) -> Option<Value> {
        self.0.get(&key)
    }

    async fn insert(&self, key: Key, value: Value) {
        self.0.insert(key, value);
    }

    async fn invalidate(&self, key: Key) {
        self.0.remove(&key);
    }

    async fn invalidate_all(&self) {
        self.0.clear();
    }

    fn entry_count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[derive(Clone, Debug)]
struct Weigh(fn(Value) -> u32);

impl Weighter<Key, Value> for Weigh {
    fn weight(&self, _: &Key, value: &Value) -> u64 {
        u64::from((self.0)(*value))
    }
}

#[derive(Clone)]
struct Notify(Option<Listener>);

impl Lifecycle<Key, Value> for Notify {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: Key, _: Value) {
        if let Some(listener) = &self.0 {
            listener(key);
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notify").field(&self.0.is_some()).finish()
    }
}
