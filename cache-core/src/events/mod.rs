//! Streams of what leaves a cache.
//!
//! While a stream exists, each removal gets a number under the lock of its shard
//! ([`RemovalObserver`]). Its thread publishes it under that number once the shard is unlocked, so
//! threads may publish out of order. All streams of a cache read one [`Log`], in the order of the
//! numbers: a stream waits for a number that is missing. Each number is published: the effects of a
//! call are applied also when a panic unwinds.
//!
//! The streams own the log, and the cache holds it weakly: a program without streams links no code
//! that drops one.

mod log;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use crate::flight::wake_all;
use crate::machine::{RemovalCause, Removed};
use crate::opt_in::{EventStreams, Feature};
use crate::panic::{self, Payload};
use crate::runtime::{ContextGuard, Runtime};
use crate::shards::RemovalObserver;
use crate::sync::{Arc, Mutex, Weak};

use log::{Log, Next, Removal, Slot};

/// What a stream of [`Cache::events`](crate::Cache::events) returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event<K> {
    /// An entry left the cache, or a value was not stored.
    Removed {
        /// The key of the entry.
        key: K,
        /// Why it left.
        cause: RemovalCause,
    },
    /// The stream missed this many events, because it did not read them in time.
    Lagged(u64),
}

/// A stream of the entries that leave a cache: [`Cache::events`](crate::Cache::events) returns it.
///
/// It is a `Stream` and a `FusedStream` of futures-core. Its end is the end of the cache.
///
/// # Cancel safety
/// A future that waits for the next event loses none when it is dropped.
pub struct Events<K, R: Runtime> {
    log: Arc<SharedLog<K, R>>,
    id: usize,
    is_terminated: bool,
    _observer: RemovalObserver,
}

/// The streams of a cache, as the cache sees them.
pub(crate) struct EventSource<K, R: Runtime>(R::Mutex<Weak<SharedLog<K, R>>>);

/// The log that all streams of a cache read.
struct SharedLog<K, R: Runtime> {
    log: R::Mutex<Log<K>>,
    clone_key: fn(&K) -> K,
}

impl<K, R: Runtime> EventSource<K, R> {
    pub(crate) fn new() -> Self {
        Self(R::Mutex::new(Weak::new()))
    }

    /// Adds a stream. `observer` makes the removals numbered.
    pub(crate) fn subscribe(&self, observer: RemovalObserver) -> Events<K, R>
    where
        K: Clone,
    {
        EventStreams::enable().check();
        let log = self.0.with(|known| {
            known.upgrade().unwrap_or_else(|| {
                let log = Arc::new(SharedLog {
                    log: R::Mutex::new(Log::new()),
                    clone_key: K::clone,
                });
                *known = Arc::downgrade(&log);
                log
            })
        });
        // Must read the number with the log locked: the log then gets every removal from there on.
        let id = log.log.with(|log| log.subscribe(observer.next()));
        Events {
            log,
            id,
            is_terminated: false,
            _observer: observer,
        }
    }

    /// Reports a removal that has a number. Returns the payload of the first panic.
    #[must_use]
    pub(crate) fn publish<V>(&self, runtime: &R, removed: &Removed<K, V>) -> Option<Payload> {
        let log = self.log()?;
        let cause = removed.cause;
        let removal = panic::catch(|| Removal {
            key: (log.clone_key)(&removed.key),
            cause,
        });
        let (slot, panicked) = match removal {
            Ok(removal) => (Slot::Ready(Arc::new(removal)), None),
            Err(payload) => (Slot::Lost, Some(payload)),
        };
        let (unread, wakers) = log.log.with(|log| log.fill(removed.number, slot));
        // The drop of a key is foreign code, and so is a wake.
        let dropped = panic::catch(|| drop(unread)).err();
        let _outside = ContextGuard::new(runtime);
        let woken = panic::catch(|| wake_all(wakers.into_iter())).err();
        panicked.or(dropped).or(woken)
    }

    /// Ends the streams once they have returned the events that are left.
    pub(crate) fn close(&self, runtime: &R) {
        if EventStreams::is_enabled()
            && let Some(log) = self.log()
        {
            let wakers = log.log.with(Log::close);
            let _outside = ContextGuard::new(runtime);
            wake_all(wakers.into_iter());
        }
    }

    fn log(&self) -> Option<Arc<SharedLog<K, R>>> {
        self.0.with(|known| known.upgrade())
    }
}

impl<K, R: Runtime> Events<K, R> {
    /// Sets how many unread events the stream holds before it loses the oldest.
    ///
    /// # Panics
    /// If `capacity` is 0.
    ///
    /// ```
    /// # use core::{future::poll_fn, pin::pin};
    /// # use cache_core::{Cache, Event, testing::VirtualRuntime};
    /// # use futures_core::Stream;
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// let mut events = pin!(cache.events().with_capacity(1));
    /// cache.insert(1, "one");
    /// cache.insert(2, "two");
    /// cache.invalidate_all();
    /// # runtime.block_on(async {
    /// let event = poll_fn(|cx| events.as_mut().poll_next(cx)).await;
    /// assert_eq!(event, Some(Event::Lagged(1)));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_capacity(self, capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "the capacity of a stream of events is 0, but it must be at least 1"
        );
        self.log
            .log
            .with(|log| log.set_capacity(self.id, capacity as u64));
        self
    }
}

impl<K: Clone, R: Runtime> Stream for Events<K, R> {
    type Item = Event<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event<K>>> {
        if self.is_terminated {
            return Poll::Ready(None);
        }
        let (log, id) = (&self.log.log, self.id);
        // Most polls find an event, and clone no waker.
        let (mut next, mut unread) = log.with(|log| log.next(id));
        if matches!(next, Next::Nothing) {
            let waker = cx.waker().clone();
            let old;
            (next, unread, old) = log.with(|log| match log.next(id) {
                (Next::Nothing, unread) => (Next::Nothing, unread, log.register(id, waker)),
                (next, unread) => (next, unread, Some(waker)),
            });
            drop(old);
        }
        // Must come before the key is taken, or the log still shares it.
        drop(unread);
        match next {
            Next::Nothing => Poll::Pending,
            Next::Lagged(missed) => Poll::Ready(Some(Event::Lagged(missed))),
            Next::Removal(removal) => {
                let removal = Arc::try_unwrap(removal);
                let Removal { key, cause } = removal.unwrap_or_else(|shared| (*shared).clone());
                Poll::Ready(Some(Event::Removed { key, cause }))
            }
            Next::Closed => {
                self.is_terminated = true;
                Poll::Ready(None)
            }
        }
    }
}

impl<K: Clone, R: Runtime> FusedStream for Events<K, R> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

/// A stream never pins its fields.
impl<K, R: Runtime> Unpin for Events<K, R> {}

impl<K, R: Runtime> Drop for Events<K, R> {
    fn drop(&mut self) {
        // Dropped outside of the lock: wakers and keys are foreign.
        drop(self.log.log.with(|log| log.unsubscribe(self.id)));
    }
}

impl<K, R: Runtime> fmt::Debug for Events<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("is_terminated", &self.is_terminated)
            .finish_non_exhaustive()
    }
}
