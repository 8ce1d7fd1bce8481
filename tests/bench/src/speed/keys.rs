//! The requested keys. They are made beforehand and are the same for all contenders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;

use super::caches::Key;

/// The distribution of the requests over the keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Popularity {
    /// The n-th most popular key is requested in proportion to 1/n to the power of this.
    Zipf(f64),
    /// All keys are equally popular.
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

/// The first `count` keys.
pub(crate) fn keys<K: Key>(count: usize) -> Vec<K> {
    (0..count as u64).map(scrambled).map(K::of).collect()
}

/// Requests for the first `keys` keys in random order, which is the same in every run.
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

/// The sequence of requests.
#[derive(Clone)]
pub(crate) enum Requests<K> {
    /// This sequence, repeated.
    These(Arc<[K]>),
    /// A new key for each request.
    New,
}

/// Hands out the requests to the threads, a chunk at a time. All threads together go through the
/// sequence once. A faster thread does not see other requests than a slower one, only more of them.
#[derive(Clone)]
pub(crate) struct Feed<K> {
    requests: Requests<K>,
    given: Arc<AtomicU64>,
    chunk: Vec<K>,
}

impl<K: Key> Feed<K> {
    /// `given` is the number of requests that were handed out before.
    pub(crate) fn new(requests: Requests<K>, given: Arc<AtomicU64>) -> Self {
        Self {
            requests,
            given,
            chunk: Vec::new(),
        }
    }

    pub(crate) fn chunk(&mut self) -> &[K] {
        let first = self.given.fetch_add(CHUNK as u64, Ordering::Relaxed);
        match &self.requests {
            Requests::These(requests) => {
                let start = first as usize % requests.len();
                &requests[start..requests.len().min(start + CHUNK)]
            }
            Requests::New => {
                let numbers = first..first + CHUNK as u64;
                self.chunk.clear();
                self.chunk.extend(numbers.map(scrambled).map(K::of));
                &self.chunk
            }
        }
    }
}

/// The number of requests in a chunk: small enough to read the clock often, large enough to make
/// the clock read negligible.
const CHUNK: usize = 512;

/// Maps each number to a distinct one without an order. Consecutive keys would favor some hashers
/// and hurt others.
fn scrambled(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 32
}
