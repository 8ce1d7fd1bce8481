//! A hash table of tokens over an array of slots.
//!
//! The hash table holds four bytes per item and the slots hold the items. So tokens are stable
//! while the hash table grows, and the code of its growth is shared by all item types.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::list::{Token, reserve_more, truncate_and_shrink};

/// Items that are found by hash or by token.
#[derive(Debug)]
// The fields in the order of how often they change: `slots` is not written at every insertion.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub(crate) struct Table<T> {
    vacant: Vec<Token>,
    index: HashTable<Token>,
    slots: Vec<Option<T>>,
}

/// An item that keeps 32 bits of its key's hash: growth and removal then need no user code.
pub(crate) trait Hashed {
    /// The hash that the item is stored under.
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

    /// Finds the item with `hash` that `matches`. O(1).
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

    #[inline(always)]
    pub(crate) fn get(&self, token: Token) -> Option<&T> {
        self.slots.get(token.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slots.get_mut(token.index())?.as_mut()
    }

    /// The token that the next insertion returns.
    pub(crate) fn next_token(&self) -> Token {
        let vacant = self.vacant.last().copied();
        vacant.unwrap_or_else(|| Token::from_index(self.slots.len()))
    }

    /// Stores an item whose key is not in the table. O(1) amortized.
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

    /// Replaces the item at `token`, which must be there, by one whose key is not in the table.
    /// O(1) amortized.
    #[inline(always)]
    pub(crate) fn replace(&mut self, token: Token, item: T) -> T {
        let hash = item.hash();
        let slot = self.slots[token.index()].as_mut();
        let slot = slot.expect("an item is replaced where there is one");
        let old = core::mem::replace(slot, item);
        remove_from_index_inline(&mut self.index, old.hash(), token);
        let slots = &self.slots;
        let hash_of = |token: Token| slots[token.index()].as_ref().map_or(0, T::hash);
        insert_into_index_inline(&mut self.index, hash, token, &hash_of);
        old
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let item = self.slots.get_mut(token.index())?.take()?;
        remove_from_index(&mut self.index, item.hash(), token);
        self.vacant.push(token);
        Some(item)
    }

    /// Iterates over the items in slot order, from slot `start` on.
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

    /// Whether most slots are vacant. After a compaction three of four items must be removed before
    /// the table is sparse again, so that a number of items that varies does not compact each time.
    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        const FEW: usize = 64;
        self.slots.len() >= FEW && self.index.len() < self.slots.len() / 4
    }

    /// Moves the last items into vacant slots, calls `moved` with the old and the new token of
    /// each, and frees all memory that is not needed. O(slots).
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
        self.shrink_to_fit();
    }

    /// Frees memory as far as that does not move any item.
    pub(crate) fn shrink_in_place(&mut self) {
        self.pop_vacant_end();
        let len = self.slots.len();
        self.vacant.retain(|token| token.index() < len);
        self.shrink_to_fit();
    }

    fn pop_vacant_end(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
    }

    fn shrink_to_fit(&mut self) {
        let (slots, vacant) = (self.slots.len(), self.vacant.len());
        truncate_and_shrink(&mut self.slots, slots);
        truncate_and_shrink(&mut self.vacant, vacant);
        let slots = &self.slots;
        let hash_of = |token: Token| slots[token.index()].as_ref().map_or(0, T::hash);
        self.index.shrink_to_fit(|&token| spread(hash_of(token)));
    }

    /// Removes every item and frees all memory. Returns the items in slot order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Token, T)> + use<T> {
        self.index = HashTable::new();
        self.vacant = Vec::new();
        core::mem::take(&mut self.slots)
            .into_iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((Token::from_index(index), slot?)))
    }

    /// Bytes allocated on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        self.index.allocation_size()
            + self.slots.capacity() * size_of::<Option<T>>()
            + self.vacant.capacity() * size_of::<Token>()
    }

    /// Checks that table, slots and free list agree.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self) {
        let occupied = self.slots.iter().flatten().count();
        assert_eq!(
            self.index.len(),
            occupied,
            "the index has each occupied slot once"
        );
        assert_eq!(
            self.slots.len(),
            occupied + self.vacant.len(),
            "each slot is occupied or in the free list"
        );
        for &token in &self.index {
            let item = self.get(token).expect("the index has no vacant slot");
            let found = self
                .index
                .find(spread(item.hash()), |&other| other == token);
            assert!(found.is_some(), "a slot is found under its own hash");
        }
        for token in &self.vacant {
            assert!(self.get(*token).is_none(), "a slot in use is not free");
        }
    }
}

/// Not generic over items: the growth of a table is a kilobyte of code.
fn insert_into_index(
    index: &mut HashTable<Token>,
    hash: u32,
    token: Token,
    hash_of: &dyn Fn(Token) -> u32,
) {
    insert_into_index_inline(index, hash, token, hash_of);
}

#[inline(always)]
fn insert_into_index_inline(
    index: &mut HashTable<Token>,
    hash: u32,
    token: Token,
    hash_of: &dyn Fn(Token) -> u32,
) {
    index.insert_unique(spread(hash), token, |&token| spread(hash_of(token)));
}

fn remove_from_index(index: &mut HashTable<Token>, hash: u32, token: Token) {
    remove_from_index_inline(index, hash, token);
}

#[inline(always)]
fn remove_from_index_inline(index: &mut HashTable<Token>, hash: u32, token: Token) {
    if let Ok(entry) = index.find_entry(spread(hash), |&other| other == token) {
        entry.remove();
    }
}

/// Spreads a 32-bit hash over 64 bits: `hashbrown` takes the bucket from the low bits and the tag
/// from the top ones. The multiplier is 2⁶⁴ divided by the golden ratio (Fibonacci hashing; Knuth,
/// "The Art of Computer Programming", volume 3, section 6.4).
#[inline]
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
