use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use quick_cache::sync::DefaultLifecycle;
use quick_cache::{OptionsBuilder, UnitWeighter};

use super::{Contender, SHARDS, Setting, ready, to_usize};

type Hasher = BuildHasherDefault<DefaultHasher>;

pub(super) type Cache = Arc<quick_cache::sync::Cache<u64, u64, UnitWeighter, Hasher>>;

impl Contender for Cache {
    fn new(setting: Setting, capacity: u64) -> Self {
        assert!(
            matches!(setting, Setting::Plain | Setting::Spacious),
            "no {setting:?}"
        );
        let options = OptionsBuilder::new()
            .estimated_items_capacity(to_usize(capacity))
            .weight_capacity(capacity)
            .shards(SHARDS)
            .build()
            .expect("valid options");
        Self::new(quick_cache::sync::Cache::with_options(
            options,
            UnitWeighter,
            Hasher::default(),
            DefaultLifecycle::default(),
        ))
    }

    fn get(&self, key: u64) -> Option<u64> {
        quick_cache::sync::Cache::get(self, &key)
    }

    fn get_with(&self, key: u64) -> u64 {
        let load = async { Ok::<_, ()>(key) };
        ready(self.get_or_insert_async(&key, load)).expect("the load succeeds")
    }

    fn insert(&self, key: u64) {
        quick_cache::sync::Cache::insert(self, key, key);
    }
}
