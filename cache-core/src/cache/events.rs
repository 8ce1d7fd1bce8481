//! Streams of what leaves the cache.

use super::Cache;
use crate::events::Events;
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Returns a stream of the entries that leave the cache from now on: each key, and why it left.
    ///
    /// A cache has any number of streams, and each gets every [`Event`], with the causes that the
    /// [`eviction_listener`](crate::Builder::eviction_listener) gets. The events of one key come in
    /// the order in which its entries left. An entry that another thread removes during this call
    /// may be the first event or not.
    ///
    /// A stream holds a bounded number of events that are not read yet, 1,024 unless
    /// [`Events::with_capacity`] sets another bound. A stream that falls behind loses the oldest
    /// events and gets their number in [`Event::Lagged`]; it never delays a writer.
    ///
    /// The stream does not keep the cache alive. After the cache is dropped, it returns the events
    /// that are left, and then `None`. The entries that the cache holds when it is dropped are not
    /// reported.
    ///
    /// # Cost
    /// Nothing without a stream. With streams, a removal clones its key once, and a stream clones
    /// it unless it is the last to read it.
    ///
    /// [`Event`]: crate::Event
    /// [`Event::Lagged`]: crate::Event::Lagged
    ///
    /// ```
    /// # use core::pin::pin;
    /// # use core::future::poll_fn;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # use futures_core::Stream;
    /// use cache_core::{Event, RemovalCause};
    ///
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).max_capacity(1).build();
    /// let mut events = pin!(cache.events());
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// cache.invalidate(&1);
    /// # runtime.block_on(async {
    /// // The same as `events.next().await` of `futures_util::StreamExt`.
    /// let event = poll_fn(|cx| events.as_mut().poll_next(cx)).await;
    /// let (key, cause) = (1, RemovalCause::Replaced);
    /// assert_eq!(event, Some(Event::Removed { key, cause }));
    /// let event = poll_fn(|cx| events.as_mut().poll_next(cx)).await;
    /// let (key, cause) = (1, RemovalCause::Explicit);
    /// assert_eq!(event, Some(Event::Removed { key, cause }));
    /// # });
    /// ```
    #[doc(alias("subscribe", "notifications", "eviction_listener", "removalListener"))]
    pub fn events(&self) -> Events<K, R>
    where
        K: Clone,
    {
        let inner = self.inner();
        inner.events.subscribe(inner.shards().observe_removals())
    }
}
