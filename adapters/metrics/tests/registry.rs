//! A registry holds the caches of every adapter, weakly and by name.

use std::sync::{Arc, Mutex};

use cache_metrics::{RegisterError, Registry};

fn names(registry: &Registry) -> Vec<String> {
    let snapshots = registry.snapshots().into_iter();
    snapshots.map(|cache| cache.name.to_string()).collect()
}

fn named(name: &str) -> cache_tokio::Cache<u64, u64> {
    cache_tokio::Cache::builder().name(name).build()
}

#[test]
fn caches_of_every_adapter_register() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let tokio: cache_tokio::Cache<u64, u64> = cache_tokio::Cache::builder().name("c").build();
    let async_std: cache_async_std::Cache<String, Vec<u8>> =
        cache_async_std::Cache::builder().name("a").build();
    let smol: cache_smol::Cache<u64, u64> = cache_smol::Cache::builder().name("b").build();
    registry.register(&tokio)?;
    registry.register(&async_std)?;
    registry.register(&smol)?;
    assert_eq!(names(&registry), ["a", "b", "c"]);
    Ok(())
}

#[test]
fn a_snapshot_has_the_figures_of_its_cache() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = cache_tokio::Cache::builder()
        .name("pages")
        .max_capacity(50)
        .weigher(|_: &u64, page: &String| page.len() as u32)
        .build();
    registry.register(&cache)?;
    cache.insert(1, "<html>".to_owned());
    cache.get_all([&1, &2]);

    let [snapshot] = &registry.snapshots()[..] else {
        panic!("one cache is registered");
    };
    assert_eq!(&*snapshot.name, "pages");
    assert_eq!(snapshot.stats, cache.stats());
    assert_eq!((snapshot.stats.hits, snapshot.stats.misses), (1, 1));
    assert_eq!((snapshot.entry_count, snapshot.weighted_size), (1, 6));
    assert_eq!(snapshot.max_capacity, Some(50));
    assert_eq!(snapshot.flight_count, 0);
    assert_eq!(snapshot.memory_used, cache.memory_used());
    Ok(())
}

#[test]
fn clones_share_their_caches() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = named("shared");
    registry.clone().register(&cache)?;
    assert_eq!(names(&registry), ["shared"]);
    assert_eq!(format!("{registry:?}"), "{\"shared\"}");
    Ok(())
}

#[test]
fn a_second_live_cache_of_a_name_is_an_error_that_names_it() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let (first, second) = (named("users"), named("users"));
    registry.register(&first)?;
    for cache in [&second, &first] {
        let error = registry.register(cache);
        assert_eq!(error, Err(RegisterError::NameTaken("users".into())));
    }
    drop(first);
    registry.register(&second)
}

#[test]
fn a_cache_without_a_name_is_an_error() {
    let unnamed: cache_tokio::Cache<u64, u64> = cache_tokio::Cache::new(10);
    let error = Registry::new().register(&unnamed).unwrap_err();
    let text = "the cache has no name: set one with `Builder::name`";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_registry_keeps_no_cache_alive() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = named("short");
    registry.register(&cache)?;
    let weak = cache.downgrade();
    drop((registry.snapshots(), cache));
    assert!(weak.upgrade().is_none());
    assert_eq!(names(&registry), [""; 0]);
    Ok(())
}

/// A value whose drop uses the registry.
#[derive(Clone)]
struct Reads(Registry, Arc<Mutex<Vec<usize>>>);

impl Drop for Reads {
    fn drop(&mut self) {
        let count = self.0.snapshots().len();
        self.1.lock().expect("no test panics").push(count);
    }
}

#[test]
fn values_that_are_dropped_with_the_last_handle_may_use_the_registry() -> Result<(), RegisterError>
{
    let (registry, seen) = (Registry::new(), Arc::default());
    let cache: cache_tokio::Cache<u64, Reads> = cache_tokio::Cache::builder().name("a").build();
    registry.register(&cache)?;
    cache.insert(1, Reads(registry.clone(), Arc::clone(&seen)));
    let held = registry.caches();
    drop(cache);
    drop(held);
    assert_eq!(*seen.lock().expect("no test panics"), [0]);
    Ok(())
}
