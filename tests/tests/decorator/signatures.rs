//! Signatures: visibility, companions, local types, and names of arguments.

use super::adapter::cached;
use super::run;

mod catalog {
    use super::cached;

    /// A price.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(super) struct Cents(pub(super) u64);

    #[must_use]
    #[cached]
    #[expect(clippy::unused_async, reason = "it awaits nothing")]
    pub(super) async fn sum(Cents(a): Cents, mut b: u64, _: ()) -> Cents {
        b += a;
        Cents(b)
    }

    #[cached(name = prices)]
    pub(crate) async fn price(id: u64) -> u64 {
        id
    }

    /// A module may have the function's name if the companions have another.
    pub(super) mod price {}
}

#[test]
fn visibility_and_patterns_are_kept() {
    run(async {
        let cents = catalog::sum(catalog::Cents(1), 2, ()).await;
        assert_eq!(cents, catalog::Cents(3));
        catalog::sum::invalidate(catalog::Cents(1), 2, ());
        assert_eq!(catalog::sum::cache().entry_count(), 0);
    });
}

#[test]
fn companions_can_have_another_name() {
    run(async {
        assert_eq!(catalog::price(1).await, 1);
        assert_eq!(catalog::prices::stats().loads, 1);
    });
}

#[test]
fn types_that_are_local_to_a_function_body_work() {
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    struct Local(u8);

    #[cached]
    async fn echo(local: &Local) -> Local {
        local.clone()
    }

    run(async {
        assert_eq!(echo(&Local(1)).await, Local(1));
        echo::invalidate(&Local(1));
        assert_eq!(echo::refresh(&Local(1)).await, Local(1));
        assert_eq!(echo::stats().loads, 2);
    });
}

#[test]
fn arguments_may_have_the_names_that_the_expansion_uses() {
    #[cached]
    async fn hit(hit: u8, missed: &str, key: u8, cache: &[u8], owned_cache: u8) -> String {
        format!("{hit}{missed}{key}{cache:?}{owned_cache}")
    }

    run(async {
        assert_eq!(hit(1, "2", 3, &[4], 5).await, "123[4]5");
    });
}

#[test]
fn the_future_of_a_cached_function_is_send() {
    #[cached]
    async fn load(name: &str, id: u64) -> String {
        format!("{name} {id}")
    }

    fn sends<T: Send>(future: T) -> T {
        future
    }

    run(async {
        assert_eq!(sends(load("a", 1)).await, "a 1");
        assert_eq!(sends(load::refresh("a", 1)).await, "a 1");
    });
}
