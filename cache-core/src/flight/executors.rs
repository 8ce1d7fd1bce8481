//! The executors on which a loader was polled. A resource that a loader starts on an executor ends
//! with that executor, and the loader then often panics. The cache cancels such a load.

use crate::runtime::Runtime;

#[cfg(feature = "std")]
use crate::runtime::{EndCheck, ExecutorId};
#[cfg(feature = "std")]
use crate::sync::Mutex;
#[cfg(feature = "std")]
use alloc::boxed::Box;

/// The executors on which a loader was pending and that may end before the program does.
#[cfg(feature = "std")]
pub(crate) struct LoaderExecutors<R: Runtime>(R::Mutex<Option<KnownExecutor<R>>>);

/// Empty: without the standard library the cache cannot catch a loader's panic.
#[cfg(not(feature = "std"))]
pub(crate) struct LoaderExecutors<R>(core::marker::PhantomData<R>);

#[cfg(feature = "std")]
struct KnownExecutor<R: Runtime> {
    executor: ExecutorId,
    has_ended: EndCheck<R>,
    next: Option<Box<Self>>,
}

#[cfg(feature = "std")]
impl<R: Runtime> LoaderExecutors<R> {
    pub(crate) fn new() -> Self {
        Self(R::Mutex::new(None))
    }

    /// Records that the loader is pending on the current executor.
    pub(crate) fn record(&self, runtime: &R) {
        let Some(executor) = runtime.transient_executor() else {
            return;
        };
        if self.0.with(|known| is_known(known.as_ref(), executor)) {
            return;
        }
        let Some(has_ended) = runtime.end_check() else {
            return;
        };
        self.0.with(|known| {
            let next = known.take().map(Box::new);
            *known = Some(KnownExecutor {
                executor,
                has_ended,
                next,
            });
        });
    }

    /// Whether one of the recorded executors, or the current one, has ended. Called once: it takes
    /// the recorded executors.
    pub(crate) fn has_ended(&self, runtime: &R) -> bool {
        if runtime.end_check().is_some_and(|has_ended| has_ended()) {
            return true;
        }
        // Taken out of the lock: the checks are foreign code.
        let mut known = self.0.with(Option::take);
        while let Some(current) = known {
            if (current.has_ended)() {
                return true;
            }
            known = current.next.map(|next| *next);
        }
        false
    }
}

#[cfg(feature = "std")]
fn is_known<R: Runtime>(mut known: Option<&KnownExecutor<R>>, executor: ExecutorId) -> bool {
    while let Some(current) = known {
        if current.executor == executor {
            return true;
        }
        known = current.next.as_deref();
    }
    false
}

#[cfg(not(feature = "std"))]
impl<R: Runtime> LoaderExecutors<R> {
    pub(crate) const fn new() -> Self {
        Self(core::marker::PhantomData)
    }

    pub(crate) const fn record(&self, _: &R) {}

    pub(crate) const fn has_ended(&self, _: &R) -> bool {
        false
    }
}
