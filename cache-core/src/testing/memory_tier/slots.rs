//! The states of keys: values and leases.

use alloc::vec::Vec;
use core::hash::Hash;
use core::mem;

use hashbrown::HashMap;

use crate::hash::DefaultHasher;
use crate::machine::Instant;
use crate::tier::Lease;

pub(super) struct Slots<K, V> {
    map: HashMap<K, Slot<V>, DefaultHasher>,
    last_tag: u64,
    /// What was replaced or removed. The drop of keys and values is foreign code, which must not
    /// run while the server is locked.
    discarded: Vec<(K, Slot<V>)>,
}

/// The state of a key.
pub(super) struct Slot<V> {
    tag: u64,
    pub(super) content: Content<V>,
    pub(super) until: Instant,
}

pub(super) enum Content<V> {
    Value(V),
    Missing,
    Lease {
        /// Whether another process waits for the key.
        is_wanted: bool,
    },
}

impl<V> Slot<V> {
    pub(super) const fn tag(&self) -> Lease {
        Lease::new(self.tag)
    }
}

impl<K: Eq + Hash, V> Slots<K, V> {
    pub(super) fn new() -> Self {
        Self {
            map: HashMap::with_hasher(DefaultHasher::seeded(0)),
            last_tag: 0,
            discarded: Vec::new(),
        }
    }

    pub(super) fn take_discarded(&mut self) -> Vec<(K, Slot<V>)> {
        mem::take(&mut self.discarded)
    }

    pub(super) fn clear(&mut self) {
        self.discarded.extend(self.map.drain());
    }

    /// Whether `lease` still holds for `key`, and if so, whether another process waits.
    pub(super) fn holds(&mut self, key: &K, lease: Lease, now: Instant) -> Option<bool> {
        let slot = self.live(key, now)?;
        match slot.content {
            Content::Lease { is_wanted } if slot.tag == lease.tag() => Some(is_wanted),
            _ => None,
        }
    }

    /// Whether the state of `key` has this tag, and if so, whether another process waits for it.
    pub(super) fn has_tag(&mut self, key: &K, tag: Lease, now: Instant) -> Option<bool> {
        let slot = self.live(key, now)?;
        let is_wanted = matches!(slot.content, Content::Lease { is_wanted: true });
        (slot.tag == tag.tag()).then_some(is_wanted)
    }

    /// The state of `key`, unless it has expired.
    pub(super) fn live(&mut self, key: &K, now: Instant) -> Option<&mut Slot<V>> {
        let slot = self.map.get_mut(key);
        slot.filter(|slot| !slot.until.has_passed(now))
    }

    /// Gives `key` a new state. Returns its tag as a lease.
    pub(super) fn store(&mut self, key: K, content: Content<V>, until: Instant) -> Lease {
        self.discard(&key);
        self.last_tag += 1;
        let tag = self.last_tag;
        let slot = Slot {
            tag,
            content,
            until,
        };
        self.map.insert(key, slot);
        Lease::new(tag)
    }

    pub(super) fn discard(&mut self, key: &K) {
        self.discarded.extend(self.map.remove_entry(key));
    }
}
