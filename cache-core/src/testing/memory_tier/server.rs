//! The server: values, leases, and the streams to the processes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;
use core::task::Waker;
use core::time::Duration;

use super::feed::{Feed, Message};
use super::slots::{Content, Slot, Slots};
use super::{Fault, MemoryTierError, Step};
use crate::machine::{Instant, Ttl};
use crate::tier::{Fill, Filled, Found, Lease, Put, Read};

pub(super) struct Server<K, V> {
    slots: Slots<K, V>,
    feeds: Vec<Feed<K>>,
    faults: Faults,
    is_read_only: bool,
    /// Of the tasks that have something to receive.
    wakers: Vec<Waker>,
}

type Faults = Box<dyn FnMut(usize, Step) -> Fault + Send>;

/// How long the server keeps a value without a ttl of its own.
const TIME_TO_LIVE: Duration = Duration::from_secs(3_600);

impl<K: Eq + Hash + Clone, V: Clone> Server<K, V> {
    pub(super) fn new() -> Self {
        Self {
            slots: Slots::new(),
            feeds: vec![Feed::new()],
            faults: Box::new(|_, _| Fault::None),
            is_read_only: false,
            wakers: Vec::new(),
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

    /// Returns what is foreign code to wake and to drop, for when the server is unlocked.
    pub(super) fn take_leftovers(&mut self) -> (Vec<Waker>, Vec<(K, Slot<V>)>) {
        (mem::take(&mut self.wakers), self.slots.take_discarded())
    }

    pub(super) fn restart(&mut self) {
        self.slots.clear();
        let wakers = self.feeds.iter_mut().filter_map(Feed::cut);
        self.wakers.extend(wakers);
    }

    pub(super) fn cut(&mut self, process: usize) {
        let waker = self.feeds[process].cut();
        self.wakers.extend(waker);
    }

    pub(super) fn stall(&mut self, process: usize, stalled: bool) {
        let waker = self.feeds[process].stall(stalled);
        self.wakers.extend(waker);
    }

    pub(super) fn set(&mut self, key: K, value: V) {
        self.slots.store(key, Content::Value(value), Instant::FAR);
    }

    pub(super) fn value(&mut self, key: &K, now: Instant) -> Option<V> {
        match &self.slots.live(key, now)?.content {
            Content::Value(value) => Some(value.clone()),
            Content::Missing | Content::Lease { .. } => None,
        }
    }

    pub(super) fn is_leased(&mut self, key: &K, now: Instant) -> bool {
        let slot = self.slots.live(key, now);
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
        if let Some(slot) = self.slots.live(key, now) {
            let left = slot.until.since(now);
            return Ok(match &mut slot.content {
                Content::Value(value) => Found::Value {
                    value: value.clone(),
                    left: (slot.until != Instant::FAR).then_some(left),
                    tag: slot.tag(),
                },
                Content::Missing => Found::Missing { tag: slot.tag() },
                Content::Lease { .. } if is_read_only => return Err(MemoryTierError),
                Content::Lease { is_wanted } => {
                    *is_wanted = true;
                    Found::Busy { left }
                }
            });
        }
        self.check_writable()?;
        let content = Content::Lease { is_wanted: false };
        let until = now.after(lease_time);
        let lease = self.slots.store(key.clone(), content, until);
        Ok(Found::Leased(lease))
    }

    pub(super) fn fill(
        &mut self,
        process: usize,
        fills: &[Fill<K, V>],
        now: Instant,
    ) -> Result<Vec<Filled>, MemoryTierError> {
        self.check_writable()?;
        let filled = fills.iter().map(|fill| {
            let Some(is_wanted) = self.slots.has_tag(&fill.key, fill.lease, now) else {
                return Filled::Refused;
            };
            let content = fill.value.clone().map_or(Content::Missing, Content::Value);
            self.slots
                .store(fill.key.clone(), content, until(fill.ttl, now));
            if is_wanted {
                self.publish(&Message::Filled(fill.key.clone()), now);
            }
            if let Some(id) = fill.announced {
                self.publish(&Message::Written(fill.key.clone(), process, id), now);
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
            if self.slots.holds(key, *lease, now).is_some()
                && let Some(slot) = self.slots.live(key, now)
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
            if let Some(is_wanted) = self.slots.holds(key, *lease, now) {
                self.slots.discard(key);
                if is_wanted {
                    self.publish(&Message::Filled(key.clone()), now);
                }
            }
        }
        Ok(())
    }

    pub(super) fn put(
        &mut self,
        process: usize,
        puts: &[Put<K, V>],
        now: Instant,
    ) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for put in puts {
            let content = Content::Value(put.value.clone());
            self.slots
                .store(put.key.clone(), content, until(put.ttl, now));
            self.publish(&Message::Written(put.key.clone(), process, put.id), now);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, keys: &[K], now: Instant) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        for key in keys {
            self.slots.discard(key);
            self.publish(&Message::Removed(key.clone()), now);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self, now: Instant) -> Result<(), MemoryTierError> {
        self.check_writable()?;
        self.slots.clear();
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
            self.wakers.extend(waker);
        }
    }

    const fn check_writable(&self) -> Result<(), MemoryTierError> {
        if self.is_read_only {
            Err(MemoryTierError)
        } else {
            Ok(())
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
