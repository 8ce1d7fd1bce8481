//! What a second tier implements.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::events::TierEvents;
use super::settings::TierSettings;
use crate::machine::Ttl;
use crate::runtime::{Flavor, MultiThread};

/// A second tier: a store that the caches of several processes share, such as a Redis server.
///
/// A [`Tiered`](super::Tiered) cache calls it. `K` and `V` are the types of the cache, `F` is the
/// flavor of its runtime: on a runtime that moves tasks between threads the futures are `Send`. The
/// methods take several keys, so that one message carries them.
///
/// # Leases
/// Every state of a key in the store has a random tag, which a [`Lease`] names: a value, and the
/// lease of the process that loads the key. A fill is stored only if the key still has the tag of
/// the lease. A removal deletes the key with its tag, so a load that began before the removal
/// cannot store its value after it. A lease is not a lock: a process that does not answer for
/// [`TierSettings::lease_time`] loses it.
///
/// # Messages
/// [`Tier::listen`] receives the messages of the other processes, and reports them by its
/// [`TierEvents`]. The promise of [`TierSettings::max_staleness`] rests on four rules:
///
/// 1. [`Tier::remove`], [`Tier::put`], [`Tier::clear`] and a fill that is
///    [`announced`](Fill::announced) publish their message before the store answers them. Every
///    listener gets the message, also that of the sender.
/// 2. One stream delivers to a listener the messages and the answers to its heartbeats, in the
///    order in which the store sent them, and the listener reports them in that order.
/// 3. A listener reports [`TierEvents::connected`] after it has subscribed on a new stream, and
///    before the first heartbeat on it. It reports nothing of an older stream from then on.
/// 4. A heartbeat fails on a store that takes no writes, such as a replica or a primary without a
///    majority.
///
/// The cache drops the future of a call to cancel the call. The store may have done it or not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a second tier for a cache from `{K}` to `{V}`",
    note = "a tier implements `Tier<K, V, F>` for the flavor `F` of the cache's runtime"
)]
pub trait Tier<K, V, F: Flavor = MultiThread>: 'static {
    /// Why the store did not do what a call requested.
    type Error: fmt::Debug + 'static;

    /// Returns the settings of the protocol. The cache reads them when it is built.
    fn settings(&self) -> TierSettings {
        TierSettings::default()
    }

    /// Reads `keys`, and leases those that have neither a value nor a lease. Returns one item for
    /// each key, in the order of `keys`, which are distinct.
    ///
    /// # Errors
    /// If the store does not answer, or if it takes no writes and `read` is [`Read::Confirmed`].
    fn fetch(&self, keys: Vec<K>, read: Read) -> F::Future<Result<Vec<Found<V>>, Self::Error>>;

    /// Stores the values of `fills` whose leases still hold, and wakes the processes that wait for
    /// those keys. Returns one item for each fill, in their order.
    ///
    /// # Errors
    /// If the store does not answer.
    fn fill(&self, fills: Vec<Fill<K, V>>) -> F::Future<Result<Vec<Filled>, Self::Error>>;

    /// Prolongs `leases` that still hold to [`TierSettings::lease_time`] from now.
    ///
    /// # Errors
    /// If the store does not answer.
    fn renew(&self, leases: Vec<(K, Lease)>) -> F::Future<Result<(), Self::Error>>;

    /// Gives up `leases` that still hold, and wakes the processes that wait for those keys.
    fn release(&self, leases: Vec<(K, Lease)>) -> F::Future<()>;

    /// Stores values whether or not the keys are leased, and publishes the removal of their old
    /// values from the first tiers.
    ///
    /// # Errors
    /// If the store does not answer, or did not store every value.
    fn put(&self, puts: Vec<Put<K, V>>) -> F::Future<Result<(), Self::Error>>;

    /// Removes values and leases of `keys`, and publishes the removal.
    ///
    /// # Errors
    /// If the store does not answer. The implementation may still do the removal later.
    fn remove(&self, keys: Vec<K>) -> F::Future<Result<(), Self::Error>>;

    /// Removes all values and leases of this cache, and publishes that.
    ///
    /// # Errors
    /// If the store does not answer.
    fn clear(&self) -> F::Future<Result<(), Self::Error>>;

    /// Returns the task that receives messages and sends heartbeats, or `None` if no other process
    /// writes to the store, such as a disk of this machine: then the first tier needs no
    /// heartbeats.
    ///
    /// The cache spawns the task when it is built. It must send a heartbeat at least every quarter
    /// of [`TierSettings::max_staleness`], connect again if the stream breaks or an answer is
    /// overdue, and end once [`TierEvents::is_closed`].
    fn listen(&self, events: TierEvents<K, F>) -> Option<F::Future<()>>;
}

