//! The errors of a load and of the builder.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::machine::BatchWindow;
use crate::sync::Arc;

/// Why a load returned no value. All callers of the load get the same error.
///
/// ```
/// # use cache_core::{Cache, LoadError, testing::VirtualRuntime};
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
/// # runtime.block_on(async {
/// match cache.try_get_with(1, || async { "x".parse::<u64>() }).await {
///     Ok(value) => println!("{value}"),
///     Err(LoadError::Loader(error)) => println!("the loader returned {error}"),
///     Err(error) => println!("{error}"),
/// }
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader returned this error.
    Loader(Arc<E>),
    /// The loader of another caller panicked. The caller whose own loader panics gets the panic.
    Panicked,
    /// The loader requested the same key that it loads, which would wait for itself.
    Reentrant,
    /// The load took longer than the builder's `load_timeout`, which this contains.
    TimedOut(Duration),
    /// The batch loader returned more or fewer results than it got keys.
    WrongLength {
        /// The number of keys that the loader got.
        keys: usize,
        /// The number of results that it returned.
        results: usize,
    },
}

impl<E> LoadError<E> {
    /// Returns the loader's own error by value.
    ///
    /// # Errors
    /// Returns `self` unchanged if it is not [`LoadError::Loader`].
    ///
    /// ```
    /// use cache_core::LoadError;
    ///
    /// let error = LoadError::from("backend is down");
    /// assert_eq!(*error.into_loader().unwrap(), "backend is down");
    /// assert!(LoadError::<&str>::Panicked.into_loader().is_err());
    /// ```
    pub fn into_loader(self) -> Result<Arc<E>, Self> {
        match self {
            Self::Loader(error) => Ok(error),
            other => Err(other),
        }
    }

    /// Returns the loader's own error, or `None` if this is another variant.
    ///
    /// ```
    /// use cache_core::LoadError;
    ///
    /// assert_eq!(LoadError::from("backend is down").loader(), Some(&"backend is down"));
    /// assert_eq!(LoadError::<&str>::Panicked.loader(), None);
    /// ```
    pub fn loader(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => Some(error),
            _ => None,
        }
    }
}

/// Lets a function that returns `LoadError<E>` use `?` on a result with error `E`.
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
            Self::Reentrant => f.write_str("the loader requested the key that it is loading"),
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

/// An invalid builder setting. Its message names the setting, the value and the rule.
///
/// ```
/// use cache_core::{Cache, testing::VirtualRuntime};
///
/// let builder = Cache::<u64, u64, _>::builder_on(VirtualRuntime::new()).shards(3);
/// let error = builder.try_build().unwrap_err();
/// assert_eq!(error.to_string(), "shards is 3, but it must be a power of two");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    field: &'static str,
    value: Value,
    rule: &'static str,
}

/// The value of a setting. Not its text: only programs that display the error link the code that
/// formats numbers and durations.
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

    /// Returns the name of the builder method that set the value.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let builder = Cache::<u64, u64, _>::builder_on(VirtualRuntime::new()).shards(3);
    /// assert_eq!(builder.try_build().unwrap_err().field(), "shards");
    /// ```
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
