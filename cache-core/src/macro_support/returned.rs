//! What decorated functions return.

use crate::error::LoadError;

/// A return type that is a [`Result`]: its `Ok` is what is cached.
#[diagnostic::on_unimplemented(
    message = "`result` is for functions that return a `Result`, and this one returns `{Self}`",
    label = "not a `Result`"
)]
pub trait ReturnsResult {
    /// What is cached.
    type Value;
}

impl<V, E> ReturnsResult for Result<V, E> {
    type Value = V;
}

/// A return type that is an [`Option`]: its `Some` is what is cached.
#[diagnostic::on_unimplemented(
    message = "`option` is for functions that return an `Option`, and this one returns `{Self}`",
    label = "not an `Option`"
)]
pub trait ReturnsOption {
    /// What is cached.
    type Value;
}

impl<V> ReturnsOption for Option<V> {
    type Value = V;
}

/// What a returned value must be to be cached.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "must be `Clone`",
    note = "what is dear to clone, or cannot be cloned, is returned in an `Arc`"
)]
pub trait Value: Clone {}

#[diagnostic::do_not_recommend]
impl<V: Clone> Value for V {}

/// What the error of a cached function must be.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` of a cached function is not `Clone`",
    label = "everybody who waits for a load gets its error, so it must be `Clone`",
    note = "or the function returns `LoadError<{Self}>`, which shares any error"
)]
pub trait SharedError: Clone {}

#[diagnostic::do_not_recommend]
impl<E: Clone> SharedError for E {}

/// Why a load brought nothing, on its way to becoming the function's own error.
///
/// A function's own [`LoadError`] can say everything that there is to say: its method is the type's
/// own and goes before that of [`CloneError`], which is for all other errors.
#[derive(Debug)]
pub struct Failure<E>(pub LoadError<E>);

impl<E> Failure<LoadError<E>> {
    /// The function's error.
    #[must_use]
    pub fn into_error(self) -> LoadError<E> {
        match self.0 {
            LoadError::Loader(error) => (*error).clone(),
            LoadError::Panicked => LoadError::Panicked,
            LoadError::Reentrant => LoadError::Reentrant,
            LoadError::TimedOut(after) => LoadError::TimedOut(after),
            LoadError::WrongLength { keys, results } => LoadError::WrongLength { keys, results },
        }
    }
}

/// [`Failure::into_error`] for errors that can be cloned.
pub trait CloneError<E> {
    /// The function's error.
    ///
    /// # Panics
    /// If there is none, because the load panicked elsewhere or waits for itself.
    #[must_use]
    fn into_error(self) -> E
    where
        E: SharedError;
}

impl<E> CloneError<E> for Failure<E> {
    fn into_error(self) -> E
    where
        E: SharedError,
    {
        match self.0 {
            LoadError::Loader(error) => (*error).clone(),
            other => panic!(
                "a cached function has no value to return: {other} (a function that returns \
                 `LoadError<E>` returns this as an error)"
            ),
        }
    }
}

/// Compiles if `V` can be cached.
pub const fn is_value<V: Value>() {}
