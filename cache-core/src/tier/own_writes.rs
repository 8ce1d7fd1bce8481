//! Writes of this process whose messages have not come back yet.
//!
//! The messages of all processes reach the listener in the order in which the store did the writes.
//! So the place of a write in that order is where its own message arrives: there the first tier
//! takes the written value. A message of an older write came before it and cannot remove the value,
//! and the message of a newer write comes later and removes it.

use alloc::collections::BTreeMap;

use super::store::WriteId;
use crate::flight::Loaded;
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// How many values are kept for their messages. Beyond that the oldest ones are dropped, and their
/// messages count as those of other processes.
const MAX_PENDING: usize = 1_024;

/// The values of writes whose messages are outstanding.
pub(super) struct OwnWrites<V, R: Runtime>(R::Mutex<WriteList<V>>);

struct WriteList<V> {
    last_id: u64,
    pending: BTreeMap<WriteId, Loaded<V>>,
}

/// A write in flight. Its drop forgets the value, unless the write is [`kept`](Self::keep): a write
/// that was not answered must not store a value.
pub(super) struct OwnWrite<'a, V, R: Runtime> {
    writes: &'a OwnWrites<V, R>,
    id: WriteId,
    is_kept: bool,
}

impl<V, R: Runtime> OwnWrites<V, R> {
    pub(super) fn new() -> Self {
        let pending = BTreeMap::new();
        Self(R::Mutex::new(WriteList {
            last_id: 0,
            pending,
        }))
    }

    /// Begins a write of `entry`; of `None` if no message will come back.
    pub(super) fn begin(&self, entry: Option<Loaded<V>>) -> OwnWrite<'_, V, R> {
        let (id, dropped) = self.0.with(|list| {
            list.last_id += 1;
            let id = WriteId::new(list.last_id);
            let is_full = list.pending.len() >= MAX_PENDING;
            let oldest = is_full.then(|| list.pending.pop_first());
            let replaced = entry.map(|entry| list.pending.insert(id, entry));
            (id, (oldest, replaced))
        });
        // The drop of a value is foreign code, so it comes after the list is unlocked.
        drop(dropped);
        OwnWrite {
            writes: self,
            id,
            is_kept: false,
        }
    }

    /// The message of a write has come back. Returns its value, if it is still to be stored.
    pub(super) fn take(&self, id: WriteId) -> Option<Loaded<V>> {
        self.0.with(|list| list.pending.remove(&id))
    }

    /// A new stream has no message of an older write.
    pub(super) fn clear(&self) {
        let pending = self.0.with(|list| core::mem::take(&mut list.pending));
        drop(pending);
    }
}

impl<V, R: Runtime> OwnWrite<'_, V, R> {
    pub(super) const fn id(&self) -> WriteId {
        self.id
    }

    /// Keeps the value for the message of the write, which was done. Returns whether the message is
    /// still to come.
    pub(super) fn keep(mut self) -> bool {
        self.is_kept = true;
        self.writes
            .0
            .with(|list| list.pending.contains_key(&self.id))
    }
}

impl<V, R: Runtime> Drop for OwnWrite<'_, V, R> {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(self.writes.take(self.id));
        }
    }
}
