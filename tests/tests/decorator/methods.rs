//! Methods and their receivers.

use std::sync::Arc;

use super::adapter::cached;
use super::{Gate, Loads, run, start};

#[test]
fn skipping_self_shares_between_instances() {
    static LOADS: Loads = Loads::new();

    struct Service(u64);

    impl Service {
        #[cached(max_capacity = 100, skip(self))]
        async fn user(&self, id: u64) -> u64 {
            LOADS.next();
            self.0 + id
        }
    }

    run(async {
        let (one, two) = (Service(100), Service(200));
        assert_eq!(one.user(1).await, 101);
        assert_eq!(two.user(1).await, 101);
        assert_eq!(LOADS.count(), 1);
        assert_eq!(two.user_refresh(1).await, 201);
        assert_eq!(one.user(1).await, 201);
        Service::user_invalidate(1);
        assert_eq!(one.user(1).await, 101);
        assert_eq!(Service::user_stats().loads, 3);
        assert_eq!(Service::user_cache().entry_count(), 1);
        Service::user_clear();
        assert_eq!(Service::user_cache().entry_count(), 0);
    });
}

#[test]
fn a_shared_reference_keeps_the_load_in_its_caller() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    struct Service;

    impl Service {
        #[cached(skip(self))]
        async fn slow(&self, id: u64) -> u64 {
            let number = LOADS.next();
            GATE.pass().await;
            id + number
        }
    }

    run(async {
        let leader = start(Service.slow(0));
        let waiter = start(Service.slow(0));
        assert_eq!(LOADS.count(), 1, "concurrent calls share one load");
        drop(leader);
        GATE.open();
        assert_eq!(waiter.await, 2, "the next caller runs its own");
    });
}

#[test]
fn owned_and_cloned_receivers_share_the_load() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[derive(Clone)]
    struct Service(u64);

    impl Service {
        #[cached(skip(self))]
        async fn in_arc(self: Arc<Self>, id: u64) -> u64 {
            LOADS.next();
            GATE.pass().await;
            self.0 + id
        }

        #[cached(skip(self), clone(self))]
        async fn by_clone(&self, id: u64) -> u64 {
            LOADS.next();
            GATE.pass().await;
            self.0 + id
        }

        #[cached(skip(self), clone(self))]
        async fn by_arc(self: &Arc<Self>, id: u64) -> u64 {
            LOADS.next();
            GATE.pass().await;
            self.0 + id
        }
    }

    run(async {
        let service = Arc::new(Service(10));
        let leaders = (
            start(service.clone().in_arc(1)),
            start(service.by_clone(2)),
            start(service.by_arc(3)),
        );
        let waiters = (
            start(service.clone().in_arc(1)),
            start(service.by_clone(2)),
            start(service.by_arc(3)),
        );
        drop(leaders);
        GATE.open();
        assert_eq!(waiters.0.await, 11);
        assert_eq!(waiters.1.await, 12);
        assert_eq!(waiters.2.await, 13);
        assert_eq!(LOADS.count(), 3);
    });
}

#[test]
fn self_may_be_a_part_of_the_key() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Tenant(u64);

    impl Tenant {
        #[cached(key(self, id))]
        async fn page(&self, id: u64) -> u64 {
            self.0 + id
        }

        #[cached(key = "(self.0, id / 10)")]
        async fn decade(&self, id: u64) -> u64 {
            self.0 + id
        }
    }

    run(async {
        let (one, two) = (Tenant(100), Tenant(200));
        assert_eq!((one.page(1).await, two.page(1).await), (101, 201));
        one.page_invalidate(1);
        assert!(!Tenant::page_cache().contains_key(&(Tenant(100), 1)));
        assert!(Tenant::page_cache().contains_key(&(Tenant(200), 1)));

        assert_eq!(one.decade(11).await, 111);
        assert_eq!((one.decade(12).await, two.decade(12).await), (111, 212));
        one.decade_invalidate(19);
        assert_eq!(one.decade(12).await, 112);
        assert_eq!(Tenant::decade_stats().loads, 3);
    });
}

#[test]
fn methods_may_return_errors_and_none_like_functions() {
    #[derive(Debug, Clone, PartialEq)]
    struct Refused(u64);

    struct Service(Loads);

    impl Service {
        #[cached(skip(self))]
        async fn even(&self, id: u64) -> Result<u64, Refused> {
            self.0.next();
            if id.is_multiple_of(2) { Ok(id) } else { Err(Refused(id)) }
        }

        #[cached(skip(self))]
        async fn odd(&self, id: u64) -> Option<u64> {
            self.0.next();
            (id % 2 == 1).then_some(id)
        }

        #[cached(associated)]
        async fn half(id: u64) -> u64 {
            id / 2
        }

        #[cached]
        async fn twice(id: u64) -> u64 {
            2 * Self::half(id).await
        }
    }

    run(async {
        let service = Service(Loads::new());
        for _ in 0..3 {
            assert_eq!(service.even(1).await, Err(Refused(1)));
            assert_eq!(service.even(2).await, Ok(2));
            assert_eq!(service.odd(1).await, Some(1));
            assert_eq!(service.odd(2).await, None);
            assert_eq!(Service::twice(7).await, 6);
        }
        assert_eq!(service.0.count(), 3 + 1 + 1 + 3);
        assert_eq!(service.even_refresh(1).await, Err(Refused(1)));
        assert_eq!(Service::half_stats().loads, 1);
    });
}
