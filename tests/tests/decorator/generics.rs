//! Generic functions, and methods of generic types.

use std::hash::Hash;

use super::adapter::cached;
use super::run;

#[test]
fn each_self_has_a_cache_of_its_own() {
    trait Entity: Clone + Send + Sync + 'static {
        const NAME: &'static str;
    }

    #[derive(Clone)]
    struct User;
    #[derive(Clone)]
    struct Order;

    impl Entity for User {
        const NAME: &'static str = "user";
    }
    impl Entity for Order {
        const NAME: &'static str = "order";
    }

    struct Repository<E>(E);

    impl<E: Entity> Repository<E> {
        #[cached(skip(self), runtime = "super::adapter")]
        async fn find(&self, id: u64) -> String {
            let _ = &self.0;
            format!("{} {id}", E::NAME)
        }
    }

    run(async {
        let (users, orders) = (Repository(User), Repository(Order));
        assert_eq!(users.find(1).await, "user 1");
        assert_eq!(orders.find(1).await, "order 1");
        assert_eq!(users.find(1).await, "user 1");
        Repository::<User>::find_clear();
        assert_eq!(Repository::<User>::find_cache().entry_count(), 0);
        assert_eq!(Repository::<Order>::find_cache().entry_count(), 1);
    });
}

#[test]
fn each_set_of_type_arguments_has_a_cache_of_its_own() {
    #[cached(runtime = "super::adapter")]
    async fn parse<'a, K, V>(text: &'a str, prefix: &'a str, marker: K) -> Option<V>
    where
        'a: 'a,
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: std::str::FromStr + Clone + Send + Sync + 'static,
    {
        let _ = marker;
        text.strip_prefix(prefix)?.parse().ok()
    }

    run(async {
        assert_eq!(parse::<_, u8>("=300", "=", ()).await, None);
        assert_eq!(parse::<_, u16>("=300", "=", ()).await, Some(300));
        assert_eq!(parse::<_, u16>("=300", "=", 'c').await, Some(300));
        assert_eq!(parse::stats::<(), u16>().loads, 1);
        parse::clear::<(), u8>();
        parse::invalidate::<(), u16>("=300", "=", ());
        assert_eq!(parse::cache::<(), u16>().entry_count(), 0);
        assert_eq!(parse::cache::<char, u16>().entry_count(), 1);
    });
}
