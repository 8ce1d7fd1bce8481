//! The collector for prometheus-client.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::observed::Snapshot;
use crate::registry::Registry;
use crate::table::{Buckets, Read, batch_sizes, load_times, metrics};
use crate::text::check_prefix;

/// Exports the caches of a [`Registry`] through a registry of prometheus-client, which calls it at
/// each scrape.
///
/// ```
/// use cache_metrics::{PrometheusCollector, Registry};
/// use cache_tokio::Cache;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let caches = Registry::new();
/// let users: Cache<u64, u64> = Cache::builder().name("users").build();
/// caches.register(&users)?;
///
/// let mut registry = prometheus_client::registry::Registry::default();
/// registry.register_collector(Box::new(PrometheusCollector::new(caches)));
///
/// users.get(&1);
/// let mut text = String::new();
/// prometheus_client::encoding::text::encode(&mut text, &registry)?;
/// assert!(text.contains("cache_requests_total{cache=\"users\",result=\"miss\"} 1"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PrometheusCollector {
    caches: Registry,
    prefix: String,
}

impl PrometheusCollector {
    /// Creates a collector of `caches`, with the prefix `cache`.
    ///
    /// ```
    /// use cache_metrics::{PrometheusCollector, Registry};
    ///
    /// let collector = PrometheusCollector::new(Registry::new());
    /// # drop(collector);
    /// ```
    #[must_use]
    pub fn new(caches: Registry) -> Self {
        let prefix = "cache".to_owned();
        Self { caches, prefix }
    }

    /// Sets the first part of each name.
    ///
    /// # Panics
    /// If `prefix` is not a name: letters, digits and underscores, and no digit first.
    ///
    /// ```
    /// use cache_metrics::{PrometheusCollector, Registry};
    ///
    /// let collector = PrometheusCollector::new(Registry::new()).prefix("shop_cache");
    /// # drop(collector);
    /// ```
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        check_prefix(&self.prefix);
        self
    }
}

impl Collector for PrometheusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let caches = self.caches.snapshots();
        for metric in metrics().filter(|metric| metric.is_named_for(&caches)) {
            let kind = match metric.read {
                Read::Counter(_) | Read::Counters(..) | Read::Seconds(_) => MetricType::Counter,
                Read::Gauge(_) | Read::GaugeSeconds(_) => MetricType::Gauge,
                Read::LoadTimes | Read::BatchSizes => MetricType::Histogram,
            };
            let name = format!("{}_{}", self.prefix, metric.name);
            let mut encoder = encoder.encode_descriptor(&name, metric.help, None, kind)?;
            for cache in caches.iter().filter(|cache| metric.applies_to(cache)) {
                encode(&mut encoder, metric.read, cache)?;
            }
        }
        Ok(())
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, read: Read, cache: &Snapshot) -> fmt::Result {
    let of_cache = ("cache", &*cache.name);
    match read {
        Read::Counter(value) => encoder
            .encode_family(&[of_cache])?
            .encode_counter::<NoLabelSet, _, u64>(&value(cache), None),
        Read::Counters(key, values) => {
            for (what, value) in values {
                encoder
                    .encode_family(&[of_cache, (key, what)])?
                    .encode_counter::<NoLabelSet, _, u64>(&value(cache), None)?;
            }
            Ok(())
        }
        Read::Seconds(value) => encoder
            .encode_family(&[of_cache])?
            .encode_counter::<NoLabelSet, _, u64>(&value(cache).as_secs_f64(), None),
        Read::Gauge(value) => match value(cache) {
            Some(value) => encoder.encode_family(&[of_cache])?.encode_gauge(&value),
            None => Ok(()),
        },
        Read::GaugeSeconds(value) => encoder
            .encode_family(&[of_cache])?
            .encode_gauge(&value(cache).as_secs_f64()),
        Read::LoadTimes => {
            for (result, buckets) in load_times(cache) {
                let labels = [of_cache, ("result", result)];
                encode_histogram(encoder.encode_family(&labels)?, &buckets)?;
            }
            Ok(())
        }
        Read::BatchSizes => match batch_sizes(cache) {
            Some(buckets) => encode_histogram(encoder.encode_family(&[of_cache])?, &buckets),
            None => Ok(()),
        },
    }
}

fn encode_histogram(mut encoder: MetricEncoder<'_>, from: &Buckets) -> fmt::Result {
    encoder.encode_histogram::<NoLabelSet>(from.sum, from.count, &from.buckets, None)
}
