//! The loading methods: what each takes from its loader, and what it returns to its caller.

use core::convert::Infallible;
use core::marker::PhantomData;

use crate::error::LoadError;
use crate::flight::{Loaded, LoaderResult, Outcome, OutcomeOn};
use crate::runtime::{Flavor, LoadErrorType};
use crate::sync::Arc;

/// What goes into a loading method and what comes out.
///
/// Apart from [`LoadMethod`], and implemented without bounds: to see that a method's future is `Send`,
/// the compiler must be able to name these types without proving anything of lifetimes.
pub(crate) trait LoadTypes<V> {
    /// What the loader returns.
    type Output;
    /// What the method returns.
    type Answer;
}

/// What one of the loading methods asks of its loader, and what it can return.
pub(crate) trait LoadMethod<V, F: Flavor>: LoadTypes<V> {
    fn result(output: Self::Output) -> LoaderResult<V, F::Error>;

    fn hit(value: V) -> Self::Answer;

    /// What the method makes of this outcome; `None` if it cannot return it, and the caller's own
    /// loader must run.
    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer>;
}

/// `get_with`: the loader always brings a value.
#[derive(Debug)]
pub(crate) struct Plain(Infallible);

/// `optionally_get_with`: the loader may find that there is no value.
#[derive(Debug)]
pub(crate) struct Optional(Infallible);

/// `try_get_with` (`L` is the value itself) and `load_with` (`L` is [`Loaded`]): it may fail.
#[derive(Debug)]
pub(crate) struct Fallible<E, L>(Infallible, PhantomData<(E, L)>);

/// `load` of a batch: the batch loader runs elsewhere.
#[derive(Debug)]
pub(crate) struct Batched<E>(Infallible, PhantomData<E>);

impl<V> LoadTypes<V> for Plain {
    type Output = V;
    type Answer = V;
}

impl<V> LoadTypes<V> for Optional {
    type Output = Option<V>;
    type Answer = Option<V>;
}

impl<V, E, L> LoadTypes<V> for Fallible<E, L> {
    type Output = Result<L, E>;
    type Answer = Result<V, LoadError<E>>;
}

impl<V, E> LoadTypes<V> for Batched<E> {
    type Output = Infallible;
    type Answer = Result<Option<V>, LoadError<E>>;
}

impl<V: Clone, F: Flavor> LoadMethod<V, F> for Plain {
    fn result(value: V) -> LoaderResult<V, F::Error> {
        LoaderResult::Value(Loaded::new(value))
    }

    fn hit(value: V) -> V {
        value
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<V> {
        match outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Missing | Outcome::Failed(_) | Outcome::Cancelled => None,
            other => panic_without_value(&other, "get_with"),
        }
    }
}

impl<V: Clone, F: Flavor> LoadMethod<V, F> for Optional {
    fn result(value: Option<V>) -> LoaderResult<V, F::Error> {
        value.map_or(LoaderResult::Missing, |value| {
            LoaderResult::Value(Loaded::new(value))
        })
    }

    fn hit(value: V) -> Option<V> {
        Some(value)
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Option<V>> {
        match outcome {
            Outcome::Value(value) => Some(Some(value)),
            Outcome::Missing => Some(None),
            Outcome::Failed(_) | Outcome::Cancelled => None,
            other => panic_without_value(&other, "optionally_get_with"),
        }
    }
}

impl<V: Clone, E: LoadErrorType<F>, L: Into<Loaded<V>>, F: Flavor> LoadMethod<V, F>
    for Fallible<E, L>
{
    fn result(loaded: Result<L, E>) -> LoaderResult<V, F::Error> {
        match loaded {
            Ok(loaded) => LoaderResult::Value(loaded.into()),
            Err(error) => LoaderResult::Failed(E::erase(Arc::new(error))),
        }
    }

    fn hit(value: V) -> Self::Answer {
        Ok(value)
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        let error = match outcome {
            Outcome::Value(value) => return Some(Ok(value)),
            Outcome::Missing | Outcome::Cancelled => return None,
            Outcome::Failed(error) => LoadError::Loader(E::recover(&error)?),
            Outcome::Panicked => LoadError::Panicked,
            Outcome::Reentrant => LoadError::Reentrant,
            Outcome::TimedOut(after) => LoadError::TimedOut(after),
            Outcome::WrongLength(mismatch) => mismatch.into_error(),
        };
        Some(Err(error))
    }
}

impl<V: Clone, E: LoadErrorType<F>, F: Flavor> LoadMethod<V, F> for Batched<E> {
    fn result(output: Infallible) -> LoaderResult<V, F::Error> {
        match output {}
    }

    fn hit(value: V) -> Self::Answer {
        Ok(Some(value))
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        if matches!(outcome, Outcome::Missing) {
            return Some(Ok(None));
        }
        let answer = <Fallible<E, V> as LoadMethod<V, F>>::answer(outcome)?;
        Some(answer.map(Some))
    }
}

/// A method without an error type has no other way to say that there will be no value.
fn panic_without_value<V, X>(outcome: &Outcome<V, X>, method: &str) -> ! {
    let error = match outcome {
        Outcome::Reentrant => LoadError::<Infallible>::Reentrant,
        Outcome::TimedOut(after) => LoadError::TimedOut(*after),
        Outcome::WrongLength(mismatch) => mismatch.into_error(),
        _ => LoadError::Panicked,
    };
    panic!("{method} has no value to return: {error} (try_get_with returns this as an error)")
}
