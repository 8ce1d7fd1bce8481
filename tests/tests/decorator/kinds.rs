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

    #[cached(result, runtime = "super::adapter")]
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

    #[cached(result, runtime = "super::adapter")]
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
    #[cached(result, runtime = "super::adapter")]
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

    #[cached(option, runtime = "super::adapter")]
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
fn a_return_type_other_than_result_or_option_is_stored_whole() {
    static LOADS: Loads = Loads::new();

    #[cached(runtime = "super::adapter")]
    async fn find(id: u64) -> Option<u64> {
        LOADS.next();
        Some(id).filter(|id| *id > 1)
    }

    run(async {
        assert_eq!((find(1).await, find(1).await), (None, None));
        assert_eq!(LOADS.count(), 1);
    });
}
