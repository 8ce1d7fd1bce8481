//! Things by hash: a hash table of tokens over a slab of slots.
//!
//! The table holds four bytes a item and the slab holds the rest, so tokens stay put while the
//! table grows, and tables of all things grow by the same code.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::list::{Token, reserve_more, truncate_and_shrink};

/// A table of things that know their hash.
#[derive(Debug)]
// As the engine is laid out: `slots` grows, but does not change by each write.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub(crate) struct Table<T> {
    vacant: Vec<Token>,
    index: HashTable<Token>,
    slots: Vec<Option<T>>,
}

/// What keeps 32 bits of its key's hash: growing and removing by token then need no user code.
pub(crate) trait Hashed {
    /// The hash under which it was stored.
    fn hash(&self) -> u32;
}

impl<T: Hashed> Table<T> {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Finds a item among those that may have `hash`. O(1).
    #[inline(always)]
    pub(crate) fn find(
        &self,
        hash: u32,
        mut matches: impl FnMut(&T) -> bool,
    ) -> Option<(Token, &T)> {
        let mut found = None;
        let token = *self.index.find(spread(hash), |&token| {
            found = self.get(token).filter(|item| matches(item));
            found.is_some()
        })?;
        Some((token, found?))
    }

    #[inline]
    pub(crate) fn get(&self, token: Token) -> Option<&T> {
        self.slots.get(token.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slots.get_mut(token.index())?.as_mut()
    }

    /// The token of the item that is stored next.
    pub(crate) fn next_token(&self) -> Token {
        let vacant = self.vacant.last().copied();
        vacant.unwrap_or_else(|| Token::from_index(self.slots.len()))
    }

    /// Stores a item whose key is not in the table. O(1) amortized.
    pub(crate) fn insert(&mut self, item: T) -> Token {
        let hash = item.hash();
        let token = if let Some(token) = self.vacant.pop() {
            self.slots[token.index()] = Some(item);
            token
        } else {
            reserve_more(&mut self.slots, 1);
            self.slots.push(Some(item));
            Token::from_index(self.slots.len() - 1)
        };
        let slots = &self.slots;
        let hash_of = |token: Token| slots[token.index()].as_ref().map_or(0, T::hash);
        insert_into_index(&mut self.index, hash, token, &hash_of);
        token
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let item = self.slots.get_mut(token.index())?.take()?;
        remove_from_index(&mut self.index, item.hash(), token);
        self.vacant.push(token);
        Some(item)
    }

    /// Everything in slot order, from slot `start` on.
    pub(crate) fn iter_from(&self, start: usize) -> impl Iterator<Item = (Token, &T)> + '_ {
        let slots = self.slots.get(start..).unwrap_or_default();
        slots.iter().enumerate().filter_map(move |(offset, slot)| {
            Some((Token::from_index(start + offset), slot.as_ref()?))
        })
    }

    /// How many slots there are, occupied or vacant.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Whether most of the memory is for things that are gone. A table that has given it back then
    /// is not sparse again before three of four things have left: what wavers costs nothing.
    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        const FEW: usize = 64;
        self.slots.len() >= FEW && self.index.len() < self.slots.len() / 4
    }

    /// Moves the last things into vacant slots, tells `moved` of each, from where and to where, and
    /// gives all memory back that is not needed. O(slots).
    pub(crate) fn compact(&mut self, mut moved: impl FnMut(Token, Token)) {
        self.vacant.sort_unstable();
        let vacant = core::mem::take(&mut self.vacant);
        for to in vacant {
            self.pop_vacant_end();
            if to.index() >= self.slots.len() {
                break;
            }
            let from = Token::from_index(self.slots.len() - 1);
            let Some(item) = self.slots.pop().flatten() else {
                break;
            };
            let hash = spread(item.hash());
            if let Some(token) = self.index.find_mut(hash, |&token| token == from) {
                *token = to;
            }
            self.slots[to.index()] = Some(item);
            moved(from, to);
        }
        self.pop_vacant_end();
        self.shrink_to_fit_all();
    }

    /// Gives memory back as far as that is possible without moving anything.
    pub(crate) fn shrink_in_place(&mut self) {
        self.pop_vacant_end();
        let len = self.slots.len();
        self.vacant.retain(|token| token.index() < len);
        self.shrink_to_fit_all();
    }

    fn pop_vacant_end(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
    }

    fn shrink_to_fit_all(&mut self) {
        let (slots, vacant) = (self.slots.len(), self.vacant.len());
        truncate_and_shrink(&mut self.slots, slots);
        truncate_and_shrink(&mut self.vacant, vacant);
        let slots = &self.slots;
        let hash_of = |token: Token| slots[token.index()].as_ref().map_or(0, T::hash);
        self.index.shrink_to_fit(|&token| spread(hash_of(token)));
    }

    /// Takes everything out and gives all memory back.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Token, T)> + use<T> {
        self.index = HashTable::new();
        self.vacant = Vec::new();
        core::mem::take(&mut self.slots)
            .into_iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((Token::from_index(index), slot?)))
    }

    /// Bytes held on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        self.index.allocation_size()
            + self.slots.capacity() * size_of::<Option<T>>()
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
            let item = self.get(token).expect("the table names occupied slots");
            let found = self
                .index
                .find(spread(item.hash()), |&other| other == token);
            assert!(found.is_some(), "a slot is found under its own hash");
        }
        for token in &self.vacant {
            assert!(self.get(*token).is_none(), "the free list names free slots");
        }
    }
}

/// Not generic, as a table's growth is a kilobyte of code.
fn insert_into_index(
    index: &mut HashTable<Token>,
    hash: u32,
    token: Token,
    hash_of: &dyn Fn(Token) -> u32,
) {
    index.insert_unique(spread(hash), token, |&token| spread(hash_of(token)));
}

fn remove_from_index(index: &mut HashTable<Token>, hash: u32, token: Token) {
    if let Ok(entry) = index.find_entry(spread(hash), |&other| other == token) {
        entry.remove();
    }
}

/// Spreads a 32-bit hash over 64 bits: `hashbrown` takes a key's bucket from the low bits and its
/// tag from the top ones. The multiplier is 2⁶⁴ divided by the golden ratio (Fibonacci hashing,
/// Knuth, The Art of Computer Programming, vol. 3, 6.4).
#[inline]
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
