//! Settings of the builder, and the errors for invalid ones.

use std::time::Duration;

use cache_core::{BuildError, EvictionPolicy, Ttl};

use crate::contract::support::common::caught;
use crate::harness::{Cache, Rt, run, runtime};

type Builder = cache_core::Builder<u32, u64, Rt>;

/// A generic type that holds a cache.
struct Repository<K, V> {
    cache: Cache<K, V>,
}

#[test]
fn a_generic_type_holds_a_cache_without_bounds_on_its_types() {
    run(|| async {
        let repository = Repository {
            cache: Cache::<u32, u64>::builder_on(runtime())
                .name("users")
                .build(),
        };
        repository.cache.insert(1, 1);
        assert_eq!(repository.cache.get(&1), Some(1));
        assert_eq!(repository.cache.name(), Some("users"));
    });
}

fn refused(set: impl Fn(Builder) -> Builder) -> BuildError {
    let builder = || set(Cache::builder_on(runtime()));
    let error = builder().try_build().expect_err("a mistake");
    let panicked = caught(|| builder().build()).expect_err("a mistake");
    assert_eq!(panicked, error.to_string(), "build() says the same");
    error
}

#[test]
fn an_invalid_setting_is_rejected_with_its_name_its_value_and_the_rule() {
    const LONGER: &str = "is 0ns, but it must be longer than zero";
    const POWER: &str = "but it must be a power of two";
    type Set = fn(Builder) -> Builder;
    run(|| async {
        let mistakes: [(Set, &str, String); 9] = [
            (
                |builder| builder.time_to_live(Duration::ZERO),
                "time_to_live",
                LONGER.into(),
            ),
            (
                |builder| builder.time_to_idle(Duration::ZERO),
                "time_to_idle",
                LONGER.into(),
            ),
            (
                |builder| builder.load_timeout(Duration::ZERO),
                "load_timeout",
                LONGER.into(),
            ),
            (
                |builder| builder.error_ttl(Duration::ZERO),
                "error_ttl",
                LONGER.into(),
            ),
            (
                |builder| builder.shards(0),
                "shards",
                format!("is 0, {POWER}"),
            ),
            (
                |builder| builder.shards(3),
                "shards",
                format!("is 3, {POWER}"),
            ),
            (
                |builder| builder.shards(1 << 17),
                "shards",
                "is 131072, but it must be at most 65536".into(),
            ),
            (
                |builder| builder.shards(usize::MAX),
                "shards",
                format!("is {}, {POWER}", usize::MAX),
            ),
            (
                |builder| builder.shards(2).eviction_policy(EvictionPolicy::Lru),
                "shards",
                "is 2, but it must be 1 for an exact LRU order".into(),
            ),
        ];
        for (set, field, words) in mistakes {
            let error = refused(set);
            assert_eq!(error.field(), field);
            assert_eq!(error.to_string(), format!("{field} {words}"));
        }
    });
}

#[test]
fn the_smallest_and_largest_allowed_settings_are_accepted() {
    type Set = fn(Builder) -> Builder;
    run(|| async {
        let extremes: [Set; 8] = [
            |builder| builder.time_to_live(Duration::MAX),
            |builder| builder.time_to_live(Duration::from_nanos(1)),
            |builder| builder.time_to_idle(Duration::MAX),
            |builder| builder.load_timeout(Duration::MAX).error_ttl(Duration::MAX),
            |builder| builder.max_capacity(0).shards(1),
            |builder| builder.max_capacity(u64::MAX),
            |builder| builder.max_capacity(1).shards(1 << 16),
            |builder| builder.shards(1).eviction_policy(EvictionPolicy::Lru),
        ];
        for set in extremes {
            let cache = set(Cache::builder_on(runtime())).build();
            cache.insert_with_ttl(1, 1, Ttl::Never);
            assert_eq!(cache.get_with(2, || async { 2 }).await, 2);
        }
    });
}

#[test]
fn debug_output_of_a_builder_shows_its_settings() {
    run(|| async {
        let builder: Builder = Cache::builder_on(runtime())
            .max_capacity(12)
            .time_to_live(Duration::from_secs(34));
        let words = format!("{builder:?}");
        assert!(words.contains("12") && words.contains("34s"), "{words}");
        let cache = builder.build();
        cache.insert(1, 1);
        assert!(format!("{cache:?}").contains("entry_count: 1"));
    });
}
