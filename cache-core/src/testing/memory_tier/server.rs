//! The server: values, leases, and the streams to the processes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;
use core::task::Waker;
use core::time::Duration;

use hashbrown::HashMap;

use super::feed::{Feed, Message};
use super::{Fault, MemoryTierError, Step};
use crate::hash::DefaultHasher;
use crate::machine::{Instant, Ttl};
use crate::tier::{Fill, Filled, Found, Lease, Put, Read};

pub(super) struct Server<K, V> {
    slots: Slots<K, V>,
    feeds: Vec<Feed<K>>,
    faults: Faults,
    is_read_only: bool,
    last_tag: u64,
    leftovers: Leftovers<K, V>,
}

/// What is foreign code to wake and to drop: only once the server is unlocked.
pub(super) struct Leftovers<K, V> {
    /// Of the tasks that have something to receive.
    pub(super) wakers: Vec<Waker>,
    pub(super) entries: Vec<(K, Slot<V>)>,
}

type Slots<K, V> = HashMap<K, Slot<V>, DefaultHasher>;
type Faults = Box<dyn FnMut(usize, Step) -> Fault + Send>;

/// The state of a key.
pub(super) struct Slot<V> {
    tag: u64,
    content: Content<V>,
    until: Instant,
}

enum Content<V> {
    Value(V),
    Missing,
    Lease {
        /// Whether another process waits for the key.
        is_wanted: bool,
    },
}

/// How long the server keeps a value without a ttl of its own.
const TIME_TO_LIVE: Duration = Duration::from_secs(3_600);

impl<K: Eq + Hash + Clone, V: Clone> Server<K, V> {
    pub(super) fn new() -> Self {
        Self {
            slots: HashMap::with_hasher(DefaultHasher::seeded(0)),
            feeds: vec![Feed::new()],
            faults: Box::new(|_, _| Fault::None),
            is_read_only: false,
            last_tag: 0,
            leftovers: Leftovers::default(),
        }
    }

    pub(super) fn add_process(&mut self) -> usize {
        self.feeds.push(Feed::new());
        self.feeds.len() - 1
    }

    pub(super) fn feed(&mut self, process: usize) -> &mut Feed<K> {
        &mut self.feeds[process]
    }

    pub(super) fn set_faults(&mut self, faults: Faults) -> Faults {
        mem::replace(&mut self.faults, faults)
    }

    pub(super) fn fault(&mut self, process: usize, step: Step) -> Fault {
        (self.faults)(process, step)
    }

    pub(super) const fn set_read_only(&mut self, read_only: bool) {
        self.is_read_only = read_only;
    }

    pub(super) fn take_leftovers(&mut self) -> Leftovers<K, V> {
        mem::take(&mut self.leftovers)
    }

    pub(super) fn restart(&mut self) {
        self.leftovers.entries.extend(self.slots.drain());
        let wakers = self.feeds.iter_mut().filter_map(Feed::cut);
        self.leftovers.wakers.extend(wakers);
    }

    pub(super) fn cut(&mut self, process: usize) {
        let waker = self.feeds[process].cut();
        self.leftovers.wakers.extend(waker);
    }

    pub(super) fn stall(&mut self, process: usize, stalled: bool) {
        let waker = self.feeds[process].stall(stalled);
        self.leftovers.wakers.extend(waker);
    }

    pub(super) fn set(&mut self, key: K, value: V) {
        self.store(key, Content::Value(value), Instant::FAR);
    }

    pub(super) fn value(&mut self, key: &K, now: Instant) -> Option<V> {
        match &self.live(key, now)?.content {
            Content::Value(value) => Some(value.clone()),
            Content::Missing | Content::Lease { .. } => None,
        }
    }

    pub(super) fn is_leased(&mut self, key: &K, now: Instant) -> bool {
        let slot = self.live(key, now);
        slot.is_some_and(|slot| matches!(slot.content, Content::Lease { .. }))
    }

    pub(super) fn fetch(
        &mut self,
        keys: &[K],
        read: Read,
        now: Instant,
        lease_time: Duration,
    ) -> Result<Vec<Found<V>>, MemoryTierError> {
        if read == Read::Confirmed {
            self.check_writable()?;
        }
        keys.iter()
            .map(|key| self.fetch_one(key, now, lease_time))
            .collect()
    }

    fn fetch_one(
        &mut self,
        key: &K,
        now: Instant,
        lease_time: Duration,
    ) -> Result<Found<V>, MemoryTierError> {
        let is_read_only = self.is_read_only;
        if let Some(slot) = self.live(key, now) {
            let left = slot.until.since(now);
            return Ok(match &mut slot.content {
                Content::Value(value) => Found::Value {
                    value: value.clone(),
                    left: (slot.until != Instant::FAR).then_some(left),
                },
                Content::Missing => Found::Missing,
                Content::Lease { .. } if is_read_only => return Err(MemoryTierError),
                Content::Lease { is_wanted } => {
                    *is_wanted = true;
                    Found::Busy { left }
                }
            });
        }
        self.check_writable()?;
        let content = Content::Lease { is_wanted: false };
        let tag = self.store(key.clone(), content, now.after(lease_time));
        Ok(Found::Leased(Lease::new(tag)))
    }

