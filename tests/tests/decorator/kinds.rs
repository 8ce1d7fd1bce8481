//! Functions that return `Result` or `Option`.

use futures_util::future::join_all;

use super::adapter::{LoadError, cached};
use super::{Gate, Loads, run, start};

#[derive(Debug, Clone, PartialEq)]
struct DbError(u64);

#[test]
fn errors_reach_every_waiter_and_are_not_stored() {
    static LOADS: Loads = Loads::new();
    static GATE: Gate = Gate::closed();

    #[cached]
    async fn session(id: &str) -> Result<String, DbError> {
        let number = LOADS.next();
        GATE.pass().await;
        match number {
            1 => Err(DbError(number))?,
            _ => Ok(id.to_owned()),
        }
    }

    run(async {
        let calls: Vec<_> = (0..10).map(|_| start(session("a"))).collect();
        GATE.open();
        for answer in join_all(calls).await {
            assert_eq!(answer, Err(DbError(1)));
        }
        assert_eq!(session("a").await.as_deref(), Ok("a"));
        assert_eq!(session("a").await.as_deref(), Ok("a"));
        assert_eq!(LOADS.count(), 2);
        assert_eq!(session::refresh("a").await.as_deref(), Ok("a"));
        assert_eq!(session::stats().load_failures, 1);
    });
}

#[test]
fn an_error_that_cannot_be_cloned_is_shared() {
    static LOADS: Loads = Loads::new();

    type Answer<T> = Result<T, LoadError<std::io::Error>>;

    #[cached(result)]
    async fn read(path: String) -> Answer<u64> {
        LOADS.next();
        Err(std::io::Error::other(path))?
    }

    run(async {
        let answers = tokio::join!(read("a".to_owned()), read("a".to_owned()));
        for answer in [answers.0, answers.1] {
            let error = answer.unwrap_err();
            assert_eq!(error.loader().unwrap().to_string(), "a");
        }
    });
}

#[test]
fn a_function_that_calls_itself_with_its_own_arguments_gets_an_error() {
    #[cached]
    async fn circle(id: u64) -> Result<u64, LoadError<DbError>> {
        around(id).await
    }

    fn around(
        id: u64,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<u64, LoadError<DbError>>> + Send>> {
        Box::pin(circle(id))
    }

    run(async {
        assert!(matches!(circle(1).await, Err(LoadError::Reentrant)));
    });
}

#[test]
fn a_none_is_not_stored() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn find(id: u64) -> Option<u64> {
        let number = LOADS.next();
        (number > 1).then_some(id)
    }

    run(async {
        assert_eq!(find(1).await, None);
        assert_eq!(find(1).await, Some(1));
        assert_eq!(find(1).await, Some(1));
        assert_eq!(LOADS.count(), 2);
        assert_eq!(find::refresh(1).await, Some(1));
    });
}

#[test]
fn neither_an_error_nor_a_missing_value_of_a_fallible_search_is_stored() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn find(id: u64) -> Result<Option<u64>, DbError> {
        match LOADS.next() {
            1 => Err(DbError(id)),
            2 => Ok(None),
            _ => Ok(Some(id)),
        }
    }

    run(async {
        assert_eq!(find(7).await, Err(DbError(7)));
        assert_eq!(find(7).await, Ok(None));
        assert_eq!(find(7).await, Ok(Some(7)));
        assert_eq!(find(7).await, Ok(Some(7)));
        assert_eq!(LOADS.count(), 3);
        assert_eq!(find::refresh(7).await, Ok(Some(7)));
        assert_eq!(find::cache().get(&7), Some(7), "the cache has the value itself");
    });
}

#[test]
fn arguments_say_what_an_alias_stands_for() {
    static LOADS: Loads = Loads::new();

    type Answer<T> = Result<T, DbError>;
    type Found = Option<u64>;

    #[cached(result)]
    async fn fallible(id: u64) -> Answer<u64> {
        Err(DbError(LOADS.next() + id))
    }

    #[cached(option)]
    async fn optional(_id: u64) -> Found {
        LOADS.next();
        None
    }

    #[cached(result, option)]
    async fn both(id: u64) -> Answer<Found> {
        match LOADS.next() {
            1 => Err(DbError(id)),
            _ => Ok(None),
        }
    }

    #[cached(result)]
    async fn visible(_id: u64) -> Answer<Option<u64>> {
        LOADS.next();
        Ok(None)
    }

    run(async {
        assert_eq!(both(0).await, Err(DbError(0)));
        assert_eq!((both(0).await, both(0).await), (Ok(None), Ok(None)));
        assert_eq!(LOADS.count(), 3);
        assert_eq!(fallible(0).await, Err(DbError(4)));
        assert_eq!(fallible(0).await, Err(DbError(5)));
        assert_eq!((optional(0).await, optional(0).await), (None, None));
        assert_eq!((visible(0).await, visible(0).await), (Ok(None), Ok(None)));
        assert_eq!(LOADS.count(), 9);
        let _: [Option<u64>; 3] =
            [fallible::cache().get(&0), optional::cache().get(&0), visible::cache().get(&0)];
    });
}

#[test]
fn a_failure_is_remembered_where_the_attribute_says_so() {
    static LOADS: Loads = Loads::new();

    #[cached(cache_err)]
    async fn fallible(id: u64) -> Result<u64, DbError> {
        Err(DbError(LOADS.next() + id))
    }

    #[cached(cache_none)]
    async fn optional(_id: u64) -> Option<u64> {
        LOADS.next();
        None
    }

    #[cached(cache_none)]
    async fn only_none(id: u64) -> Result<Option<u64>, LoadError<DbError>> {
        match id {
            0 => Err(DbError(LOADS.next()))?,
            _ => LOADS.next(),
        };
        Ok(None)
    }

    run(async {
        assert_eq!((fallible(0).await, fallible(0).await), (Err(DbError(1)), Err(DbError(1))));
        assert_eq!((optional(0).await, optional(0).await), (None, None));
        assert_eq!(LOADS.count(), 2);
        assert!(only_none(0).await.is_err() && only_none(0).await.is_err());
        assert_eq!(LOADS.count(), 4);
        assert_eq!((only_none(1).await.unwrap(), only_none(1).await.unwrap()), (None, None));
        assert_eq!(LOADS.count(), 5);

        fallible::invalidate(0);
        assert_eq!(fallible(0).await, Err(DbError(6)), "an invalidation ends it");
        assert_eq!(fallible::refresh(0).await, Err(DbError(7)), "and so does a refresh");
        optional::clear();
        assert_eq!((optional(0).await, LOADS.count()), (None, 8));
    });
}

#[test]
fn another_return_type_is_stored_whole() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn find(id: u64) -> Vec<Option<u64>> {
        LOADS.next();
        vec![Some(id), None]
    }

    run(async {
        assert_eq!(find(1).await, find(1).await);
        assert_eq!(LOADS.count(), 1);
    });
}
