//! A hasher that returns integers unchanged: distinct keys do not collide.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Cache, run, runtime};

/// Returns the last integer written to it.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only integers are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The key of a small number.
type Numbering = fn(u64) -> u64;

/// A key that counts its comparisons.
#[derive(Clone)]
struct Key(u64, Arc<AtomicUsize>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0 == other.0
    }
}

impl Eq for Key {}

#[test]
fn keys_with_an_identity_hasher_are_compared_only_with_themselves() {
    const KEYS: u64 = 2_000;
    let kinds: [(&str, Numbering); 6] = [
        ("equal halves", |key| key | (key << 32)),
        ("opposite halves", |key| (!key << 32) | key),
        ("the lower half", |key| key),
        ("the upper half", |key| key << 32),
        ("multiples of 2 to the 16th", |key| key << 16),
        ("multiples of 2 to the 52nd", |key| key << 52),
    ];
    for ((kind, number), shards) in kinds.into_iter().flat_map(|kind| [(kind, 1), (kind, 8)]) {
        run(|| async move {
            let compared = Arc::new(AtomicUsize::new(0));
            let key = |of| Key(number(of), Arc::clone(&compared));
            let cache: Cache<Key, u64, BuildHasherDefault<Identity>> = Cache::builder_on(runtime())
                .hasher(BuildHasherDefault::default())
                .shards(shards)
                .build();
            (0..KEYS).for_each(|of| cache.insert(key(of), of));
            compared.store(0, Ordering::Relaxed);
            for of in 0..KEYS {
                assert!(cache.get(&key(of)).is_some(), "{kind}");
            }
            let compared = compared.load(Ordering::Relaxed) as u64;
            assert!(
                compared <= KEYS + KEYS / 100,
                "{kind}: {compared} comparisons"
            );
        });
    }
}