/// How certain a read of the second tier must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Read {
    /// The store may be one that has lost its connection to the other processes.
    Plain,
    /// The store must take writes at the time of the read. The cache requests it while it gets no
    /// answers to heartbeats.
    Confirmed,
}

/// The tag of a key's state in the second tier: a random number, never the same for two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease(u64);

impl Lease {
    /// Returns the lease with this tag.
    ///
    /// ```
    /// use cache_core::tier::Lease;
    ///
    /// assert_eq!(Lease::new(7).tag(), 7);
    /// ```
    #[must_use]
    pub const fn new(tag: u64) -> Self {
        Self(tag)
    }

    /// Returns the tag.
    ///
    /// ```
    /// use cache_core::tier::Lease;
    ///
    /// assert_ne!(Lease::new(7).tag(), Lease::new(8).tag());
    /// ```
    #[must_use]
    pub const fn tag(self) -> u64 {
        self.0
    }
}

/// A write of a process: a number that this process does not use again. The message of a write has
/// it, so that the process knows its own message from those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(u64);

impl WriteId {
    /// Returns the write with this number.
    ///
    /// ```
    /// use cache_core::tier::WriteId;
    ///
    /// assert_eq!(WriteId::new(7).number(), 7);
    /// ```
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    ///
    /// ```
    /// use cache_core::tier::WriteId;
    ///
    /// assert_ne!(WriteId::new(7).number(), WriteId::new(8).number());
    /// ```
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What the second tier has for a key: an item of [`Tier::fetch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<V> {
    /// A value.
    Value {
        /// The value.
        value: V,
        /// How long the second tier keeps it from now on; `None` for ever.
        left: Option<Duration>,
        /// The tag of the value: a fill that names it replaces this value and no other.
        tag: Lease,
    },
    /// The remembered result of a loader that found no value.
    Missing {
        /// The tag of this state: a fill that names it replaces this state and no other.
        tag: Lease,
    },
    /// Nothing: the key is leased to this process, which must load it.
    Leased(Lease),
    /// The lease of another process, which loads the key.
    Busy {
        /// When the lease ends if it is not prolonged.
        left: Duration,
    },
    /// A value that this process cannot read, such as one of another version of the program. The
    /// cache loads the key and leaves the second tier as it is.
    Unreadable,
}

/// A loaded value for the second tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill<K, V> {
    /// The key.
    pub key: K,
    /// What [`Tier::fetch`] returned for the key: a lease, or the tag of the state to replace.
    pub lease: Lease,
    /// The value; `None` if the loader found none, which the second tier remembers for `ttl`.
    pub value: Option<V>,
    /// How long the second tier keeps it. [`Ttl::Default`] leaves that to the tier.
    pub ttl: Ttl,
    /// For a value that replaces one which first tiers may have: the tier publishes, as for a
    /// [`Put`] with this id, that the old value is removed.
    pub announced: Option<WriteId>,
}

/// A value that a caller writes to the second tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// How long the second tier keeps it. [`Ttl::Default`] leaves that to the tier.
    pub ttl: Ttl,
    /// For the message: this process receives it as [`TierEvents::written`].
    pub id: WriteId,
}

/// What became of a [`Fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filled {
    /// The second tier stored it.
    Stored,
    /// The lease no longer holds: the key was removed or written since, or another process loads
    /// it. The first tier does not store the value either.
    Refused,
    /// The second tier cannot store the value: it is larger than the tier accepts, the codec cannot
    /// write it, or the store is full. The second tier gave the lease up, and the first tier stores
    /// the value.
    Rejected,
}
