//! Which entry goes when there is no room: one file a policy, and the trait between them.

mod lru;
mod s3_fifo;

use core::sync::atomic::{AtomicU32, Ordering};

use crate::machine::list::Token;

pub(crate) use lru::Lru;
pub(crate) use s3_fifo::S3Fifo;

/// An eviction policy: it orders tokens and names the next victim.
///
/// A policy is told of every entry that takes part in eviction (entries that weigh nothing do
/// not: evicting them makes no room). It owns its queues and learns everything else about an
/// entry from [`EntryInfo`].
pub(crate) trait Policy {
    /// Whether a hit reorders the policy's queues. Where it does, hits are taken with `&mut`;
    /// where it does not, a hit is one [`HitCounter::record`] through a shared reference.
    const REORDERS_ON_HIT: bool;

    /// A new entry. Its touch starts cold.
    fn insert(&mut self, token: Token, entries: &impl EntryInfo);

    /// A hit, called only where [`Policy::REORDERS_ON_HIT`] is true. O(1).
    fn hit(&mut self, token: Token);

    /// An entry leaves for another reason than eviction; it is still in `entries`.
    fn remove(&mut self, token: Token, entries: &impl EntryInfo);

    /// Chooses the entry to leave next and takes it out of the queues; it is still in `entries`.
    /// `None` only when the policy knows no entry. O(1) amortized.
    fn evict(&mut self, entries: &impl EntryInfo) -> Option<Token>;

    /// Every entry leaves at once. What was learned of keys that are gone is forgotten too.
    fn clear(&mut self);

    /// The entry at `from`, if the policy knows it, is at `to` from now on, where none was.
    fn move_token(&mut self, from: Token, to: Token);

    /// Gives back the memory for tokens from `len` on. The policy knows none of them.
    fn truncate(&mut self, len: usize);

    /// The tokens known, in any order: for invariant checks.
    fn tokens(&self) -> impl Iterator<Item = Token> + '_;

    /// Checks the policy's own invariants against `entries`.
    ///
    /// # Panics
    /// When one is broken.
    fn validate(&self, entries: &impl EntryInfo);

    /// Bytes held on the heap.
    fn memory_used(&self) -> usize;
}

/// What a policy may ask about an entry.
pub(crate) trait EntryInfo {
    fn hits(&self, token: Token) -> &HitCounter;
    /// How much of the bound the entry takes; never zero for an entry that a policy knows.
    fn weight(&self, token: Token) -> u32;
    /// The hash of the entry's key, well mixed.
    fn hash(&self, token: Token) -> u32;
}

/// What a hit leaves in the slot: a counter that saturates, so that a popular entry's cache line
/// is soon only read. Relaxed loads and stores lose an update at worst, never more.
///
/// The counter needs two bits of a word; the others are the owner's.
#[derive(Debug, Default)]
pub(crate) struct HitCounter(AtomicU32);

impl HitCounter {
    /// Hits beyond this many teach nothing and write nothing.
    pub(crate) const MAX: u8 = 3;
    const BITS: u32 = 2;
    const MASK: u32 = Self::MAX as u32;
    /// The largest number that fits beside the counter.
    pub(crate) const MAX_NUMBER: u32 = u32::MAX >> Self::BITS;

    /// A cold counter, with a number beside it.
    pub(crate) const fn with_number(number: u32) -> Self {
        Self(AtomicU32::new(number << Self::BITS))
    }

    /// The number beside the counter.
    pub(crate) fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed) >> Self::BITS
    }

    /// Puts another number beside the counter.
    pub(crate) fn set_number(&mut self, number: u32) {
        let word = self.0.get_mut();
        *word = number << Self::BITS | *word & Self::MASK;
    }

    #[inline]
    pub(crate) fn record(&self) {
        let word = self.0.load(Ordering::Relaxed);
        if word & Self::MASK < Self::MASK {
            self.0.store(word + 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(&self) -> u8 {
        (self.0.load(Ordering::Relaxed) & Self::MASK) as u8
    }

    pub(crate) fn set(&self, hits: u8) {
        let word = self.0.load(Ordering::Relaxed) & !Self::MASK;
        self.0.store(word | u32::from(hits), Ordering::Relaxed);
    }
}
