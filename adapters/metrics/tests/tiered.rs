//! The figures of tiered caches, in the registry and in each exporter.

#![cfg(all(
    feature = "prometheus-client",
    feature = "opentelemetry",
    feature = "metrics"
))]

use std::collections::{BTreeMap, BTreeSet};

use cache_core::testing::MemoryTier;
use cache_core::tier::Tiered;
use cache_metrics::{
    PrometheusCollector, RegisterError, Registry, opentelemetry_instruments, publish,
};
use cache_tokio::{Cache, Tokio};
use metrics_util::debugging::DebuggingRecorder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

/// OpenTelemetry's name and unit, Prometheus' name and kind.
const TABLE: &str = "\
cache.tier.loads {load} | cache_tier_loads_total counter
cache.tier.fetches {call} | cache_tier_fetches_total counter
cache.tier.fetch.keys {key} | cache_tier_fetched_keys_total counter
cache.tier.fills {entry} | cache_tier_fills_total counter
cache.tier.waits {key} | cache_tier_waits_total counter
cache.tier.waits.expired {load} | cache_tier_waits_expired_total counter
cache.tier.invalidations {key} | cache_tier_invalidations_total counter
cache.tier.clears {message} | cache_tier_clears_total counter
cache.tier.unreadable {entry} | cache_tier_unreadable_total counter
cache.tier.failures {call} | cache_tier_failures_total counter
cache.tier.connections {connection} | cache_tier_connections_total counter
cache.tier.requests.past_horizon {request} | cache_tier_requests_past_horizon_total counter
cache.tier.horizon.lag s | cache_tier_horizon_lag_seconds gauge
cache.tier.breaker.open 1 | cache_tier_breaker_open gauge";

type Users = Tiered<u64, u64, MemoryTier<u64, u64, Tokio>, Tokio>;

/// A registry with a cache without a second tier, and with one of two processes that share one: the
/// first process has a miss of both tiers, the second a hit of the second tier.
async fn used(registry: &Registry) -> Result<(Cache<u64, u64>, Users, Users), RegisterError> {
    let plain: Cache<u64, u64> = Cache::builder().name("plain").build();
    let server = MemoryTier::new(Tokio::default());
    let users = |tier| Cache::builder().name("users").tiered(tier);
    let (first, second) = (users(server.process()), users(server.process()));
    registry.register(&plain)?;
    registry.register(&first)?;
    first.get_with(1, || async { 1 }).await;
    second.get_with(1, || async { 2 }).await;
    second.invalidate(&1).await.expect("the server answers");
    Ok((plain, first, second))
}

fn column(column: usize) -> BTreeSet<String> {
    let cells = TABLE.lines().map(|line| line.split(" | ").nth(column));
    cells.map(|cell| cell.expect("a cell").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_registered_tiered_cache_has_the_figures_of_both_tiers() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let (_plain, first, second) = used(&registry).await?;
    let snapshots = registry.snapshots();
    assert_eq!(snapshots[0].tier, None);
    let users = &snapshots[1];
    assert_eq!(users.stats, first.cache().stats());
    let tier = users.tier.expect("it has a second tier");
    assert_eq!((tier.hits, tier.misses, tier.fills_stored), (0, 1, 1));
    assert_eq!(
        (second.tier_stats().hits, second.tier_stats().removals_sent),
        (1, 1)
    );
    assert!(users.histograms.is_some());
    drop((first, second));
    assert_eq!(registry.snapshots().len(), 1, "it keeps no cache alive");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_text_has_the_figures_of_the_second_tier_for_tiered_caches_only()
-> Result<(), RegisterError> {
    let registry = Registry::new();
    let (plain, first, _second) = used(&registry).await?;
    let text = registry.prometheus_text("cache");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let of_tier: BTreeSet<String> = types
        .filter(|line| line.contains("_tier_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(of_tier, column(1));
    for (series, value) in [
        ("loads_total{cache=\"users\",result=\"miss\"}", "1"),
        ("fills_total{cache=\"users\",result=\"stored\"}", "1"),
        ("breaker_open{cache=\"users\"}", "0"),
        ("horizon_lag_seconds{cache=\"users\"}", "0.0"),
    ] {
        let line = format!("\ncache_tier_{series} {value}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    let of_plain = text.lines().filter(|line| line.contains("\"plain\""));
    assert_eq!(of_plain.filter(|line| line.contains("_tier_")).count(), 0);

    drop(first);
    let text = registry.prometheus_text("cache");
    assert!(!text.contains("_tier_"), "no tiered cache is left: {text}");
    drop(plain);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_collector_has_the_same_samples_as_the_text() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let _caches = used(&registry).await?;
    let mut client = prometheus_client::registry::Registry::default();
    client.register_collector(Box::new(PrometheusCollector::new(registry.clone())));
    let mut encoded = String::new();
    prometheus_client::encoding::text::encode(&mut encoded, &client).expect("a string");
    let of_tier = |text: &str| -> BTreeMap<String, f64> {
        let lines = text.lines().filter(|line| line.starts_with("cache_tier_"));
        let pairs = lines.map(|line| line.rsplit_once(' ').expect("a name and a value"));
        pairs
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            .collect()
    };
    let samples = of_tier(&registry.prometheus_text("cache"));
    assert_eq!(samples.len(), 22);
    assert_eq!(of_tier(&encoded), samples);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn opentelemetry_and_the_facade_get_each_figure() -> Result<(), RegisterError> {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let registry = Registry::new();
    opentelemetry_instruments(&registry, &provider.meter("test"));
    let _caches = used(&registry).await?;
    provider.force_flush().expect("it exports");
    let exported = exporter.get_finished_metrics().expect("it exports");
    let metrics = exported.iter().flat_map(|all| all.scope_metrics());
    let metrics = metrics.flat_map(|scope| scope.metrics());
    let of_tier: BTreeSet<String> = metrics
        .filter(|metric| metric.name().starts_with("cache.tier."))
        .map(|metric| format!("{} {}", metric.name(), metric.unit()))
        .collect();
    assert_eq!(of_tier, column(0));

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || publish(&registry));
    let keys = snapshotter.snapshot().into_vec().into_iter();
    let names: BTreeSet<String> = keys
        .map(|(key, ..)| key.key().name().to_owned())
        .filter(|name| name.starts_with("cache_tier_"))
        .collect();
    let expected = column(1).into_iter();
    let expected: BTreeSet<String> = expected
        .map(|cell| cell.split(' ').next().expect("a name").to_owned())
        .collect();
    assert_eq!(names, expected);
    Ok(())
}
