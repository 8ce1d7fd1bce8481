//! Clones of entries, for iteration.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use super::{Inner, note_time};
use crate::machine::{EntryRef, Instant, Token, Version};
use crate::runtime::Runtime;
use crate::shards::Shard;
use crate::sync::RwLock;

/// A clone of an entry.
pub(crate) struct Snapshot<K, V> {
    pub(crate) token: Token,
    pub(crate) version: Version,
    pub(crate) deadline: Instant,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K: Clone, V: Clone> Snapshot<K, V> {
    fn new(found: &EntryRef<'_, K, V>) -> Self {
        Self {
            token: found.token,
            version: found.version,
            deadline: found.deadline,
            key: found.key.clone(),
            value: found.value.clone(),
        }
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// Clones up to `CHUNK` live entries of `shard`, beginning at slot `start`. Also returns the
    /// first slot of the next chunk, or `None` after the last entry.
    pub(crate) fn snapshot_chunk(
        &self,
        shard: &R::Lock<Shard<K, V, R>>,
        start: usize,
    ) -> (Vec<Snapshot<K, V>>, Option<usize>)
    where
        K: Clone,
        V: Clone,
    {
        self.copy_chunk(shard, |shard, now, most| {
            let found = shard.iter_from(start, now).take(most);
            found.map(|found| Snapshot::new(&found)).collect()
        })
    }

    /// As [`Inner::snapshot_chunk`], with the entries that are kept after their ttl.
    pub(crate) fn snapshot_chunk_kept(
        &self,
        shard: &R::Lock<Shard<K, V, R>>,
        start: usize,
    ) -> (Vec<Snapshot<K, V>>, Option<usize>)
    where
        K: Clone,
        V: Clone,
    {
        if !self.refreshing.is_set() {
            return self.snapshot_chunk(shard, start);
        }
        self.copy_chunk(shard, |shard, now, most| {
            let found = shard.iter_kept_from(start, now).take(most);
            found.map(|found| Snapshot::new(&found)).collect()
        })
    }

    fn copy_chunk(
        &self,
        shard: &R::Lock<Shard<K, V, R>>,
        copy: impl FnOnce(&Shard<K, V, R>, Instant, usize) -> Vec<Snapshot<K, V>>,
    ) -> (Vec<Snapshot<K, V>>, Option<usize>) {
        const CHUNK: usize = 128;
        let now = self.now();
        let (snapshot, is_due): (Vec<_>, _) = shard.read(|shard| {
            let snapshot = copy(shard, now, CHUNK);
            let due = shard.next_deadline();
            (snapshot, due.is_some_and(|due| due.has_passed(now)))
        });
        if is_due {
            shard.write(|shard| note_time(shard, now));
        }
        let next = snapshot.get(CHUNK - 1).map(|last| last.token.index() + 1);
        (snapshot, next)
    }

    /// Returns `snapshot` if its entry is kept, perhaps after its ttl.
    pub(crate) fn if_kept(&self, snapshot: Snapshot<K, V>) -> Option<Snapshot<K, V>>
    where
        K: Eq + Hash + Clone,
        V: Clone,
        S: BuildHasher,
    {
        if !self.refreshing.is_set() {
            return self.if_live(snapshot);
        }
        let (hash, now) = (self.hash(&snapshot.key), self.now());
        let is_kept = self.shards().read(hash, |shard| {
            shard.peek_aged(hash, &snapshot.key, now).is_some()
        });
        is_kept.then_some(snapshot)
    }

    /// Returns `snapshot` if its entry has not expired. If the deadline of the snapshot has passed,
    /// looks the key up again: a read or a write may have moved the deadline.
    pub(crate) fn if_live(&self, snapshot: Snapshot<K, V>) -> Option<Snapshot<K, V>>
    where
        K: Eq + Hash + Clone,
        V: Clone,
        S: BuildHasher,
    {
        if snapshot.deadline == Instant::FAR || !snapshot.deadline.has_passed(self.now()) {
            return Some(snapshot);
        }
        let hash = self.hash(&snapshot.key);
        self.look_at(hash, &snapshot.key, |found| Snapshot::new(&found))
    }
}
