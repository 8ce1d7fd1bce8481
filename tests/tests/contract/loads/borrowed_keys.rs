//! Loads by a borrowed key: which types can be one, and when an owned key is made.

use std::cell::Cell;

use cache_core::{Equivalent, KeyParts, ToKey};

use crate::harness::{Cache, run, runtime};

thread_local! {
    /// The number of owned keys that this thread made of a [`ById`].
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// A borrowed key of a user's own type.
#[derive(Hash)]
struct ById<'a> {
    tenant: &'a str,
    id: u64,
}

impl Equivalent<(String, u64)> for ById<'_> {
    fn equivalent(&self, key: &(String, u64)) -> bool {
        self.tenant == key.0 && self.id == key.1
    }
}

impl ToKey<(String, u64)> for ById<'_> {
    fn to_key(&self) -> (String, u64) {
        MADE.set(MADE.get() + 1);
        (self.tenant.to_owned(), self.id)
    }
}

#[test]
fn a_tuple_of_references_finds_and_loads_the_entry_of_the_owned_tuple() {
    run(|| async {
        let cache: Cache<(String, u64), u64> = Cache::builder_on(runtime()).build();
        let key = KeyParts(("acme", &7));
        assert_eq!(cache.get(&key), None);
        assert_eq!(cache.get_with_by_ref(&key, || async { 1 }).await, 1);
        assert_eq!(cache.get(&("acme".to_owned(), 7)), Some(1));
        assert_eq!(
            cache.get_with(("acme".to_owned(), 7), || async { 2 }).await,
            1
        );
        for other in [KeyParts(("acme", &8)), KeyParts(("acm", &7))] {
            assert_eq!(cache.get(&other), None);
        }
        assert_eq!(cache.remove(&key), Some(1));
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn a_key_type_of_the_users_own_makes_an_owned_key_only_on_a_miss() {
    run(|| async {
        let cache: Cache<(String, u64), u64> = Cache::builder_on(runtime()).build();
        let key = ById {
            tenant: "acme",
            id: 7,
        };
        MADE.set(0);
        let load = || async { Ok::<_, String>(1) };
        assert_eq!(cache.try_get_with_by_ref(&key, load).await, Ok(1));
        assert_eq!(MADE.get(), 1);
        for _ in 0..3 {
            assert_eq!(cache.try_get_with_by_ref(&key, load).await, Ok(1));
        }
        assert_eq!((cache.get(&key), MADE.get()), (Some(1), 1));
    });
}
