//! How a refresh in the background ends.

use core::any::Any;
use core::fmt;
use core::time::Duration;

use crate::sync::Arc;

/// How a refresh ended: the builder's [`refresh_listener`](crate::Builder::refresh_listener) gets
/// one for each refresh.
///
/// No caller waits for a refresh, so no caller gets its error. Until the refresh succeeds, callers
/// get the stored value.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RefreshEnd<'a> {
    /// The loader returned a value, which replaced the old one, or found the old one unchanged.
    Stored,
    /// The loader found no value. The entry was removed.
    Missing,
    /// The loader failed with this error.
    Failed(RefreshError<'a>),
    /// The loader panicked, in its call or in its future.
    Panicked,
    /// The refresh took longer than the builder's `load_timeout`, or than 60 seconds without one.
    TimedOut(Duration),
    /// The batch loader returned more or fewer results than it got keys.
    WrongLength {
        /// The number of keys that the loader got.
        keys: usize,
        /// The number of results that it returned.
        results: usize,
    },
    /// The key was written, invalidated or marked as stale during the refresh, which therefore
    /// stores nothing.
    Fenced,
    /// The runtime dropped the task of the refresh.
    Dropped,
}

/// The error of a loader, with its type erased: see [`RefreshEnd::Failed`].
#[derive(Clone, Copy)]
pub struct RefreshError<'a>(&'a dyn Any);

impl<'a> RefreshError<'a> {
    pub(crate) const fn new(error: &'a dyn Any) -> Self {
        Self(error)
    }

    /// Returns the error, if its type is `E`.
    ///
    /// ```
    /// use cache_core::{Builder, RefreshEnd, testing::VirtualRuntime};
    ///
    /// # fn set(builder: Builder<u64, u64, VirtualRuntime>) -> Builder<u64, u64, VirtualRuntime> {
    /// builder.refresh_listener(|key, end| {
    ///     if let RefreshEnd::Failed(error) = end {
    ///         println!("refresh of {key}: {:?}", error.downcast_ref::<std::io::Error>());
    ///     }
    /// })
    /// # }
    /// # drop(set(cache_core::Cache::builder_on(VirtualRuntime::new())));
    /// ```
    #[must_use]
    pub fn downcast_ref<E: 'static>(&self) -> Option<&'a E> {
        self.0.downcast_ref::<Arc<E>>().map(|error| &**error)
    }
}

impl fmt::Debug for RefreshError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshError").finish_non_exhaustive()
    }
}
