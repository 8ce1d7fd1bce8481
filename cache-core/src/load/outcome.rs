//! What loaders return, what flights end with, and what each method makes of that.

use core::convert::Infallible;
use core::marker::PhantomData;
use core::time::Duration;

use crate::error::LoadError;
use crate::machine::Ttl;
use crate::runtime::{Erases, Flavor};
use crate::sync::Arc;

/// A loaded value, and what the cache is to know of it.
///
/// ```
/// use cache_core::{Loaded, Ttl};
/// use core::time::Duration;
///
/// let page = Loaded::new("<html>")
///     .ttl(Ttl::After(Duration::from_secs(30)))
///     .weight(6);
/// # let _ = page;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded<V> {
    pub(crate) value: V,
    pub(crate) ttl: Ttl,
    pub(crate) weight: Option<u32>,
}

impl<V> Loaded<V> {
    /// A value that lives as long and weighs as much as the cache's settings say.
    #[must_use]
    pub const fn new(value: V) -> Self {
        Self {
            value,
            ttl: Ttl::Default,
            weight: None,
        }
    }

    /// Sets how long it lives, counted from the completion of the load.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how much it weighs; the cache's weigher is not asked.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

/// How a loader ended, in the same words for every method. `X` is an error without its type.
#[derive(Debug, Clone)]
pub(crate) enum Verdict<V, X> {
    Value(Loaded<V>),
    Missing,
    Failed(X),
    TimedOut(Duration),
    WrongLength(Lengths),
}

/// A batch loader was asked for this many keys and returned that many results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) keys: usize,
    pub(crate) results: usize,
}

/// How a flight ended, as everybody who waited for it sees it.
#[derive(Debug, Clone)]
pub(crate) enum Outcome<V, X> {
    Value(V),
    /// The loader found that there is no value.
    Missing,
    Failed(X),
    Panicked,
    Reentrant,
    TimedOut(Duration),
    WrongLength(Lengths),
    /// The load was dropped before it ended.
    Abandoned,
}

/// The outcome of a flight on a runtime of flavour `F`.
pub(crate) type OutcomeOn<F, V> = Outcome<V, <F as Flavor>::Error>;

/// What goes into a loading method and what comes out.
///
/// Apart from [`Method`], and implemented without bounds: to see that a method's future is `Send`,
/// the compiler must be able to name these types without proving anything of lifetimes.
pub(crate) trait Words<V> {
    /// What the loader returns.
    type Output;
    /// What the method returns.
    type Answer;
}

/// What one of the loading methods asks of its loader, and what it can return.
pub(crate) trait Method<V, F: Flavor>: Words<V> {
    fn verdict(output: Self::Output) -> Verdict<V, F::Error>;

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

impl<V> Words<V> for Plain {
    type Output = V;
    type Answer = V;
}

impl<V> Words<V> for Optional {
    type Output = Option<V>;
    type Answer = Option<V>;
}

impl<V, E, L> Words<V> for Fallible<E, L> {
    type Output = Result<L, E>;
    type Answer = Result<V, LoadError<E>>;
}

impl<V, E> Words<V> for Batched<E> {
    type Output = Infallible;
    type Answer = Result<Option<V>, LoadError<E>>;
}

impl<V: Clone, F: Flavor> Method<V, F> for Plain {
    fn verdict(value: V) -> Verdict<V, F::Error> {
        Verdict::Value(Loaded::new(value))
    }

    fn hit(value: V) -> V {
        value
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<V> {
        match outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Missing | Outcome::Failed(_) | Outcome::Abandoned => None,
            other => give_up(&other, "get_with"),
        }
    }
}

impl<V: Clone, F: Flavor> Method<V, F> for Optional {
    fn verdict(value: Option<V>) -> Verdict<V, F::Error> {
        value.map_or(Verdict::Missing, |value| Verdict::Value(Loaded::new(value)))
    }

    fn hit(value: V) -> Option<V> {
        Some(value)
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Option<V>> {
        match outcome {
            Outcome::Value(value) => Some(Some(value)),
            Outcome::Missing => Some(None),
            Outcome::Failed(_) | Outcome::Abandoned => None,
            other => give_up(&other, "optionally_get_with"),
        }
    }
}

impl<V: Clone, E, L: Into<Loaded<V>>, F: Erases<E>> Method<V, F> for Fallible<E, L> {
    fn verdict(loaded: Result<L, E>) -> Verdict<V, F::Error> {
        match loaded {
            Ok(loaded) => Verdict::Value(loaded.into()),
            Err(error) => Verdict::Failed(F::erase(Arc::new(error))),
        }
    }

    fn hit(value: V) -> Self::Answer {
        Ok(value)
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        let error = match outcome {
            Outcome::Value(value) => return Some(Ok(value)),
            Outcome::Missing | Outcome::Abandoned => return None,
            Outcome::Failed(error) => LoadError::Loader(F::recover(&error)?),
            Outcome::Panicked => LoadError::Panicked,
            Outcome::Reentrant => LoadError::Reentrant,
            Outcome::TimedOut(after) => LoadError::TimedOut(after),
            Outcome::WrongLength(lengths) => lengths.into_error(),
        };
        Some(Err(error))
    }
}

impl<V: Clone, E, F: Erases<E>> Method<V, F> for Batched<E> {
    fn verdict(output: Infallible) -> Verdict<V, F::Error> {
        match output {}
    }

    fn hit(value: V) -> Self::Answer {
        Ok(Some(value))
    }

    fn answer(outcome: OutcomeOn<F, V>) -> Option<Self::Answer> {
        if matches!(outcome, Outcome::Missing) {
            return Some(Ok(None));
        }
        let answer = <Fallible<E, V> as Method<V, F>>::answer(outcome)?;
        Some(answer.map(Some))
    }
}

impl Lengths {
    const fn into_error<E>(self) -> LoadError<E> {
        LoadError::WrongLength {
            keys: self.keys,
            results: self.results,
        }
    }
}

/// A method without an error type has no other way to say that there will be no value.
fn give_up<V, X>(outcome: &Outcome<V, X>, method: &str) -> ! {
    let error = match outcome {
        Outcome::Reentrant => LoadError::<Infallible>::Reentrant,
        Outcome::TimedOut(after) => LoadError::TimedOut(*after),
        Outcome::WrongLength(lengths) => lengths.into_error(),
        _ => LoadError::Panicked,
    };
    panic!("{method} has no value to return: {error} (try_get_with returns this as an error)")
}
