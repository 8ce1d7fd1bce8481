//! A ghost: the keys of evicted entries, by hash and bounded.

use alloc::{vec, vec::Vec};

/// A set of about as many hashes as its capacity, the latest ones.
///
/// Each key has one bucket, a row of [`WAYS`] hashes from the latest to the oldest: the position in
/// it tells the age. A queue beside a hash set would take three times the memory. As keys spread
/// unevenly, the number of keys that it holds equals its capacity only on average.
#[derive(Debug, Default)]
pub(super) struct Ghost {
    buckets: Vec<[u32; WAYS]>,
    /// The capacity for which the size was last checked; zero if it must be checked.
    checked_for: usize,
}

impl Ghost {
    /// Adds a key to a ghost for `capacity` keys, which is at least one. O(1) amortized.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(super) fn insert(&mut self, hash: u32, capacity: usize) {
        if capacity != self.checked_for {
            self.resize_for(capacity);
        }
        let hash = hash.max(EMPTY + 1);
        let at = self.bucket(hash);
        let bucket = &mut self.buckets[at];
        let [first, second, third, fourth, fifth, sixth, seventh, _] = *bucket;
        // As one value: `copy_within` is a call.
        *bucket = [hash, first, second, third, fourth, fifth, sixth, seventh];
    }

    /// Whether a key is known. O(1).
    #[inline(always)]
    pub(super) fn has(&self, hash: u32) -> bool {
        if self.buckets.is_empty() {
            return false;
        }
        let hash = hash.max(EMPTY + 1);
        let bucket = &self.buckets[self.bucket(hash)];
        // Without a branch for each way, so that vector instructions compare them.
        let compare = |found, &known: &u32| found | (known == hash);
        bucket.iter().fold(false, compare)
    }

    /// Removes a key if it is known; returns how many keys of its bucket were added after it. O(1).
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn take(&mut self, hash: u32) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let hash = hash.max(EMPTY + 1);
        let at = self.bucket(hash);
        let bucket = &mut self.buckets[at];
        let age = bucket.iter().position(|&known| known == hash)?;
        bucket.copy_within(age + 1.., age);
        bucket[WAYS - 1] = EMPTY;
        Some(age)
    }

    /// Resizes the ghost once its size and `capacity` differ much, so that a number of entries that
    /// varies does not resize it each time. Forgets all keys, which costs little: all of them are
    /// soon replaced anyway.
    #[cfg_attr(not(target_os = "none"), cold)]
    fn resize_for(&mut self, capacity: usize) {
        self.checked_for = capacity;
        let (wanted, have) = (capacity.div_ceil(WAYS), self.buckets.len());
        if wanted > have + have / 4 || wanted < have / 2 {
            self.buckets = vec![[EMPTY; WAYS]; wanted];
        }
    }

    /// Frees memory if there is a slot for more than `most` keys. Forgets all keys then.
    pub(super) fn shrink_to(&mut self, most: usize) {
        let most = most.div_ceil(WAYS);
        if self.buckets.len() > most {
            self.buckets = vec![[EMPTY; WAYS]; most];
            self.checked_for = 0;
        }
    }

    /// The bucket of `hash`. The keys of one shard may agree in some bits of their hash, so these
    /// must not choose the bucket alone: the multiplication mixes all bits.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn bucket(&self, hash: u32) -> usize {
        let spread = u64::from(hash.wrapping_mul(0x9E37_79B9));
        ((spread * self.buckets.len() as u64) >> u32::BITS) as usize
    }

    /// Checks that every key is in its bucket, without gaps, and that there are slots for at most
    /// `most` keys, rounded up to whole buckets.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(super) fn validate(&self, most: usize) {
        assert!(self.buckets.len() <= most.div_ceil(WAYS), "ghost too large");
        for (at, bucket) in self.buckets.iter().enumerate() {
            let known = bucket.iter().take_while(|&&hash| hash != EMPTY).count();
            assert!(bucket[known..].iter().all(|&hash| hash == EMPTY), "gap");
            assert!(bucket[..known].iter().all(|&hash| self.bucket(hash) == at));
        }
    }

    pub(super) fn memory_used(&self) -> usize {
        self.buckets.capacity() * size_of::<[u32; WAYS]>()
    }
}

/// The hashes of a bucket: half a cache line.
pub(super) const WAYS: usize = 8;

/// Marks a vacant slot. A key with this hash, one in 2³², is treated as if its hash were one more.
const EMPTY: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash with mixed bits.
    fn hash(key: u32) -> u32 {
        (key ^ (key >> 7)).wrapping_mul(0x85EB_CA6B).rotate_left(13)
    }

    #[test]
    fn a_key_is_taken_once() {
        let mut ghost = Ghost::default();
        assert_eq!(ghost.take(7), None);
        ghost.insert(7, 100);
        assert_eq!(ghost.take(7), Some(0));
        assert_eq!(ghost.take(7), None);
    }

    #[test]
    fn a_key_ages_as_others_are_added_and_is_forgotten_at_last() {
        let mut ghost = Ghost::default();
        for key in 1..=9 {
            ghost.insert(key, WAYS);
        }
        assert_eq!(ghost.take(1), None);
        assert_eq!(ghost.take(9), Some(0));
        assert_eq!(ghost.take(2), Some(6));
        assert_eq!(ghost.take(3), Some(5));
        ghost.validate(WAYS);
    }

    #[test]
    fn the_latest_keys_are_mostly_known_and_older_ones_are_not() {
        let mut ghost = Ghost::default();
        (0..10_000).for_each(|key| ghost.insert(hash(key), 1000));
        ghost.validate(1000);
        let mut known = |keys: core::ops::Range<u32>| {
            keys.filter(|&key| ghost.take(hash(key)).is_some()).count()
        };
        assert!(known(9_500..10_000) > 450);
        assert_eq!(known(0..7_000), 0);
    }

    #[test]
    fn keys_that_agree_in_some_bits_of_their_hash_use_most_buckets() {
        for shift in [0, 8] {
            let mut ghost = Ghost::default();
            (0..256).for_each(|key| ghost.insert((hash(key) >> 8) << shift, 512));
            let used = ghost.buckets.iter().filter(|bucket| bucket[0] != EMPTY);
            assert!(used.count() > 48, "shift {shift}");
        }
    }

    #[test]
    fn a_key_with_hash_zero_is_kept_too() {
        let mut ghost = Ghost::default();
        ghost.insert(0, 8);
        assert_eq!(ghost.take(0), Some(0));
    }
}
