//! The facade of the crate `metrics`.

use cache_core::{BatchEnded, LoadEnded, Observer};

use crate::registry::Registry;
use crate::table::{Read, metrics as table};

/// Passes the figures of all live caches to the recorder of the crate `metrics`.
///
/// The recorder only receives: call this before each scrape, or in a task every few seconds.
/// Counters are set to the counts of the cache. The facade has no counters of fractions, so the two
/// counters of seconds are gauges there. A gauge of a cache that is dropped keeps its last value.
/// [`MetricsObserver`] records the histograms.
///
/// ```
/// use cache_metrics::{Registry, publish};
/// use cache_tokio::Cache;
///
/// # fn main() -> Result<(), cache_metrics::RegisterError> {
/// let registry = Registry::new();
/// let users: Cache<u64, u64> = Cache::builder().name("users").build();
/// registry.register(&users)?;
/// // In the handler of `/metrics`, before the recorder renders:
/// publish(&registry);
/// # Ok(())
/// # }
/// ```
pub fn publish(registry: &Registry) {
    for cache in registry.figures() {
        let label = ("cache", cache.name.to_string());
        for metric in table().filter(|metric| metric.applies_to(&cache)) {
            let name = metric.full_name("cache");
            match metric.read {
                Read::Counter(value) => {
                    metrics::counter!(name, std::slice::from_ref(&label)).absolute(value(&cache));
                }
                Read::Counters(key, values) => {
                    for &(what, value) in values {
                        let labels = [label.clone(), (key, what.to_owned())];
                        metrics::counter!(name.clone(), &labels).absolute(value(&cache));
                    }
                }
                Read::Seconds(value) | Read::GaugeSeconds(value) => {
                    metrics::gauge!(name, std::slice::from_ref(&label))
                        .set(value(&cache).as_secs_f64());
                }
                Read::Gauge(value) => {
                    if let Some(value) = value(&cache) {
                        #[expect(clippy::cast_precision_loss, reason = "gauges are f64")]
                        metrics::gauge!(name, std::slice::from_ref(&label)).set(value as f64);
                    }
                }
                Read::LoadTimes | Read::BatchSizes => {}
            }
        }
    }
}

/// An [`Observer`] that records how long loads take, and how many keys batches have, with the
/// crate `metrics`.
///
/// ```
/// use cache_metrics::MetricsObserver;
/// use cache_tokio::Cache;
///
/// let users: Cache<u64, u64> = Cache::builder().name("users").observer(MetricsObserver).build();
/// # drop(users);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsObserver;

impl Observer for MetricsObserver {
    fn load_ended(&self, load: &LoadEnded<'_>) {
        let mut labels = of_cache(load.cache);
        labels.push(("result", load.result.name().to_owned()));
        metrics::histogram!("cache_load_duration_seconds", &labels).record(load.took);
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        // A batch without keys never called its loader.
        if batch.keys > 0 {
            #[expect(clippy::cast_precision_loss, reason = "histograms are f64")]
            let keys = batch.keys as f64;
            metrics::histogram!("cache_batch_size", &of_cache(batch.cache)).record(keys);
        }
    }
}

fn of_cache(name: Option<&str>) -> Vec<(&'static str, String)> {
    name.map(|name| ("cache", name.to_owned()))
        .into_iter()
        .collect()
}
