//! Generic functions, and methods of generic types.

use std::hash::Hash;

use super::adapter::cached;
use super::{Loads, run};

#[test]
fn each_self_type_has_its_own_cache() {
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
        #[cached(skip(self))]
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
fn each_set_of_type_arguments_has_its_own_cache() {
    #[cached]
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

#[test]
fn type_arguments_separate_caches_though_key_and_value_do_not_contain_them() {
    trait Named: 'static {
        const NAME: &'static str;
    }

    impl Named for u8 {
        const NAME: &'static str = "u8";
    }

    impl Named for [u8] {
        const NAME: &'static str = "[u8]";
    }

    #[cached]
    async fn name<T: Named + ?Sized, U: Named>(id: u64) -> String {
        format!("{} {} {id}", T::NAME, U::NAME)
    }

    struct Place<T: ?Sized>(std::marker::PhantomData<T>);

    impl<T: Named + ?Sized> Place<T> {
        #[cached]
        async fn name<U: Named + ?Sized>(id: u64) -> String {
            let _: Option<&Self> = None;
            format!("{} {} {id}", T::NAME, U::NAME)
        }
    }

    run(async {
        assert_eq!(name::<u8, u8>(1).await, "u8 u8 1");
        assert_eq!(name::<[u8], u8>(1).await, "[u8] u8 1");
        name::invalidate::<[u8], u8>(1);
        assert_eq!(name::cache::<u8, u8>().entry_count(), 1);
        assert_eq!(Place::<u8>::name::<[u8]>(1).await, "u8 [u8] 1");
        assert_eq!(Place::<u8>::name::<u8>(1).await, "u8 u8 1");
        assert_eq!(Place::<[u8]>::name::<u8>(1).await, "[u8] u8 1");
        assert_eq!(Place::<u8>::name::<[u8]>(1).await, "u8 [u8] 1");
    });
}

#[test]
fn const_arguments_separate_caches() {
    #[cached]
    async fn numbers<const N: usize, T: Default + Into<u64> + 'static, const NEGATED: bool>(
        id: u64,
    ) -> (u64, usize, bool, u64) {
        (id, N, NEGATED, T::default().into())
    }

    run(async {
        assert_eq!(numbers::<1, u8, false>(5).await, (5, 1, false, 0));
        assert_eq!(numbers::<2, u8, false>(5).await, (5, 2, false, 0));
        assert_eq!(numbers::<2, u8, true>(5).await, (5, 2, true, 0));
        numbers::invalidate::<2, u8, true>(5);
        assert_eq!(numbers::cache::<2, u8, true>().entry_count(), 0);
        assert_eq!(numbers::cache::<2, u8, false>().entry_count(), 1);
    });
}

#[test]
fn a_type_parameter_may_borrow_if_the_key_is_owned_or_the_argument_is_skipped() {
    static LOADS: Loads = Loads::new();

    #[cached(key = "name.as_ref().to_owned()")]
    async fn length<T: AsRef<str>>(name: T) -> usize {
        LOADS.next();
        name.as_ref().len()
    }

    #[cached(key = "name.as_ref().to_owned()")]
    async fn of_unsized<T>(name: &T) -> usize
    where
        T: AsRef<str> + ?Sized,
    {
        name.as_ref().len()
    }

    #[cached(skip(log, L))]
    async fn logged<L: Fn(&str)>(log: L, id: u64) -> u64 {
        log("loaded");
        id
    }

    #[cached(skip(log))]
    async fn anonymous(log: impl Fn(&str), id: u64) -> u64 {
        log("loaded");
        id
    }

    run(async {
        let text = "abc".to_owned();
        assert_eq!(length(&text).await, 3);
        assert_eq!(length(&*text).await, 3);
        assert_eq!(length(text.clone()).await, 3);
        assert_eq!(LOADS.count(), 1);
        length::invalidate(&*text);
        assert_eq!(length::cache::<String>().entry_count(), 0);
        assert_eq!((of_unsized("abc").await, of_unsized(&text).await), (3, 3));
        assert_eq!(of_unsized::stats::<str>().loads, 1);

        let said = std::cell::RefCell::new(Vec::new());
        let say = |what: &str| said.borrow_mut().push(what.to_owned());
        assert_eq!((logged(say, 1).await, anonymous(say, 1).await), (1, 1));
        assert_eq!((logged(|_: &str| (), 1).await, anonymous(|_| (), 1).await), (1, 1));
        logged::invalidate::<fn(&str)>(1);
        assert_eq!(logged::cache::<fn(&str)>().entry_count(), 0);
        assert_eq!(said.take(), ["loaded", "loaded"]);
    });
}

#[test]
fn methods_of_a_type_that_borrows_share_one_cache() {
    struct Borrowing<'a>(&'a str);

    impl<'a> Borrowing<'a> {
        #[cached(skip(self, Self))]
        async fn length(&self, id: u64) -> usize {
            usize::try_from(id).unwrap() + self.0.len()
        }
    }

    run(async {
        let texts = ["a".to_owned(), "bb".to_owned()];
        let services = [&texts[0], &texts[1]].map(|text| Borrowing(text));
        assert_eq!((services[0].length(1).await, services[1].length(1).await), (2, 2));
        Borrowing::length_invalidate(1);
        assert_eq!(services[1].length(1).await, 3);
    });
}

#[test]
fn an_argument_may_use_a_lifetime_of_the_impl_or_of_the_function() {
    struct Borrowing<'a>(&'a str);

    impl<'a> Borrowing<'a> {
        #[cached(skip(self, Self))]
        async fn longer(&self, other: &'a str) -> String {
            let longer: &'a str = if other.len() > self.0.len() { other } else { self.0 };
            longer.to_owned()
        }
    }

    #[cached(skip(T))]
    async fn made<'a, T: From<&'a str> + Into<String>>(text: &'a str) -> String {
        T::from(text).into()
    }

    run(async {
        let texts = ["a".to_owned(), "bb".to_owned()];
        assert_eq!(Borrowing(&texts[0]).longer(&texts[1]).await, "bb");
        Borrowing::longer_invalidate(&texts[1]);
        assert_eq!(Borrowing::longer_cache().entry_count(), 0);
        assert_eq!(made::<String>("a").await, "a");
        made::invalidate::<String>("a");
        assert_eq!(made::cache::<Box<str>>().entry_count(), 0);
    });
}
