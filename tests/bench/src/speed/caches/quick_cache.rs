//! `quick_cache`: no lifetimes.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::sync::{self, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};

use super::{Answer, Cache, Key, Life, Settings, Subject, Value, subject};

pub(super) fn build<K: Key, V: Value>(settings: Settings) -> Option<Arc<dyn Subject<K>>> {
    let capacity = settings.capacity;
    match settings.life {
        Life::Unlimited if settings.in_one_piece => {
            let mut options = OptionsBuilder::new();
            options.shards(1).estimated_items_capacity(capacity);
            let options = options.weight_capacity(capacity as u64).build();
            let options = options.expect("every option that has no default is set");
            subject::<K, V>(sync::Cache::<K, V>::with_options(
                options,
                UnitWeighter,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ))
        }
        Life::Unlimited => subject::<K, V>(sync::Cache::<K, V>::new(capacity)),
        Life::OfCache(_) | Life::OfEntry(_) => None,
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
