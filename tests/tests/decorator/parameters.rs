//! All kinds of parameters.

use std::borrow::Cow;

use super::adapter::{Cache, cached};
use super::{Gate, Loads, run, start};

#[test]
fn inner_attributes_and_docs_of_the_body_apply_to_the_function() {
    #[cached]
    #[deny(unused_variables, non_snake_case)]
    async fn inside(id: u64) -> u64 {
        //! What it does.
        #![allow(unused_variables, non_snake_case)]
        let NothingUsesThis = id;
        id
    }

    run(async {
        assert_eq!(inside(1).await, 1);
    });
}

#[test]
fn a_conditional_parameter_exists_only_if_its_condition_holds() {
    static LOADS: Loads = Loads::new();

    struct Service;

    #[cached]
    async fn plain(#[cfg(not(test))] never: NoSuchType, #[cfg(test)] always: u8, id: u64) -> u64 {
        #[cfg(not(test))]
        let NoSuchType = never;
        LOADS.next();
        id + u64::from(always)
    }

    #[cached(skip(never, always))]
    async fn skipped(#[cfg(not(test))] never: NoSuchType, id: u64, #[cfg(test)] always: &u8) -> u64 {
        id + u64::from(*always)
    }

    #[cached(key = "id + u64::from(always)")]
    async fn computed(id: u64, #[cfg(not(test))] never: NoSuchType, #[cfg(test)] always: u8) -> u64 {
        id + u64::from(always)
    }

    impl Service {
        #[cached(key(id))]
        async fn method(&self, #[cfg(not(test))] never: NoSuchType, id: u64, #[cfg(test)] _: u8) -> u64 {
            id
        }
    }

    run(async {
        assert_eq!(plain(1, 2).await, 3);
        assert_eq!(plain::refresh(1, 2).await, 3);
        let cache: &Cache<(u8, u64), u64> = plain::cache();
        assert!(cache.contains_key(&(1, 2)));
        plain::invalidate(1, 2);
        assert!(!cache.contains_key(&(1, 2)));
        assert_eq!(LOADS.count(), 2);

        assert_eq!(skipped(1, &2).await, 3);
        skipped::invalidate(1);
        assert_eq!(skipped::cache().entry_count(), 0);

        assert_eq!((computed(1, 2).await, computed(2, 1).await), (3, 3));
        computed::invalidate(3, 0);
        assert_eq!(computed::stats().loads, 1);
        assert_eq!(computed::cache().entry_count(), 0);

        assert_eq!(Service.method(1, 2).await, 1);
        Service::method_invalidate(1);
        assert_eq!(Service::method_cache().entry_count(), 0);
    });
}

#[test]
fn a_function_is_conditional_with_all_its_companions() {
    struct Service;

    #[cached]
    #[cfg(not(test))]
    async fn one(id: NoSuchType) -> u64 {
        0
    }

    #[cached]
    #[cfg(test)]
    async fn one(id: u64) -> u64 {
        id
    }

    impl Service {
        #[cached(key(self, id))]
        #[cfg(not(test))]
        async fn one(self: std::sync::Arc<Self>, id: NoSuchType) -> u64 {
            self.one(id).await
        }

        #[cached(skip(self))]
        #[cfg(test)]
        async fn one(&self, id: u64) -> u64 {
            id
        }
    }

    run(async {
        assert_eq!(one(1).await, 1);
        one::clear();
        assert_eq!(Service.one(1).await, 1);
        Service::one_clear();
    });
}

