//! Tokens, and doubly linked lists of tokens.
//!
//! A token identifies a slot of the store. A list keeps its links in an array indexed by token
//! ([`Links`]): eight bytes per entry, no allocation per entry, and every operation is O(1).

use alloc::vec::Vec;

/// Identifies a stored entry from its insertion to its removal, unless the shard is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u32);

impl Token {
    const NIL: Self = Self(u32::MAX);

    /// The token of slot `index`.
    ///
    /// # Panics
    /// If `index` is `u32::MAX` or more: a shard holds at most 2³²−1 entries.
    #[must_use]
    pub(crate) fn from_index(index: usize) -> Self {
        match u32::try_from(index) {
            Ok(index) if index != u32::MAX => Self(index),
            _ => panic!("a shard holds at most 2^32 - 1 entries"),
        }
    }

    /// The token as a number.
    #[cfg(all(target_has_atomic = "32", not(target_os = "none")))]
    #[inline]
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The token of a number that [`Token::number`] has returned.
    #[inline]
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The index of the slot.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn some(self) -> Option<Self> {
        (self != Self::NIL).then_some(self)
    }
}

/// Reserves space for `more` elements. Grows by an eighth: doubling would leave a third of the
/// memory of a full cache unused. Appending is O(1) amortized.
pub(crate) fn reserve_more<T>(array: &mut Vec<T>, more: usize) {
    if array.capacity() - array.len() < more {
        array.reserve_exact(more.max(array.len() / 8).max(4));
    }
}

/// Extends an array that is indexed by token with `element`, so that it has one for `token`.
#[cfg_attr(not(target_os = "none"), inline)]
pub(crate) fn ensure_slot<T: Copy>(array: &mut Vec<T>, token: Token, element: T) {
    let len = token.index() + 1;
    if len > array.len() {
        extend_to(array, len, element);
    }
}

#[cfg_attr(not(target_os = "none"), cold)]
#[cfg_attr(target_os = "none", inline)]
fn extend_to<T: Copy>(array: &mut Vec<T>, len: usize, element: T) {
    reserve_more(array, len - array.len());
    array.resize(len, element);
}

/// Truncates an array to `len` elements and frees the memory of the others.
pub(crate) fn truncate_and_shrink<T>(array: &mut Vec<T>, len: usize) {
    array.truncate(len);
    array.shrink_to_fit();
}

/// The neighbors of every token, for any number of lists that have no token in common.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    prev: Token,
    next: Token,
}

/// The ends of one list. Its order is in [`Links`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    head: Token,
    tail: Token,
}

impl List {
    pub(crate) const EMPTY: Self = Self {
        head: Token::NIL,
        tail: Token::NIL,
    };

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn front(&self) -> Option<Token> {
        self.head.some()
    }
}

impl Links {
    const UNLINKED: Link = Link {
        prev: Token::NIL,
        next: Token::NIL,
    };

    /// Appends `token`, which must be in no list.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn push_back(&mut self, list: &mut List, token: Token) {
        ensure_slot(&mut self.0, token, Self::UNLINKED);
        let prev = list.tail;
        self.0[token.index()] = Link {
            prev,
            next: Token::NIL,
        };
        match prev.some() {
            Some(prev) => self.0[prev.index()].next = token,
            None => list.head = token,
        }
        list.tail = token;
    }

    /// Removes `token` from `list`, which must contain it.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn remove(&mut self, list: &mut List, token: Token) {
        let Link { prev, next } = self.0[token.index()];
        match prev.some() {
            Some(prev) => self.0[prev.index()].next = next,
            None => list.head = next,
        }
        match next.some() {
            Some(next) => self.0[next.index()].prev = prev,
            None => list.tail = prev,
        }
        self.0[token.index()] = Self::UNLINKED;
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn pop_front(&mut self, list: &mut List) -> Option<Token> {
        let token = list.front()?;
        if cfg!(target_os = "none") {
            self.remove(list, token);
            return Some(token);
        }
        let next = core::mem::replace(&mut self.0[token.index()], Self::UNLINKED).next;
        list.head = next;
        match next.some() {
            Some(next) => self.0[next.index()].prev = Token::NIL,
            None => list.tail = Token::NIL,
        }
        Some(token)
    }

    /// How many tokens have a link, in a list or not.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Replaces `from`, if it is in `list`, by `to`, which must be in no list.
    pub(crate) fn move_token(&mut self, list: &mut List, from: Token, to: Token) {
        let Some(&link) = self.0.get(from.index()) else {
            return;
        };
        match link.prev.some() {
            Some(prev) => self.0[prev.index()].next = to,
            None if list.head == from => list.head = to,
            None => {}
        }
        match link.next.some() {
            Some(next) => self.0[next.index()].prev = to,
            None if list.tail == from => list.tail = to,
            None => {}
        }
        self.0[to.index()] = link;
        self.0[from.index()] = Self::UNLINKED;
    }

    /// Frees the memory of tokens from `len` on, which must be in no list.
    pub(crate) fn truncate(&mut self, len: usize) {
        truncate_and_shrink(&mut self.0, len);
    }

    /// Iterates from front to back. A broken chain ends early or never: the invariant checks
    /// compare what they find with what is stored.
    pub(crate) fn iter(&self, list: &List) -> impl Iterator<Item = Token> + '_ {
        let mut at = list.head;
        core::iter::from_fn(move || {
            let token = at.some()?;
            at = self.0[token.index()].next;
            Some(token)
        })
    }

    /// Bytes allocated on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        self.0.capacity() * size_of::<Link>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(links: &Links, list: &List) -> Vec<usize> {
        links.iter(list).map(Token::index).collect()
    }

    #[test]
    fn a_list_keeps_its_order_through_removals_anywhere() {
        let (mut links, mut list) = (Links::default(), List::EMPTY);
        for index in 0..5 {
            links.push_back(&mut list, Token::from_index(index));
        }
        links.remove(&mut list, Token::from_index(2));
        links.remove(&mut list, Token::from_index(0));
        links.remove(&mut list, Token::from_index(4));
        assert_eq!(order(&links, &list), [1, 3]);
        links.push_back(&mut list, Token::from_index(0));
        assert_eq!(links.pop_front(&mut list), Some(Token::from_index(1)));
        assert_eq!(order(&links, &list), [3, 0]);
    }

    #[test]
    fn two_lists_share_one_array_of_links() {
        let mut links = Links::default();
        let (mut left, mut right) = (List::EMPTY, List::EMPTY);
        for index in 0..6 {
            let list = if index % 2 == 0 {
                &mut left
            } else {
                &mut right
            };
            links.push_back(list, Token::from_index(index));
        }
        assert_eq!(order(&links, &left), [0, 2, 4]);
        assert_eq!(order(&links, &right), [1, 3, 5]);
        links.pop_front(&mut left);
        assert!(left.front().is_some());
        assert_eq!(order(&links, &right), [1, 3, 5]);
    }
}
