//! What a second tier reports to its cache.

use core::fmt;

use super::state::TierReport;
use super::store::WriteId;
use crate::machine::Instant;
use crate::runtime::Flavor;
use crate::sync::Arc;

/// The handle by which [`Tier::listen`](super::Tier::listen) reports what it receives.
///
/// Every method takes effect before it returns, and may be called from any thread that the runtime
/// allows. A clone is a handle of the same cache. The handle does not keep the cache alive: after
/// the last handle of the cache is dropped, the methods do nothing.
///
/// The order of calls matters: see [`Tier`](super::Tier#messages).
///
/// ```
/// use cache_core::runtime::MultiThread;
/// use cache_core::tier::TierEvents;
///
/// enum Message {
///     Removed(u64),
///     Filled(u64),
///     Cleared,
/// }
///
/// /// Handles a message of the stream. Returns whether the listener continues.
/// fn handle(events: &TierEvents<u64, MultiThread>, message: Message) -> bool {
///     match message {
///         Message::Removed(key) => events.removed(key),
///         Message::Filled(key) => events.filled(key),
///         Message::Cleared => events.cleared(),
///     }
///     !events.is_closed()
/// }
/// ```
pub struct TierEvents<K, F: Flavor> {
    handler: Arc<F::Handler<TierReport<K>, Option<Instant>>>,
}

/// What a second tier reports.
#[derive(Debug)]
pub(super) enum TierEvent<K> {
    Removed(K),
    Written(K, WriteId),
    Cleared,
    Filled(K),
    Connected,
    Answered(Instant),
    Failed,
    /// Reports nothing: the handler returns the time.
    Now,
}

impl<K, F: Flavor> TierEvents<K, F> {
    pub(super) fn new(handler: F::Handler<TierReport<K>, Option<Instant>>) -> Self {
        Self {
            handler: Arc::new(handler),
        }
    }

    /// Reports that a process removed `key` or wrote a value. The first tier drops its value, and the
    /// loads of the key that are in flight do not store theirs.
    pub fn removed(&self, key: K) {
        self.report(TierEvent::Removed(key));
    }

    /// Reports the message of a write of this process itself, by [`Tier::put`](super::Tier::put) or
    /// by an announced fill. The first tier drops its value, and takes the written one: every
    /// message of an older write came before this one.
    ///
    /// A tier that does not know its own messages reports [`TierEvents::removed`] instead. The
    /// first tier then reads the value from the second.
    pub fn written(&self, key: K, id: WriteId) {
        self.report(TierEvent::Written(key, id));
    }

    /// Reports that a process cleared the second tier, or that the store lost its content. The
    /// first tier drops all values.
    pub fn cleared(&self) {
        self.report(TierEvent::Cleared);
    }

    /// Reports that a value of `key` was stored, or that its lease was given up. Loads that wait
    /// for another process fetch the key.
    pub fn filled(&self, key: K) {
        self.report(TierEvent::Filled(key));
    }

    /// Reports that a new stream has subscribed to the messages. The first tier drops all values,
    /// because messages may be lost.
    pub fn connected(&self) {
        self.report(TierEvent::Connected);
    }

    /// Reports that the current stream delivered the answer to a heartbeat, which was sent at
    /// `sent`. The first tier returns its values until `max_staleness` after `sent`.
    pub fn answered(&self, sent: Instant) {
        self.report(TierEvent::Answered(sent));
    }

    /// Reports that the connection failed: the breaker opens until a heartbeat is answered.
    pub fn failed(&self) {
        self.report(TierEvent::Failed);
    }

    /// Returns the time of the cache's clock, for [`TierEvents::answered`]; `None` if
    /// [`TierEvents::is_closed`].
    #[must_use]
    pub fn now(&self) -> Option<Instant> {
        self.report(TierEvent::Now)
    }

    /// Returns whether the last handle of the cache was dropped: then the listener ends.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.now().is_none()
    }

    fn report(&self, event: TierEvent<K>) -> Option<Instant> {
        (self.handler)(TierReport(event))
    }
}

impl<K, F: Flavor> Clone for TierEvents<K, F> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
        }
    }
}

impl<K, F: Flavor> fmt::Debug for TierEvents<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TierEvents").finish_non_exhaustive()
    }
}
