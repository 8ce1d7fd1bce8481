//! What each exporter exports, compared with the table of metrics.

#![cfg(all(
    feature = "prometheus-client",
    feature = "opentelemetry",
    feature = "metrics"
))]

use std::collections::BTreeMap;
use std::time::Duration;

use cache_metrics::{
    MetricsObserver, OpenTelemetryObserver, PrometheusCollector, RegisterError, Registry,
    opentelemetry_instruments, publish,
};
use cache_tokio::{BatchLoader, Builder, Cache};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

/// The table: OpenTelemetry's name and unit, Prometheus' name and kind, and the labels.
const TABLE: &str = "\
cache.requests {request} | cache_requests_total counter | result=hit,miss
cache.requests.coalesced {request} | cache_requests_coalesced_total counter |
cache.requests.stale {request} | cache_requests_stale_total counter | reason=error,revalidate,slow
cache.insertions {entry} | cache_insertions_total counter |
cache.evictions {entry} | cache_evictions_total counter | cause=expired,oversized,size
cache.removals {entry} | cache_removals_total counter | cause=explicit,replaced
cache.loads {load} | cache_loads_total counter | result=dropped,failure,success
cache.loads.fenced {load} | cache_loads_fenced_total counter |
cache.refreshes {load} | cache_refreshes_total counter |
cache.refreshes.failed {load} | cache_refreshes_failed_total counter |
cache.refreshes.fenced {load} | cache_refreshes_fenced_total counter |
cache.refreshes.skipped {load} | cache_refreshes_skipped_total counter |
cache.load.time s | cache_load_seconds_total counter |
cache.load.duration s | cache_load_duration_seconds histogram | result=dropped,failure,success
cache.load.active {load} | cache_loads_in_flight gauge |
cache.batches {batch} | cache_batches_total counter | result=dropped,failure,success
cache.batch.keys {key} | cache_batch_keys_total counter |
cache.batch.size {key} | cache_batch_size histogram |
cache.batch.window.time s | cache_batch_window_seconds_total counter |
cache.entry.count {entry} | cache_entries gauge |
cache.weight 1 | cache_weight gauge |
cache.capacity.limit 1 | cache_capacity gauge |
cache.size By | cache_size_bytes gauge |
cache.size.limit By | cache_size_limit_bytes gauge |
cache.memory.usage By | cache_memory_bytes gauge |";

struct Row {
    otel: &'static str,
    unit: &'static str,
    prometheus: &'static str,
    kind: &'static str,
    label: &'static str,
}

fn table() -> Vec<Row> {
    let rows = TABLE.lines().map(|line| {
        let mut cells = line.split('|').map(str::trim);
        let mut pair = || {
            let cell = cells.next().expect("a cell");
            cell.split_once(' ').unwrap_or((cell, ""))
        };
        let ((otel, unit), (prometheus, kind)) = (pair(), pair());
        let label = cells.next().unwrap_or("");
        Row {
            otel,
            unit,
            prometheus,
            kind,
            label,
        }
    });
    rows.collect()
}

/// A cache with one hit, two misses, a load of 20 ms, a failed load and a batch of two keys.
async fn used(builder: Builder<u64, u64>) -> Cache<u64, u64> {
    let cache = builder.build();
    let load = || async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        7
    };
    cache.get_with(1, load).await;
    cache.get_with(1, || async { 8 }).await;
    let failed = cache
        .try_get_with(2, || async { Err::<u64, _>("down") })
        .await;
    assert!(failed.is_err());
    let view: BatchLoader<u64, u64> = cache.batching(|keys: Vec<u64>| async move { keys });
    view.get_all([3, 4]).await;
    cache
}

fn builder(name: &str) -> Builder<u64, u64> {
    Cache::builder().name(name).max_capacity(100)
}

/// The samples of a text: from name and labels to the value.
fn samples(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a name and a value"))
        .collect()
}

/// The samples of a text, with sorted labels and with numbers.
fn parsed(text: &str) -> BTreeMap<(String, Vec<String>), f64> {
    let parse = |(series, value): (&str, &str)| {
        let (name, labels) = series.split_once('{').expect("labels");
        let labels = labels.trim_end_matches('}').split(',');
        let mut labels: Vec<_> = labels.map(str::to_owned).collect();
        labels.sort();
        let value = value.parse().expect("a number");
        ((name.to_owned(), labels), value)
    };
    samples(text).into_iter().map(parse).collect()
}

