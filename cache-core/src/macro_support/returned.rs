//! The return types of decorated functions.

use crate::error::LoadError;

/// A return type that is a [`Result`]. Its `Ok` values are cached.
#[diagnostic::on_unimplemented(
    message = "`result` is for functions that return a `Result`, and this one returns `{Self}`",
    label = "not a `Result`"
)]
pub trait ReturnsResult {
    /// The type of the cached values.
    type Value;
}

impl<V, E> ReturnsResult for Result<V, E> {
    type Value = V;
}

/// A return type that is an [`Option`]. Its `Some` values are cached.
#[diagnostic::on_unimplemented(
    message = "`option` is for functions that return an `Option`, and this one returns `{Self}`",
    label = "not an `Option`"
)]
pub trait ReturnsOption {
    /// The type of the cached values.
    type Value;
}

impl<V> ReturnsOption for Option<V> {
    type Value = V;
}

/// A return type that is a [`Result`] of an [`Option`]. The values in its `Ok(Some)` are cached.
#[diagnostic::on_unimplemented(
    message = "the macro takes this type for a `Result` of an `Option`, and it is `{Self}`",
    label = "not a `Result<Option<_>, _>`"
)]
pub trait ReturnsResultOption {
    /// The type of the cached values.
    type Value;
}

impl<V, E> ReturnsResultOption for Result<Option<V>, E> {
    type Value = V;
}

/// An error type of cached functions.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` of a cached function is not `Clone`",
    label = "all callers of a load get its error, so it must be `Clone`",
    note = "or return `LoadError<{Self}>` from the function, which shares any error"
)]
pub trait SharedError: Clone {}

#[diagnostic::do_not_recommend]
impl<E: Clone> SharedError for E {}

/// The error of a load, to be converted into the function's own error type.
///
/// A function that returns [`LoadError`] gets every error as it is. That conversion is an inherent
/// method, so it takes precedence over the one of [`CloneError`], which is for all other error
/// types.
#[derive(Debug)]
pub struct Failure<E>(pub LoadError<E>);

impl<E> Failure<LoadError<E>> {
    /// Converts this into the function's error.
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
    /// Converts this into the function's error.
    ///
    /// # Panics
    /// If the loader returned no error: it panicked in another caller, it timed out, or it
    /// requested its own key.
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
        match self.0.split() {
            Ok(error) => (*error).clone(),
            Err(other) => panic!(
                "a cached function has no value to return: {other} (a function that returns \
                 `LoadError<E>` returns this as an error)"
            ),
        }
    }
}
