//! The errors of a load and of the builder.

use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::machine::BatchWindow;
use crate::sync::Arc;

/// Why a load returned no value. All callers of the load get the same error.
///
/// It displays the loader's own error, and its sources are those of that error.
///
/// # The operator `?`
///
/// In a function that returns `LoadError<E>`, `?` converts an `E`. If `E` implements [`Error`],
/// `LoadError<E>` implements it too, and `?` converts it to `anyhow::Error`, to `eyre::Report` and
/// to `Box<dyn Error + Send + Sync>`, with its sources. Opaque errors and strings do not implement
/// [`Error`], and Rust has no way to implement it for `LoadError` of both kinds. They need one more
/// call, whichever of the three types the function returns:
///
/// | `E` | line |
/// |---|---|
/// | an error type | `cache.try_get_with(key, load).await?` |
/// | `anyhow::Error` | `cache.try_get_with(key, load).await.map_err(LoadError::into_dyn)?` |
/// | `eyre::Report` | `cache.try_get_with(key, load).await.map_err(LoadError::into_dyn)?` |
/// | `Box<dyn Error + Send + Sync>` | `cache.try_get_with(key, load).await.map_err(LoadError::into_dyn)?` |
/// | `String`, `&'static str` | `cache.try_get_with(key, load).await.map_err(\|e\| e.to_string())?`; for anyhow and eyre `.map_err(anyhow::Error::msg)?` or `.map_err(eyre::Report::msg)?` |
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
#[derive(Debug, PartialEq, Eq)]
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

    /// Returns the loader's own error by value, or `None` if this is another variant.
    ///
    /// All callers of the load share the error. [`Arc::try_unwrap`] returns the error itself if no
    /// other caller holds it any more.
    ///
    /// ```
    /// use cache_core::LoadError;
    ///
    /// assert_eq!(*LoadError::from("backend is down").into_inner().unwrap(), "backend is down");
    /// assert!(LoadError::<&str>::Panicked.into_inner().is_none());
    /// ```
    #[must_use]
    pub fn into_inner(self) -> Option<Arc<E>> {
        self.into_loader().ok()
    }

    /// Returns the loader's own error by value.
    ///
    /// # Panics
    /// If this is another variant. The message says which.
    ///
    /// ```
    /// use cache_core::LoadError;
    ///
    /// assert_eq!(*LoadError::from("backend is down").unwrap_loader(), "backend is down");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn unwrap_loader(self) -> Arc<E> {
        match self.split() {
            Ok(error) => error,
            Err(other) => panic!("not an error of the loader: {other}"),
        }
    }

    /// Replaces the loader's own error with what `f` returns for it. The other variants stay.
    ///
    /// ```
    /// use cache_core::LoadError;
    ///
    /// let error = LoadError::from("backend is down").map(|error| error.len());
    /// assert_eq!(error.loader(), Some(&15));
    /// ```
    #[must_use]
    pub fn map<T>(self, f: impl FnOnce(Arc<E>) -> T) -> LoadError<T> {
        match self {
            Self::Loader(error) => LoadError::Loader(Arc::new(f(error))),
            other => other.retype(),
        }
    }

    /// Makes an [`Error`] of a load whose loader returns an opaque error: `anyhow::Error`,
    /// `eyre::Report` or `Box<dyn Error + Send + Sync>`.
    ///
    /// These types do not implement [`Error`], so `LoadError` of them does not either, and `?` does
    /// not convert it. `?` converts what this returns, which displays the same message and has the
    /// same sources. If `E` is an [`Error`], `?` needs no such call.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// use core::error::Error;
    /// use cache_core::LoadError;
    ///
    /// type BoxError = Box<dyn Error + Send + Sync>;
    ///
    /// async fn load() -> Result<u64, BoxError> {
    ///     Err("backend is down".into())
    /// }
    ///
    /// # type Cached = Cache<u64, u64, VirtualRuntime>;
    /// async fn request(cache: &Cached) -> Result<u64, BoxError> {
    ///     Ok(cache.try_get_with(1, load).await.map_err(LoadError::into_dyn)?)
    /// }
    /// # let runtime = VirtualRuntime::new();
    /// # let cache = Cache::builder_on(runtime.clone()).build();
    /// # let error = runtime.block_on(request(&cache)).unwrap_err();
    /// # assert_eq!(error.to_string(), "backend is down");
    /// ```
    #[must_use]
    pub fn into_dyn(self) -> LoadError<DynError<E>>
    where
        E: AsRef<dyn Error + Send + Sync>,
    {
        self.map(DynError)
    }

    /// Returns the loader's own error, or else the variant, which does not depend on `E`.
    pub(crate) fn split(self) -> Result<Arc<E>, LoadError<Infallible>> {
        match self {
            Self::Loader(error) => Ok(error),
            other => Err(other.retype()),
        }
    }

    /// The same variant for another error type.
    ///
    /// # Panics
    /// If this is the loader's own error.
    fn retype<T>(&self) -> LoadError<T> {
        match *self {
            Self::Loader(_) => unreachable!("the caller keeps the loader's own error"),
            Self::Panicked => LoadError::Panicked,
            Self::Reentrant => LoadError::Reentrant,
            Self::TimedOut(after) => LoadError::TimedOut(after),
            Self::WrongLength { keys, results } => LoadError::WrongLength { keys, results },
        }
    }
}

/// An opaque error of a loader, as an [`Error`]: [`LoadError::into_dyn`] returns it.
#[derive(Debug)]
pub struct DynError<E>(Arc<E>);

impl<E> DynError<E> {
    /// Returns the loader's error.
    ///
    /// ```
    /// # use core::error::Error;
    /// use cache_core::LoadError;
    ///
    /// let error: Box<dyn Error + Send + Sync> = "backend is down".into();
    /// let error = LoadError::from(error).into_dyn();
    /// assert_eq!(error.loader().unwrap().get_ref().to_string(), "backend is down");
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &E {
        &self.0
    }
}

impl<E: fmt::Display> fmt::Display for DynError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E> Error for DynError<E>
where
    E: AsRef<dyn Error + Send + Sync> + fmt::Debug + fmt::Display,
{
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        (*self.0).as_ref().source()
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
            other => other.retype(),
        }
    }
}

/// Displays the loader's own error as its type does.
impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(error) => error.fmt(f),
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

/// The sources are those of the loader's own error, whose message `LoadError` itself displays.
impl<E: Error> Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Loader(error) => error.source(),
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
    Word(&'static str),
    Count(usize),
    Time(Duration),
    Window(BatchWindow),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
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