#[tokio::test(start_paused = true)]
async fn the_text_has_each_metric_of_the_table_with_its_kind_and_labels()
-> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = builder("users").build();
    registry.register_in_bytes(&cache)?;
    let text = registry.prometheus_text("cache");
    let types: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let expected: Vec<_> = table()
        .iter()
        .map(|row| format!("{} {}", row.prometheus, row.kind))
        .collect();
    assert_eq!(types, expected);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for series in samples(&text).keys() {
        let (name, labels) = series.split_once('{').expect("labels");
        if name.ends_with("_bucket") || name.ends_with("_sum") {
            continue;
        }
        let labels = labels.trim_end_matches('}').replace('"', "");
        let own = labels
            .strip_prefix("cache=users")
            .expect("the cache is the first label");
        found
            .entry(name.trim_end_matches("_count").to_owned())
            .or_default()
            .push(own.trim_start_matches(',').to_owned());
    }
    for row in table() {
        let mut values = found.remove(row.prometheus).unwrap_or_default();
        values.sort();
        let expected: Vec<_> = match row.label.split_once('=') {
            Some((key, names)) => names
                .split(',')
                .map(|name| format!("{key}={name}"))
                .collect(),
            None => vec![String::new()],
        };
        assert_eq!(values, expected, "{}", row.prometheus);
    }
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_text_has_the_figures_of_each_cache() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = builder("a").build();
    let unbounded: Cache<u64, u64> = Cache::builder().name("b\"\\").build();
    registry.register(&cache)?;
    registry.register(&unbounded)?;
    drop(cache);
    let cache = builder("a").build();
    registry.register(&cache)?;
    let load = || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        7
    };
    cache.get_with(1, load).await;
    let text = registry.prometheus_text("shop_cache");
    let samples = samples(&text);
    let expect = |name: &str, value: &str| {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    };
    expect(
        "shop_cache_requests_total{cache=\"a\",result=\"miss\"}",
        "1",
    );
    expect(
        "shop_cache_loads_total{cache=\"a\",result=\"success\"}",
        "1",
    );
    expect("shop_cache_load_seconds_total{cache=\"a\"}", "0.05");
    let bucket = |le: &str| {
        format!(
            "shop_cache_load_duration_seconds_bucket{{cache=\"a\",result=\"success\",le=\"{le}\"}}"
        )
    };
    for (le, count) in [("0.01", "0"), ("0.05", "1"), ("10.0", "1"), ("+Inf", "1")] {
        expect(&bucket(le), count);
    }
    expect("shop_cache_capacity{cache=\"a\"}", "100");
    expect("shop_cache_entries{cache=\"b\\\"\\\\\"}", "0");
    assert!(
        !text.contains("shop_cache_capacity{cache=\"b"),
        "it has no bound"
    );
    assert!(
        !text.contains("shop_cache_size_bytes{"),
        "no weigher returns bytes"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_text_has_the_figures_of_refreshes_and_stale_values() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = builder("users")
        .time_to_live(Duration::from_secs(300))
        .stale_while_revalidate(Duration::from_secs(60))
        .stale_if_error(Duration::from_secs(3_600))
        .build();
    registry.register(&cache)?;
    let down = || async { Err::<u64, _>("down") };
    cache.insert(1, 10);
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(cache.try_get_with(1, down).await, Ok(10));
    while cache.stats().refresh_failures == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(cache.try_get_with(1, down).await, Ok(10));
    let text = registry.prometheus_text("cache");
    let samples = samples(&text);
    for (name, value) in [
        (
            "requests_stale_total{cache=\"users\",reason=\"revalidate\"}",
            "1",
        ),
        (
            "requests_stale_total{cache=\"users\",reason=\"error\"}",
            "1",
        ),
        ("requests_stale_total{cache=\"users\",reason=\"slow\"}", "0"),
        ("refreshes_total{cache=\"users\"}", "1"),
        ("refreshes_failed_total{cache=\"users\"}", "1"),
        ("refreshes_fenced_total{cache=\"users\"}", "0"),
        ("refreshes_skipped_total{cache=\"users\"}", "0"),
    ] {
        let series = format!("cache_{name}");
        assert_eq!(samples.get(&*series), Some(&value), "{series}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_collector_and_the_text_have_the_same_samples() -> Result<(), RegisterError> {
    let registry = Registry::new();
    let cache = used(builder("users")).await;
    registry.register(&cache)?;
    cache.get_with(9, || async { 9 }).await;
    let mut client = prometheus_client::registry::Registry::default();
    let collector = PrometheusCollector::new(registry.clone()).prefix("shop");
    client.register_collector(Box::new(collector));
    let mut encoded = String::new();
    prometheus_client::encoding::text::encode(&mut encoded, &client).expect("a string");
    let text = registry.prometheus_text("shop");
    assert_eq!(parsed(&encoded), parsed(&text));
    assert!(
        encoded.contains("# TYPE shop_requests counter\n"),
        "{encoded}"
    );
    Ok(())
}

#[test]
#[should_panic(expected = "prefix is \"1st\", but it must have letters")]
fn a_prefix_that_is_no_name_panics() {
    let _ = Registry::new().prometheus_text("1st");
}

#[tokio::test(start_paused = true)]
async fn opentelemetry_gets_each_metric_of_the_table_with_its_unit() -> Result<(), RegisterError> {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let (registry, meter) = (Registry::new(), provider.meter("test"));
    opentelemetry_instruments(&registry, &meter);
    let cache = used(builder("users").observer(OpenTelemetryObserver::new(&meter))).await;
    registry.register_in_bytes(&cache)?;
    provider.force_flush().expect("it exports");
    let exported = exporter.get_finished_metrics().expect("it exports");
    let mut found = BTreeMap::new();
    let mut hits = None;
    for metric in exported
        .iter()
        .flat_map(|all| all.scope_metrics())
        .flat_map(|s| s.metrics())
    {
        found.insert(metric.name().to_owned(), metric.unit().to_owned());
        if let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data()
            && metric.name() == "cache.requests"
        {
            for point in sum.data_points() {
                let labels: Vec<_> = point.attributes().map(|kv| format!("{kv:?}")).collect();
                let labels = labels.concat();
                assert!(
                    labels.contains("cache.name") && labels.contains("users"),
                    "{labels}"
                );
                if labels.contains("hit") {
                    hits = Some(point.value());
                }
            }
        }
        if let AggregatedMetrics::F64(MetricData::Histogram(times)) = metric.data() {
            let count: u64 = times.data_points().map(|point| point.count()).sum();
            let stats = cache.stats();
            assert_eq!(count, stats.load_successes + stats.load_failures);
        }
    }
    assert_eq!(hits, Some(1));
    let expected: BTreeMap<_, _> = table()
        .iter()
        .map(|row| (row.otel.to_owned(), row.unit.to_owned()))
        .collect();
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn the_facade_gets_each_metric_of_the_table() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        let registry = Registry::new();
        let cache = runtime.block_on(used(builder("users").observer(MetricsObserver)));
        registry
            .register_in_bytes(&cache)
            .expect("the name is free");
        publish(&registry);
    });
    let mut found = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key
            .key()
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        found.insert(format!("{} {}", key.key().name(), labels.join(",")), value);
    }
    let is = |name: &str| found.keys().any(|key| key.split(' ').next() == Some(name));
    for row in table() {
        assert!(is(row.prometheus), "{}: {:?}", row.prometheus, found.keys());
    }
    let (hits, time) = found
        .iter()
        .fold((None, None), |(hits, time), (name, value)| match value {
            DebugValue::Counter(n) if name.contains("requests_total") && name.contains("hit") => {
                (Some(*n), time)
            }
            DebugValue::Gauge(n) if name.contains("load_seconds_total") => (hits, Some(n.0)),
            _ => (hits, time),
        });
    assert_eq!(hits, Some(1));
    assert!(time.is_some_and(|seconds| seconds >= 0.02), "{time:?}");
}
