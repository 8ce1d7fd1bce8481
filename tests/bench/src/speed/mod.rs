//! The cost of an operation: this cache and others doing the same work.

mod caches;
mod expiry;
mod herd;
mod hits;
mod keys;
mod memory;
mod mixed;
mod new_keys;
mod race;
mod stint;

pub(crate) use self::caches::{Entrant, Life, Settings, Work, lru, policies};
pub use self::expiry::expiry;
pub use self::herd::herd;
pub use self::hits::hits;
pub use self::memory::memory;
pub use self::mixed::mixed;
pub use self::new_keys::{insert, miss};
pub use self::race::Pace;

/// The numbers of threads.
const THREADS: [usize; 3] = [1, 2, 4];

const UNIT: &str = "ns per operation and thread";

fn title(threads: usize) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        several => format!("{several} threads"),
    }
}
