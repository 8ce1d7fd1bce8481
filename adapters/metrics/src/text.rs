//! The text format of Prometheus, without a dependency.

use std::fmt::{self, Write};

use crate::observed::Snapshot;
use crate::registry::Registry;
use crate::table::{Buckets, KEYS, Read, SECONDS, batch_sizes, load_times, metrics};

impl Registry {
    /// Returns the figures of all live caches in the text format of Prometheus, version 0.0.4.
    /// O(caches).
    ///
    /// A server answers `GET /metrics` with it, with the content type
    /// `text/plain; version=0.0.4`. `prefix` is the first part of each name: `cache` in most
    /// programs.
    ///
    /// This method is for programs whose only metrics are those of their caches: it needs no
    /// feature and no client library. The `PrometheusCollector` of the feature `prometheus-client`
    /// adds the same samples to a registry that the program has already. That library encodes
    /// OpenMetrics only; the format here is the one that `promtool check metrics` reads.
    ///
    /// # Panics
    /// If `prefix` is not a name: letters, digits and underscores, and no digit first.
    ///
    /// ```
    /// use cache_metrics::Registry;
    /// use cache_tokio::Cache;
    ///
    /// # fn main() -> Result<(), cache_metrics::RegisterError> {
    /// let registry = Registry::new();
    /// let users: Cache<u64, u64> = Cache::builder().name("users").build();
    /// registry.register(&users)?;
    /// users.get(&1);
    /// let text = registry.prometheus_text("cache");
    /// assert!(text.contains("\ncache_requests_total{cache=\"users\",result=\"miss\"} 1\n"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn prometheus_text(&self, prefix: &str) -> String {
        check_prefix(prefix);
        let caches = self.snapshots();
        let mut text = String::with_capacity(2_048 + 4_096 * caches.len());
        render(&mut text, prefix, &caches).expect("a string takes all text");
        text
    }
}

/// Checks the first part of the names of metrics.
pub(crate) fn check_prefix(prefix: &str) {
    let is_name = prefix
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    let begins = prefix.starts_with(|c: char| !c.is_ascii_digit());
    assert!(
        is_name && begins,
        "prefix is {prefix:?}, but it must have letters, digits and underscores, no digit first"
    );
}

fn render(text: &mut String, prefix: &str, caches: &[Snapshot]) -> fmt::Result {
    let labels: Vec<String> = caches.iter().map(|cache| escaped(&cache.name)).collect();
    let (seconds, keys) = (bounds(&SECONDS), bounds(&KEYS));
    for metric in metrics().filter(|metric| metric.is_named_for(caches)) {
        let kind = match metric.read {
            Read::Counter(_) | Read::Counters(..) | Read::Seconds(_) => "counter",
            Read::Gauge(_) | Read::GaugeSeconds(_) => "gauge",
            Read::LoadTimes | Read::BatchSizes => "histogram",
        };
        let name = metric.full_name(prefix);
        write!(
            text,
            "# HELP {name} {}\n# TYPE {name} {kind}\n",
            metric.help
        )?;
        let labeled = caches.iter().zip(&labels);
        for (cache, label) in labeled.filter(|(cache, _)| metric.applies_to(cache)) {
            match metric.read {
                Read::LoadTimes => {
                    for (result, buckets) in load_times(cache) {
                        let labels = format!("cache=\"{label}\",result=\"{result}\"");
                        render_histogram(text, &name, &labels, &buckets, &seconds)?;
                    }
                }
                Read::BatchSizes => {
                    if let Some(buckets) = batch_sizes(cache) {
                        let labels = format!("cache=\"{label}\"");
                        render_histogram(text, &name, &labels, &buckets, &keys)?;
                    }
                }
                read => render_one(text, &name, read, cache, label)?,
            }
        }
    }
    Ok(())
}

fn render_one(
    text: &mut String,
    name: &str,
    read: Read,
    cache: &Snapshot,
    label: &str,
) -> fmt::Result {
    match read {
        Read::Counter(value) => writeln!(text, "{name}{{cache=\"{label}\"}} {}", value(cache)),
        Read::Counters(key, values) => {
            for (what, value) in values {
                let value = value(cache);
                writeln!(text, "{name}{{cache=\"{label}\",{key}=\"{what}\"}} {value}")?;
            }
            Ok(())
        }
        Read::Seconds(value) | Read::GaugeSeconds(value) => {
            let seconds = value(cache).as_secs_f64();
            writeln!(text, "{name}{{cache=\"{label}\"}} {seconds:?}")
        }
        Read::Gauge(value) => match value(cache) {
            Some(value) => writeln!(text, "{name}{{cache=\"{label}\"}} {value}"),
            None => Ok(()),
        },
        Read::LoadTimes | Read::BatchSizes => Ok(()),
    }
}

/// The bounds of a histogram as the values of a label.
fn bounds(bounds: &[f64]) -> Vec<String> {
    let infinite = ["+Inf".to_owned()];
    let named = bounds.iter().map(|bound| format!("{bound:?}"));
    named.chain(infinite).collect()
}

fn render_histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    from: &Buckets,
    bounds: &[String],
) -> fmt::Result {
    writeln!(text, "{name}_sum{{{labels}}} {:?}", from.sum)?;
    writeln!(text, "{name}_count{{{labels}}} {}", from.count)?;
    let mut below = 0;
    for ((_, count), bound) in from.buckets.iter().zip(bounds) {
        below += count;
        writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}")?;
    }
    Ok(())
}

/// The name of a cache as the value of a label.
fn escaped(name: &str) -> String {
    let name = name.replace('\\', "\\\\");
    name.replace('"', "\\\"").replace('\n', "\\n")
}
