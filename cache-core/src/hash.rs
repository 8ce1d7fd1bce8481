//! The default hasher.

use core::hash::BuildHasher;

#[cfg(all(target_os = "none", target_pointer_width = "32"))]
use narrow as seeded;
#[cfg(not(all(target_os = "none", target_pointer_width = "32")))]
use wide as seeded;

/// The hasher of a cache unless the builder sets another: foldhash, with a seed for each cache.
///
/// On microcontrollers it is rustc-hash, which hashes a key of one word with one multiplication.
///
/// With the standard library, `default()` takes its seed from the operating system, so an attacker
/// cannot choose keys that collide. Without it there is no source of randomness: use
/// [`DefaultHasher::seeded`] or [`Builder::hash_seed`](crate::Builder::hash_seed).
#[derive(Debug, Clone)]
pub struct DefaultHasher(seeded::State);

impl DefaultHasher {
    /// Creates a hasher from a seed. Hashers with the same seed are equal.
    ///
    /// ```
    /// use cache_core::DefaultHasher;
    /// use core::hash::BuildHasher;
    ///
    /// let hash = DefaultHasher::seeded(42).hash_one("key");
    /// assert_eq!(hash, DefaultHasher::seeded(42).hash_one("key"));
    /// ```
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(seeded::state(seed))
    }
}

#[cfg(feature = "std")]
impl Default for DefaultHasher {
    fn default() -> Self {
        let seed = std::hash::RandomState::new().hash_one(0_u8);
        Self(seeded::random(seed))
    }
}

impl BuildHasher for DefaultHasher {
    type Hasher = seeded::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// Folds a hash of 64 bits to 32, so that each bit depends on all 64: a user's hasher may be the
/// identity for integers. Multiplies to 128 bits and combines the halves, as foldhash and wyhash do
/// (the multiplier is wyhash's). Returns the upper bits of the result, which are mixed best.
#[cfg(not(all(target_os = "none", target_pointer_width = "32")))]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
pub(crate) const fn fold(hash: u64) -> u32 {
    let product = hash as u128 * 0xA076_1D64_78BD_642F;
    (((product >> 64) ^ product) as u64 >> 32) as u32
}

/// Folds a hash of 64 bits to 32. The default hasher leaves the upper half zero, so LLVM removes
/// this. Here a user's hasher must mix its bits itself.
#[cfg(all(target_os = "none", target_pointer_width = "32"))]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
pub(crate) const fn fold(hash: u64) -> u32 {
    let upper = ((hash >> 32) as u32).wrapping_mul(0x9E37_79B1);
    hash as u32 ^ upper.rotate_left(16)
}

/// The hasher for processors with a 64-bit multiplication.
#[cfg(not(all(target_os = "none", target_pointer_width = "32")))]
mod wide {
    use foldhash::SharedSeed;
    use foldhash::fast::{FoldHasher, SeedableRandomState};

    pub(super) type State = SeedableRandomState;
    pub(super) type Hasher = FoldHasher<'static>;

    pub(super) fn state(seed: u64) -> State {
        State::with_seed(seed, SharedSeed::global_fixed())
    }

    #[cfg(feature = "std")]
    pub(super) fn random(seed: u64) -> State {
        State::with_seed(seed, SharedSeed::global_random())
    }
}

/// The hasher for microcontrollers.
#[cfg(all(target_os = "none", target_pointer_width = "32"))]
mod narrow {
    use core::hash::BuildHasher;

    use rustc_hash::{FxHasher, FxSeededState};

    pub(super) type Hasher = FxHasher;

    #[derive(Debug, Clone)]
    pub(super) struct State(usize);

    #[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
    pub(super) const fn state(seed: u64) -> State {
        State((seed ^ (seed >> 32)) as usize)
    }

    impl BuildHasher for State {
        type Hasher = FxHasher;

        fn build_hasher(&self) -> FxHasher {
            FxSeededState::with_seed(self.0).build_hasher()
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::vec;
    use std::collections::HashSet;

    use super::fold;

    const KEYS: u64 = 4_096;

    /// Checks that the folded hashes of small numbers are distinct and evenly spread, for any range
    /// of bits that the shards or a table may use.
    fn assert_spread(name: &str, hash: impl Fn(u64) -> u64) {
        let folded: HashSet<_> = (0..KEYS).map(|key| fold(hash(key))).collect();
        assert!(folded.len() as u64 >= KEYS - 2, "{name}: {}", folded.len());
        for (width, most) in [(6, 110), (12, 10)] {
            for shift in 0..=(32 - width) {
                let mut counts = vec![0; 1 << width];
                for folded in &folded {
                    counts[(folded >> shift) as usize & ((1 << width) - 1)] += 1;
                }
                let fullest = counts.iter().max().expect("counts is not empty");
                assert!(
                    *fullest <= most,
                    "{name}, {width} bits from {shift}: {fullest}"
                );
            }
        }
    }

    #[test]
    fn folded_integers_of_an_identity_hasher_are_distinct_and_spread() {
        assert_spread("equal halves", |key| key | (key << 32));
        assert_spread("equal halves, moved", |key| (key | (key << 32)) << 8);
        assert_spread("complementary halves", |key| {
            (!key << 32) | (key & 0xFFFF_FFFF)
        });
        assert_spread("the lower half", |key| key);
        assert_spread("negative numbers", |key| key.wrapping_neg());
        assert_spread("the upper half", |key| key << 32);
        assert_spread("addresses", |key| 0x7FFF_1234_0000 + key * 48);
        for power in 1..=52 {
            assert_spread("multiples of a power of two", |key| key << power);
        }
    }
}
