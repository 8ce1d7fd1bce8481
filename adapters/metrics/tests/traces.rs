//! The spans of loads and batches.

#![cfg(feature = "tracing")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_metrics::TracingObserver;
use cache_tokio::{BatchLoader, Cache};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

#[derive(Debug, Clone, Default)]
struct Seen {
    name: String,
    parent: Option<String>,
    follows: Vec<String>,
    fields: BTreeMap<String, String>,
    entered: u32,
    closed: bool,
}

/// A layer that keeps all spans.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Seen>>>);

impl Spans {
    fn with<T>(&self, id: &Id, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(self
            .0
            .lock()
            .expect("no panic")
            .entry(id.into_u64())
            .or_default())
    }

    fn named(&self, name: &str) -> Vec<Seen> {
        let spans = self.0.lock().expect("no panic");
        spans
            .values()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}").replace('"', "");
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it is new");
        let parent = span.parent().map(|parent| parent.name().to_owned());
        // The registry reuses ids.
        self.with(id, |seen| {
            *seen = Seen {
                name: span.name().to_owned(),
                parent,
                ..Seen::default()
            };
            attributes.record(seen);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with(id, |seen| values.record(seen));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let name = context.span(follows).expect("it is open").name().to_owned();
        self.with(id, |seen| seen.follows.push(name));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.with(id, |seen| seen.entered += 1);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.with(&id, |seen| seen.closed = true);
    }
}

fn traced(test: impl Future<Output = ()>) -> Spans {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    tracing::subscriber::with_default(subscriber, || runtime.block_on(test));
    spans
}

async fn slow(value: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(20)).await;
    value
}

#[test]
fn a_load_is_a_span_below_its_leader_that_follows_from_each_waiter() {
    let spans = traced(async {
        let cache: Cache<u64, u64> = Cache::builder()
            .name("users")
            .observer(TracingObserver)
            .build();
        let leader = cache
            .get_with(1, || slow(10))
            .instrument(info_span!("leader"));
        let first = cache
            .get_with(1, || slow(11))
            .instrument(info_span!("first waiter"));
        let second = cache
            .get_with(1, || slow(12))
            .instrument(info_span!("second waiter"));
        assert_eq!(tokio::join!(leader, first, second), (10, 10, 10));
        cache.get_with(1, || slow(13)).await;
    });
    let [load] = &spans.named("cache.load")[..] else {
        panic!("a hit has no span");
    };
    assert_eq!(load.parent.as_deref(), Some("leader"));
    assert_eq!(load.follows, ["first waiter", "second waiter"]);
    let field = |name: &str| load.fields.get(name).map(String::as_str);
    assert_eq!(field("cache.name"), Some("users"));
    assert_eq!(field("cache.load.kind"), Some("single"));
    assert_eq!(field("cache.load.result"), Some("success"));
    assert_eq!(field("cache.load.fenced"), Some("false"));
    assert_eq!(field("cache.load.waiters"), Some("2"));
    assert_eq!(field("cache.key"), None, "no closure names keys");
    assert!(load.closed && load.entered >= 2);
}

#[test]
fn keys_are_recorded_only_with_a_function_that_names_them() {
    let spans = traced(async {
        let cache: Cache<u64, u64> = Cache::builder()
            .observer(TracingObserver)
            .observed_keys(|key| format!("user {key}"))
            .build();
        cache.get_with(7, || slow(10)).await;
    });
    let load = &spans.named("cache.load")[0];
    assert_eq!(
        load.fields.get("cache.key").map(String::as_str),
        Some("user 7")
    );
}

#[test]
fn a_batch_is_one_span_for_all_its_keys() {
    let spans = traced(async {
        let cache: Cache<u64, u64> = Cache::builder().observer(TracingObserver).build();
        let view: BatchLoader<u64, u64> = cache.batching(|keys: Vec<u64>| async move { keys });
        let first = view.get_all([1, 2]).instrument(info_span!("first"));
        let second = view.get(3).instrument(info_span!("second"));
        let _ = tokio::join!(first, second);
    });
    let [batch] = &spans.named("cache.batch")[..] else {
        panic!("one batch loads all keys");
    };
    assert_eq!(batch.parent.as_deref(), Some("first"));
    assert_eq!(
        batch.follows,
        ["second"],
        "the first caller is not linked to itself"
    );
    let field = |name: &str| batch.fields.get(name).map(String::as_str);
    assert_eq!(field("cache.batch.size"), Some("3"));
    assert_eq!(field("cache.batch.reason"), Some("window"));
    assert_eq!(field("cache.batch.result"), Some("success"));
    assert!(batch.closed);
    assert!(spans.named("cache.load").is_empty());
}

#[test]
fn a_subscriber_that_is_not_interested_costs_no_span() {
    let spans = Spans::default();
    let filtered = spans
        .clone()
        .with_filter(tracing_subscriber::filter::LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry().with(filtered);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    tracing::subscriber::with_default(subscriber, || {
        runtime.expect("a runtime").block_on(async {
            let cache: Cache<u64, u64> = Cache::builder().observer(TracingObserver).build();
            cache.get_with(1, || async { 1 }).await;
        });
    });
    assert!(spans.named("cache.load").is_empty());
}