    pub(super) fn fill(
        &mut self,
        fills: &[Fill<K, V>],
        now: Instant,
    ) -> Result<Vec<Filled>, MemoryTierError> {
        self.check_writable()?;
        let filled = fills.iter().map(|fill| {
            let Some(is_wanted) = self.holds(&fill.key, fill.lease, now) else {
                return Filled::Refused;
            };
            let content = fill.value.clone().map_or(Content::Missing, Content::Value);
            self.store(fill.key.clone(), content, until(fill.ttl, now));
            if is_wanted {
                self.publish(&Message::Filled(fill.key.clone()), now);
            }
            Filled::Stored
        });
        Ok(filled.collect())
    }

    pub(super) fn renew(
        &mut self,
        leases: &[(K, Lease)],
        now: Instant,
        lease_time: Duration,
    ) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for (key, lease) in leases {
            if self.holds(key, *lease, now).is_some()
                && let Some(slot) = self.slots.get_mut(key)
            {
                slot.until = now.after(lease_time);
            }
        }
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        leases: &[(K, Lease)],
        now: Instant,
    ) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for (key, lease) in leases {
            if let Some(is_wanted) = self.holds(key, *lease, now) {
                self.discard(key);
                if is_wanted {
                    self.publish(&Message::Filled(key.clone()), now);
                }
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, puts: &[Put<K, V>], now: Instant) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for put in puts {
            let content = Content::Value(put.value.clone());
            self.store(put.key.clone(), content, until(put.ttl, now));
            self.publish(&Message::Removed(put.key.clone()), now);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, keys: &[K], now: Instant) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for key in keys {
            self.discard(key);
            self.publish(&Message::Removed(key.clone()), now);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self, now: Instant) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        self.leftovers.entries.extend(self.slots.drain());
        self.publish(&Message::Cleared, now);
        Ok(())
    }

    /// A process sends a heartbeat at `now`. A server that takes no writes does not answer it.
    /// Returns the waker of the process, which receives next and needs no wake.
    pub(super) fn heartbeat(&mut self, process: usize, now: Instant) -> Option<Waker> {
        let delay = match self.fault(process, Step::Heartbeat) {
            Fault::None | Fault::Double => Duration::ZERO,
            Fault::Delay(by) => by,
            Fault::Lose | Fault::Fail => return None,
            Fault::Cut => return self.feeds[process].cut(),
        };
        if self.is_read_only {
            return None;
        }
        let fault = match self.fault(process, Step::Message) {
            Fault::None if !delay.is_zero() => Fault::Delay(delay),
            fault => fault,
        };
        self.feeds[process].send(Message::Answer(now), fault, now)
    }

    /// Sends `message` to every process.
    fn publish(&mut self, message: &Message<K>, now: Instant) {
        for process in 0..self.feeds.len() {
            let fault = (self.faults)(process, Step::Message);
            let waker = self.feeds[process].send(message.clone(), fault, now);
            self.leftovers.wakers.extend(waker);
        }
    }

    const fn check_writable(&self) -> Result<(), MemoryTierError> {
        if self.is_read_only {
            Err(MemoryTierError)
        } else {
            Ok(())
        }
    }

    /// Whether `lease` still holds for `key`, and if so, whether another process waits.
    fn holds(&mut self, key: &K, lease: Lease, now: Instant) -> Option<bool> {
        let slot = self.live(key, now)?;
        match slot.content {
            Content::Lease { is_wanted } if slot.tag == lease.tag() => Some(is_wanted),
            _ => None,
        }
    }

    /// The state of `key`, unless it has expired.
    fn live(&mut self, key: &K, now: Instant) -> Option<&mut Slot<V>> {
        let slot = self.slots.get_mut(key);
        slot.filter(|slot| !slot.until.has_passed(now))
    }

    /// Gives `key` a new state. Returns its tag.
    fn store(&mut self, key: K, content: Content<V>, until: Instant) -> u64 {
        self.discard(&key);
        self.last_tag += 1;
        let tag = self.last_tag;
        let slot = Slot {
            tag,
            content,
            until,
        };
        self.slots.insert(key, slot);
        tag
    }

    fn discard(&mut self, key: &K) {
        self.leftovers.entries.extend(self.slots.remove_entry(key));
    }
}

impl<K, V> Default for Leftovers<K, V> {
    fn default() -> Self {
        Self {
            wakers: Vec::new(),
            entries: Vec::new(),
        }
    }
}

fn until(ttl: Ttl, now: Instant) -> Instant {
    match ttl {
        Ttl::Default => now.after(TIME_TO_LIVE),
        Ttl::After(ttl) => now.after(ttl),
        Ttl::Never => Instant::FAR,
    }
}
