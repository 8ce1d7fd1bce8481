//! Loading views whose loader may find no value, and loaders with a type of their own.

use cache_core::runtime::Runtime;
use cache_core::{Loaded, Loader, OptionalLoadingCache};

use crate::contract::support::common::{after, seconds};
use crate::harness::{Cache, Rt, advance, run, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn an_optional_view_returns_values_missing_keys_and_errors() {
    run(|| async {
        let cache = cache();
        let view: OptionalLoadingCache<u32, u64, &str, Rt> =
            cache.loading_optional(|key: u32| async move {
                match key {
                    0 => Err("zero"),
                    1 => Ok(None),
                    _ => Ok(Some(u64::from(key))),
                }
            });
        assert_eq!(view.get(2).await.unwrap(), Some(2));
        assert_eq!(view.get(&1).await.unwrap(), None);
        assert_eq!(view.get(0).await.unwrap_err().loader(), Some(&"zero"));
        let all = view.get_all([2, 1]).await.into_iter().map(Result::unwrap);
        assert_eq!(all.collect::<Vec<_>>(), [Some(2), None]);
        cache.insert(2, 7);
        assert_eq!(view.refresh(2).await.unwrap(), Some(2));
        assert_eq!((cache.peek(&2), cache.entry_count()), (Some(2), 1));
    });
}

#[test]
fn an_optional_view_remembers_missing_keys_for_the_negative_ttl() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime());
        let cache = builder.negative_ttl(seconds(10)).build();
        let view = cache.loading_optional(|_: u32| async { None::<u64> });
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(cache.stats().loads, 1);
        advance(seconds(10)).await;
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(cache.stats().loads, 2);
    });
}

#[test]
fn the_loader_of_an_optional_view_may_set_a_ttl() {
    run(|| async {
        let cache = cache();
        let view = cache.loading_optional(|key: u32| async move {
            Some(Loaded::new(u64::from(key)).ttl(after(5)))
        });
        assert_eq!(view.get(3).await.unwrap(), Some(3));
        advance(seconds(5)).await;
        assert_eq!(cache.get(&3), None);
    });
}

/// A loader of single keys and of batches.
#[derive(Clone)]
struct Squares;

impl Loader<u32, <Rt as Runtime>::Flavor> for Squares {
    type Output = u64;

    async fn load(self, key: u32) -> u64 {
        u64::from(key) * u64::from(key)
    }
}

impl Loader<Vec<u32>, <Rt as Runtime>::Flavor> for Squares {
    type Output = Vec<u64>;

    async fn load(self, keys: Vec<u32>) -> Vec<u64> {
        let squares = keys.iter().map(|key| u64::from(*key) * u64::from(*key));
        squares.collect()
    }
}

#[test]
fn a_type_that_implements_loader_serves_both_kinds_of_views() {
    run(|| async {
        let cache = cache();
        let (single, batches) = (cache.loading(Squares), cache.batching(Squares));
        assert_eq!(single.get(3).await.unwrap(), 9);
        let loads = cache.clone();
        let call = crate::harness::spawn(async move { batches.get(4).await });
        crate::harness::until(|| loads.stats().misses == 2).await;
        advance(seconds(1)).await;
        assert_eq!(call.join().await.unwrap(), Some(16));
    });
}
