//! Spans of the crate `tracing`.

use std::sync::{Mutex, PoisonError};

use cache_core::{
    BatchBegun, BatchDispatched, BatchEnded, LoadBegun, LoadEnded, Observation, Observer,
};
use tracing::span::Id;
use tracing::{Span, debug_span, field};

/// An [`Observer`] that makes a span for each load and for each batch, and none for a hit.
///
/// The spans have level `DEBUG` and target `cache`. Each is a child of the current span of the
/// caller that begins the load or opens the window, and follows from the current span of each other
/// caller that waits for it. It is entered whenever the loader is polled, on whichever task, so
/// what the loader logs is inside of it.
///
/// | span | fields |
/// |---|---|
/// | `cache.load` | `cache.name`, `cache.load.kind` (single, refresh, warm, compute), `cache.key`; at its end `cache.load.result` (success, failure, dropped), `cache.load.fenced`, `cache.load.waiters` |
/// | `cache.batch` | `cache.name`, `cache.batch.size`, `cache.batch.reason` (window, full, dispatch), `cache.batch.window_seconds`; at its end `cache.batch.result` |
///
/// `cache.key` is recorded only if the builder sets
/// [`observed_keys`](cache_core::Builder::observed_keys). A load that is part of a batch has no
/// span of its own.
///
/// ```
/// use cache_metrics::TracingObserver;
/// use cache_tokio::Cache;
///
/// let users: Cache<u64, String> = Cache::builder()
///     .name("users")
///     .observer(TracingObserver)
///     .observed_keys(|id| format!("user {id}"))
///     .build();
/// # drop(users);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
        observation(|| {
            debug_span!(
                target: "cache",
                "cache.load",
                cache.name = load.cache,
                cache.load.kind = load.kind.name(),
                cache.key = load.key,
                cache.load.result = field::Empty,
                cache.load.fenced = field::Empty,
                cache.load.waiters = field::Empty,
            )
        })
    }

    fn batch_begun(&self, batch: &BatchBegun<'_>) -> Option<Box<dyn Observation>> {
        observation(|| {
            debug_span!(
                target: "cache",
                "cache.batch",
                cache.name = batch.cache,
                cache.batch.size = field::Empty,
                cache.batch.reason = field::Empty,
                cache.batch.window_seconds = field::Empty,
                cache.batch.result = field::Empty,
            )
        })
    }
}

/// The span of a load or of a batch, until it ends.
struct Spanned(Mutex<Option<Linked>>);

struct Linked {
    span: Span,
    /// The parent, and the spans that this one follows from: a caller of several keys of one batch
    /// is linked once.
    known: Vec<Id>,
}

fn observation(make: impl FnOnce() -> Span) -> Option<Box<dyn Observation>> {
    let known = Span::current().id().into_iter().collect();
    let span = make();
    if span.is_disabled() {
        return None;
    }
    let linked = Mutex::new(Some(Linked { span, known }));
    Some(Box::new(Spanned(linked)))
}

impl Spanned {
    fn with<T>(&self, f: impl FnOnce(&mut Option<Linked>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The span, if it has not ended. A clone: a subscriber is foreign code, and runs unlocked.
    fn span(&self) -> Option<Span> {
        self.with(|linked| linked.as_ref().map(|linked| linked.span.clone()))
    }

    /// Ends the span, after `record`.
    fn end(&self, record: impl FnOnce(&Span)) {
        if let Some(linked) = self.with(Option::take) {
            record(&linked.span);
        }
    }
}

impl Observation for Spanned {
    fn joined(&self) {
        let Some(caller) = Span::current().id() else {
            return;
        };
        let span = self.with(|linked| {
            let linked = linked.as_mut()?;
            let is_new = !linked.known.contains(&caller);
            is_new.then(|| {
                linked.known.push(caller.clone());
                linked.span.clone()
            })
        });
        if let Some(span) = span {
            span.follows_from(caller);
        }
    }

    fn enter(&self) {
        if let Some(span) = self.span() {
            span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        }
    }

    fn exit(&self) {
        if let Some(span) = self.span() {
            span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        }
    }

    fn dispatched(&self, batch: &BatchDispatched) {
        if let Some(span) = self.span() {
            span.record("cache.batch.size", batch.keys);
            span.record("cache.batch.reason", batch.reason.name());
            let seconds = batch.window_time.as_secs_f64();
            span.record("cache.batch.window_seconds", seconds);
        }
    }

    fn load_ended(&self, load: &LoadEnded<'_>) {
        self.end(|span| {
            span.record("cache.load.result", load.result.name());
            span.record("cache.load.fenced", load.fenced);
            span.record("cache.load.waiters", load.waiters);
        });
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        self.end(|span| {
            span.record("cache.batch.result", batch.result.name());
        });
    }
}
