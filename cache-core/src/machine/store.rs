//! The stored entries.
//!
//! A slot keeps 32 bits of its key's hash, which distinguish most unequal keys without user
//! code.

use core::num::NonZeroU32;

use equivalent::Equivalent;

use super::list::Token;
use super::table::{Hashed, Table};

/// Keys and values, each with an `M` of the owner.
#[derive(Debug)]
pub(crate) struct Store<K, V, M>(Table<Slot<K, V, M>>);

/// A stored entry.
#[derive(Debug)]
pub(crate) struct Slot<K, V, M> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) meta: M,
    hash: Tag,
}

/// The hash in a slot. Never zero, so that `Option<Slot>` is as small as `Slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag(NonZeroU32);

impl Tag {
    #[inline]
    fn of(hash: u32) -> Self {
        Self(NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN))
    }
}

impl<K, V, M> Hashed for Slot<K, V, M> {
    /// The hash of the key, or 1 if that is 0.
    fn hash(&self) -> u32 {
        self.hash.0.get()
    }
}

impl<K, V, M> Store<K, V, M> {
    pub(crate) const fn new() -> Self {
        Self(Table::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The slot of `key`. O(1). No other method runs user code (the equality of keys).
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<(Token, &Slot<K, V, M>)>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.find_by(hash, |known| key.equivalent(known))
    }

    /// As [`Store::find`], with the search inlined into the caller.
    #[inline(always)]
    pub(crate) fn find_by(
        &self,
        hash: u32,
        is_key: impl Fn(&K) -> bool,
    ) -> Option<(Token, &Slot<K, V, M>)> {
        let hash = Tag::of(hash);
        self.0
            .find(hash.0.get(), |slot| slot.hash == hash && is_key(&slot.key))
    }

    #[inline(always)]
    pub(crate) fn get(&self, token: Token) -> Option<&Slot<K, V, M>> {
        self.0.get(token)
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Slot<K, V, M>> {
        self.0.get_mut(token)
    }

    /// Stores an entry whose key is not in the store. O(1) amortized.
    pub(crate) fn insert(&mut self, hash: u32, key: K, value: V, meta: M) -> Token {
        self.0.insert(Slot {
            key,
            value,
            meta,
            hash: Tag::of(hash),
        })
    }

    /// Replaces the entry at `token`, which must be there, by one whose key is not in the store.
    /// Returns key and value of the old one.
    #[inline(always)]
    pub(crate) fn replace(&mut self, token: Token, hash: u32, key: K, value: V, meta: M) -> (K, V) {
        let slot = Slot {
            key,
            value,
            meta,
            hash: Tag::of(hash),
        };
        let old = self.0.replace(token, slot);
        (old.key, old.value)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Slot<K, V, M>> {
        self.0.remove(token)
    }

    /// Iterates over the entries in slot order, from slot `start` on.
    pub(crate) fn iter_from(
        &self,
        start: usize,
    ) -> impl Iterator<Item = (Token, &Slot<K, V, M>)> + '_ {
        self.0.iter_from(start)
    }

    /// How many slots there are, occupied or vacant.
    pub(crate) fn slot_count(&self) -> usize {
        self.0.slot_count()
    }

    /// Whether most slots are vacant: see [`Table::is_sparse`].
    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        self.0.is_sparse()
    }

    /// Moves entries into vacant slots and frees memory: see [`Table::compact`].
    pub(crate) fn compact(&mut self, moved: impl FnMut(Token, Token)) {
        self.0.compact(moved);
    }

    /// Removes every entry and frees all memory.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Token, Slot<K, V, M>)> + use<K, V, M> {
        self.0.drain()
    }

    /// Bytes allocated on the heap, without those that keys and values own.
    pub(crate) fn memory_used(&self) -> usize {
        self.0.memory_used()
    }

    /// Checks that table, slots and free list agree.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self) {
        self.0.validate();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn an_empty_slot_is_no_larger_than_a_full_one() {
        assert_eq!(
            size_of::<Option<Slot<u64, u64, u64>>>(),
            size_of::<Slot<u64, u64, u64>>()
        );
    }

    #[test]
    fn tokens_are_stable_while_the_table_grows_and_slots_are_reused() {
        let mut store = Store::new();
        let tokens: Vec<_> = (0..1_000_u32)
            .map(|key| store.insert(key, key, key * 2, ()))
            .collect();
        store.validate();
        assert_eq!(store.remove(tokens[7]).map(|slot| slot.value), Some(14));
        assert_eq!(store.insert(5_000, 5_000, 1, ()), tokens[7]);
        store.validate();
        assert_eq!(store.get(tokens[999]).map(|slot| slot.value), Some(1_998));
    }

    #[test]
    fn keys_with_equal_hashes_are_told_apart() {
        let mut store = Store::new();
        for key in 0..100_u32 {
            store.insert(42, key, key, ());
        }
        for key in 0..100_u32 {
            assert_eq!(store.find(42, &key).map(|(_, slot)| slot.value), Some(key));
        }
        store.validate();
    }
}
