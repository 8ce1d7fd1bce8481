//! The entries themselves: a hash table of tokens over a slab of slots.
//!
//! The table holds four bytes an entry and the slab holds the rest, so tokens stay put while the
//! table grows. A slot keeps 32 bits of its key's hash: growing, removing by token and telling
//! most unequal keys apart then need no user code.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use equivalent::Equivalent;
use hashbrown::HashTable;

use super::hash::spread;
use super::list::{Token, make_room};

/// Keys, values and `M`, whatever the owner keeps beside them.
#[derive(Debug)]
pub(crate) struct Store<K, V, M> {
    index: HashTable<Token>,
    slots: Vec<Option<Slot<K, V, M>>>,
    vacant: Vec<Token>,
}

/// One stored entry.
#[derive(Debug)]
pub(crate) struct Slot<K, V, M> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) meta: M,
    hash: Tag,
}

/// What a slot keeps of its key's hash. Never zero, so that `Option<Slot>` is as small as `Slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag(NonZeroU32);

impl Tag {
    #[inline]
    fn of(hash: u32) -> Self {
        Self(NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN))
    }

    #[inline]
    fn spread(self) -> u64 {
        spread(self.0.get())
    }
}

impl<K, V, M> Slot<K, V, M> {
    /// The hash of the key, or 1 for 0.
    pub(crate) fn hash(&self) -> u32 {
        self.hash.0.get()
    }
}

impl<K, V, M> Store<K, V, M> {
    pub(crate) const fn new() -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of `key`. O(1). Only this runs user code (`key`'s equality).
    #[inline]
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<(Token, &Slot<K, V, M>)>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let hash = Tag::of(hash);
        let mut found = None;
        let token = *self.index.find(hash.spread(), |&token| {
            let slot = self.get(token);
            found = slot.filter(|slot| slot.hash == hash && key.equivalent(&slot.key));
            found.is_some()
        })?;
        Some((token, found?))
    }

    #[inline]
    pub(crate) fn get(&self, token: Token) -> Option<&Slot<K, V, M>> {
        self.slots.get(token.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Slot<K, V, M>> {
        self.slots.get_mut(token.index())?.as_mut()
    }

    /// Stores an entry whose key is not in the store. O(1) amortized.
    pub(crate) fn insert(&mut self, hash: u32, key: K, value: V, meta: M) -> Token {
        let slot = Some(Slot {
            key,
            value,
            meta,
            hash: Tag::of(hash),
        });
        let token = if let Some(token) = self.vacant.pop() {
            self.slots[token.index()] = slot;
            token
        } else {
            make_room(&mut self.slots, 1);
            self.slots.push(slot);
            Token::from_index(self.slots.len() - 1)
        };
        let slots = &self.slots;
        self.index
            .insert_unique(Tag::of(hash).spread(), token, |token| {
                let slot = slots[token.index()].as_ref();
                slot.map_or(0, |slot| slot.hash.spread())
            });
        token
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Slot<K, V, M>> {
        let slot = self.slots.get_mut(token.index())?.take()?;
        if let Ok(entry) = self
            .index
            .find_entry(slot.hash.spread(), |&other| other == token)
        {
            entry.remove();
        }
        self.vacant.push(token);
        Some(slot)
    }

    /// The entries in slot order, from slot `start` on.
    pub(crate) fn iter_from(
        &self,
        start: usize,
    ) -> impl Iterator<Item = (Token, &Slot<K, V, M>)> + '_ {
        let slots = self.slots.get(start..).unwrap_or_default();
        slots.iter().enumerate().filter_map(move |(offset, slot)| {
            Some((Token::from_index(start + offset), slot.as_ref()?))
        })
    }

    /// Takes every entry out and keeps the memory.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Token, Slot<K, V, M>)> + '_ {
        self.index.clear();
        self.vacant.clear();
        self.slots
            .drain(..)
            .enumerate()
            .filter_map(|(index, slot)| Some((Token::from_index(index), slot?)))
    }

    /// Bytes held on the heap, without what keys and values own.
    pub(crate) fn memory_used(&self) -> usize {
        self.index.allocation_size()
            + self.slots.capacity() * size_of::<Option<Slot<K, V, M>>>()
            + self.vacant.capacity() * size_of::<Token>()
    }

    /// Checks that table, slab and free list agree.
    ///
    /// # Panics
    /// When they do not.
    pub(crate) fn validate(&self) {
        let occupied = self.slots.iter().flatten().count();
        assert_eq!(
            self.index.len(),
            occupied,
            "every slot is in the table once"
        );
        assert_eq!(
            self.slots.len(),
            occupied + self.vacant.len(),
            "every slot is occupied or in the free list"
        );
        for &token in &self.index {
            let slot = self.get(token).expect("the table names occupied slots");
            let found = self.index.find(slot.hash.spread(), |&other| other == token);
            assert!(found.is_some(), "a slot is found under its own hash");
        }
        for token in &self.vacant {
            assert!(self.get(*token).is_none(), "the free list names free slots");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_slot_costs_no_more_than_a_full_one() {
        assert_eq!(
            size_of::<Option<Slot<u64, u64, u64>>>(),
            size_of::<Slot<u64, u64, u64>>()
        );
    }

    #[test]
    fn tokens_hold_while_the_table_grows_and_slots_are_reused() {
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
    fn keys_that_collide_are_told_apart() {
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
