//! Small errors, one an operation.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::machine::BatchWindow;
use crate::sync::Arc;

/// Why a load brought no value. Everybody who waited for the load gets the same one.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader returned this error.
    Loader(Arc<E>),
    /// The loader panicked, in another caller or in the background.
    Panicked,
    /// The loader asked, while it was being polled, for the very key that it is loading.
    Reentrant,
    /// The load took longer than the cache's `load_timeout`, which is this long.
    TimedOut(Duration),
    /// The batch loader returned another number of results than it was asked for.
    WrongLength {
        /// How many keys it was asked for.
        keys: usize,
        /// How many results it returned.
        results: usize,
    },
}

impl<E> LoadError<E> {
    /// The loader's own error.
    ///
    /// # Errors
    /// This error, if it is not the loader's.
    pub fn into_loader(self) -> Result<Arc<E>, Self> {
        match self {
            Self::Loader(error) => Ok(error),
            other => Err(other),
        }
    }

    /// The loader's own error, if that is what this is.
    pub fn loader(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => Some(error),
            _ => None,
        }
    }
}

/// So that a loader which returns `LoadError<E>` itself can use `?` on what fails with an `E`.
impl<E> From<E> for LoadError<E> {
    fn from(error: E) -> Self {
        Self::Loader(Arc::new(error))
    }
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Loader(error) => Self::Loader(Arc::clone(error)),
            Self::Panicked => Self::Panicked,
            Self::Reentrant => Self::Reentrant,
            Self::TimedOut(after) => Self::TimedOut(*after),
            Self::WrongLength { keys, results } => Self::WrongLength {
                keys: *keys,
                results: *results,
            },
        }
    }
}

impl<E> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(_) => f.write_str("the loader returned an error"),
            Self::Panicked => f.write_str("the loader panicked"),
            Self::Reentrant => f.write_str("the loader asked for the key that it is loading"),
            Self::TimedOut(after) => {
                write!(f, "the load took longer than the load_timeout of {after:?}")
            }
            Self::WrongLength { keys, results } => {
                write!(
                    f,
                    "the batch loader returned {results} results for {keys} keys"
                )
            }
        }
    }
}

impl<E: Error + 'static> Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Loader(error) => Some(&**error),
            _ => None,
        }
    }
}

/// A setting that cannot be: which one, the value it has, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    field: &'static str,
    value: Value,
    rule: &'static str,
}

/// The value of a setting. Not its text: the code that writes numbers and times is then linked only
/// into programs that show the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Unset,
    Count(usize),
    Time(Duration),
    Window(BatchWindow),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("not set"),
            Self::Count(count) => count.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Window(window) => window.fmt(f),
        }
    }
}

impl BuildError {
    pub(crate) const fn new(field: &'static str, value: Value, rule: &'static str) -> Self {
        Self { field, value, rule }
    }

    /// The setting, by the name of the builder's method.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = self;
        write!(f, "{field} is {value:?}, but {rule}")
    }
}

impl Error for BuildError {}
