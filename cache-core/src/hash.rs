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
