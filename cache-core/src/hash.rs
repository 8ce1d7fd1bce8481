//! The default hasher.

use core::hash::BuildHasher;

#[cfg(all(target_os = "none", target_pointer_width = "32"))]
use narrow as seeded;
#[cfg(not(all(target_os = "none", target_pointer_width = "32")))]
use wide as seeded;

/// The hasher a cache uses unless it is given another: foldhash, seeded for each cache; on
/// microcontrollers rustc-hash, in which a key of one word costs one multiplication.
///
/// With the standard library, `default()` takes its seed from the operating system, so that keys
/// chosen by an attacker do not collide on purpose. Without it, there is no source of randomness
/// to trust: the user gives the seed.
#[derive(Debug, Clone)]
pub struct DefaultHasher(seeded::State);

impl DefaultHasher {
    /// A hasher that is the same for the same seed.
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

/// Folds a hash of 64 bits to 32, each of which depends on all 64: a user's hasher may leave integers
/// as they are. The halves of the product of 128 bits are put together, as foldhash and wyhash do,
/// from which the multiplier is; the upper bits of the result are the better ones.
#[cfg(not(all(target_os = "none", target_pointer_width = "32")))]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
pub(crate) const fn fold(hash: u64) -> u32 {
    let product = hash as u128 * 0xA076_1D64_78BD_642F;
    (((product >> 64) ^ product) as u64 >> 32) as u32
}

/// Folds a hash of 64 bits to 32. The upper half is zero if the hasher is the default one: then this
/// costs nothing. A hasher of the user's must spread what it hashes.
#[cfg(all(target_os = "none", target_pointer_width = "32"))]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
pub(crate) const fn fold(hash: u64) -> u32 {
    let upper = ((hash >> 32) as u32).wrapping_mul(0x9E37_79B1);
    hash as u32 ^ upper.rotate_left(16)
}

/// For processors that multiply words of 64 bits.
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

/// For microcontrollers.
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

    /// Checks that what `hash` makes of small numbers is told apart, and that it is spread by any
    /// bits that a shard or a table may take.
    fn assert_spread(name: &str, hash: impl Fn(u64) -> u64) {
        let folded: HashSet<_> = (0..KEYS).map(|key| fold(hash(key))).collect();
        assert!(folded.len() as u64 >= KEYS - 2, "{name}: {}", folded.len());
        for (width, most) in [(6, 110), (12, 10)] {
            for shift in 0..=(32 - width) {
                let mut counts = vec![0; 1 << width];
                for folded in &folded {
                    counts[(folded >> shift) as usize & ((1 << width) - 1)] += 1;
                }
                let fullest = counts.iter().max().expect("there are some");
                assert!(
                    *fullest <= most,
                    "{name}, {width} bits from {shift}: {fullest}"
                );
            }
        }
    }

    #[test]
    fn integers_that_a_hasher_leaves_as_they_are_are_told_apart_and_spread() {
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
