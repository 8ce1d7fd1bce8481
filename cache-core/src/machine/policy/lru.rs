//! Exact least-recently-used order.

mod hit_log;

use alloc::collections::BTreeSet;

use super::{EntryInfo, Policy};
use crate::machine::list::{Links, List, Token};
use hit_log::HitLog;

/// Evicts the least recently used entry. Insertions and hits count as uses.
///
/// Predictable, but not scan-resistant: one pass over more keys than fit evicts every other entry.
/// Every operation is O(1) amortized. A hit under a shared lock goes to a log. Each exclusive
/// operation first moves the entries of the logged hits in the queue, so it sees the exact order.
#[derive(Debug)]
pub(crate) struct Lru {
    links: Links,
    /// From the least to the most recently used, without the hits in the log.
    order: List,
    log: HitLog,
}

impl Lru {
    pub(crate) fn new() -> Self {
        Self {
            links: Links::default(),
            order: List::EMPTY,
            log: HitLog::default(),
        }
    }

    /// Records a hit of an entry that the policy knows, through a shared reference. Returns `false`
    /// if the log is full: the hit must then be recorded by [`Policy::hit`].
    #[inline]
    pub(crate) fn log_hit(&self, token: Token) -> bool {
        self.log.push(token)
    }

    /// Moves the entries of the logged hits to the end of the queue, in the order of the hits.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn apply_log(&mut self) {
        if !self.log.is_empty() {
            self.drain_log();
        }
    }

    #[cfg_attr(not(target_os = "none"), cold)]
    fn drain_log(&mut self) {
        for token in self.log.drain() {
            self.links.remove(&mut self.order, token);
            self.links.push_back(&mut self.order, token);
        }
    }
}

impl Policy for Lru {
    const REORDERS_ON_HIT: bool = true;

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn insert(&mut self, token: Token, _: &impl EntryInfo) {
        self.apply_log();
        self.links.push_back(&mut self.order, token);
        self.log.grow_for(self.links.len());
    }

    fn hit(&mut self, token: Token) {
        self.apply_log();
        self.links.remove(&mut self.order, token);
        self.links.push_back(&mut self.order, token);
    }

    fn remove(&mut self, token: Token, _: &impl EntryInfo) {
        self.apply_log();
        self.links.remove(&mut self.order, token);
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn evict(&mut self, _: &impl EntryInfo) -> Option<Token> {
        self.apply_log();
        self.links.pop_front(&mut self.order)
    }

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn move_token(&mut self, from: Token, to: Token) {
        self.apply_log();
        self.links.move_token(&mut self.order, from, to);
    }

    fn truncate(&mut self, len: usize) {
        self.apply_log();
        self.links.truncate(len);
        self.log.shrink_for(len);
    }

    fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.links.iter(&self.order)
    }

    fn validate(&self, entries: &impl EntryInfo) {
        let mut seen = BTreeSet::new();
        for token in self.tokens() {
            assert!(seen.insert(token), "{token:?} is in the order twice");
            assert_ne!(entries.weight(token), 0, "{token:?} weighs nothing");
        }
        for token in self.log.tokens() {
            assert!(seen.contains(&token), "the policy does not know {token:?}");
        }
    }

    fn memory_used(&self) -> usize {
        self.links.memory_used() + self.log.memory_used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::policy::HitCounter;
    use alloc::vec::Vec;

    /// Entries that are all alike.
    #[derive(Default)]
    struct Alike(HitCounter);

    impl EntryInfo for Alike {
        fn hits(&self, _: Token) -> &HitCounter {
            &self.0
        }
        fn weight(&self, _: Token) -> u32 {
            1
        }
        fn hash(&self, _: Token) -> u32 {
            0
        }
    }

    fn lru_of(entries: usize) -> Lru {
        let mut lru = Lru::new();
        for index in 0..entries {
            lru.insert(Token::from_index(index), &Alike::default());
        }
        lru
    }

    fn drain(mut lru: Lru) -> Vec<usize> {
        lru.validate(&Alike::default());
        core::iter::from_fn(|| lru.evict(&Alike::default()))
            .map(Token::index)
            .collect()
    }

    #[test]
    fn entries_are_evicted_in_the_order_of_their_last_use() {
        let mut lru = lru_of(5);
        for index in [1, 3, 0, 3] {
            lru.hit(Token::from_index(index));
        }
        assert_eq!(drain(lru), [2, 4, 1, 0, 3]);
    }

    #[test]
    fn logged_hits_count_in_their_order_and_before_later_uses() {
        let mut lru = lru_of(6);
        for index in [2, 0, 2] {
            assert!(lru.log_hit(Token::from_index(index)));
        }
        lru.hit(Token::from_index(1));
        assert!(lru.log_hit(Token::from_index(3)));
        lru.remove(Token::from_index(0), &Alike::default());
        assert_eq!(drain(lru), [4, 5, 2, 1, 3]);
    }

    #[test]
    fn a_full_log_refuses_hits_until_the_next_exclusive_use() {
        let mut lru = lru_of(3);
        let token = Token::from_index;
        let logged = (0..10_000).take_while(|at| lru.log_hit(token(at % 2)));
        let last = logged.last().expect("the log has space");
        assert!(!lru.log_hit(token(2)));
        lru.hit(token(2));
        assert!(lru.log_hit(token(2)));
        assert_eq!(drain(lru), [(last + 1) % 2, last % 2, 2]);
    }

    #[test]
    fn hits_are_logged_after_memory_was_freed() {
        let mut lru = lru_of(100);
        for index in 20..100 {
            lru.remove(Token::from_index(index), &Alike::default());
        }
        lru.truncate(20);
        assert_eq!(lru.log.memory_used(), 32 * size_of::<u32>());
        assert!(lru.log_hit(Token::from_index(0)));
        assert_eq!(drain(lru).last(), Some(&0));
    }

    #[test]
    fn a_removed_entry_is_not_evicted() {
        let mut lru = lru_of(4);
        for index in [0, 2] {
            lru.remove(Token::from_index(index), &Alike::default());
        }
        assert_eq!(drain(lru), [1, 3]);
    }

    #[test]
    fn a_token_that_is_inserted_again_is_evicted_last() {
        let mut lru = lru_of(3);
        let token = lru.evict(&Alike::default()).unwrap();
        lru.insert(token, &Alike::default());
        assert_eq!(drain(lru), [1, 2, 0]);
    }

    #[test]
    fn clear_removes_every_entry() {
        let mut lru = lru_of(3);
        lru.clear();
        assert_eq!(lru.tokens().count(), 0);
        assert_eq!(drain(lru), []);
    }
}
