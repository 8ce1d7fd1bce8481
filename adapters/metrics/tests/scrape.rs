//! What a scrape costs.

use std::time::{Duration, Instant};

use cache_metrics::Registry;
use cache_tokio::Cache;

/// Generous for a busy machine and a build that is not optimized: the page of the package has the
/// figure of an optimized build.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 100 } else { 5 });

#[test]
fn a_scrape_of_100_caches_is_fast() {
    let registry = Registry::new();
    let caches = (0..100).map(|n| {
        let name = format!("cache {n}");
        let cache: Cache<u64, u64> = Cache::builder().name(name).max_capacity(1_000).build();
        cache.insert(n, n);
        registry.register(&cache).expect("the name is free");
        cache
    });
    let caches: Vec<_> = caches.collect();
    let scrape = || {
        let started = Instant::now();
        let text = registry.prometheus_text("cache");
        assert!(text.contains("cache_entries{cache=\"cache 99\"} 1\n"));
        started.elapsed()
    };
    let fastest = (0..20).map(|_| scrape()).min().expect("there are scrapes");
    println!("a scrape of 100 caches: {fastest:?}");
    assert!(fastest < LIMIT, "{fastest:?}");
    drop(caches);
}
