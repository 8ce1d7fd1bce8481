//! The keys that are asked for: made beforehand, the same for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;

use super::caches::Key;

/// How often which of the keys is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Popularity {
    /// The n-th most popular key is asked for in proportion to 1/n to the power of this.
    Zipf(f64),
    /// All the same.
    Uniform,
}

impl Popularity {
    pub(crate) fn title(self) -> String {
        match self {
            Self::Zipf(exponent) => format!("Zipf {exponent}"),
            Self::Uniform => "uniform".to_owned(),
        }
    }
}

/// The first so many keys.
pub(crate) fn keys<K: Key>(count: usize) -> Vec<K> {
    (0..count as u64).map(scrambled).map(K::of).collect()
}

/// Requests for the first `keys` keys, in random order, which is the same each time.
pub(crate) fn requests<K: Key>(popularity: Popularity, keys: usize, requests: usize) -> Arc<[K]> {
    let mut random = SmallRng::seed_from_u64(0x5eed);
    let mut rank: Box<dyn FnMut() -> u64> = match popularity {
        Popularity::Uniform => Box::new(move || random.random_range(0..keys as u64)),
        Popularity::Zipf(exponent) => {
            let zipf = Zipf::new(keys as f64, exponent).expect("there are keys");
            Box::new(move || random.sample(zipf) as u64 - 1)
        }
    };
    (0..requests).map(|_| K::of(scrambled(rank()))).collect()
}

/// Where the keys come from that one thread asks for.
pub(crate) enum Feed<K> {
    /// The same requests again and again.
    Cycle { requests: Arc<[K]>, next: usize },
    /// Keys that nobody has asked for.
    New {
        given: Arc<AtomicU64>,
        chunk: Vec<K>,
    },
}

impl<K: Key> Feed<K> {
    pub(crate) fn chunk(&mut self) -> &[K] {
        match self {
            Self::Cycle { requests, next } => {
                let start = *next;
                let end = requests.len().min(start + CHUNK);
                *next = end % requests.len();
                &requests[start..end]
            }
            Self::New { given, chunk } => {
                let first = given.fetch_add(CHUNK as u64, Ordering::Relaxed);
                chunk.clear();
                let numbers = first..first + CHUNK as u64;
                chunk.extend(numbers.map(scrambled).map(K::of));
                chunk
            }
        }
    }
}

/// Few enough to see often how late it is, and enough for that to cost nothing.
const CHUNK: usize = 512;

/// Another number for each, and no order in them: keys that follow each other would please some hashers and hurt others.
fn scrambled(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 32
}
