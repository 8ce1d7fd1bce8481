//! The settings of a batching view, checked once.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroUsize;

use super::loader::BoxedLoader;
use super::queue::{BatchQueue, BatchSettings};
use super::{Batching, BatchingInner};
use crate::error::{BuildError, Value};
use crate::hash::DefaultHasher;
use crate::inner::Inner;
use crate::machine::{BatchWindow, Ttl};
use crate::opt_in::BATCH_PERMITS;
use crate::runtime::Runtime;
use crate::sync::{Arc, Mutex};

/// The settings of a [`Batching`] view.
pub struct BatchingBuilder<K: 'static, V: 'static, R: Runtime, L, S = DefaultHasher> {
    cache: Arc<Inner<K, V, R, S>>,
    loader: BoxedLoader<K, V, R::Flavor>,
    window: BatchWindow,
    max_size: usize,
    max_concurrent: Option<usize>,
    ttl: Ttl,
    loader_type: PhantomData<fn() -> L>,
}

impl<K, V, R: Runtime, L, S> BatchingBuilder<K, V, R, L, S> {
    /// The defaults.
    pub(super) fn new(cache: Arc<Inner<K, V, R, S>>, loader: BoxedLoader<K, V, R::Flavor>) -> Self {
        Self {
            cache,
            loader,
            window: BatchWindow::default(),
            max_size: 100,
            max_concurrent: None,
            ttl: Ttl::Default,
            loader_type: PhantomData,
        }
    }

    /// How long a batch waits for more keys; 5 ms if not set. Where the runtime has no timer, a
    /// window lasts until the executor has come round once.
    #[must_use]
    pub fn batch_window(mut self, window: BatchWindow) -> Self {
        self.window = window;
        self
    }

    /// How many keys a batch has at the most; 100 if not set. A full batch leaves at once, and the
    /// next key opens a window of its own.
    #[must_use]
    pub fn max_batch_size(mut self, max: usize) -> Self {
        self.max_size = max;
        self
    }

    /// How many batches may be at the loader at the same time; any number if not set. The others
    /// wait, first come, first served.
    #[must_use]
    pub fn max_concurrent_batches(mut self, max: usize) -> Self {
        BATCH_PERMITS.enable();
        self.max_concurrent = Some(max);
        self
    }

    /// How long the values of batches live, where the loader does not say it of a value itself.
    #[must_use]
    pub fn batch_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// The view.
    ///
    /// # Panics
    /// If [`BatchingBuilder::try_build`] returns an error, with that error.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Batching<K, V, R, L, S> {
        match self.try_build() {
            Ok(view) => view,
            Err(error) => panic!("{error}"),
        }
    }

    /// The view, if its settings can be.
    ///
    /// # Errors
    /// [`BuildError`] with the first setting that cannot be, its value and the rule.
    pub fn try_build(self) -> Result<Batching<K, V, R, L, S>, BuildError> {
        let rule = "it must be at least 1";
        if self.max_size == 0 {
            return Err(BuildError::new("max_batch_size", Value::Count(0), rule));
        }
        if self.max_concurrent == Some(0) {
            return Err(BuildError::new(
                "max_concurrent_batches",
                Value::Count(0),
                rule,
            ));
        }
        if let BatchWindow::Debounce { gap, max } = self.window
            && gap > max
        {
            let rule = "the gap must not be longer than the maximum";
            return Err(BuildError::new(
                "batch_window",
                Value::Window(self.window),
                rule,
            ));
        }
        Ok(self.into_view())
    }

    pub(super) fn into_view(self) -> Batching<K, V, R, L, S> {
        let settings = BatchSettings {
            window: self.window,
            max_size: NonZeroUsize::new(self.max_size).unwrap_or(NonZeroUsize::MIN),
            max_concurrent: self.max_concurrent.and_then(NonZeroUsize::new),
            ttl: self.ttl,
        };
        Batching {
            inner: Arc::new(BatchingInner {
                cache: self.cache,
                loader: self.loader,
                settings,
                queue: R::Mutex::new(BatchQueue::new(&settings)),
            }),
            loader_type: PhantomData,
        }
    }
}

impl<K, V, R: Runtime, L, S> fmt::Debug for BatchingBuilder<K, V, R, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchingBuilder")
            .field("batch_window", &self.window)
            .field("max_batch_size", &self.max_size)
            .field("max_concurrent_batches", &self.max_concurrent)
            .finish_non_exhaustive()
    }
}
