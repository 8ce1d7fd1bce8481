//! The default hasher.

use core::hash::BuildHasher;
use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, SeedableRandomState};

/// The hasher a cache uses unless it is given another: foldhash, seeded for each cache.
///
/// With the standard library, `default()` takes its seed from the operating system, so that keys
/// chosen by an attacker do not collide on purpose. Without it, there is no source of randomness
/// to trust: the user gives the seed.
#[derive(Debug, Clone)]
pub struct DefaultHasher(SeedableRandomState);

impl DefaultHasher {
    /// A hasher that is the same for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(SeedableRandomState::with_seed(
            seed,
            SharedSeed::global_fixed(),
        ))
    }
}

#[cfg(feature = "std")]
impl Default for DefaultHasher {
    fn default() -> Self {
        let seed = std::hash::RandomState::new().hash_one(0_u8);
        Self(SeedableRandomState::with_seed(
            seed,
            SharedSeed::global_random(),
        ))
    }
}

impl BuildHasher for DefaultHasher {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}
