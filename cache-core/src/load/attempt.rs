//! What a caller does next for its key, from its lookup to its answer.

use super::handle::FlightHandle;
use super::join::JoinResult;
use crate::flight::Driver;
use crate::inner::Inner;
use crate::observe::LoadKind;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// What a caller does next for its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It looks the key up.
    Lookup,
    /// It joins a load after a miss. The lookup and this count as one request.
    Load,
    /// It waits for a load that it joined, and retries if the method cannot return the outcome.
    Retry,
    /// As `Load`, for a warm-up, which has looked the key up.
    Warm,
    /// It starts a load that replaces the stored value, or one in flight.
    Refresh,
    /// It leads.
    Lead,
    /// It has its answer.
    Complete(Source),
}

impl Attempt {
    /// Joins the load of `key`, or leads a new one. Reports a load that begins to the observer.
    #[inline(always)]
    pub(super) fn join<'a, K: Eq, V: Clone, R: Runtime, S>(
        self,
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> JoinResult<'a, K, V, R, S> {
        let join = |key| match self {
            Self::Refresh => JoinResult::Lead(FlightHandle::refresh(inner, hash, key, driver)),
            _ => FlightHandle::join_or_lead(inner, hash, key, driver),
        };
        if inner.is_observed() {
            self.join_observed(inner, key, join)
        } else {
            join(key)
        }
    }

    /// Calls `join`, and reports a load that begins to the observer.
    #[cold]
    #[inline(never)]
    fn join_observed<'a, K: Eq, V: Clone, R: Runtime, S>(
        self,
        inner: &Inner<K, V, R, S>,
        key: K,
        join: impl FnOnce(K) -> JoinResult<'a, K, V, R, S>,
    ) -> JoinResult<'a, K, V, R, S> {
        let name = inner.name_key(&key);
        let joined = join(key);
        let kind = match self {
            Self::Refresh => LoadKind::Refresh,
            Self::Warm => LoadKind::Warm,
            _ => LoadKind::Single,
        };
        match &joined {
            JoinResult::Lead(handle) => handle.report_begin(kind, name),
            JoinResult::Hit(_, refresh) => {
                if let Some((handle, _)) = refresh.get().map(|refresh| &**refresh) {
                    handle.report_begin(LoadKind::Refresh, name);
                }
            }
            JoinResult::Wait(..) | JoinResult::Reentrant => {}
        }
        joined
    }

    /// Where the answer of the caller comes from.
    pub(super) const fn source(self) -> Source {
        match self {
            Self::Lookup | Self::Load | Self::Warm | Self::Refresh => Source::Cache,
            Self::Retry => Source::Joined,
            Self::Lead => Source::Own,
            Self::Complete(source) => source,
        }
    }
}

/// Where the answer of a caller comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The value was stored.
    Cache,
    /// The caller led the load.
    Own,
    /// The caller joined the load of another caller.
    Joined,
}
