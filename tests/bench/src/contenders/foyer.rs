//! `foyer_memory::Cache`, the in-memory half of foyer.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use foyer_common::event::{Event, EventListener};
use foyer_memory::{Cache, CacheBuilder};

use super::{Contender, Key, Listener, Refusal, Settings, Value};

/// foyer in one shard.
#[derive(Clone, Debug)]
pub struct Foyer(Cache<Key, Value>);

impl Contender for Foyer {
    const PACKAGE: &'static str = "foyer-memory";

    fn build(settings: Settings) -> Self {
        let weigh = settings.weigh;
        let mut builder =
            CacheBuilder::new(usize::try_from(settings.capacity).unwrap_or(usize::MAX))
                .with_shards(1)
                .with_weighter(move |_: &Key, value: &Value| weigh(*value) as usize);
        if let Some(listener) = settings.listener {
            builder = builder.with_event_listener(Arc::new(Notify(listener)));
        }
        Self(builder.build())
    }

    async fn load<F>(&self, key: Key, loader: F) -> Value
    where
        F: Future<Output = Value> + Send + 'static,
    {
        let loader = async { Ok::<_, Infallible>(loader.await) };
        *self
            .0
            .get_or_fetch(&key, || loader)
            .await
            .expect("the loader cannot fail")
            .value()
    }

    async fn try_load<E, F>(&self, key: Key, loader: F) -> Result<Value, Refusal>
    where
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Value, E>> + Send + 'static,
    {
        self.0
            .get_or_fetch(&key, || loader)
            .await
            .map(|entry| *entry.value())
            .map_err(Refusal::new)
    }

    async fn find<F>(&self, key: Key, loader: F) -> Option<Value>
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        let loader = async { loader.await.ok_or(NotFound) };
        self.0
            .get_or_fetch(&key, || loader)
            .await
            .ok()
            .map(|entry| *entry.value())
    }

    async fn get(&self, key: Key) -> Option<Value> {
        self.0.get(&key).map(|entry| *entry.value())
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
        self.0.entries() as u64
    }
}

/// foyer has no loader that may find nothing. The adaptor reports that case as an error.
#[derive(Debug)]
struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not found")
    }
}

impl Error for NotFound {}

struct Notify(Listener);

impl EventListener for Notify {
    type Key = Key;
    type Value = Value;

    fn on_leave(&self, _: Event, key: &Key, _: &Value) {
        (self.0)(*key);
    }
}
