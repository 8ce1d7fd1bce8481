//! A bounded memory of keys that were evicted.

use alloc::{vec, vec::Vec};

/// Remembers about as many evicted keys as it is told to, the latest of them, by hash.
///
/// A queue beside a hash set would cost three times as much. Here a key may only be in one bucket,
/// a line of [`WAYS`] hashes from the latest to the oldest, so that its place in the line also
/// tells its age. Keys do not spread evenly: a memory of n keys is one of n keys on average.
#[derive(Debug, Default)]
pub(super) struct Ghost {
    buckets: Vec<[u32; WAYS]>,
}

impl Ghost {
    /// Remembers a key, in a memory for `capacity` keys (at least one).
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn insert(&mut self, hash: u32, capacity: usize) {
        self.resize_for(capacity);
        let hash = hash.max(EMPTY + 1);
        let at = self.bucket(hash);
        let bucket = &mut self.buckets[at];
        bucket.copy_within(..WAYS - 1, 1);
        bucket[0] = hash;
    }

    /// Forgets a key that has come back, and tells how many of its bucket left after it.
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

    /// Follows the number of entries at a distance, so that a count that wavers costs nothing.
    /// Starting over loses less than it seems: the memory is turned over all the time anyway.
    fn resize_for(&mut self, capacity: usize) {
        let (wanted, have) = (capacity.div_ceil(WAYS), self.buckets.len());
        if wanted > have + have / 4 || wanted < have / 2 {
            self.buckets = vec![[EMPTY; WAYS]; wanted];
        }
    }

    /// Gives memory back if there is capacity for more than `most` keys.
    pub(super) fn shrink_to(&mut self, most: usize) {
        let most = most.div_ceil(WAYS);
        if self.buckets.len() > most {
            self.buckets = vec![[EMPTY; WAYS]; most];
        }
    }

    /// All keys of a shard may agree in some bits of their hash; the multiplication hides which.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn bucket(&self, hash: u32) -> usize {
        let spread = u64::from(hash.wrapping_mul(0x9E37_79B9));
        ((spread * self.buckets.len() as u64) >> u32::BITS) as usize
    }

    /// # Panics
    /// If a key is where it cannot be found, or if there is capacity for more than `most` keys, rounded
    /// up to whole buckets.
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

/// Hashes in a bucket: half a cache line.
pub(super) const WAYS: usize = 8;

/// Marks a free place. The one key in 2³² that hashes to it passes for its neighbour.
const EMPTY: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash that is spread as a real one is.
    fn hash(key: u32) -> u32 {
        (key ^ (key >> 7)).wrapping_mul(0x85EB_CA6B).rotate_left(13)
    }

    #[test]
    fn a_key_is_recalled_once() {
        let mut ghost = Ghost::default();
        assert_eq!(ghost.take(7), None);
        ghost.insert(7, 100);
        assert_eq!(ghost.take(7), Some(0));
        assert_eq!(ghost.take(7), None);
    }

    #[test]
    fn a_key_ages_as_others_follow_and_is_forgotten_at_last() {
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
    fn the_latest_keys_are_mostly_known_and_old_ones_mostly_not() {
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
    fn keys_that_agree_in_some_bits_of_their_hash_spread_all_the_same() {
        for shift in [0, 8] {
            let mut ghost = Ghost::default();
            (0..256).for_each(|key| ghost.insert((hash(key) >> 8) << shift, 512));
            let used = ghost.buckets.iter().filter(|bucket| bucket[0] != EMPTY);
            assert!(used.count() > 48, "shift {shift}");
        }
    }

    #[test]
    fn the_key_with_hash_zero_is_remembered_too() {
        let mut ghost = Ghost::default();
        ghost.insert(0, 8);
        assert_eq!(ghost.take(0), Some(0));
    }
}
