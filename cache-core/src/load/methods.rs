//! The loading methods: what each of them takes from its loader and returns to its caller.

use core::convert::Infallible;
use core::marker::PhantomData;

use crate::error::LoadError;
use crate::flight::{Fault, Loaded, LoaderResult, LoaderResultOn, Outcome, OutcomeOn};
use crate::runtime::{Flavor, LoadErrorType};
use crate::sync::Arc;

/// The types of a loading method.
///
/// Not part of [`LoadMethod`], and implemented without bounds: to prove that a method's future is
/// `Send`, the compiler must be able to name these types without a proof about lifetimes.
pub(crate) trait LoadTypes<V> {
    /// What the loader returns.
    type Output;
    /// What the method returns.
    type Answer;
}

/// A loading method: how it reads its loader's output, and what it can return.
pub(crate) trait LoadMethod<V, F: Flavor>: LoadTypes<V> {
    /// Converts the output of the loader to a result.
    fn result(output: Self::Output) -> LoaderResultOn<F, V>;

    /// The answer for a stored value.
    fn hit(value: V) -> Self::Answer;

    /// The answer for an outcome, or `None` if the method cannot return the outcome: then the
    /// caller retries.
    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer>;
}

/// `get_with`: the loader returns a value.
#[derive(Debug)]
pub(crate) struct Plain(Infallible);

/// `optionally_get_with`: the loader may find that there is no value.
#[derive(Debug)]
pub(crate) struct Optional(Infallible);

/// `try_get_with` (`L` is the value itself) and `load_with` (`L` is [`Loaded`]): it may fail.
#[derive(Debug)]
pub(crate) struct Fallible<E, L>(Infallible, PhantomData<(E, L)>);

/// `try_optionally_get_with`: the loader may fail, or find that there is no value.
#[derive(Debug)]
pub(crate) struct FallibleOptional<E>(Infallible, PhantomData<E>);

/// The methods of a view, whose loader is erased. `P` is a [`Presence`].
#[derive(Debug)]
pub(crate) struct Viewed<P, E>(Infallible, PhantomData<(P, E)>);

/// Whether the loader of a view always finds a value ([`Required`]) or not ([`Nullable`]). Sealed.
pub trait Presence: sealed::Sealed + 'static {
    /// What the view returns for a value `V`.
    type Answer<V>;

    /// The answer for a value.
    #[doc(hidden)]
    fn found<V>(value: V) -> Self::Answer<V>;

    /// The answer for a key without a value, if the view can return it.
    #[doc(hidden)]
    fn missing<V>() -> Option<Self::Answer<V>>;
}

/// The loader of a view finds a value for every key, or fails.
#[derive(Debug)]
pub enum Required {}

/// The loader of a view may find that a key has no value.
#[derive(Debug)]
pub enum Nullable {}

impl Presence for Required {
    type Answer<V> = V;

    fn found<V>(value: V) -> V {
        value
    }

    fn missing<V>() -> Option<V> {
        None
    }
}

impl Presence for Nullable {
    type Answer<V> = Option<V>;

    fn found<V>(value: V) -> Option<V> {
        Some(value)
    }

    fn missing<V>() -> Option<Option<V>> {
        Some(None)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}

    impl Sealed for super::Required {}
    impl Sealed for super::Nullable {}
}

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

impl<V, E> LoadTypes<V> for FallibleOptional<E> {
    type Output = Result<Option<V>, E>;
    type Answer = Result<Option<V>, LoadError<E>>;
}

impl<V, P: Presence, E> LoadTypes<V> for Viewed<P, E> {
    type Output = Infallible;
    type Answer = Result<P::Answer<V>, LoadError<E>>;
}

impl<V: Clone, F: Flavor> LoadMethod<V, F> for Plain {
    fn result(value: V) -> LoaderResultOn<F, V> {
        LoaderResult::Value(Loaded::new(value))
    }

    fn hit(value: V) -> V {
        value
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn answer(outcome: OutcomeOn<F, V>) -> Option<V> {
        match outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Missing | Outcome::Failed(_) | Outcome::Cancelled => None,
            Outcome::Fault(fault) => panic_without_value(fault, "get_with"),
        }
    }
}

impl<V: Clone, F: Flavor> LoadMethod<V, F> for Optional {
    fn result(value: Option<V>) -> LoaderResultOn<F, V> {
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
            Outcome::Fault(fault) => panic_without_value(fault, "optionally_get_with"),
        }
    }
}

impl<V: Clone, E: LoadErrorType<F>, L: Into<Loaded<V>>, F: Flavor> LoadMethod<V, F>
    for Fallible<E, L>
{
    fn result(loaded: Result<L, E>) -> LoaderResultOn<F, V> {
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
            Outcome::Fault(fault) => fault.into_error(),
        };
        Some(Err(error))
    }
}

impl<V: Clone, E: LoadErrorType<F>, F: Flavor> LoadMethod<V, F> for FallibleOptional<E> {
    fn result(found: Result<Option<V>, E>) -> LoaderResultOn<F, V> {
        match found {
            Ok(value) => <Optional as LoadMethod<V, F>>::result(value),
            Err(error) => LoaderResult::Failed(E::erase(Arc::new(error))),
        }
    }

    fn hit(value: V) -> Self::Answer {
        Ok(Some(value))
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        <Viewed<Nullable, E> as LoadMethod<V, F>>::answer(outcome)
    }
}

impl<V: Clone, P: Presence, E: LoadErrorType<F>, F: Flavor> LoadMethod<V, F> for Viewed<P, E> {
    fn result(output: Infallible) -> LoaderResultOn<F, V> {
        match output {}
    }

    fn hit(value: V) -> Self::Answer {
        Ok(P::found(value))
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        if matches!(outcome, Outcome::Missing) {
            return P::missing().map(Ok);
        }
        let answer = <Fallible<E, V> as LoadMethod<V, F>>::answer(outcome)?;
        Some(answer.map(P::found))
    }
}

/// Reports a fault to the caller of a method that has no error type.
fn panic_without_value(fault: Fault, method: &str) -> ! {
    let error: LoadError<Infallible> = fault.into_error();
    panic!("{method} has no value to return: {error} (try_get_with returns this as an error)")
}
