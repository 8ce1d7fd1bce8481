//! Eviction policies: one file for each, and their common trait.

mod lru;
mod s3_fifo;

use core::sync::atomic::{AtomicU32, Ordering};

use crate::machine::list::Token;

pub(crate) use lru::Lru;
pub(crate) use s3_fifo::S3Fifo;

/// An eviction policy: it orders tokens and chooses the next victim.
///
/// A policy knows every entry with a weight; an entry of weight zero is never evicted, as that
/// would free no capacity. It owns its queues, and reads what else it needs of an entry from
/// [`EntryInfo`].
pub(crate) trait Policy {
    /// Whether a hit reorders the policy's queues, and so needs exclusive access. Otherwise a hit
    /// is one [`HitCounter::record`] through a shared reference.
    const REORDERS_ON_HIT: bool;

    /// Adds a new entry, which has no hits yet. O(1) amortized.
    fn insert(&mut self, token: Token, entries: &impl EntryInfo);

    /// Records a hit. Called only if [`Policy::REORDERS_ON_HIT`]. O(1).
    fn hit(&mut self, token: Token);

    /// Removes an entry that is removed for another reason than eviction. `entries` still has it.
    /// O(1).
    fn remove(&mut self, token: Token, entries: &impl EntryInfo);

    /// Chooses the next entry to evict and removes it from the queues. `entries` still has it.
    /// `None` only if the policy knows no entry. O(1) amortized.
    fn evict(&mut self, entries: &impl EntryInfo) -> Option<Token>;

    /// Removes every entry, and forgets what was learned of evicted keys.
    fn clear(&mut self);

    /// Replaces token `from`, if the policy knows it, by `to`, which it does not know. O(1).
    fn move_token(&mut self, from: Token, to: Token);

    /// Frees the memory of tokens from `len` on, which the policy must not know.
    fn truncate(&mut self, len: usize);

    /// Iterates over all known tokens in unspecified order, for invariant checks.
    fn tokens(&self) -> impl Iterator<Item = Token> + '_;

    /// Checks the policy's invariants against `entries`.
    ///
    /// # Panics
    /// When an invariant is broken.
    fn validate(&self, entries: &impl EntryInfo);

    /// Bytes allocated on the heap.
    fn memory_used(&self) -> usize;
}

/// What a policy reads of an entry.
pub(crate) trait EntryInfo {
    fn hits(&self, token: Token) -> &HitCounter;
    /// The entry's weight; never zero for an entry that the policy knows.
    fn weight(&self, token: Token) -> u32;
    /// The hash of the entry's key, with well-mixed bits.
    fn hash(&self, token: Token) -> u32;
}

/// The hits of an entry, in a counter that saturates: the cache line of a popular entry is then
/// only read. Concurrent hits use relaxed loads and stores, and may lose counts.
///
/// The counter takes two bits of a word. The owner keeps a number in the others.
#[derive(Debug, Default)]
pub(crate) struct HitCounter(AtomicU32);

impl HitCounter {
    /// The highest count. Further hits do not write.
    pub(crate) const MAX: u8 = 3;
    const BITS: u32 = 2;
    const MASK: u32 = Self::MAX as u32;
    /// The largest number that fits into the other bits.
    pub(crate) const MAX_NUMBER: u32 = u32::MAX >> Self::BITS;

    /// A counter without hits, and a number in the other bits.
    pub(crate) const fn with_number(number: u32) -> Self {
        Self(AtomicU32::new(number << Self::BITS))
    }

    /// The number in the other bits.
    pub(crate) fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed) >> Self::BITS
    }

    /// Sets the number in the other bits.
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
