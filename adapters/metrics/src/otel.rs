//! Instruments of OpenTelemetry.

use std::time::Duration;

use cache_core::{BatchEnded, LoadEnded, Observer};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};

use crate::observed::Snapshot;
use crate::registry::Registry;
use crate::table::{KEYS, Metric, Read, SECONDS, metrics};

/// Makes the observable instruments of the caches of a [`Registry`]. OpenTelemetry reads them at
/// each collection.
///
/// Its histograms are not observable: [`OpenTelemetryObserver`] records them.
///
/// ```
/// use cache_metrics::{OpenTelemetryObserver, Registry, opentelemetry_instruments};
/// use cache_tokio::Cache;
///
/// # fn main() -> Result<(), cache_metrics::RegisterError> {
/// let meter = opentelemetry::global::meter("shop");
/// let registry = Registry::new();
/// opentelemetry_instruments(&registry, &meter);
///
/// let users: Cache<u64, u64> =
///     Cache::builder().name("users").observer(OpenTelemetryObserver::new(&meter)).build();
/// registry.register(&users)?;
/// # Ok(())
/// # }
/// ```
pub fn opentelemetry_instruments(registry: &Registry, meter: &Meter) {
    for metric in metrics() {
        let (name, registry) = (name_of(metric), registry.clone());
        match metric.read {
            Read::Counter(_) | Read::Counters(..) => {
                let counter = meter.u64_observable_counter(name).with_unit(metric.unit);
                let counter = counter.with_description(metric.help);
                let _registered = counter
                    .with_callback(move |to| observe(&registry, metric, to))
                    .build();
            }
            Read::Gauge(_) => {
                let gauge = meter.u64_observable_gauge(name).with_unit(metric.unit);
                let gauge = gauge.with_description(metric.help);
                let _registered = gauge
                    .with_callback(move |to| observe(&registry, metric, to))
                    .build();
            }
            Read::Seconds(value) => {
                let counter = meter.f64_observable_counter(name).with_unit(metric.unit);
                let _registered = counter
                    .with_description(metric.help)
                    .with_callback(move |to| observe_seconds(&registry, metric, value, to))
                    .build();
            }
            Read::GaugeSeconds(value) => {
                let gauge = meter.f64_observable_gauge(name).with_unit(metric.unit);
                let _registered = gauge
                    .with_description(metric.help)
                    .with_callback(move |to| observe_seconds(&registry, metric, value, to))
                    .build();
            }
            Read::LoadTimes | Read::BatchSizes => {}
        }
    }
}

/// The caches that have `metric`, each with its attribute.
fn observed(registry: &Registry, metric: &Metric) -> impl Iterator<Item = (Snapshot, KeyValue)> {
    let caches = registry.figures();
    let caches = caches.filter(|cache| metric.applies_to(cache));
    caches.map(|cache| {
        let name = KeyValue::new("cache.name", cache.name.clone());
        (cache, name)
    })
}

fn observe_seconds(
    registry: &Registry,
    metric: &Metric,
    value: fn(&Snapshot) -> Duration,
    to: &dyn AsyncInstrument<f64>,
) {
    for (cache, of_cache) in observed(registry, metric) {
        to.observe(value(&cache).as_secs_f64(), &[of_cache]);
    }
}

fn observe(registry: &Registry, metric: &Metric, to: &dyn AsyncInstrument<u64>) {
    for (cache, of_cache) in observed(registry, metric) {
        match metric.read {
            Read::Counter(value) => to.observe(value(&cache), &[of_cache]),
            Read::Counters(key, values) => {
                for &(what, value) in values {
                    to.observe(value(&cache), &[of_cache.clone(), KeyValue::new(key, what)]);
                }
            }
            Read::Gauge(value) => {
                if let Some(value) = value(&cache) {
                    to.observe(value, &[of_cache]);
                }
            }
            Read::Seconds(_) | Read::GaugeSeconds(_) | Read::LoadTimes | Read::BatchSizes => {}
        }
    }
}

/// An [`Observer`] that records how long loads take, and how many keys batches have.
///
/// ```
/// use cache_metrics::OpenTelemetryObserver;
/// use cache_tokio::Cache;
///
/// let meter = opentelemetry::global::meter("shop");
/// let users: Cache<u64, u64> =
///     Cache::builder().name("users").observer(OpenTelemetryObserver::new(&meter)).build();
/// # drop(users);
/// ```
#[derive(Debug, Clone)]
pub struct OpenTelemetryObserver {
    load_duration: Histogram<f64>,
    batch_size: Histogram<u64>,
}

impl OpenTelemetryObserver {
    /// Creates the observer, with histograms of `meter`. One observer serves any number of caches.
    ///
    /// ```
    /// use cache_metrics::OpenTelemetryObserver;
    ///
    /// let observer = OpenTelemetryObserver::new(&opentelemetry::global::meter("shop"));
    /// # drop(observer);
    /// ```
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        let find = |wanted: fn(&Read) -> bool| {
            let found = metrics().find(|metric| wanted(&metric.read));
            found.expect("the table has both histograms")
        };
        let times = find(|read| matches!(read, Read::LoadTimes));
        let sizes = find(|read| matches!(read, Read::BatchSizes));
        let load_duration = meter.f64_histogram(name_of(times)).with_unit(times.unit);
        let batch_size = meter.u64_histogram(name_of(sizes)).with_unit(sizes.unit);
        Self {
            load_duration: load_duration
                .with_description(times.help)
                .with_boundaries(SECONDS.to_vec())
                .build(),
            batch_size: batch_size
                .with_description(sizes.help)
                .with_boundaries(KEYS.to_vec())
                .build(),
        }
    }
}

impl Observer for OpenTelemetryObserver {
    fn load_ended(&self, load: &LoadEnded<'_>) {
        let result = KeyValue::new("result", load.result.name());
        let labels: Vec<_> = of_cache(load.cache).chain([result]).collect();
        self.load_duration.record(load.took.as_secs_f64(), &labels);
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        // A batch without keys never called its loader.
        if batch.keys > 0 {
            let labels: Vec<_> = of_cache(batch.cache).collect();
            self.batch_size.record(batch.keys, &labels);
        }
    }
}

fn of_cache(name: Option<&str>) -> impl Iterator<Item = KeyValue> + use<> {
    let name = name.map(|name| KeyValue::new("cache.name", name.to_owned()));
    name.into_iter()
}

fn name_of(metric: &Metric) -> String {
    format!("cache.{}", metric.otel)
}