#[test]
fn a_static_reference_is_static_in_the_body() {
    fn name_of(name: &'static str) -> &'static str {
        name
    }

    #[cached]
    async fn returned(name: &'static str) -> &'static str {
        name_of(name)
    }

    #[cached]
    async fn nested(
        name: Option<&'static str>,
        list: &'static [&'static str],
        cow: Cow<'static, str>,
        owned: &Option<&'static str>,
    ) -> Vec<Cow<'static, str>> {
        let all = list.iter().copied().chain(name).chain(*owned);
        all.map(name_of).map(Cow::Borrowed).chain([cow]).collect()
    }

    #[cached(key = "name.len()")]
    async fn computed(name: &'static str) -> &'static str {
        name_of(name)
    }

    #[cached(skip(name), clone(name))]
    async fn cloned(name: &'static str, id: u64) -> &'static str {
        let _ = id;
        name_of(name)
    }

    run(async {
        assert_eq!(returned("a").await, "a");
        let cache: &Cache<String, &str> = returned::cache();
        assert_eq!(cache.get("a"), Some("a"));
        returned::invalidate("a");
        assert_eq!(cache.entry_count(), 0);
        let all = nested(Some("c"), &["a", "b"], "e".into(), &Some("d")).await;
        assert_eq!(all.concat(), "abcde");
        assert_eq!((computed("a").await, computed("b").await), ("a", "a"));
        assert_eq!(cloned("a", 1).await, "a");
    });
}

#[test]
fn a_static_reference_does_not_keep_the_load_in_its_caller() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();
    static DATABASE: Database = Database(10);

    struct Database(u64);

    #[cached(skip(database))]
    async fn skipped(database: &'static Database, id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        database.0 + id
    }

    #[cached(key = "(database.0, id)")]
    async fn computed(database: &'static Database, id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        database.0 + id
    }

    #[cached(skip(log))]
    async fn callback(log: Box<dyn Fn(&str) + Send>, id: u64) -> u64 {
        LOADS.next();
        GATE.pass().await;
        log("loaded");
        id
    }

    run(async {
        let log = || Box::new(|_: &str| ());
        let leaders =
            (start(skipped(&DATABASE, 1)), start(computed(&DATABASE, 2)), start(callback(log(), 3)));
        let waiters =
            (start(skipped(&DATABASE, 1)), start(computed(&DATABASE, 2)), start(callback(log(), 3)));
        drop(leaders);
        GATE.open();
        assert_eq!((waiters.0.await, waiters.1.await, waiters.2.await), (11, 12, 3));
        assert_eq!(LOADS.count(), 3, "no load ended with its caller");
    });
}

#[test]
fn an_expression_computes_a_key_from_an_argument_that_cannot_be_cloned() {
    static BORROWING: Loads = Loads::new();
    static OWNING: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    struct Unique(String);

    #[derive(Clone)]
    struct Shared(String);

    #[cached(key = "request.0.clone()")]
    async fn borrowing(request: &Unique, name: &str) -> u64 {
        let number = BORROWING.next();
        GATE.pass().await;
        assert_eq!((&*request.0, name), ("key", "name"));
        number
    }

    #[cached(key = "request.0.clone()")]
    async fn failing(request: &Unique) -> Result<usize, String> {
        Err(request.0.clone())
    }

    #[cached(key = "request.0.clone()")]
    async fn finding(name: &str, request: &Unique) -> Option<usize> {
        Some(request.0.len() + name.len())
    }

    #[cached(key = "request.0.clone()")]
    async fn owning(request: &Shared, name: &str) -> u64 {
        let number = OWNING.next();
        GATE.pass().await;
        assert_eq!((&*request.0, name), ("key", "name"));
        number
    }

    run(async {
        let (unique, shared) = (Unique("key".to_owned()), Shared("key".to_owned()));
        let leaders = (start(borrowing(&unique, "name")), start(owning(&shared, "name")));
        let waiters = (start(borrowing(&unique, "name")), start(owning(&shared, "name")));
        assert_eq!((BORROWING.count(), OWNING.count()), (1, 1), "concurrent calls share one load");
        drop(leaders);
        GATE.open();
        assert_eq!(waiters.0.await, 2, "the load borrowed from its caller, and ended with it");
        assert_eq!(waiters.1.await, 1, "the load owned its arguments, and continued");
        assert_eq!(borrowing(&unique, "name").await, 2);
        borrowing::invalidate(&unique, "other");
        assert_eq!(borrowing::refresh(&unique, "name").await, 3);

        assert_eq!(failing(&unique).await, Err("key".to_owned()));
        assert_eq!(finding("name", &unique).await, Some(7));
        assert_eq!(finding("other", &unique).await, Some(7));
    });
}

#[test]
fn each_argument_is_passed_in_its_own_position() {
    struct Service;

    #[cached]
    async fn pair(a: u8, b: u8) -> (u8, u8) {
        (a, b)
    }

    #[cached(key = "(a, b)")]
    async fn computed(a: u8, b: u8) -> (u8, u8) {
        (a, b)
    }

    impl Service {
        #[cached(skip(self))]
        async fn texts(&self, a: &str, b: &str) -> String {
            format!("{a}{b}")
        }
    }

    run(async {
        for (a, b) in [(1, 2), (2, 1)] {
            assert_eq!((pair(a, b).await, computed(a, b).await), ((a, b), (a, b)));
            assert_eq!((pair::refresh(a, b).await, computed::refresh(a, b).await), ((a, b), (a, b)));
        }
        pair::invalidate(1, 2);
        assert!(!pair::cache().contains_key(&(1, 2)));
        assert!(pair::cache().contains_key(&(2, 1)));
        computed::invalidate(1, 2);
        computed(2, 1).await;
        assert_eq!(computed::stats().loads, 4, "the other entry is still stored");
        assert_eq!((Service.texts("a", "b").await, Service.texts("b", "a").await), ("ab".to_owned(), "ba".to_owned()));
        Service::texts_invalidate("a", "b");
        let kept = [("a", "b"), ("b", "a")].map(|(a, b)| Service::texts_cache().contains_key(&(a.to_owned(), b.to_owned())));
        assert_eq!(kept, [false, true]);
    });
}
